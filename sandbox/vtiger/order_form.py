"""The edit form of an order: it always sends the whole money and all lines back."""

from collections.abc import Mapping
from typing import Any

from sandbox.vtiger.charges import CHARGE, SHIPPING_TAXES
from sandbox.vtiger.database import Record
from sandbox.vtiger.money import DISCOUNTS
from sandbox.vtiger.order_state import TOTALS, OrderStore
from sandbox.vtiger.totals import INDIVIDUAL

_FIGURES = ("hdnTaxType", "hdnS_H_Amount", "txtAdjustment")
_RATES = tuple(f"shtax{tax}_sh_percent" for tax in SHIPPING_TAXES)
NEW = {"currency_id": "21x1", "hdnTaxType": INDIVIDUAL}
MONEY = frozenset({*_FIGURES, *_RATES, *DISCOUNTS, *TOTALS, "hdnS_H_Percent", "LineItems"})


def touches_money(typed: Mapping[str, Any]) -> bool:
    return any(name in MONEY or name.startswith(CHARGE) for name in typed)


def filled_form(record: Record, store: OrderStore, typed: Mapping[str, Any]) -> dict[str, Any]:
    """What the form sends: the stored money and lines, with what was typed over them."""
    charge = store.state(record.number).charges.kept.get("1", {})
    rates = {f"shtax{tax}_sh_percent": rate for tax, rate in charge.get("taxes", {}).items()}
    discounts = () if set(DISCOUNTS) & typed.keys() else DISCOUNTS
    stored = {name: record.values[name] for name in (*_FIGURES, *discounts) if record.values[name]}
    return {**stored, **rates, "LineItems": _lines(record, store), **typed}


def _lines(record: Record, store: OrderStore) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in line.values.items() if value}
        | {"productid": f"14x{line.product}"}
        for line in store.lines.of(record.number)
    ]
