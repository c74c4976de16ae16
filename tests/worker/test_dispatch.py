"""From waiting deliveries to jobs: one a record, none lost, none starved."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from procrastinate import App
from sqlalchemy import text

from app.db.session import Sessions, transaction
from app.inbox.repository import accept, claim
from app.links.leases import hold
from app.queue import (
    MOST_AT_ONCE,
    Patience,
    clear_wakeup,
    dispatch,
    open_jobs,
    rescue,
    search_due,
)
from tests.inbox.hints import KEY, hint
from tests.locks import until_blocked

pytestmark = pytest.mark.anyio

STRANDED = 8.0
BUDGET = 3 * 86_400.0
WAKE_ONE = text("INSERT INTO wakeups (record_key) VALUES (:key)")
TAKE_JOB = """
WITH worker AS (
    INSERT INTO procrastinate_workers (last_heartbeat)
    VALUES (now() - make_interval(secs => :silent)) RETURNING id
)
UPDATE procrastinate_jobs SET status = 'doing', worker_id = worker.id FROM worker
WHERE procrastinate_jobs.id = (SELECT min(id) FROM procrastinate_jobs WHERE status = 'todo')
"""


@pytest.fixture
async def jobs(emptied_database_url: str) -> AsyncIterator[App]:
    async with open_jobs(emptied_database_url).open_async() as app:
        yield app


async def _accept(sessions: Sessions, *record_ids: str) -> None:
    async with transaction(sessions) as session:
        await accept(session, [hint(record_id) for record_id in record_ids])


async def _accept_backwards(sessions: Sessions, *record_ids: str) -> None:
    """The last of them has waited longest."""
    await _accept(sessions, *record_ids)
    for minutes, record_id in enumerate(record_ids):
        await _execute(
            sessions,
            "UPDATE deliveries SET next_attempt_at = now() - make_interval(mins => :minutes)"
            " WHERE record_key = :key",
            key=KEY.format(id=record_id),
            minutes=minutes,
        )


async def _dispatch(jobs: App, sessions: Sessions) -> int:
    async with transaction(sessions) as session:
        return await dispatch(jobs, session, Patience(STRANDED, BUDGET))


async def _locks(sessions: Sessions) -> list[str]:
    async with sessions() as session:
        found = await session.scalars(text("SELECT lock FROM procrastinate_jobs ORDER BY id"))
        return list(found)


async def _execute(sessions: Sessions, statement: str, **values: object) -> None:
    async with transaction(sessions) as session:
        await session.execute(text(statement), values)


async def test_a_record_with_many_hints_gets_one_job(jobs: App, sessions: Sessions) -> None:
    for _ in range(3):
        async with transaction(sessions) as session:
            await accept(session, [hint("5", uuid4().hex), hint("6")])

    assert await _dispatch(jobs, sessions) == 2
    assert sorted(await _locks(sessions)) == [KEY.format(id="5"), KEY.format(id="6")]


async def test_a_record_with_a_waiting_job_gets_none(jobs: App, sessions: Sessions) -> None:
    await _accept(sessions, "5")
    await _dispatch(jobs, sessions)
    await _accept(sessions, "5")

    assert await _dispatch(jobs, sessions) == 0


async def test_a_hint_that_comes_when_the_drain_has_begun_gets_a_job(
    jobs: App, sessions: Sessions
) -> None:
    await _accept(sessions, "5")
    await _dispatch(jobs, sessions)
    async with transaction(sessions) as session:
        await clear_wakeup(session, KEY.format(id="5"))
        await claim(session, KEY.format(id="5"))
    await _accept(sessions, "5")

    assert await _dispatch(jobs, sessions) == 1


async def test_a_hint_whose_time_has_not_come_waits(jobs: App, sessions: Sessions) -> None:
    await _accept(sessions, "5")
    await _execute(sessions, "UPDATE deliveries SET next_attempt_at = now() + interval '1 minute'")
    assert await _dispatch(jobs, sessions) == 0

    await _execute(sessions, "UPDATE deliveries SET next_attempt_at = now()")
    assert await _dispatch(jobs, sessions) == 1


async def test_what_a_dead_worker_had_in_hand_is_woken_when_its_lease_is_over(
    jobs: App, sessions: Sessions
) -> None:
    await _accept(sessions, "5")
    async with transaction(sessions) as session:
        await claim(session, KEY.format(id="5"))
    assert await _dispatch(jobs, sessions) == 0

    await _execute(sessions, "UPDATE deliveries SET claimed_at = now() - interval '9 seconds'")
    async with hold(sessions, [KEY.format(id="5")], owner="alive", seconds=60):
        assert await _dispatch(jobs, sessions) == 0
    assert await _dispatch(jobs, sessions) == 1


async def test_more_records_than_fit_are_all_woken_oldest_first(
    jobs: App, sessions: Sessions
) -> None:
    await _accept(sessions, *(str(number) for number in range(MOST_AT_ONCE + 20)))
    late = [KEY.format(id=number) for number in range(20)]
    await _execute(
        sessions,
        "UPDATE deliveries SET next_attempt_at = now() - interval '1 minute'"
        " WHERE record_key <> ALL(:late)",
        late=late,
    )

    assert await _dispatch(jobs, sessions) == MOST_AT_ONCE
    assert not set(late) & set(await _locks(sessions))
    assert await _dispatch(jobs, sessions) == 20
    assert await _dispatch(jobs, sessions) == 0


async def test_dispatchers_that_look_at_once_make_one_job_a_record(
    jobs: App, sessions: Sessions
) -> None:
    await _accept(sessions, *(str(number) for number in range(60)))
    woken = await asyncio.gather(*(_dispatch(jobs, sessions) for _ in range(5)))

    assert sum(woken) == 60
    assert len(set(await _locks(sessions))) == len(await _locks(sessions)) == 60


async def test_dispatchers_take_records_in_the_order_of_their_keys(
    jobs: App, sessions: Sessions, emptied_database_url: str
) -> None:
    """The record that has waited longest has the highest key: another dispatcher that holds the
    lowest can go on to it, or the two would wait for each other."""
    await _accept_backwards(sessions, "5", "6", "7")
    async with transaction(sessions) as other:
        await other.execute(WAKE_ONE, {"key": KEY.format(id="5")})
        dispatching = asyncio.create_task(_dispatch(jobs, sessions))
        await until_blocked(emptied_database_url)
        await other.execute(WAKE_ONE, {"key": KEY.format(id="7")})

    assert await dispatching == 1
    assert await _locks(sessions) == [KEY.format(id="6")]


async def test_what_is_due_is_listed_in_the_order_of_keys(sessions: Sessions) -> None:
    await _accept_backwards(sessions, "5", "6", "7")
    async with sessions() as session:
        due = await search_due(session, Patience(STRANDED, BUDGET))

    assert due == [KEY.format(id=record_id) for record_id in "567"]


async def test_a_wakeup_whose_job_was_lost_is_forgotten(jobs: App, sessions: Sessions) -> None:
    await _accept(sessions, "5", "6")
    await _dispatch(jobs, sessions)
    await _execute(
        sessions, "DELETE FROM procrastinate_jobs WHERE lock = :key", key=KEY.format(id="5")
    )
    await _execute(sessions, "UPDATE wakeups SET created_at = now() - interval '9 seconds'")
    async with transaction(sessions) as session:
        await rescue(jobs, session, STRANDED)

    assert await _dispatch(jobs, sessions) == 1
    assert sorted(await _locks(sessions)) == [KEY.format(id="5"), KEY.format(id="6")]


async def test_jobs_of_a_silent_worker_are_handed_on(jobs: App, sessions: Sessions) -> None:
    await _accept(sessions, "5", "6")
    await _dispatch(jobs, sessions)
    for silent_seconds in (9, 1):
        await _execute(sessions, TAKE_JOB, silent=silent_seconds)
    async with transaction(sessions) as session:
        assert await rescue(jobs, session, STRANDED) == 1
        assert await rescue(jobs, session, STRANDED) == 0

    async with sessions() as session:
        states = await session.scalars(text("SELECT status FROM procrastinate_jobs ORDER BY id"))
        assert list(states) == ["todo", "doing"]
