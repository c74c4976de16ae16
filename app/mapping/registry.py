"""How each module is mapped: its default rows, and what users' own rows may have. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.mapping.contact_rules import CONTACT_RULES
from app.mapping.limits import ACCOUNT_NAME_SIZE, CONTACT_SIZES, ORDER_SIZES, PRODUCT_SIZES
from app.mapping.order_rules import ORDER_RULES
from app.mapping.pairings import (
    ORDER_RESERVED,
    PRODUCT_RESERVED,
    RESERVED_EVERYWHERE,
    Reserved,
)
from app.mapping.product_rules import PRODUCT_RULES
from app.mapping.reference_notes import (
    CONTACT_INTRODUCTION,
    CONTACT_NOTES,
    ORDER_INTRODUCTION,
    ORDER_NOTES,
    PRODUCT_INTRODUCTION,
    PRODUCT_NOTES,
    TAX_INTRODUCTION,
    TAX_NOTES,
)
from app.mapping.rules import FieldRule
from app.mapping.taxes import TAX_RULES
from app.mapping.woo_fields import CUSTOMER_FIELDS, ORDER_FIELDS, PRODUCT_FIELDS, WooField
from app.records import Module


@dataclass(frozen=True, slots=True)
class ModuleMapping:
    """One module's mapping.

    - `rules`: the default rows; `fixed`: those whose values the sync makes or reads in a way of
      its own, so that no other transform may stand in.
    - `woo_fields`: the shop's fields that users' rows may name; `has_attributes`: product
      attributes too; `hides_meta`: WooCommerce shows no meta that begins with `_`.
    - `reserved`: fields of Vtiger that no user's row may have.
    - `sizes`: characters that Vtiger keeps, by field.
    - `introduction`, `notes`: what docs/mapping.md says of the module, and of its rows.
    """

    rules: tuple[FieldRule, ...]
    fixed: frozenset[str]
    sizes: Mapping[str, int]
    introduction: str
    notes: Mapping[str, str]
    woo_fields: tuple[WooField, ...] = ()
    has_attributes: bool = False
    hides_meta: bool = False
    reserved: Reserved = field(default=())

    def find_rule(self, name: str) -> FieldRule | None:
        return next((rule for rule in self.rules if rule.name == name), None)

    def find_woo_field(self, path: str) -> WooField | None:
        """The field of a path; None for meta, attributes and what is not known."""
        return next((each for each in self.woo_fields if each.path == path), None)

    def why_reserved(self, vtiger: str) -> str:
        """Why no user's row may have this field of Vtiger; "" if one may."""
        if told := RESERVED_EVERYWHERE.get(vtiger, ""):
            return told
        return next((why for what, why in self.reserved if what.fullmatch(vtiger)), "")


MAPPINGS: Mapping[Module, ModuleMapping] = {
    Module.CONTACTS: ModuleMapping(
        rules=CONTACT_RULES,
        fixed=frozenset({"first_name", "last_name", "company", "email"}),
        sizes={**CONTACT_SIZES, "account_id": ACCOUNT_NAME_SIZE},
        introduction=CONTACT_INTRODUCTION,
        notes=CONTACT_NOTES,
        woo_fields=CUSTOMER_FIELDS,
        hides_meta=True,
    ),
    Module.PRODUCTS: ModuleMapping(
        rules=PRODUCT_RULES,
        fixed=frozenset(rule.name for rule in PRODUCT_RULES),
        sizes=PRODUCT_SIZES,
        introduction=PRODUCT_INTRODUCTION,
        notes=PRODUCT_NOTES,
        woo_fields=PRODUCT_FIELDS,
        has_attributes=True,
        reserved=PRODUCT_RESERVED,
    ),
    Module.SALES_ORDERS: ModuleMapping(
        rules=ORDER_RULES,
        fixed=frozenset(
            rule.name for rule in ORDER_RULES if not rule.name.startswith(("billing_", "shipping_"))
        ),
        sizes=ORDER_SIZES,
        introduction=ORDER_INTRODUCTION,
        notes=ORDER_NOTES,
        woo_fields=ORDER_FIELDS,
        reserved=ORDER_RESERVED,
    ),
    Module.TAXES: ModuleMapping(
        rules=TAX_RULES,
        fixed=frozenset(rule.name for rule in TAX_RULES),
        sizes={"taxlabel": 50},
        introduction=TAX_INTRODUCTION,
        notes=TAX_NOTES,
    ),
}
