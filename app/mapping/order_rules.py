"""The default table of sales orders: WooCommerce orders against Vtiger's SalesOrder."""

from app.errors import System
from app.mapping.rules import FieldRule
from app.records import Direction, WriteCondition

_TO_VTIGER = Direction.WOO_TO_VTIGER
_VTIGER = frozenset({System.VTIGER})


def _address(block: str, prefix: str) -> tuple[FieldRule, ...]:
    country = f"{block}_country"
    lines = (f"{block}.address_1", f"{block}.address_2")
    state = (f"{block}.state",)
    return (
        FieldRule(
            f"{block}_street", lines, f"{prefix}_street", transform="street", required=_VTIGER
        ),
        FieldRule(f"{block}_city", (f"{block}.city",), f"{prefix}_city"),
        FieldRule(f"{block}_zip", (f"{block}.postcode",), f"{prefix}_code"),
        FieldRule(f"{block}_state", state, f"{prefix}_state", transform="state", given=country),
        FieldRule(country, (f"{block}.country",), f"{prefix}_country", transform="country"),
    )


ORDER_RULES: tuple[FieldRule, ...] = (
    FieldRule(
        "subject",
        ("number",),
        "subject",
        direction=_TO_VTIGER,
        write=WriteCondition.ON_CREATE,
        required=_VTIGER,
    ),
    FieldRule("status", ("status",), "sostatus", required=_VTIGER),
    FieldRule("contact", ("customer_id",), "contact_id", direction=_TO_VTIGER),
    FieldRule("account", ("billing.company",), "account_id", direction=_TO_VTIGER),
    FieldRule("currency", ("currency",), "currency_id"),
    *_address("billing", "bill"),
    *_address("shipping", "ship"),
    FieldRule("note", ("customer_note",), "description"),
    FieldRule("refunded", ("refunds",), "description", direction=_TO_VTIGER),
    FieldRule("lines", ("line_items",), "LineItems"),
)
"""`refunded` is the last paragraph of the description; `lines` is `order_lines.Sold`."""
