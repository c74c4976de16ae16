"""Calls of which a remote bears one at a time, from all processes together.

A turn is a row that expires by the database's clock, so a process that died gives it back within
seconds, and no connection has to stay the same one (PgBouncer). Who waits in this process waits
in line; each process looks for its first one alone.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

from sqlalchemy import delete, func, update
from sqlalchemy.dialects.postgresql import insert

from app.db.outage import OUTAGES
from app.db.session import Sessions, transaction
from app.errors import RemoteTimeout
from app.remotes.models import RemoteTurn
from app.tasks import in_background

log = logging.getLogger(__name__)

STEP_SECONDS = 0.05


@dataclass(slots=True)
class Turns:
    """The turns of one remote, as one process takes them. `seconds` is how long one is held
    without being renewed."""

    sessions: Sessions
    remote: str
    seconds: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _lines: defaultdict[str, asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )

    @asynccontextmanager
    async def take(self, name: str) -> AsyncIterator[None]:
        """The body is the only one of this name. A call that we gave up on may go on over there:
        its turn is not given back, but runs out."""
        key, owner = f"{self.remote}:{name}", uuid4().hex
        async with self._lines[name]:
            while not await self._take(key, owner):
                await self.sleep(STEP_SECONDS)
            goes_on = False
            try:
                async with in_background(self._keep(key, owner)):
                    yield
            except asyncio.CancelledError:
                goes_on = True
                raise
            except RemoteTimeout as error:
                goes_on = error.ambiguous
                raise
            finally:
                if not goes_on:
                    await self._give_back(key, owner)

    async def _take(self, key: str, owner: str) -> bool:
        row = {"owner": owner, "expires_at": self._expiry}
        async with transaction(self.sessions) as session:
            taken = await session.scalar(
                insert(RemoteTurn)
                .values(key=key, **row)
                .on_conflict_do_update(
                    index_elements=[RemoteTurn.key],
                    set_=row,
                    where=RemoteTurn.expires_at < func.clock_timestamp(),
                )
                .returning(RemoteTurn.key)
            )
        return taken is not None

    async def _keep(self, key: str, owner: str) -> None:
        """Renew until cancelled: an outage of the database is outlived, if it is short."""
        while True:
            await self.sleep(self.seconds / 3)
            try:
                async with transaction(self.sessions) as session:
                    await session.execute(
                        update(RemoteTurn)
                        .filter_by(key=key, owner=owner)
                        .values(expires_at=self._expiry)
                    )
            except OUTAGES as error:
                log.warning("a turn at %s could not be renewed: %s", self.remote, error)

    async def _give_back(self, key: str, owner: str) -> None:
        """What cannot be given back runs out; the call's own end is not to be lost over it."""
        with suppress(*OUTAGES):
            async with transaction(self.sessions) as session:
                await session.execute(delete(RemoteTurn).filter_by(key=key, owner=owner))

    @property
    def _expiry(self) -> object:
        return func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, self.seconds)
