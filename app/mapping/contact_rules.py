"""The default table of contacts: a customer's fields against those of a Vtiger contact."""

from app.errors import System
from app.mapping.rules import FieldRule

_VTIGER = frozenset({System.VTIGER})
_WOO = frozenset({System.WOOCOMMERCE})


def _address(block: str, prefix: str) -> tuple[FieldRule, ...]:
    country = f"{prefix}_country"
    return (
        FieldRule(
            f"{prefix}_street",
            (f"{block}.address_1", f"{block}.address_2"),
            f"{prefix}street",
            transform="street",
        ),
        FieldRule(f"{prefix}_city", (f"{block}.city",), f"{prefix}city"),
        FieldRule(f"{prefix}_zip", (f"{block}.postcode",), f"{prefix}zip"),
        FieldRule(
            f"{prefix}_state",
            (f"{block}.state",),
            f"{prefix}state",
            transform="state",
            given=country,
        ),
        FieldRule(country, (f"{block}.country",), f"{prefix}country", transform="country"),
    )


CONTACT_RULES: tuple[FieldRule, ...] = (
    FieldRule("first_name", ("first_name", "billing.first_name"), "firstname"),
    FieldRule("last_name", ("last_name", "billing.last_name"), "lastname", required=_VTIGER),
    FieldRule("email", ("email",), "email", transform="email", required=_WOO),
    FieldRule("phone", ("billing.phone",), "phone", transform="phone"),
    FieldRule("mobile", ("shipping.phone",), "mobile", transform="phone"),
    FieldRule("company", ("billing.company",), "account_id", transform="company"),
    *_address("billing", "mailing"),
    *_address("shipping", "other"),
)
