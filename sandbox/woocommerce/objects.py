"""Loaded REST objects of one kind, kept as exported and shown under this shop's address."""

from collections.abc import Iterable, Iterator
from typing import Any

from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.links import rebase_links
from sandbox.woocommerce.site import Sequence, Site


class ObjectTable:
    """Objects by id in their REST shape; ids come from a sequence that tables may share."""

    def __init__(self, site: Site, ids: Sequence, missing: RestError) -> None:
        self._site = site
        self._ids = ids
        self._missing = missing
        self._rows: dict[int, dict[str, Any]] = {}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows.values())

    def load(self, objects: Iterable[dict[str, Any]]) -> None:
        for row in objects:
            self._rows[row["id"]] = dict(row)
            self._ids.skip(row["id"])

    def new_id(self) -> int:
        return self._ids.next()

    def remove(self, object_id: int) -> None:
        del self._rows[object_id]

    def find(self, object_id: int) -> dict[str, Any] | None:
        return self._rows.get(object_id)

    def get(self, object_id: int) -> dict[str, Any]:
        """The stored object; raises this kind's 404."""
        row = self.find(object_id)
        if row is None:
            raise self._missing
        return row

    def render(self, row: dict[str, Any]) -> dict[str, Any]:
        """A copy with `_links` under the address the shop is reached at."""
        return {**row, "_links": rebase_links(row.get("_links", {}), self._site.base_url)}
