"""Stores new pairs the moment their answers arrive, those that come together in one transaction."""

from collections.abc import Sequence

from app.db.group_commit import GroupCommit
from app.db.session import Sessions, transaction
from app.links.leases import PairLease
from app.links.models import Link
from app.links.repository import add_links
from app.sync.owed import bring_up_for


class LinkKeeper:
    """A pair is on disk before `keep` returns; raises LeaseLost and what the database raised."""

    def __init__(self, sessions: Sessions, lease: PairLease) -> None:
        self._sessions = sessions
        self._lease = lease
        self._links = GroupCommit(self._commit)

    async def keep(self, link: Link) -> None:
        await self._links.store(link)

    async def _commit(self, links: Sequence[Link]) -> Sequence[None]:
        async with transaction(self._sessions) as session:
            await self._lease.confirm(session)
            await add_links(session, links)
            await bring_up_for(session, links)
        return [None] * len(links)
