"""How an order is read: with its lines, its charges and the details of the screen."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sandbox.vtiger.database import Database, Record
from sandbox.vtiger.final_details import final_details
from sandbox.vtiger.lines import Line, shown
from sandbox.vtiger.order_state import OrderStore
from sandbox.vtiger.users import CrmUser

PARENT = "6xArray"
ARTICLES = ("Products", "Services")


class OrderView:
    """Contract page Vtiger §3; recordings 00-REFERENCE-so-retrieve-*, 32-* to 38-*, 44-*."""

    def __init__(self, database: Database, store: OrderStore) -> None:
        self._database = database
        self._store = store

    def details(
        self, record: Record, header: Mapping[str, Any], lines: Sequence[Line], *, user: CrmUser
    ) -> dict[str, Any]:
        """The answer of retrieve from the header's own fields on."""
        items = self.items(lines)
        return {
            **header,
            **self._store.state(record.number).charges.shown(),
            "LineItems": items,
            "productid": items[0]["productid"] if items else None,
            "LineItems_FinalDetails": final_details(
                self._database, self._store, record, lines=lines, decimals=user.decimals
            ),
        }

    def whole(
        self, record: Record, header: Mapping[str, Any], lines: Sequence[Line]
    ) -> dict[str, Any]:
        """The order as the add-on reads it: its lines name it, and of the screen's details there
        are only the numbers of their products, deleted ones too."""
        order = f"6x{record.number}"
        items = [item | {"parent_id": order} for item in self.items(lines)]
        return {
            **header,
            **self._store.state(record.number).charges.shown(),
            "LineItems": items,
            "productid": items[0]["productid"] if items else None,
            "LineItems_FinalDetails": {
                str(at): {f"hdnProductId{at}": str(line.product)}
                for at, line in enumerate(lines, 1)
            },
        }

    def items(self, lines: Sequence[Line]) -> list[dict[str, Any]]:
        """LineItems, whose parent_id is never right."""
        return [self._item(line) for line in lines]

    def joined(self, record: Record) -> list[Record]:
        """One row for each line, or one for an order without any."""
        lines = self._store.lines.of(record.number)
        rows = [replace(record, values=record.values | self.columns(line)) for line in lines]
        return rows or [record]

    def columns(self, line: Line) -> dict[str, str]:
        """The columns of a line under the names of the order's fields."""
        values = shown(line, self._store.catalogue.tax_columns())
        return values | {"productid": self.article_id(line.product)}

    def article_id(self, number: int) -> str:
        """ "" for what is deleted, no article, or nothing at all."""
        record = self._database.find_entity(number)
        if record is None or record.deleted or record.module not in ARTICLES:
            return ""
        return f"{self._database.modules[record.module].prefix}x{number}"

    def _item(self, line: Line) -> dict[str, Any]:
        record = self._database.find_entity(line.product)
        article = self.article_id(line.product)
        breaks = self._database.breaks_orders
        return {
            "parent_id": f"6x{line.order}" if breaks else PARENT,
            "productid": None if breaks and not article else article,
            **shown(line, self._store.catalogue.tax_columns()),
            "id": f"33x{line.number}",
            "product_name": None if record is None else record.label,
            "entity_type": None if record is None else record.module,
            "deleted": None if record is None else str(int(record.deleted)),
        }
