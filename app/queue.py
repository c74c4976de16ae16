"""The job engine and the one way from a waiting delivery to a job.

The inbox orders, the engine only wakes: a job says "look at this record", nothing more, so a
job that is lost, doubled or late costs nothing. `dispatch` is at once the coalescing, the retry
timer and the sweeper of what a crash stranded.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.outage import OUTAGES, is_refusal
from app.db.pulse import Pulse

DRAIN = "drain"
QUEUE = "records"
MOST_AT_ONCE = 500
POOL_SECONDS = 10.0
CONNECT_SECONDS = 5
WITHOUT_DATABASE: tuple[type[Exception], ...] = (*OUTAGES, ConnectorException)
"""What an absent database looks like, the job engine's word for it included. The engine wraps every
error of the driver; `is_without_database` looks inside."""


def is_without_database(error: Exception) -> bool:
    """Whether the database was absent, rather than against the statement."""
    return isinstance(error, WITHOUT_DATABASE) and not is_refusal(error.__cause__ or error)


_DUE = """
WITH held AS (  -- remotes that are not called now: what needs them waits, until it is too old
    SELECT key FROM remotes
    WHERE (opened_at IS NOT NULL AND closed_at IS NULL) OR paused_until > now()
), due AS (
    SELECT record_key, store, min(next_attempt_at) AS since, min(received_at) AS received_at
    FROM deliveries
    WHERE state = 'pending' AND next_attempt_at <= now()
    GROUP BY record_key, store
  UNION ALL
    SELECT record_key, store, min(claimed_at) AS since, min(received_at) AS received_at
    FROM deliveries
    WHERE state = 'processing'
      AND claimed_at < now() - make_interval(secs => :stranded_after)
      AND NOT EXISTS (
          SELECT FROM leases
          WHERE leases.key = deliveries.record_key AND leases.expires_at > now())
    GROUP BY record_key, store
), oldest AS (
    SELECT record_key FROM due
    WHERE NOT EXISTS (SELECT FROM wakeups WHERE wakeups.record_key = due.record_key)
      AND (due.received_at < now() - make_interval(secs => :retry_budget) OR NOT EXISTS (
          SELECT FROM held WHERE key = 'vtiger' OR key = 'woocommerce:' || due.store))
      AND (CAST(:only AS varchar) IS NULL OR record_key = :only)
    GROUP BY record_key
    ORDER BY min(since)
    LIMIT :most
)
"""
_SEARCH = text(_DUE + "SELECT record_key FROM oldest ORDER BY record_key")  # noqa: S608 - ours
_WAKE = text(
    _DUE
    + """
INSERT INTO wakeups (record_key)
SELECT record_key FROM oldest
ORDER BY record_key  -- in one order for all dispatchers, so that two of them cannot deadlock
ON CONFLICT DO NOTHING
RETURNING record_key
"""
)


def open_jobs(conninfo: str, pool_size: int = 4, *, pulse: Pulse | None = None) -> App:
    """The engine's app on its own small pool, which `pulse` watches; its tables come with our
    migrations.

    It signs a worker off when that stops, and waits for a connection as long as the pool lets it.
    """
    connector = PsycopgConnector(
        conninfo=conninfo,
        min_size=1,
        max_size=pool_size,
        timeout=POOL_SECONDS,
        kwargs={"connect_timeout": CONNECT_SECONDS},
        configure=pulse.watch if pulse is not None else None,
    )
    return App(connector=connector)


@dataclass(frozen=True, slots=True)
class Patience:
    """Both in seconds: since when a delivery in hand without a lease is stranded, and the age at
    which one is woken although its remote is left alone, to be told as failed."""

    stranded_after: float
    retry_budget: float

    def values(self, only: str | None = None) -> dict[str, object]:
        return {
            "most": MOST_AT_ONCE,
            "stranded_after": self.stranded_after,
            "retry_budget": self.retry_budget,
            "only": only,
        }


async def search_due(session: AsyncSession, patience: Patience) -> Sequence[str]:
    """The keys of the records that the next dispatch would wake."""
    return (await session.scalars(_SEARCH, patience.values())).all()


async def dispatch(
    jobs: App, session: AsyncSession, patience: Patience, *, only: str | None = None
) -> int:
    """Give each record with due deliveries and no waiting job one drain job; how many.

    With `only`, no record but that of this key.
    """
    woken = await session.scalars(_WAKE, patience.values(only))
    drains = [_drain(key) for key in woken]
    if drains:
        connection = await (await session.connection()).get_raw_connection()
        await jobs.job_manager.batch_defer_jobs_async(drains, connection.driver_connection)
    return len(drains)


def _drain(record_key: str) -> Job:
    return Job(
        queue=QUEUE,
        lock=record_key,
        queueing_lock=None,
        task_name=DRAIN,
        task_kwargs={"record_key": record_key},
    )


async def clear_wakeup(session: AsyncSession, record_key: str) -> None:
    await session.execute(text("DELETE FROM wakeups WHERE record_key = :key"), {"key": record_key})


_FORGET_LOST = text("""
DELETE FROM wakeups
WHERE created_at < now() - make_interval(secs => :lost_after)
  AND NOT EXISTS (
      SELECT FROM procrastinate_jobs
      WHERE lock = wakeups.record_key AND status IN ('todo', 'doing'))
""")


async def rescue(jobs: App, session: AsyncSession, silent_seconds: float) -> int:
    """Hand the jobs of workers that fell silent to living ones; how many."""
    stalled = await jobs.job_manager.get_stalled_jobs(seconds_since_heartbeat=silent_seconds)
    rescued = 0
    for job in stalled:
        with contextlib.suppress(ConnectorException):  # a peer was quicker
            await jobs.job_manager.retry_job(job)
            rescued += 1
    await session.execute(_FORGET_LOST, {"lost_after": silent_seconds})
    return rescued


_LIVING = text("""
SELECT count(*) FROM procrastinate_workers
WHERE last_heartbeat > now() - make_interval(secs => :silent_after)
""")


async def count_workers(session: AsyncSession, silent_seconds: float) -> int:
    """Workers that gave a sign of life lately, on any machine."""
    return int(await session.scalar(_LIVING, {"silent_after": silent_seconds}) or 0)
