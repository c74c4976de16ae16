"""The mapping of orders: both systems' orders as neutral values, and the default rows. Pure."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.domain import Direction, System, WriteCondition
from app.mapping.paths import find_path, scalar_text
from app.mapping.rules import FieldRule, read_vtiger, read_woo, sorted_by_given
from app.mapping.values import Mapped, Refusal, Value, amount, money_text
from app.modules.orders.lines import OrderRefs, vtiger_sold, woo_rows, woo_sold
from app.modules.orders.statuses import DRAFTS
from app.parsing import find_list
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord, find_id

# The default table of sales orders: WooCommerce orders against Vtiger's SalesOrder.

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
"""`refunded` is the last paragraph of the description; `lines` is a `Sold` as text."""


NO_STREET = "-"
FOREIGN_ID_META = "_vtiger_id"
CREATED_VIA = "vtiger-sync"

_REFUND_LABEL = "Refunded in WooCommerce: "
_PURCHASE_ORDER = re.compile(r"WC-(?P<store>.+)-[0-9]+", re.ASCII)
_REFUND = re.compile(rf"(?:\A|\n\n){_REFUND_LABEL}(?P<refunded>[^\n]*)\Z")
_PARTS = ("address_1", "address_2", "city", "postcode", "state", "country")


def order_refusal(
    order: WooRecord, *, statuses: Collection[str] | None, currencies: Collection[str]
) -> Refusal | None:
    """Why this order is not synced: a draft, a status not among `statuses` (None: all), or a
    currency that is not active in Vtiger (`currencies`: active codes). None if it is.

    Mapping table "Sales orders"; recordings hook_storefront_guest_checkout_*.
    """
    status, currency = order.text("status"), order.text("currency")
    if status in DRAFTS:
        return Refusal("draft", "The order is a draft: it is synced once it is placed.")
    if statuses is not None and status not in statuses:
        message = f"Orders of status {status} are not synced: add it to the store's statuses."
        return Refusal("filtered", message)
    if currency not in currencies:
        message = f"Vtiger has no active currency {currency}: add it under Settings, Currencies."
        return Refusal("currency_unavailable", message)
    return None


def purchase_order(store: str, order_id: str) -> str:
    """The purchase order (vtiger_purchaseorder) by which the twin of a shop's order is found.

    The query ignores case, accents and trailing spaces: compare exactly (contract page
    Vtiger §10).
    """
    return f"WC-{store}-{order_id}"


def find_store(purchase_order_text: str) -> str | None:
    """The store in a purchase order in our format; None if it has another format."""
    found = _PURCHASE_ORDER.fullmatch(purchase_order_text)
    return found["store"] if found else None


def find_order_id(store: str, purchase_order_text: str) -> str | None:
    """The WooCommerce id in a purchase order of this store; None if it is another store's."""
    prefix = purchase_order(store, "")
    if not purchase_order_text.startswith(prefix):
        return None
    return find_id(purchase_order_text.removeprefix(prefix))


def account_name(order: WooRecord) -> str:
    """The name of the order's Account: company, else the person, else e-mail, else "Guest".

    Vtiger requires an Account for every order (recording 31-so-missing-account_id).
    """
    first, last = (
        find_path(order.data, f"billing.{name}_name") or "" for name in ("first", "last")
    )
    company = find_path(order.data, "billing.company") or ""
    email = find_path(order.data, "billing.email") or ""
    candidates = (company.strip(), f"{first.strip()} {last.strip()}".strip(), email.strip())
    return next(filter(None, candidates), "Guest")


def woo_order(
    order: WooRecord, refs: OrderRefs, *, rules: Sequence[FieldRule] = ORDER_RULES
) -> Mapped:
    """A WooCommerce order's mapped values.

    `status` is the Vtiger status that the shop's leads to, None if there is none; `exact` has the
    shop's own. `contact` is refs.contact_id;
    `lines` is `Sold.to_text()`; a blank shipping address is replaced by the billing address.
    Recordings order_create_full_excl_tax, order_get_with_refund.
    """
    data = with_shipping(order.data)
    values: dict[str, Value] = {}
    for rule in sorted_by_given(rules):
        if reader := _WOO_READERS.get(rule.name):
            values[rule.name] = reader(order, refs)
        else:
            values[rule.name] = read_woo(rule, data, values.get(rule.given) or "")
    return replace(refs.statuses.of_shop(order.text("status")), values=values)


def has_shipping(data: Mapping[str, Any]) -> bool:
    """Whether an order has a shipping address of its own."""
    return any((find_path(data, f"shipping.{part}") or "").strip() for part in _PARTS)


def with_shipping(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The order with its billing address as the shipping address, if that is blank."""
    if has_shipping(data):
        return data
    billing = data.get("billing") or {}
    shipping = {**(data.get("shipping") or {}), **{part: billing.get(part) for part in _PARTS}}
    return {**data, "shipping": shipping}


def _woo_subject(order: WooRecord, refs: OrderRefs) -> Value:  # noqa: ARG001 - readers are alike
    number = find_path(order.data, "number") or find_path(order.data, "id")
    return f"WooCommerce order #{number}"


def _woo_status(order: WooRecord, refs: OrderRefs) -> Value:
    return refs.statuses.to_vtiger.get(order.text("status"))


def _woo_refunded(order: WooRecord, refs: OrderRefs) -> Value:  # noqa: ARG001
    """The refunded amount, "" for none; None where it is not known: the list of refunds is missing,
    or a refund is not an object."""
    listed, rows = find_list(order.data.get("refunds")), woo_rows(order, "refunds")
    if listed is None or len(rows) < len(listed):
        return None
    total = sum((amount(refund.get("total")) for refund in rows), Decimal(0))
    return money_text(-total, order.text("currency")) if total else ""


_WOO_READERS: Mapping[str, Callable[[WooRecord, OrderRefs], Value]] = {
    "subject": _woo_subject,
    "status": _woo_status,
    "contact": lambda _, refs: refs.contact_id,
    "account": lambda order, _: account_name(order),
    "refunded": _woo_refunded,
    "lines": lambda order, refs: woo_sold(order, refs).to_text(),
}


def vtiger_order(
    record: VtigerRecord,
    refs: OrderRefs,
    *,
    rules: Sequence[FieldRule] = ORDER_RULES,
    account: Value = None,
) -> Mapped:
    """A Vtiger order's mapped values; `record.data` is a retrieve answer with LineItems.

    `account` is the Account's name, None if it was not read. refs.currency is the code of the
    order's currency_id; "" (no currency) gives None. A street of "-" is empty. `exact` says whether
    the status table knows the status. Recording
    00-REFERENCE-so-retrieve-full-group.
    """
    values: dict[str, Value] = {}
    for rule in sorted_by_given(rules):
        if reader := _VTIGER_READERS.get(rule.name):
            values[rule.name] = reader(record, refs)
        elif rule.name == "account":
            values[rule.name] = account
        else:
            given = values.get(rule.given) or ""
            values[rule.name] = _vtiger_value(record, rule, given=given)
    return replace(refs.statuses.of_vtiger(values.get("status")), values=values)


def _vtiger_value(record: VtigerRecord, rule: FieldRule, *, given: str) -> Value:
    text = scalar_text(record.data.get(rule.vtiger))
    if text == NO_STREET and rule.transform == "street":
        text = ""
    return read_vtiger(rule, text, given)


def split_description(description: str) -> tuple[str, str]:
    """Split a Vtiger order's description into the customer's note and the refunded amount."""
    found = _REFUND.search(description)
    return (description[: found.start()], found["refunded"]) if found else (description, "")


def join_description(note: str, refunded: str) -> str:
    """The inverse of `split_description`."""
    return "\n\n".join(filter(None, (note, refunded and _REFUND_LABEL + refunded)))


def _vtiger_note(record: VtigerRecord, refs: OrderRefs) -> Value:  # noqa: ARG001
    text = scalar_text(record.data.get("description"))
    return None if text is None else split_description(text)[0]


def _vtiger_refunded(record: VtigerRecord, refs: OrderRefs) -> Value:  # noqa: ARG001
    text = scalar_text(record.data.get("description"))
    return None if text is None else split_description(text)[1]


_VTIGER_READERS: Mapping[str, Callable[[VtigerRecord, OrderRefs], Value]] = {
    "currency": lambda _, refs: refs.currency or None,
    "note": _vtiger_note,
    "refunded": _vtiger_refunded,
    "lines": lambda record, refs: vtiger_sold(record, refs).to_text(),
}
