"""The Vtiger add-on's outbox as one poll reads it, for all looks at once.

Once a day, and whenever the outbox cannot tell all (another installation, rows that were dropped
before they were read, too many of them), a look goes without it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.db.session import transaction
from app.errors import Rejected, RemoteError
from app.links.models import OutboxMark
from app.links.outbox_marks import find_absent, keep_absent, lowest_sequence
from app.module_facts import FACTS
from app.records import Module
from app.runtime import Runtime
from app.vtiger.addon import AddonFacts, OutboxChange, OutboxPage

log = logging.getLogger(__name__)

ASK_AGAIN = timedelta(minutes=15)
LOOK_WITHOUT = timedelta(days=1)
SETTLED = timedelta(minutes=2)
MOST_CHANGES = 10_000


@dataclass(frozen=True, slots=True)
class Outbox:
    """What was read of it after `since`; `whole` is False where there was more than is worth it."""

    facts: AddonFacts
    since: int
    changes: Sequence[OutboxChange]
    whole: bool

    def covers(self, module: Module) -> bool:
        """Whether it tells all changes of the module; a contact changes with its Account too."""
        facts = FACTS[module]
        return {facts.vtiger_name, *facts.vtiger_parents} <= self.facts.modules

    def reaches(self, mark: OutboxMark, now: datetime) -> bool:
        """Whether nothing happened between the mark and what was read but what is in it."""
        return (
            self.whole
            and mark.installation == self.facts.installation
            and self.since <= mark.sequence <= self.facts.newest
            and self.facts.oldest <= mark.sequence + 1
            and now - mark.looked_at < LOOK_WITHOUT
        )

    def settled(self, sequence: int) -> int:
        """Up to where to go on: numbers of young rows may have gaps that still fill."""
        for change in self.changes:
            if self.facts.now - change.created_at < SETTLED:
                break
            sequence = max(sequence, change.sequence)
        return sequence


@dataclass(slots=True)
class OutboxReader:
    """Reads it when the first look of a poll asks, once for all looks."""

    runtime: Runtime
    _asked: bool = False
    _found: Outbox | None = None

    async def find(self) -> Outbox | None:
        """None where polls have to query."""
        if not self._asked:
            self._asked, self._found = True, await _open(self.runtime)
        return self._found


async def _open(runtime: Runtime) -> Outbox | None:
    """One that was absent is not asked for again for a while."""
    now = runtime.clock()
    async with runtime.sessions() as session:
        absent_at = await find_absent(session)
        since = await lowest_sequence(session, now - LOOK_WITHOUT)
    if absent_at is not None and timedelta() <= now - absent_at < ASK_AGAIN:
        return None
    try:
        return await _read(runtime, since)
    except Rejected as error:
        log.warning("Vtiger's add-on cannot be read, so polls query instead: %s", error.summary)
        await _keep_absent(runtime)
    except RemoteError as error:
        log.warning("Vtiger's add-on could not be read this time: %s", error.summary)
    return None


async def _read(runtime: Runtime, since: int | None) -> Outbox | None:
    """Without any mark only how it fares."""
    page = await runtime.vtiger.find_changes(since or 0, *((1,) if since is None else ()))
    if page is None:
        await _keep_absent(runtime)
        return None
    changes = list(page.changes)
    first: OutboxPage = page
    while since is not None and page.more and len(changes) < MOST_CHANGES:
        following = await runtime.vtiger.find_changes(page.last)
        if following is None or following.facts.installation != first.facts.installation:
            return Outbox(first.facts, since, (), whole=False)
        page = following
        changes += page.changes
    return Outbox(first.facts, since or 0, changes, whole=since is not None and not page.more)


async def _keep_absent(runtime: Runtime) -> None:
    async with transaction(runtime.sessions) as session:
        await keep_absent(session, runtime.clock())
