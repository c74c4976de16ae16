"""LineItem as a module of its own: readable, while writing it ruins the order it belongs to."""

import re
from collections.abc import Iterable
from typing import Any

from sandbox.vtiger import php
from sandbox.vtiger.actors import Actors, Element, not_found
from sandbox.vtiger.database import Database, Record
from sandbox.vtiger.lines import Line, column_values, product_of
from sandbox.vtiger.order_state import OrderStore
from sandbox.vtiger.order_view import OrderView
from sandbox.vtiger.refusals import PhpFatal, Refusal, denied, no_value
from sandbox.vtiger.schema import Field, Module
from sandbox.vtiger.table import Written
from sandbox.vtiger.totals import is_individual
from sandbox.vtiger.users import CrmUser

_TAX = re.compile(r"tax\d+")
_DESCRIPTION = Field("description", "text")


class LineItems(Actors):
    """Contract page Vtiger §0.13, §3; recordings 44-*, 46-*, 70-describe-lineitem-*."""

    def __init__(self, database: Database, module: Module, store: OrderStore) -> None:
        super().__init__(database, module)
        self._store = store
        self._view = OrderView(database, store)

    def describe(self) -> dict[str, Any]:
        """Taxes made later stand at the end; `description` is not among the fields."""
        described = dict(self.module.described)
        known = {raw["name"] for raw in described["fields"]}
        later = [
            _described_tax(f"tax{tax.number}", tax.values["taxlabel"])
            for tax in self._store.catalogue.taxes()
            if f"tax{tax.number}" not in known
        ]
        return described | {"fields": described["fields"] + later}

    def columns(self) -> list[Field]:
        fixed = list(self.module.fields.values())
        fixed.insert([field.name for field in fixed].index("comment") + 1, _DESCRIPTION)
        names = self._store.catalogue.tax_columns()
        later = [name for name in names if name not in self.module.fields]
        return fixed + [Field(name, "double", "decimal(7,3)") for name in later]

    def rows(self) -> Iterable[Record]:
        """Rows that know their order only: most queries ask for the lines of one."""
        return [self._row(line) for line in self._store.lines]

    def value(self, record: Record, name: str, user: CrmUser, /) -> str:
        if name in ("id", "parent_id"):
            return super().value(record, name, user)
        return self._view.columns(self._store.lines.get(record.number))[name]

    def read(self, record: Record, user: CrmUser, /) -> dict[str, Any]:
        row = super().read(record, user)
        own_id = row.pop("id")
        return self._visible(row, self._order_of(record), product=_number(row["productid"])) | {
            "id": own_id
        }

    def create(self, element: Element, user: CrmUser, /) -> Written:
        """One more line, without new totals; its taxes read 0 in group mode, whatever was sent."""
        for name in ("productid", "quantity"):
            if element.get(name) in (None, ""):
                raise no_value(name)
        order = self._order(php.text(element.get("parent_id")))
        individual = is_individual(order.values["hdnTaxType"])
        values = column_values(element, 0, individual=individual, catalogue=self._store.catalogue)
        record = self._row(self._store.lines.add(order.number, product_of(element), values))
        row = super().read(record, user)
        row = self._visible(row, order, product=0) | {"incrementondel": "1", "id": row["id"]}
        return Written(record, row)

    def update(self, element: Element, _user: CrmUser, /) -> Written:
        """The lines of the order are gone before it fails (46-lineitem-update)."""
        order = self._order(php.text(element.get("parent_id")))
        lines = self._store.lines.of(order.number)
        if php.text(element.get("id")) not in {f"33x{line.number}" for line in lines}:
            raise Refusal("UNKOWN_CHILD", "given line item is not child of parent")
        self._store.lines.remove(order.number)
        raise not_found()

    def revise(self, element: Element, user: CrmUser, /) -> Written:
        return self.update(element, user)

    def delete(self, ws_id: str, _user: CrmUser, /) -> Record:
        """All lines of the order go, then PHP dies (46-lineitem-delete)."""
        record = self.get(ws_id)
        self._store.lines.remove(self._order_of(record).number)
        raise PhpFatal

    def _row(self, line: Line) -> Record:
        return Record(line.number, self.module.name, {"parent_id": f"6x{line.order}"})

    def _visible(self, row: dict[str, Any], order: Record, *, product: int) -> dict[str, Any]:
        """In group mode the rates of an article without taxes are shown as 0."""
        if is_individual(order.values["hdnTaxType"]) or self._store.catalogue.rates(product):
            return row
        return row | {name: "0.000" for name in row if _TAX.fullmatch(name)}

    def _order_of(self, record: Record) -> Record:
        return self._order(record.values["parent_id"])

    def _order(self, ws_id: str) -> Record:
        order = self.database.find(ws_id)
        if order is None or order.module != "SalesOrder":
            raise denied()
        return order


def _number(ws_id: str) -> int:
    return int(ws_id.partition("x")[2] or 0)


def _described_tax(name: str, label: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "mandatory": False,
        "type": {"name": "double"},
        "nullable": True,
        "editable": True,
    }
