"""Sales orders: records with lines, whose totals are computed only when lines are sent."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from sandbox.vtiger import php
from sandbox.vtiger.charges import CHARGE
from sandbox.vtiger.database import Database, Record
from sandbox.vtiger.entities import Element, Entities, decoded, source_of
from sandbox.vtiger.lines import product_of
from sandbox.vtiger.money import DISCOUNTS, conversion_rate
from sandbox.vtiger.order_form import MONEY, NEW, filled_form, touches_money
from sandbox.vtiger.order_state import OrderStore
from sandbox.vtiger.order_view import ARTICLES, OrderView
from sandbox.vtiger.order_writer import OrderWriter
from sandbox.vtiger.refusals import (
    PhpFatal,
    Refusal,
    invalid_record,
    mandatory_missing,
    no_such_record,
    wrong_id,
)
from sandbox.vtiger.schema import Field, Module
from sandbox.vtiger.table import Written
from sandbox.vtiger.totals import INDIVIDUAL
from sandbox.vtiger.users import CrmUser

LINES = "LineItems"
_ID = re.compile(r"\d+x\d+", re.ASCII)
_UNDESCRIBED = (
    Field("image", "string", on_lines=True),
    Field("purchase_cost", "currency", "decimal(27,8)", on_lines=True),
    Field("margin", "currency", "decimal(27,8)", on_lines=True),
)
_QUERY_KEYS = {"hdnDiscountPercent": "discount_percent", "hdnDiscountAmount": "discount_amount"}


class SalesOrders(Entities):
    """Contract page Vtiger §0, §3, §10; recordings 00-REFERENCE-*, 31-* to 43-*, 45-*, 74-*."""

    def __init__(self, database: Database, module: Module, store: OrderStore) -> None:
        super().__init__(database, _with_undescribed(module))
        self._store = store
        self._view = OrderView(database, store)
        self._writer = OrderWriter(store, self.module)

    def create(self, element: Element, user: CrmUser) -> Written:
        record = self._created(element, user)
        answer = {"id": self.ws_id(record)} | self._just_written(record, user) | {"new": True}
        return Written(record, answer)

    def update(self, element: Element, user: CrmUser) -> Written:
        """With lines its answer has no LineItems although they were stored (42-so-update-*)."""
        self._check_changed(element, mandatory=self.module.mandatory)
        record = self._changed(element, user)
        if not self._writer.lines_of(element):
            return self._revised(record, element, user)
        unset = dict.fromkeys(self._line_names(), "")
        answer = unset | self._just_written(record, user) | {"LineItems": []}
        return Written(record, answer)

    def revise(self, element: Element, user: CrmUser) -> Written:
        sent = [name for name in self.module.mandatory if name in element]
        self._check_changed(element, mandatory=sent)
        record = self._changed(element, user)
        if not self._writer.lines_of(element):
            return self._revised(record, element, user)
        return Written(record, {**element, **self._just_written(record, user)})

    async def overlapping(self, element: Element, write: Callable[[], Written]) -> Written:
        """Carries out a create, update or revise; if it has lines, others write meanwhile where
        the store leaves a gap for that (contract page Vtiger add-on writes, F1)."""
        gap_s, lines = self._store.line_gap_s, self._store.lines
        if not gap_s or not self._writer.lines_of(element):
            return write()
        number = lines.next_number()
        await asyncio.sleep(gap_s)
        lines.chosen = number
        try:
            return write()
        finally:
            lines.chosen = 0

    def delete(self, ws_id: str, user: CrmUser) -> Record:
        """The lines go first, and in 8.4 the order is read once more after them."""
        record = self.get(ws_id)
        self._store.lines.remove(record.number)
        self._check_readable(record)
        return self.discard(ws_id, user)

    def read(self, record: Record, user: CrmUser) -> dict[str, Any]:
        self._check_readable(record)
        lines = self._store.lines.of(record.number)
        return self._view.details(record, super().read(record, user), lines, user=user)

    def write_directly(self, element: Element, user: CrmUser) -> Record:
        """Creates, or with an `id` revises, an order with its lines as the add-on does it: the same
        in every version, and whole or not at all (contract page Vtiger add-on writes, §2).

        Of the money what is not sent is none, the discount too; the rate of a known order stays.
        Refusal where nothing was written.
        """
        before = None
        if "id" in element:
            before = self.get(php.text(element["id"]))
            element = {"conversion_rate": before.values["conversion_rate"], **element}
            sent = [name for name in self.module.mandatory if name in element]
            self._check_changed(element, mandatory=sent)
        else:
            super()._check_created(element)
        lines = self._writer.lines_of(element)
        if not lines:
            raise mandatory_missing()
        for line in lines:
            self._check_line(line)
        values = self._values(element, user, before=before.values if before else None)
        values |= dict.fromkeys(DISCOUNTS, "")
        self._writer.rehearse(Record(0, self.module.name, dict(values)), element)
        if before is None:
            values["source"] = source_of(element)
            record = self._inserted(values, user)
        else:
            record = self._committed(before, values, user)
        self._writer.write_directly(record, element)
        return record

    def _check_line(self, line: Mapping[str, Any]) -> None:
        """What stock Vtiger takes in silence; a product that was deleted is as good as any."""
        product = line.get("productid")
        if not isinstance(product, str) or line.get("quantity") is None:
            raise invalid_record("A line needs a product or service, and a quantity")
        if not _ID.fullmatch(product):
            raise wrong_id()
        module = self.database.module_name_of(product)
        if module not in ARTICLES:
            raise Refusal("REFERENCE_INVALID", "Invalid reference specified for productid")
        record = self.database.find_entity(product_of(line))
        if record is None or record.module != module:
            raise no_such_record()

    def read_whole(self, record: Record, user: CrmUser) -> dict[str, Any]:
        """As retrieve, an order without lines too; but lines name their order, and of the screen's
        details there is only which products they are of."""
        lines = self._store.lines.of(record.number)
        return self._view.whole(record, super().read(record, user), lines)

    def callback_data(self, record: Record, user: CrmUser) -> dict[str, Any]:
        """After a write with lines, the totals are still those of before they were computed."""
        return self.read(self._writer.unfinished(record), user)

    def cell(self, record: Record, name: str, user: CrmUser, /) -> str | None:
        """In 8.4 so are discounts that are not set, and the columns of a line where there is none
        (recording query-order-without-lines)."""
        can_be_null = name in DISCOUNTS or self.module.fields[name].on_lines
        if can_be_null and self.database.breaks_orders and not record.values.get(name):
            return None
        return super().cell(record, name, user)

    def columns(self) -> list[Field]:
        return [item for item in self.module.fields.values() if not item.name.startswith(CHARGE)]

    def rows_for(self, names: AbstractSet[str], /) -> Iterable[Record]:
        """A column of the lines makes a row of every line; LIMIT then counts those (45-*)."""
        if not names & set(self._line_names()):
            return self.rows()
        return [row for record in self.rows() for row in self._view.joined(record)]

    def answered(self, rows: Sequence[Record]) -> Sequence[Record]:
        """Rows of one order fall together, the last one wins."""
        return list({row.number: row for row in rows}.values())

    def key(self, name: str) -> str:
        """The discounts of order and line share a column name (32-so-individual-query)."""
        return _QUERY_KEYS.get(name, name)

    def type_in(self, values: Mapping[str, Any], user: CrmUser, record: Record | None) -> Record:
        """A person saves the form, which recomputes the totals when anything of them is touched.

        `values` may have LineItems and the money fields as the web service takes them.
        """
        typed = values if record else {**NEW, **values}
        own = {item.name for item in self.own_fields()} - MONEY
        saved = super().type_in({name: typed[name] for name in own & typed.keys()}, user, record)
        if touches_money(typed):
            form = filled_form(saved, self._store, typed)
            saved.values |= dict.fromkeys(DISCOUNTS, "")
            self._writer.write(saved, form)
        self._writer.finish(saved)
        self._writer.forget(saved)
        return saved

    def _blank(self, user: CrmUser) -> dict[str, str]:
        blank = super()._blank(user) | dict.fromkeys(DISCOUNTS, "")
        return blank | {"conversion_rate": "1.000"}

    def _values(
        self, element: Element, user: CrmUser, *, before: Mapping[str, str] | None
    ) -> dict[str, str]:
        element = {**element, "conversion_rate": conversion_rate(element)}
        values = super()._values(element, user, before=before)
        if self._writer.lines_of(element):
            kept = before or dict.fromkeys(DISCOUNTS, "")
            values |= {name: kept[name] for name in DISCOUNTS}
        return values

    def _check_created(self, element: Element) -> None:
        super()._check_created(element)
        if not self._writer.lines_of(element):
            raise mandatory_missing()

    def _created(self, element: Element, user: CrmUser) -> Record:
        if self.database.breaks_orders:
            self._check_created(element)
            raise wrong_id()
        record = super()._created(element, user)
        self._writer.write(record, element)
        return record

    def _changed(self, element: Element, user: CrmUser) -> Record:
        record = super()._changed(element, user)
        if self._writer.lines_of(element):
            if self.database.breaks_orders:
                self._writer.ruin(record, element)
            self._writer.write(record, element)
        else:
            self._writer.finish(record)
            self._writer.forget(record)
            self._check_readable(record)
        return record

    def _check_readable(self, record: Record) -> None:
        """8.3 and 8.4 die over an order in individual mode that has no lines (stock-orders)."""
        empty = not self._store.lines.of(record.number)
        if self.database.breaks_orders and empty and record.values["hdnTaxType"] == INDIVIDUAL:
            raise PhpFatal

    def _just_written(self, record: Record, user: CrmUser) -> dict[str, Any]:
        """As cached while the lines were written: without them in its details, with new totals."""
        cached = self._writer.unfinished(record)
        header = decoded(Entities.read(self, cached, user))
        answer = self._view.details(cached, header, [], user=user)
        lines = self._store.lines.of(record.number)
        computed = self._store.computed(record.number)
        return answer | computed | {"LineItems": self._view.items(lines)}

    def _revised(self, record: Record, element: Element, user: CrmUser) -> Written:
        lines = self._store.lines.of(record.number)
        first = self._view.columns(lines[0]) if lines else {}
        joined = {name: first.get(name, "") for name in self._line_names()}
        undescribed = {item.name: "" for item in _UNDESCRIBED}
        header = decoded(Entities.read(self, record, user))
        answer = {**element, **header, **joined, **undescribed}
        return Written(record, answer | {"LineItems": self._view.items(lines)})

    def _line_names(self) -> list[str]:
        return [item.name for item in self.columns() if item.on_lines]


def _with_undescribed(module: Module) -> Module:
    """Columns of the lines that `SELECT *` shows but describe does not."""
    fields = list(module.fields.values())
    at = [item.name for item in fields].index("hdnS_H_Percent") + 1
    fields[at:at] = _UNDESCRIBED
    return replace(module, fields={item.name: item for item in fields})
