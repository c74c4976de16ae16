"""Tax rates and Vtiger's taxes as sides of a pair, with the labels that tell rates apart."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.errors import System
from app.mapping.taxes import match_tax, vtiger_tax, woo_tax
from app.mapping.values import Value
from app.sync.books import TAX
from app.sync.sides import Side
from app.vtiger.schemas import VtigerRecord, VtigerTax
from app.woocommerce.schemas import WooTaxRate


def rate_side(rate: WooTaxRate, label: str) -> Side:
    """A rate with the label that tells it from the shop's others."""
    return Side(
        system=System.WOOCOMMERCE,
        id=rate.id,
        values=woo_tax(rate, label=label),
        modified_at=None,
        created_at=None,
        label=label,
        foreign_id=None,
        raw=rate,
    )


@dataclass(frozen=True, slots=True)
class SharingRate(WooTaxRate):
    """A rate without a tax of its own: it shares that of the rate `leader`."""

    leader: str = ""


def tax_side(tax: VtigerRecord) -> Side:
    """A Vtiger tax as a side."""
    return Side(
        system=System.VTIGER,
        id=tax.id,
        values=vtiger_tax(tax),
        modified_at=None,
        created_at=None,
        label=tax.get("taxlabel"),
        foreign_id=None,
        raw=tax,
    )


def rate_of(side: Side) -> WooTaxRate:
    """What a side of the shop was made of."""
    if not isinstance(side.raw, WooTaxRate):
        raise TypeError(f"{side.system} {side.id} is no rate of a shop")
    return side.raw


def matching_taxes(
    label: Value, percentage: Value, taxes: Iterable[VtigerRecord]
) -> list[VtigerRecord]:
    """Vtiger's taxes of a label and percentage: several, if it has the label twice."""
    match = match_tax(label or "", percentage, taxes=taxes)
    return [match.tax] if match.tax else list(match.ambiguous)


def is_among(rate: WooTaxRate, rates: Iterable[WooTaxRate]) -> bool:
    """Whether a rate is known as it is now; links may be shown differently in a list."""
    return any(_bare(each) == _bare(rate) for each in rates)


def _bare(rate: WooTaxRate) -> dict[str, Any]:
    return {name: value for name, value in rate.data.items() if name != "_links"}


def tax_record(tax: VtigerTax) -> VtigerRecord:
    """A tax as a query shows it, of what a write answered."""
    percentage = "" if tax.percentage is None else str(tax.percentage)
    fields = {"taxname": tax.name, "taxlabel": tax.label, "percentage": percentage}
    return VtigerRecord.parse({"id": tax.id, **fields}, TAX)
