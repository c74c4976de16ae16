"""From waiting deliveries to jobs: one a record, none lost, none starved."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from procrastinate import App
from sqlalchemy import text

from app.db.session import Sessions, driver_of, transaction
from app.domain import DeliveryState
from app.inbox.repository import accept, claim, clear_wakeups, settle
from app.links.leases import PairLease, hold
from app.queue import (
    BATCH_SIZE,
    RetryStrategy,
    TopUp,
    count_workers,
    dispatch,
    dispatch_one,
    open_jobs,
    put_off,
    rescue,
    search_due,
    top_up,
)
from tests.inbox.hints import KEY, hint

pytestmark = pytest.mark.anyio

STRANDED = 8.0
BUDGET = 3 * 86_400.0
MANY = """
INSERT INTO deliveries (origin, store, system, module, kind, event, record_id, record_key,
    dedupe_key, next_attempt_at)
SELECT origin, 'main', 'woocommerce', 'contacts', 'customer', 'updated', origin || number,
    'main:contacts:woocommerce:' || origin || number, origin || number,
    now() + CAST(:later AS interval)
FROM CAST(:origin AS text) AS origin, generate_series(1, :count) AS number
"""
READ = text("""
SELECT sum(seq_tup_read) AS scanned, sum(idx_tup_fetch) AS fetched
FROM pg_stat_xact_user_tables WHERE relname IN ('deliveries', 'wakeups')
""")
"""Rows that this connection has read, and not told of yet."""
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
        return await dispatch(jobs, session, RetryStrategy(STRANDED, BUDGET))


async def _top_up(jobs: App, sessions: Sessions) -> TopUp:
    async with transaction(sessions) as session:
        return await top_up(jobs, session, RetryStrategy(STRANDED, BUDGET), ahead=4)


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


async def test_a_lease_that_ran_out_keeps_nothing_from_being_woken(
    jobs: App, sessions: Sessions
) -> None:
    await _accept(sessions, "5")
    async with transaction(sessions) as session:
        await claim(session, KEY.format(id="5"))
    await _execute(sessions, "UPDATE deliveries SET claimed_at = now() - interval '9 seconds'")
    await PairLease(sessions, "dead", 60).extend([KEY.format(id="5")])
    await _execute(sessions, "UPDATE leases SET expires_at = now() - interval '1 second'")

    assert await _dispatch(jobs, sessions) == 1


@pytest.mark.parametrize("key", ["vtiger", "woocommerce:main"])
@pytest.mark.parametrize("held", ["opened_at = now()", "paused_until = now() + interval '1 hour'"])
async def test_what_needs_a_remote_that_is_not_called_waits_until_it_is_too_old(
    jobs: App, sessions: Sessions, key: str, held: str
) -> None:
    await _accept(sessions, "5")
    await _execute(sessions, "INSERT INTO remotes (key) VALUES (:key), ('woocommerce:b')", key=key)
    await _execute(sessions, f"UPDATE remotes SET {held} WHERE key = 'woocommerce:b'")  # noqa: S608 - ours
    async with sessions() as session:
        assert len(await search_due(session, RetryStrategy(STRANDED, BUDGET))) == 1
    await _execute(sessions, f"UPDATE remotes SET {held}")  # noqa: S608 - ours
    assert await _dispatch(jobs, sessions) == 0

    await _execute(sessions, "UPDATE deliveries SET received_at = now() - interval '4 days'")
    assert await _dispatch(jobs, sessions) == 1


async def test_more_records_than_fit_are_all_woken_and_neither_the_oldest_nor_the_newest_waits(
    jobs: App, sessions: Sessions
) -> None:
    await _accept(sessions, *(str(number) for number in range(BATCH_SIZE + 20)))
    oldest, newest = ([KEY.format(id=n) for n in range(start, start + 10)] for start in (0, 10))
    for minutes, keys in ((9, oldest), (1, newest)):
        await _execute(
            sessions,
            "UPDATE deliveries SET next_attempt_at = now() - make_interval(mins => :minutes)"
            " WHERE record_key = ANY(:keys)",
            minutes=minutes,
            keys=keys,
        )
    others = "UPDATE deliveries SET next_attempt_at = now() - interval '5 minutes'"
    await _execute(sessions, f"{others} WHERE record_key <> ALL(:keys)", keys=oldest + newest)

    assert await _dispatch(jobs, sessions) <= BATCH_SIZE
    assert {*oldest, *newest} <= set(await _locks(sessions))
    while await _dispatch(jobs, sessions):
        pass
    assert len(await _locks(sessions)) == BATCH_SIZE + 20


async def test_the_queue_is_topped_up_with_hints_of_both_kinds(
    jobs: App, sessions: Sessions
) -> None:
    """A run's thousands leave room for a webhook, and it is woken by the next look."""
    async with transaction(sessions) as session:
        await accept(session, [hint(f"9{number}", run_id=1) for number in range(50)])
    assert await _top_up(jobs, sessions) == TopUp(4, is_full=True)
    assert await _top_up(jobs, sessions) == TopUp(0, is_full=True)

    await _accept(sessions, "5")
    assert (await _top_up(jobs, sessions)).woken == 1
    assert KEY.format(id="5") in await _locks(sessions)

    await _execute(sessions, TAKE_JOB, silent=0)
    assert (await _top_up(jobs, sessions)).woken == 2, "one has begun"


async def test_a_hint_of_a_record_that_a_run_brought_up_is_a_webhooks(
    jobs: App, sessions: Sessions
) -> None:
    async with transaction(sessions) as session:
        await accept(session, [hint(f"9{number}", run_id=1) for number in range(50)])
    await _top_up(jobs, sessions)
    waiting = KEY.format(id="925")
    assert waiting not in await _locks(sessions)

    async with transaction(sessions) as session:
        await accept(session, [hint("925", "of the shop")])
    await _top_up(jobs, sessions)
    assert waiting in await _locks(sessions)


async def test_a_delivery_that_is_opened_again_by_hand_is_woken(
    jobs: App, sessions: Sessions
) -> None:
    await _accept(sessions, "5")
    await _execute(sessions, "UPDATE deliveries SET state = 'dead'")
    assert await _dispatch(jobs, sessions) == 0

    await _execute(sessions, "UPDATE deliveries SET state = 'pending'")
    assert await _dispatch(jobs, sessions) == 1


async def test_a_record_whose_deliveries_are_settled_leaves_nothing_behind(
    sessions: Sessions,
) -> None:
    await _accept(sessions, "5", "6")
    async with transaction(sessions) as session:
        for record_id in ("5", "6"):
            ids = [each.id for each in await claim(session, KEY.format(id=record_id))]
            await settle(session, ids, 1, state=DeliveryState.DONE)
    async with sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM wakeups")) == 0


async def test_what_needs_a_remote_that_is_left_alone_waits_until_it_is_too_old(
    jobs: App, sessions: Sessions
) -> None:
    await _accept(sessions, "5", "6")
    pause = "INSERT INTO remotes (key, paused_until) VALUES (:key, now() + interval '1 hour')"
    await _execute(sessions, pause, key="woocommerce:main")
    assert await _dispatch(jobs, sessions) == 0

    spent = "UPDATE deliveries SET received_at = now() - interval '4 days' WHERE record_key = :key"
    await _execute(sessions, spent, key=KEY.format(id="6"))
    assert await _dispatch(jobs, sessions) == 1
    assert await _locks(sessions) == [KEY.format(id="6")]

    await _execute(sessions, "DELETE FROM remotes")
    assert await _dispatch(jobs, sessions) == 1


@pytest.mark.parametrize("held", [False, True])
async def test_a_look_reads_what_it_takes_whatever_waits(
    sessions: Sessions, jobs: App, emptied_database_url: str, *, held: bool
) -> None:
    """Jobs wait for 3,000 records, 3,000 are due later and as many are due now."""
    await _execute(sessions, MANY, origin="webhook", later="0 s", count=3000)
    while await _dispatch(jobs, sessions):
        pass
    await _execute(sessions, MANY, origin="callback", later="1 hour", count=3000)
    await _execute(sessions, MANY, origin="poll", later="0 s", count=3000)
    async with await psycopg.AsyncConnection.connect(emptied_database_url, autocommit=True) as own:
        await own.execute("VACUUM ANALYZE wakeups")
    if held:
        pause = "INSERT INTO remotes (key, paused_until) VALUES (:key, now() + interval '1 hour')"
        await _execute(sessions, pause, key="vtiger")
    async with transaction(sessions) as session:
        before = (await session.execute(READ)).one()
        look = await top_up(jobs, session, RetryStrategy(STRANDED, BUDGET), ahead=4)
        after = (await session.execute(READ)).one()

    assert look.woken == (0 if held else 4)
    assert after.scanned == before.scanned
    assert after.fetched - before.fetched <= 60


async def test_dispatchers_that_look_at_once_make_one_job_a_record(
    jobs: App, sessions: Sessions
) -> None:
    await _accept(sessions, *(str(number) for number in range(60)))
    woken = await asyncio.gather(*(_dispatch(jobs, sessions) for _ in range(5)))

    assert sum(woken) == 60
    assert len(set(await _locks(sessions))) == len(await _locks(sessions)) == 60


async def test_a_dispatcher_leaves_alone_what_another_one_takes(
    jobs: App, sessions: Sessions
) -> None:
    await _accept(sessions, "5", "6", "7")
    async with transaction(sessions) as other:
        await dispatch_one(jobs, other, KEY.format(id="6"))
        assert await _dispatch(jobs, sessions) == 2

    assert sorted(await _locks(sessions)) == [KEY.format(id=record_id) for record_id in "567"]


async def test_what_is_due_is_listed_in_the_order_of_keys(sessions: Sessions) -> None:
    await _accept_backwards(sessions, "5", "6", "7")
    async with sessions() as session:
        due = await search_due(session, RetryStrategy(STRANDED, BUDGET))

    assert due == [KEY.format(id=record_id) for record_id in "567"]


async def test_a_wakeup_whose_job_was_lost_is_forgotten(jobs: App, sessions: Sessions) -> None:
    await _accept(sessions, "5", "6")
    await _dispatch(jobs, sessions)
    await _execute(
        sessions, "DELETE FROM procrastinate_jobs WHERE lock = :key", key=KEY.format(id="5")
    )
    await _execute(sessions, "UPDATE wakeups SET woken_at = now() - interval '9 seconds'")
    async with transaction(sessions) as session:
        await rescue(jobs, session, STRANDED)

    assert await _dispatch(jobs, sessions) == 1
    assert sorted(await _locks(sessions)) == [KEY.format(id="5"), KEY.format(id="6")]


async def test_a_wakeup_whose_job_has_ended_is_forgotten(jobs: App, sessions: Sessions) -> None:
    """Its drain ended before it began with the record: another job is needed."""
    await _accept(sessions, "5")
    await _dispatch(jobs, sessions)
    await _execute(sessions, TAKE_JOB, silent=0)
    await _execute(sessions, "UPDATE procrastinate_jobs SET status = 'failed'")
    await _execute(sessions, "UPDATE wakeups SET woken_at = now() - interval '9 seconds'")
    async with transaction(sessions) as session:
        await rescue(jobs, session, STRANDED)

    assert await _dispatch(jobs, sessions) == 1


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


async def test_workers_with_a_recent_heartbeat_are_counted(jobs: App, sessions: Sessions) -> None:
    async with sessions() as session:
        assert await count_workers(session, STRANDED) == 0
    await _accept(sessions, "5", "6", "7")
    await _dispatch(jobs, sessions)
    for silent_seconds in (9, 1, 0):
        await _execute(sessions, TAKE_JOB, silent=silent_seconds)

    async with sessions() as session:
        assert await count_workers(session, STRANDED) == 2


async def test_a_record_that_is_put_off_gets_a_job_later(jobs: App, sessions: Sessions) -> None:
    """Its own time stays if that is later."""
    await _accept(sessions, "5", "6")
    await _dispatch(jobs, sessions)
    await _execute(
        sessions,
        "UPDATE wakeups SET due_at = now() + interval '1 hour' WHERE record_key = :key",
        key=KEY.format(id="6"),
    )
    async with transaction(sessions) as session:
        for record_id in ("5", "6"):
            await put_off(session, KEY.format(id=record_id), 60)
    assert await _dispatch(jobs, sessions) == 0

    due_in = "SELECT due_at - now() FROM wakeups ORDER BY record_key"
    async with sessions() as session:
        soon, later = (await session.scalars(text(due_in))).all()
    assert soon <= timedelta(seconds=60) < timedelta(minutes=59) < later


async def test_a_superfluous_job_leaves_its_record_with_the_time_of_its_deliveries(
    jobs: App, sessions: Sessions
) -> None:
    await _accept(sessions, "5")
    await _dispatch(jobs, sessions)
    await _execute(sessions, "UPDATE wakeups SET due_at = now() + interval '1 hour'")
    async with transaction(sessions) as session:
        await clear_wakeups(await driver_of(session), [KEY.format(id="5")])
    assert await _dispatch(jobs, sessions) == 1
