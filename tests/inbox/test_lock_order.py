"""Those who accept hints and those who claim them lock in one order: none ends in a deadlock."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from time import monotonic

import psycopg
import pytest
from sqlalchemy import Select, select
from sqlalchemy.exc import OperationalError

from app.db.session import Sessions, transaction
from app.domain import DeliveryState
from app.inbox.models import Delivery
from app.inbox.repository import Postponement, accept, claim, postpone, settle, settle_each
from tests.inbox.hints import KEY, hint
from tests.locks import until_blocked

pytestmark = pytest.mark.anyio

STRESS_SECONDS = float(os.environ.get("WOO_VTIGER_STRESS_SECONDS", "30"))
RECORDS = 4
TOLD = 6
LATER = Postponement(0, "timeout", "No answer.")


def _key(record_id: str, number: int) -> str:
    """Dedupe keys of one record that do not come in the order of its deliveries."""
    return f"{(number * 5) % TOLD}-{record_id}"


async def test_a_claim_waits_for_those_who_bump_its_hints_and_holds_nothing_meanwhile(
    sessions: Sessions, emptied_database_url: str
) -> None:
    """The hint that was told last has the lowest dedupe key: it is locked first all the same."""
    for key in ("b", "a"):
        async with transaction(sessions) as session:
            await accept(session, [hint("5", key)])

    async with transaction(sessions) as receiver:
        await accept(receiver, [hint("5", "a")])
        claiming = asyncio.create_task(_claim(sessions, "5"))
        await until_blocked(emptied_database_url)
        await accept(receiver, [hint("5", "b")])

    assert await claiming == 2


async def test_hints_are_stored_in_the_order_in_which_python_sorts_their_keys(
    sessions: Sessions, emptied_database_url: str
) -> None:
    """B before a, though a was told first: whoever waits for a has locked B."""
    async with transaction(sessions) as session:
        await accept(session, [hint("5", "a"), hint("5", "B")])

    async with transaction(sessions) as other:
        await other.execute(_waiting("a").with_for_update())
        accepting = asyncio.create_task(_accept(sessions, "a", "B"))
        await until_blocked(emptied_database_url)
        async with transaction(sessions) as session:
            free = await session.scalars(_waiting("B").with_for_update(skip_locked=True))
            assert free.all() == []
    await accepting


async def test_deliveries_are_settled_together_in_the_order_of_their_keys(
    sessions: Sessions, emptied_database_url: str
) -> None:
    """B before a, though a was accepted first: whoever waits for a has locked B."""
    await _accept(sessions, "a")
    await _accept(sessions, "B")
    async with transaction(sessions) as session:
        entries = {each.id: 1 for each in await claim(session, KEY.format(id="5"))}

    async with transaction(sessions) as other:
        await other.execute(_waiting("a").with_for_update())
        settling = asyncio.create_task(_settle_each(sessions, dict(sorted(entries.items()))))
        await until_blocked(emptied_database_url)
        async with transaction(sessions) as session:
            free = await session.scalars(_waiting("B").with_for_update(skip_locked=True))
            assert free.all() == []
    await settling


async def _settle_each(sessions: Sessions, entries: dict[int, int]) -> None:
    async with transaction(sessions) as session:
        await settle_each(session, entries, ended=())


def _waiting(dedupe_key: str) -> Select[int]:
    return select(Delivery.id).where(Delivery.dedupe_key == dedupe_key)


async def _accept(sessions: Sessions, *dedupe_keys: str) -> None:
    async with transaction(sessions) as session:
        await accept(session, [hint("5", key) for key in dedupe_keys])


async def _claim(sessions: Sessions, record_id: str) -> int:
    async with transaction(sessions) as session:
        return len(await claim(session, KEY.format(id=record_id)))


@pytest.mark.faults
async def test_receivers_and_workers_under_stress_never_deadlock(sessions: Sessions) -> None:
    """Webhooks of a few busy records come in batches while four workers claim, give back and
    settle them, one worker a record; bounded by WOO_VTIGER_STRESS_SECONDS."""
    chance, done = random.Random(1), Counter[str]()
    leases = [asyncio.Lock() for _ in range(RECORDS)]

    async def receive() -> None:
        told = [(str(chance.randrange(RECORDS)), chance.randrange(TOLD)) for _ in range(20)]
        async with transaction(sessions) as session:
            await accept(session, [hint(each, _key(each, number)) for each, number in told])

    async def work() -> None:
        record = chance.randrange(RECORDS)
        async with leases[record]:
            async with transaction(sessions) as session:
                ids = [each.id for each in await claim(session, KEY.format(id=record))]
            async with transaction(sessions) as session:
                if chance.random() < 0.5:
                    await postpone(session, ids, LATER)
                else:
                    await settle(session, ids, 1, state=DeliveryState.DONE)

    await asyncio.gather(
        *(_repeat(receive, "accepted", done) for _ in range(4)),
        *(_repeat(work, "claimed", done) for _ in range(4)),
    )

    assert done["deadlocks"] == 0, dict(done)
    assert min(done["accepted"], done["claimed"]) > 100, dict(done)


async def _repeat(act: Callable[[], Awaitable[None]], name: str, done: Counter[str]) -> None:
    ends_at = monotonic() + STRESS_SECONDS
    while monotonic() < ends_at:
        try:
            await act()
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.DeadlockDetected):
                raise
            done["deadlocks"] += 1
        else:
            done[name] += 1
