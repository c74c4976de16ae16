"""Shipping and handling of an order: two ways to send it, one odd way to keep it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.vtiger import php

CHARGE = "shipping_&_handling"
SHIPPING_TAXES = {"1": "VAT", "2": "Sales", "3": "Service"}


@dataclass
class Charges:
    """`kept` is the JSON of the charges table: charge number -> {value, percent, taxes: {n: %}}.

    The values in it are as they were sent. `amount` and `percent` go to hdnS_H_Amount and
    hdnS_H_Percent.
    """

    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    amount: Any = None
    percent: Any = None

    def taxes(self, number: Callable[[Any], float] = php.number) -> list[float]:
        """The tax amounts, in their order; PhpFatal for a value that is no number."""
        return [
            number(charge.get("value")) * number(rate) / 100
            for charge in self.kept.values()
            for rate in charge.get("taxes", {}).values()
        ]

    def shown(self) -> dict[str, Any]:
        """The charge fields of a read order, of the types that were sent."""
        row: dict[str, Any] = {}
        for number, charge in self.kept.items():
            name = CHARGE if number == "1" else ""
            percent = charge.get("percent")
            row[name] = charge.get("value") if percent is None else f"{percent}%"
            for tax, rate in charge.get("taxes", {}).items():
                row[f"{name}_shtax{tax}"] = rate
        return row


def sent_charges(element: Mapping[str, Any]) -> Charges:
    """Reads an order element (contract page Vtiger §3, §10; recordings 36-*, 38-so-sh-percent).

    A charge field that is not zero wins over hdnS_H_Amount. PhpFatal for texts without a number,
    also in the discount, which a percentage is computed from.
    """
    base = _percentage_base(element)
    charges = Charges(_charge_field(element, base))
    total = php.number(charges.kept.get("1", {}).get("value"))
    if total:
        charges.amount = charges.percent = total
    else:
        _by_amount(charges, element)
    return charges


def _percentage_base(element: Mapping[str, Any]) -> float:
    sub, percent = php.to_float(element.get("hdnSubTotal")), element.get("hdnDiscountPercent")
    if php.is_empty(percent):
        return sub - php.number(element.get("hdnDiscountAmount"))
    return sub - sub * php.to_float(percent) / 100


def _charge_field(element: Mapping[str, Any], base: float) -> dict[str, dict[str, Any]]:
    charge: dict[str, Any] = {}
    if CHARGE in element:
        sent = php.text(element[CHARGE])
        value: Any = sent.replace("%", "")
        if "%" in sent:
            charge["percent"] = value
            value = php.json_number(base * php.to_float(value) / 100)
        charge["value"] = value
    names = {tax: f"{CHARGE}_shtax{tax}" for tax in SHIPPING_TAXES}
    taxes = {tax: element[name] for tax, name in names.items() if name in element}
    if taxes:
        charge["taxes"] = taxes
    return {"1": charge} if charge else {}


def _by_amount(charges: Charges, element: Mapping[str, Any]) -> None:
    charges.amount = element.get("hdnS_H_Amount")
    charge = charges.kept.setdefault("1", {})
    charge["value"] = charges.amount
    percent = element.get("hdnS_H_Percent")
    if php.to_float(percent) and php.to_float(charges.amount):
        share = php.number(percent) / php.number(charges.amount) * 100
        charges.percent = php.json_number(share)
        charge["taxes"] = {"1": percent}
        charges.kept[""] = {"taxes": {"1": charges.percent}}
        return
    sent = {tax: element.get(f"shtax{tax}_sh_percent") for tax in SHIPPING_TAXES}
    charge["taxes"] = {tax: 0 if rate is None else rate for tax, rate in sent.items()}
