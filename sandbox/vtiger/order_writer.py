"""Writes an order's lines and, from them, its totals; what fails half-way stays half-written."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from sandbox.vtiger import columns, php
from sandbox.vtiger.charges import Charges, sent_charges
from sandbox.vtiger.database import Record
from sandbox.vtiger.lines import Sent, column_values, product_of, sent_lines
from sandbox.vtiger.money import money_values
from sandbox.vtiger.order_state import RECURRING, TOTALS, OrderStore
from sandbox.vtiger.refusals import PhpFatal, invalid_record
from sandbox.vtiger.schema import Module
from sandbox.vtiger.totals import is_individual


class OrderWriter:
    """Contract pages Vtiger §3, §10 and readback; recordings 40-* to 42-*, sales-orders."""

    def __init__(self, store: OrderStore, module: Module) -> None:
        self._store = store
        self._fields = module.fields
        self._module = module

    def lines_of(self, element: Mapping[str, Any]) -> list[Sent]:
        return sent_lines(element, self._store.catalogue.tax_columns())

    def write(self, record: Record, element: Mapping[str, Any]) -> None:
        """Replaces the lines of a saved order and computes its totals.

        PhpFatal leaves a ghost with the lines before the bad one, or with all of them and no
        totals when it is the order's own figures that are bad.
        """
        self._begin(record, element)
        lines = self.lines_of(element)
        mishap = self._store.mishaps.pop(0) if self._store.mishaps else None
        for position, line in enumerate(lines[: mishap.kept] if mishap else lines, 1):
            self._insert(record, line, position)
        if mishap and mishap.dies:
            raise PhpFatal
        state = self._store.state(record.number)
        state.unfinished = {name: record.values[name] for name in (*TOTALS, *RECURRING)}
        self._compute(record, lines)
        self.finish(record)

    def write_directly(self, record: Record, element: Mapping[str, Any]) -> None:
        """The same without the mishaps of Vtiger's own way, and known at once to workflows."""
        self._begin(record, element)
        lines = self.lines_of(element)
        for position, line in enumerate(lines, 1):
            self._insert(record, line, position)
        self._compute(record, lines)
        self.finish(record)

    def rehearse(self, draft: Record, element: Mapping[str, Any]) -> None:
        """Writes what is no record of the CRM, and takes it away again: what is bad shows before
        anything is stored. Refusal where a number is none."""
        try:
            self.write_directly(draft, element)
        except PhpFatal:
            raise invalid_record("A number of the order is none") from None
        finally:
            self._store.drop(draft.number)

    def ruin(self, record: Record, element: Mapping[str, Any]) -> NoReturn:
        """What 8.3 and 8.4 make of a revise with lines: no totals, and lines only outside
        individual mode (recording stock-orders; contract page Vtiger add-on writes, F3)."""
        self._begin(record, element)
        if not is_individual(record.values["hdnTaxType"]):
            for position, line in enumerate(self.lines_of(element), 1):
                self._insert(record, line, position)
        raise PhpFatal

    def finish(self, record: Record) -> None:
        """Invoice status and period live with a recurrence, and go without one."""
        if record.values["enable_recurring"] != "1":
            record.values |= dict.fromkeys(RECURRING, "")

    def unfinished(self, record: Record) -> Record:
        """The record as it stood between its lines and its totals, if that was the last write."""
        before = self._store.state(record.number).unfinished
        return replace(record, values=record.values | before)

    def forget(self, record: Record) -> None:
        """Another write has followed: what callbacks see is the record as it is."""
        self._store.state(record.number).unfinished = {}

    def _begin(self, record: Record, element: Mapping[str, Any]) -> None:
        state = self._store.state(record.number)
        state.charges, state.totals, state.unfinished = Charges(), None, {}
        self._store.lines.remove(record.number)
        record.values |= money_values(element, state.charges, self._module)
        state.charges = sent_charges(element)
        record.values |= money_values(element, state.charges, self._module)

    def _insert(self, record: Record, line: Sent, position: int) -> None:
        values = column_values(
            line,
            position,
            individual=is_individual(record.values["hdnTaxType"]),
            catalogue=self._store.catalogue,
        )
        self._store.lines.add(record.number, product_of(line), values)

    def _compute(self, record: Record, lines: Sequence[Sent]) -> None:
        first = lines[0] if lines else {}
        totals = self._store.compute(record.number, record.values, first)
        self._store.state(record.number).totals = totals
        for name, amount in zip(TOTALS, totals, strict=True):
            record.values[name] = columns.to_decimal(php.text(amount), self._fields[name])
