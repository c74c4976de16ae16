"""What one module adds so that the records of a page are created together.

A page's records are looked for in the target by a few queries, and written to a shop by one
batch; Vtiger takes one record a call (contract page Vtiger §8).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from app.errors import RemoteError, WooVtigerError
from app.sync.listing import Seen
from app.sync.sides import Adapter, Side, Skip, Written

Made = Written | Side | Skip | WooVtigerError
"""What became of one create: as `Adapter.create` answers, or its error."""

Marked = datetime | None | RemoteError
"""The stamp that a mark left, or its error."""


class Bulk(Protocol):
    """One module between one shop and Vtiger, for many records of one side at a time.

    Methods may raise LeaseLost, Waiting and the RemoteError tree, unless they say otherwise.
    """

    @property
    def adapter(self) -> Adapter: ...

    async def foresee(self, seen: Sequence[Seen]) -> None:
        """What reading these records whole will ask the database for, read together."""
        ...

    async def prepare(self, sources: Sequence[Side]) -> None:
        """What creates in Vtiger need beside the records, looked for together."""
        ...

    async def search_taken(self, sources: Sequence[Side]) -> frozenset[str]:
        """The ids of those of which the other side may have a twin, or their own a rival."""
        ...

    async def create_in_shop(self, sources: Sequence[Side]) -> list[Made]:
        """A twin for each, in their order. Raises no RemoteError."""
        ...

    async def mark_in_shop(self, marks: Sequence[tuple[Side, str]]) -> list[Marked]:
        """Vtiger's id in each of these records of the shop, in their order. Raises no
        RemoteError."""
        ...


def whole_error(results: Sequence[object]) -> RemoteError | None:
    """The error of a whole batch, if that is what all items of it got."""
    first = results[0] if results else None
    same = isinstance(first, RemoteError) and all(each is first for each in results)
    return first if same and isinstance(first, RemoteError) else None
