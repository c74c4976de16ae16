"""What one module's bulk reader and the sweeps say to each other; nothing remote is written.

A listing shows raw records in pages; what they say is worked out only for those that matter.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Protocol, TypeVar

from app.db.outage import OUTAGES
from app.errors import InvalidInput, NotFound, RecordUnreadable, System, WooVtigerError
from app.links.models import Link
from app.records import key_in_logs
from app.sync.comparison import FieldDifference
from app.sync.sides import Adapter, Side, Unreadable
from app.tasks import run_together
from app.vtiger.client import VtigerClient
from app.vtiger.query import Query, Where, since
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord

PAGE = 100
T = TypeVar("T")
Glance = Callable[[Link, Side], bool]
NO_GLIMPSES: Mapping[System, Glance] = MappingProxyType({})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """One record as a listing shows it."""

    system: System
    id: str
    raw: WooRecord | VtigerRecord

    @property
    def changed_at(self) -> datetime | None:
        """None where the system does not tell: taxes have no times."""
        return self.raw.modified_at or self.raw.created_at


Read = Side | Unreadable
"""What became of reading one record of many: one that cannot be read spoils no other."""


class Listing(Protocol):
    """One module of one shop and Vtiger, read in bulk. Every method may raise the RemoteError
    tree.

    `lists_all`: the systems that cannot tell what changed since a moment, and show everything.
    `glimpses`: those of which a listing shows a part of each record only, with what tells at a
    glance that the rest is not as agreed; the stamp of the last change counts beside it.
    """

    @property
    def adapter(self) -> Adapter: ...

    @property
    def lists_all(self) -> frozenset[System]: ...

    @property
    def glimpses(self) -> Mapping[System, Glance]: ...

    async def find_last_change(self, system: System) -> datetime | None:
        """The latest change by the system's own clock; None if there is nothing in it."""
        ...

    async def count(self, system: System, changed_since: datetime | None) -> int:
        """About how many records `each` will show."""
        ...

    def each(self, system: System, changed_since: datetime | None) -> AsyncIterator[list[Seen]]:
        """Records changed since a moment, or all, in pages; those that are no records of the
        module, such as a variable product's frame, are left out."""
        ...

    def each_trashed(self) -> AsyncIterator[str]:
        """The ids of what is in the shop's trash."""
        ...

    def each_vtiger_id(self) -> AsyncIterator[str]:
        """The ids of all records in Vtiger."""
        ...

    async def sides(self, page: Sequence[Seen]) -> list[Read]:
        """What a page's records say; a field that the listing does not tell is None."""
        ...

    async def complete(self, page: Sequence[Seen]) -> list[Read]:
        """The same, with what the listing does not tell read for each; those that are gone by
        then are missing."""
        ...

    async def whole(self, system: System, ids: Sequence[str]) -> list[Read]:
        """Records by id, told whole; those that are gone are missing."""
        ...

    def is_explained(self, name: str, woo: Side, vtiger: Side) -> bool:
        """Whether a field of a pair differs only by what the target can hold."""
        ...

    def totals(self, woo: Side, vtiger: Side) -> Sequence[FieldDifference]:
        """Differences that no field of the mapping tells."""
        ...


async def pages(items: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    """The same in lists of a hundred, as they come."""
    page: list[T] = []
    async for item in items:
        page.append(item)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def last_change(module: str) -> Query:
    """Asks for a Vtiger module's latest change."""
    return Query(module, ("modifiedtime",), order_by="modifiedtime", limit=1, descending=True)


def changed_where(changed_since: datetime | None) -> tuple[Where, ...]:
    """Asks for Vtiger's records that changed since a moment, or for all."""
    return (since(changed_since),) if changed_since is not None else ()


async def find_each(adapter: Adapter, system: System, ids: Sequence[str]) -> list[Read]:
    """Records read one by one, as many at once as the client allows."""
    found = await run_together(
        attempt(system, record_id, adapter.find(system, record_id)) for record_id in ids
    )
    return [read for read in found if read is not None]


async def read_each(
    adapter: Adapter,
    vtiger: VtigerClient,
    module: str,
    ids: Sequence[str],
    reading: Callable[[VtigerRecord], Awaitable[Side]],
) -> list[Read]:
    """Vtiger's records by id, a hundred a call where its add-on reads. `reading` is what
    `adapter.find` makes of a record."""
    records = await vtiger.find_whole(module, ids)
    if records is None:
        return await find_each(adapter, System.VTIGER, ids)
    found = await run_together(
        attempt(System.VTIGER, record.id, _unless_gone(reading, record)) for record in records
    )
    return [read for read in found if read is not None]


async def _unless_gone(
    reading: Callable[[VtigerRecord], Awaitable[Side]], record: VtigerRecord
) -> Side | None:
    try:
        return await reading(record)
    except NotFound:
        return None


async def attempt(system: System, record_id: str, reading: Awaitable[T]) -> T | Unreadable:
    """One record's reading, or why it cannot be read: its own fault, or a bug of ours that only
    its values bring about. Raises what is no matter of the record: the rest of the error tree."""
    try:
        return await reading
    except (RecordUnreadable, InvalidInput) as error:
        return Unreadable(system, record_id, error)
    except WooVtigerError:
        raise
    except OUTAGES:
        raise
    except Exception as error:
        log.exception("a bug while reading %s of %s", key_in_logs(record_id), system)
        message = f"{type(error).__name__}: an error in the service; its log tells more."
        return Unreadable(system, record_id, WooVtigerError(message))


def without(side: Side, name: str) -> Side:
    """The side as a listing tells it that does not show a field."""
    return replace(side, values=replace(side.values, values={**side.values.values, name: None}))
