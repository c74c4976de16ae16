"""The job engine, and the dispatch of records with due deliveries to drain jobs.

The inbox determines what is to be done; a job only names a record to drain, so a lost, duplicate or
late job does no harm. `dispatch` coalesces deliveries, applies retry times and wakes deliveries
that a crash left stranded."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import OUTAGES, Connection, Pulse, has_ended, is_refusal

DRAIN = "drain"
QUEUE = "records"
BATCH_SIZE = 500
POOL_SECONDS = 10.0
CONNECT_SECONDS = 5
WITHOUT_DATABASE: tuple[type[Exception], ...] = (*OUTAGES, ConnectorException)
"""Errors while the database is unavailable, including the job engine's. The engine wraps
every driver error; `is_without_database` inspects its cause."""


def is_without_database(error: Exception) -> bool:
    """Whether the database was unavailable, rather than refusing the statement."""
    return isinstance(error, WITHOUT_DATABASE) and not is_refusal(error.__cause__ or error)


_DUE = """
WITH RECURSIVE held AS (  -- remotes that are not called now: deliveries wait for them
    SELECT key FROM remotes
    WHERE (opened_at IS NOT NULL AND closed_at IS NULL) OR paused_until > now()
), shops AS (  -- stores with waiting records, one step through the index for each
    (SELECT store FROM wakeups WHERE woken_at IS NULL ORDER BY store LIMIT 1)
  UNION ALL
    SELECT (
        SELECT wakeups.store FROM wakeups
        WHERE woken_at IS NULL AND wakeups.store > shops.store
        ORDER BY wakeups.store LIMIT 1)
    FROM shops WHERE shops.store IS NOT NULL
), lanes AS (
    SELECT store, is_bulk, is_held, greatest(0, :most - jobs) AS room
    FROM (VALUES (false), (true)) AS kinds (is_bulk)
    CROSS JOIN LATERAL (  -- jobs not started, and not waiting for another job of their record
        SELECT count(*) AS jobs FROM (
            SELECT FROM wakeups
            WHERE :topping_up AND woken_at IS NOT NULL AND wakeups.is_bulk = kinds.is_bulk
              AND NOT EXISTS (
                  SELECT FROM procrastinate_jobs
                  WHERE procrastinate_jobs.lock = wakeups.record_key AND status = 'doing')
            LIMIT :most) AS waiting) AS queue
    CROSS JOIN LATERAL (
        SELECT store, EXISTS (
            SELECT FROM held WHERE key IN ('vtiger', 'woocommerce:' || store)) AS is_held
        FROM shops WHERE store IS NOT NULL) AS stores
), due AS (  -- of each lane the oldest, and as many of the newest
    SELECT record_key FROM lanes CROSS JOIN LATERAL (
        SELECT record_key, row_number() OVER () AS place FROM (
            SELECT record_key FROM wakeups
            WHERE woken_at IS NULL AND wakeups.store = lanes.store
              AND wakeups.is_bulk = lanes.is_bulk AND due_at <= now()
            ORDER BY due_at, record_key LIMIT :half {lock}) AS first) AS oldest
    WHERE NOT is_held AND place <= (room + 1) / 2
  UNION
    SELECT record_key FROM lanes CROSS JOIN LATERAL (
        SELECT record_key, row_number() OVER () AS place FROM (
            SELECT record_key FROM wakeups
            WHERE woken_at IS NULL AND wakeups.store = lanes.store
              AND wakeups.is_bulk = lanes.is_bulk AND due_at <= now()
            ORDER BY due_at DESC, record_key DESC LIMIT :half {lock}) AS last) AS newest
    WHERE NOT is_held AND place <= (room + 1) / 2
  UNION
    SELECT record_key FROM lanes CROSS JOIN LATERAL (
        SELECT record_key FROM wakeups
        WHERE woken_at IS NULL AND wakeups.store = lanes.store
          AND wakeups.is_bulk = lanes.is_bulk AND due_at <= now()
          AND since < now() - make_interval(secs => :retry_budget)
        ORDER BY since LIMIT :half {lock}) AS spent
    WHERE is_held AND room > 0
  UNION
    SELECT record_key FROM (
        SELECT record_key FROM wakeups
        WHERE woken_at IS NULL AND claimed_at < now() - make_interval(secs => :stranded_after)
          AND NOT EXISTS (
              SELECT FROM leases
              WHERE leases.key = wakeups.record_key AND leases.expires_at > now())
          AND (since < now() - make_interval(secs => :retry_budget) OR NOT EXISTS (
              SELECT FROM held WHERE key IN ('vtiger', 'woocommerce:' || wakeups.store)))
        ORDER BY claimed_at LIMIT :half {lock}) AS stranded
)
"""
_LIMITS = [bindparam(name, type_=Integer, literal_execute=True) for name in ("most", "half")]
"""Rendered as literals, so that the database plans for so few rows."""
_LIST = "SELECT record_key FROM due ORDER BY record_key"
_TAKE = """
, woken AS (
    UPDATE wakeups SET woken_at = now()
    WHERE record_key = ANY (ARRAY(SELECT record_key FROM due))
    RETURNING record_key
)
SELECT coalesce((SELECT array_agg(record_key) FROM woken), '{}') AS keys_,
    EXISTS (SELECT FROM lanes WHERE room = 0) AS is_full
"""
_SEARCH = text(_DUE.format(lock="") + _LIST).bindparams(*_LIMITS)
_WAKE = text(_DUE.format(lock="FOR UPDATE SKIP LOCKED") + _TAKE).bindparams(*_LIMITS)
_WAKE_ONE = text("""
UPDATE wakeups SET woken_at = now() WHERE record_key = :key AND woken_at IS NULL
RETURNING record_key
""")


def open_jobs(conninfo: str, pool_size: int = 4, *, pulse: Pulse | None = None) -> App:
    """The job engine on a small connection pool of its own, which `pulse` monitors.

    Its tables are created by our migrations. It waits at most POOL_SECONDS for a connection.
    """
    connector = PsycopgConnector(
        pool_factory=_open_pool,
        conninfo=conninfo,
        min_size=1,
        max_size=pool_size,
        timeout=POOL_SECONDS,
        kwargs={"connect_timeout": CONNECT_SECONDS},
        configure=pulse.watch if pulse is not None else None,
    )
    return App(connector=connector)


def _open_pool(**settings: Any) -> AsyncConnectionPool:
    """A pool that queries a borrowed connection only if it may have ended: a query for each would
    be two more for each job."""
    return AsyncConnectionPool(**settings | {"check": _check})


async def _check(connection: Connection) -> None:
    if has_ended(connection):
        await AsyncConnectionPool.check_connection(connection)


@dataclass(frozen=True, slots=True)
class RetryStrategy:
    """Both in seconds: the age at which a claimed delivery without a lease is stranded, and the age
    at which one is woken although its remote is not called, to be recorded as failed."""

    stranded_after: float
    retry_budget: float


@dataclass(frozen=True, slots=True)
class TopUp:
    """How many records were given a job, and whether the queue was too full for all."""

    woken: int
    is_full: bool


def _values(retry_strategy: RetryStrategy, most: int, *, topping_up: bool) -> dict[str, object]:
    return {
        "most": most,
        "half": (most + 1) // 2,
        "topping_up": topping_up,
        "stranded_after": retry_strategy.stranded_after,
        "retry_budget": retry_strategy.retry_budget,
    }


async def search_due(session: AsyncSession, retry_strategy: RetryStrategy) -> Sequence[str]:
    """The keys of the records that the next dispatch would wake."""
    values = _values(retry_strategy, BATCH_SIZE, topping_up=False)
    return (await session.scalars(_SEARCH, values)).all()


async def dispatch(jobs: App, session: AsyncSession, retry_strategy: RetryStrategy) -> int:
    """Give due records without a waiting job one drain job each, about BATCH_SIZE per store.

    Returns their number; 0 when all have one.
    """
    values = _values(retry_strategy, BATCH_SIZE, topping_up=False)
    return await _defer(jobs, session, (await session.execute(_WAKE, values)).one().keys_)


async def top_up(
    jobs: App, session: AsyncSession, retry_strategy: RetryStrategy, *, ahead: int
) -> TopUp:
    """Dispatch as many records of each store as keep `ahead` jobs that are not started.

    Live deliveries and bulk deliveries (runs, polls, replays) are counted separately, so that
    neither waits behind a long queue of the other.
    """
    found = (await session.execute(_WAKE, _values(retry_strategy, ahead, topping_up=True))).one()
    woken = await _defer(jobs, session, found.keys_)
    return TopUp(woken, is_full=bool(found.is_full or woken))


async def dispatch_one(jobs: App, session: AsyncSession, record_key: str) -> None:
    """Give this record a drain job, unless one is waiting."""
    woken = await session.scalars(_WAKE_ONE, {"key": record_key})
    await _defer(jobs, session, woken.all())


async def _defer(jobs: App, session: AsyncSession, record_keys: Sequence[str]) -> int:
    if record_keys:
        drains = [_drain(key) for key in record_keys]
        connection = await (await session.connection()).get_raw_connection()
        await jobs.job_manager.batch_defer_jobs_async(drains, connection.driver_connection)
    return len(record_keys)


def _drain(record_key: str) -> Job:
    return Job(
        queue=QUEUE,
        lock=record_key,
        queueing_lock=None,
        task_name=DRAIN,
        task_kwargs={"record_key": record_key},
    )


_PUT_OFF = text("""
UPDATE wakeups SET woken_at = NULL,
    due_at = CASE WHEN due_at < now() + make_interval(secs => :seconds)
        THEN now() + make_interval(secs => :seconds) ELSE due_at END
WHERE record_key = :key
""")


async def put_off(session: AsyncSession, record_key: str, seconds: float) -> None:
    """Put the record off, in seconds, because another worker holds its lease."""
    await session.execute(_PUT_OFF, {"key": record_key, "seconds": seconds})


_FORGET_LOST = text("""
UPDATE wakeups SET woken_at = NULL
WHERE woken_at < now() - make_interval(secs => :lost_after) AND NOT EXISTS (
    SELECT FROM procrastinate_jobs
    WHERE lock = wakeups.record_key AND status IN ('todo', 'doing'))
""")


async def rescue(jobs: App, session: AsyncSession, silent_seconds: float) -> int:
    """Requeue the jobs of workers without a recent heartbeat; returns their number."""
    stalled = await jobs.job_manager.get_stalled_jobs(seconds_since_heartbeat=silent_seconds)
    rescued = 0
    for job in stalled:
        with contextlib.suppress(ConnectorException):  # another worker was first
            await jobs.job_manager.retry_job(job)
            rescued += 1
    await session.execute(_FORGET_LOST, {"lost_after": silent_seconds})
    return rescued


_LIVING = text("""
SELECT count(*) FROM procrastinate_workers
WHERE last_heartbeat > now() - make_interval(secs => :silent_after)
""")


async def count_workers(session: AsyncSession, silent_seconds: float) -> int:
    """The number of workers with a recent heartbeat, on all machines."""
    return int(await session.scalar(_LIVING, {"silent_after": silent_seconds}) or 0)
