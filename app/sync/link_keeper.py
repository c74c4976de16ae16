"""Group commit for new pairs: those whose answers arrive together share one transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.db.row_by_row import store_rows
from app.db.session import Sessions, transaction
from app.links.leases import PairLease
from app.links.models import Link
from app.links.repository import add_links
from app.sync.owed import bring_up_for

_Waiting = tuple[Link, asyncio.Future[None]]


@dataclass(slots=True)
class LinkKeeper:
    """A pair is on disk before `keep` returns; raises LeaseLost and what the database raised."""

    sessions: Sessions
    lease: PairLease
    _waiting: list[_Waiting] = field(default_factory=list)
    _flushing: asyncio.Task[None] | None = None

    async def keep(self, link: Link) -> None:
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((link, kept))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        await kept

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._store(batch)
        finally:
            self._flushing = None

    async def _store(self, batch: list[_Waiting]) -> None:
        """A pair that the database refuses keeps no other from being stored."""
        try:
            refused = await store_rows(batch, self._commit)
        except Exception as error:
            _answer(batch, error)
            return
        for each, reason in refused:
            _answer([each], reason)

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        links = [link for link, _ in batch]
        async with transaction(self.sessions) as session:
            await self.lease.confirm(session)
            await add_links(session, links)
            await bring_up_for(session, links)
        _answer(batch, None)


def _answer(batch: Sequence[_Waiting], error: Exception | None) -> None:
    for _, kept in batch:
        if kept.done():
            continue
        if error is None:
            kept.set_result(None)
        else:
            kept.set_exception(error)
