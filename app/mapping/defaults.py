"""The default tables of all modules, and what users may not change about them."""

from collections.abc import Mapping

from app.mapping.contact_rules import CONTACT_RULES
from app.mapping.order_rules import ORDER_RULES
from app.mapping.product_rules import PRODUCT_RULES
from app.mapping.rules import FieldRule
from app.mapping.taxes import TAX_RULES
from app.records import Module

DEFAULT_RULES: Mapping[Module, tuple[FieldRule, ...]] = {
    Module.CONTACTS: CONTACT_RULES,
    Module.PRODUCTS: PRODUCT_RULES,
    Module.SALES_ORDERS: ORDER_RULES,
    Module.TAXES: TAX_RULES,
}

TRANSFORMABLE = frozenset({"text", "phone", "country", "state"})
"""Default transforms that another may stand in for, but for the rows below."""

FIXED: Mapping[Module, frozenset[str]] = {
    Module.CONTACTS: frozenset({"first_name", "last_name", "company", "email"}),
    Module.PRODUCTS: frozenset(rule.name for rule in PRODUCT_RULES),
    Module.SALES_ORDERS: frozenset(
        rule.name for rule in ORDER_RULES if not rule.name.startswith(("billing_", "shipping_"))
    ),
    Module.TAXES: frozenset(rule.name for rule in TAX_RULES),
}
"""Rows whose values the sync makes or reads in a way of its own."""


def find_default(module: Module, name: str) -> FieldRule | None:
    return next((rule for rule in DEFAULT_RULES[module] if rule.name == name), None)
