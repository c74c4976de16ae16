"""The money fields of an order sent with its lines: each is set by what was sent, or blanked."""

from collections.abc import Mapping
from typing import Any

from sandbox.vtiger import columns, php
from sandbox.vtiger.charges import Charges
from sandbox.vtiger.schema import Module

DISCOUNTS = ("hdnDiscountPercent", "hdnDiscountAmount")


def money_values(element: Mapping[str, Any], charges: Charges, module: Module) -> dict[str, str]:
    """Columns that a save with lines writes (contract page Vtiger §0.7, §3, §10; 41-*, 42-*).

    Neither discount is touched unless one that is not zero is sent. Nothing is rounded to the
    user's decimals here.
    """
    sent: dict[str, Any] = {
        "txtAdjustment": _adjustment(element.get("txtAdjustment")),
        "hdnS_H_Amount": charges.amount,
        "hdnS_H_Percent": charges.percent,
        "hdnSubTotal": _unless_empty(element.get("hdnSubTotal")),
        "hdnGrandTotal": _unless_empty(element.get("hdnGrandTotal")),
        "pre_tax_total": None,
    }
    stored = {
        name: columns.to_decimal(php.text(value), module.fields[name])
        for name, value in sent.items()
    }
    tax_type = _unless_empty(element.get("hdnTaxType"))
    return stored | _discounts(element, module) | {"hdnTaxType": php.text(tax_type)}


def conversion_rate(element: Mapping[str, Any]) -> Any:
    """A rate that is not sent again is 1, in every save."""
    sent = element.get("conversion_rate")
    return 1 if php.is_empty(sent) else sent


def _discounts(element: Mapping[str, Any], module: Module) -> dict[str, str]:
    """An amount beats a percentage; the one not used is blank."""
    blank = dict.fromkeys(DISCOUNTS, "")
    for name in reversed(DISCOUNTS):
        sent = element.get(name)
        if php.to_float(sent):
            return blank | {name: columns.to_decimal(php.text(sent), module.fields[name])}
    return {}


def _adjustment(sent: Any) -> Any:
    """A number goes through a double, whose text has 14 digits."""
    return php.text(php.to_float(sent))


def _unless_empty(sent: Any) -> Any:
    return None if php.is_empty(sent) else sent
