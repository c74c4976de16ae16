"""What an order keeps beside its fields: its charges, and what only the running save knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.vtiger.catalogue import Catalogue
from sandbox.vtiger.charges import Charges
from sandbox.vtiger.lines import Line, LineTable, Sent
from sandbox.vtiger.php import json_number, number
from sandbox.vtiger.totals import Item, Terms, Totals, is_individual, total

RECURRING = (
    "recurring_frequency",
    "start_period",
    "end_period",
    "payment_duration",
    "invoicestatus",
)
TOTALS = ("hdnSubTotal", "pre_tax_total", "hdnGrandTotal")


@dataclass
class OrderState:
    """`unfinished` are the fields as they stood when the lines were written: what a workflow sees.

    `totals` are the doubles just computed, None once they were only read from the table.
    """

    charges: Charges = field(default_factory=Charges)
    unfinished: dict[str, str] = field(default_factory=dict)
    totals: Totals | None = None


@dataclass(frozen=True)
class Mishap:
    """A write that keeps only its first lines: PHP dies after them, or nobody notices.

    Contract pages readback, "Worst of all" (of 148 orders made at once one got no line row), and
    Vtiger §10 (a 500 leaves what was written until then).
    """

    kept: int
    dies: bool


@dataclass
class OrderStore:
    """The lines and states of all orders, by record number; `mishaps` befall the next writes.

    `line_gap_s` are the seconds between the moment when Vtiger's own way reads which number the
    first line of an order will have, and its insertion: where it is not 0, writes that overlap
    lose lines.
    """

    catalogue: Catalogue
    lines: LineTable = field(default_factory=LineTable)
    mishaps: list[Mishap] = field(default_factory=list)
    line_gap_s: float = 0.0
    _states: dict[int, OrderState] = field(default_factory=dict)

    def state(self, order: int) -> OrderState:
        return self._states.setdefault(order, OrderState())

    def computed(self, order: int) -> dict[str, float]:
        """The totals of the last write with lines, as the unrounded numbers its answer has."""
        totals = self.state(order).totals
        return {} if totals is None else dict(zip(TOTALS, map(json_number, totals), strict=True))

    def drop(self, order: int) -> None:
        """Nothing is left of it."""
        self.lines.remove(order)
        self._states.pop(order, None)

    def compute(self, order: int, values: Mapping[str, str], first: Sent) -> Totals:
        """The totals of the stored lines; `first` is the first line as it was sent.

        PhpFatal for a rate that is no number.
        """
        items = [self._item(line) for line in self.lines.of(order)]
        return total(items, self._terms(order, values, first))

    def _item(self, line: Line) -> Item:
        """Taxes of a deleted product do not count (recording deleted-product-revise)."""
        deleted = self.catalogue.is_deleted(line.product)
        carried = {} if deleted else self.catalogue.rates(line.product)
        columns = (name for name in self.catalogue.tax_columns() if name in carried)
        return line.item([float(line.values.get(name) or 0) for name in columns])

    def _terms(self, order: int, values: Mapping[str, str], first: Sent) -> Terms:
        return Terms(
            tax_type=values["hdnTaxType"],
            discount_amount=float(values["hdnDiscountAmount"] or 0),
            discount_percent=float(values["hdnDiscountPercent"] or 0),
            shipping=float(values["hdnS_H_Amount"]),
            adjustment=float(values["txtAdjustment"]),
            group_rates=() if is_individual(values["hdnTaxType"]) else self._group_rates(first),
            charge_taxes=self.state(order).charges.taxes(),
        )

    def _group_rates(self, first: Sent) -> list[float]:
        sent = (first.get(name) for name in self.catalogue.tax_columns())
        return [number(rate) for rate in sent if rate is not None]
