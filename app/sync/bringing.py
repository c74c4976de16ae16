"""Settling what a run brought up, many records at a time, behind whatever comes in live."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from uuid import uuid4

from app.db.session import transaction
from app.inbox.repository import NewDelivery, take_in
from app.inbox.waiting import is_live_waiting, search_open_of_run
from app.links.repository import see
from app.records import Origin
from app.runtime import Runtime
from app.sync.pipeline import drain
from app.sync.sweep import Change

GIVE_WAY_STEP = 0.05
GIVE_WAY_S = 1.0
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Bringer:
    """Takes a run's hints in, in hand already, and settles them.

    Hints that wait for another try, or are in other hands, go the way of all others.
    """

    runtime: Runtime
    run_id: int

    async def bring(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        async with transaction(self.runtime.sessions) as session:
            await take_in(session, [self._hint(change) for change in changes])
            await see(session, {change.record.key: change.digest for change in changes})
        await self._drain([change.record.key for change in changes])

    def _hint(self, change: Change) -> NewDelivery:
        key = sha256(f"run\n{self.run_id}\n{change.record.key}".encode()).hexdigest()
        return NewDelivery(change.record, Origin.MANUAL, change.event, key, run_id=self.run_id)

    async def _drain(self, keys: Sequence[str]) -> None:
        at_once = self.runtime.settings.worker.concurrency
        for start in range(0, len(keys), at_once):
            await self._give_way()
            part = keys[start : start + at_once]
            await asyncio.gather(*(drain(self.runtime, key, owner=uuid4().hex) for key in part))

    async def _give_way(self) -> None:
        """Live hints go first; but a shop where something always happens does not stop a run."""
        give_up_at = monotonic() + GIVE_WAY_S
        while monotonic() < give_up_at:
            async with self.runtime.sessions() as session:
                if not await is_live_waiting(session):
                    return
            await asyncio.sleep(GIVE_WAY_STEP)

    async def finish(self) -> None:
        """Settle what a worker that died had in hand; what is to be tried later stays."""
        give_up_at = monotonic() + PATIENCE_S
        while True:
            async with self.runtime.sessions() as session:
                keys = await search_open_of_run(session, self.run_id)
            if not keys or monotonic() > give_up_at:
                return
            await self._drain(keys)
            await asyncio.sleep(GIVE_WAY_STEP)
