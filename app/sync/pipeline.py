"""The way of one hint: given a job when it is due, drained, and ended in exactly one row of the
Sync Log.

Architecture, "The trip of a webhook": each step runs once, in order, and no transaction is open
while a remote is called. Expected failures are WooVtigerErrors; any other exception is unhandled
and recorded as outcome `failed` with reason `bug`."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic

from app.config.settings import SyncSettings
from app.db.session import OUTAGES, transaction
from app.domain import (
    DeliveryState,
    DependencyNotReady,
    LeaseLost,
    NotFound,
    Outcome,
    RateLimited,
    RemotePaused,
    WooVtigerError,
    key_in_logs,
)
from app.drains import Opened, WriteDown
from app.http.client import calling_for
from app.inbox.models import Delivery
from app.inbox.repository import (
    CHANNEL,
    Postponement,
    claim,
    dead_letter_unreported,
    postpone,
    record_of,
    settle,
)
from app.links.leases import PairLease
from app.modules.dependencies import Dependencies
from app.modules.ports import Skip
from app.observability import RETRIES, span, traced
from app.queue import (
    RetryStrategy,
    dispatch,
    dispatch_one,
    is_without_database,
    put_off,
    rescue,
    search_due,
    top_up,
)
from app.runtime import Runtime
from app.sync.reconcile import reconcile
from app.sync.work import (
    Result,
    build_entry,
    exhausted,
    failed,
    find_objection,
    open_work,
    publish,
    record_outcome,
    resolve,
    skipped,
)

# Retry policy: when a delivery that failed is tried again. Pure functions.


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Delays in seconds; `budget` is the age at which a delivery becomes a dead letter."""

    base_seconds: float = 2.0
    max_seconds: float = 3600.0
    lease_seconds: float = 0.5
    budget: timedelta = timedelta(days=3)


def retry_policy(chosen: SyncSettings) -> RetryPolicy:
    """The retry policy that the settings define."""
    return RetryPolicy(
        base_seconds=chosen.retry_base_delay,
        max_seconds=chosen.retry_max_delay,
        budget=timedelta(seconds=chosen.retry_budget),
    )


def delay_seconds(
    policy: RetryPolicy, error: WooVtigerError, attempts: int, rng: random.Random
) -> float:
    """Seconds until the next attempt: exponential backoff with jitter between half and full delay.

    The remote's Retry-After and the next attempt of a dependency are lower bounds. If no call was
    made because the remote is paused, the delay is the rest of the pause.
    """
    if isinstance(error, LeaseLost):
        return policy.lease_seconds * (0.5 + rng.random())
    if isinstance(error, RemotePaused):
        return error.seconds + policy.base_seconds * rng.random()
    ceiling = min(policy.max_seconds, policy.base_seconds * 2.0 ** min(attempts - 1, 30))
    wait = ceiling * (0.5 + rng.random() / 2)
    lower_bound = error.retry_after if isinstance(error, RateLimited) else None
    if isinstance(error, DependencyNotReady) and error.seconds > 0:
        lower_bound = error.seconds + policy.base_seconds * rng.random()
    return max(wait, lower_bound or 0.0)


def should_retry(policy: RetryPolicy, error: WooVtigerError, age: timedelta) -> bool:
    """Whether the error is retryable and the delivery is still within its retry budget."""
    return error.retryable and (isinstance(error, LeaseLost) or age < policy.budget)


def counts_as_attempt(error: WooVtigerError) -> bool:
    """Whether the attempt counts: waiting for a lease, a dependency or a remote does not."""
    return not isinstance(error, LeaseLost | DependencyNotReady | RemotePaused)


log = logging.getLogger(__name__)

UNHANDLED = WooVtigerError.reason
MAX_LOST_CLAIMS = 20
WORKER_LOST = (
    "Claimed {times} times in a row, and each time the worker ended without reporting a result: "
    "check the logs for the cause (out of memory, kill), then replay this delivery."
)

_RANDOM = random.Random()  # noqa: S311 - jitter needs no secrecy


async def drain(runtime: Runtime, record_key: str, *, owner: str) -> None:
    """Settle or postpone all open deliveries of one record.

    If another worker holds the lease, the job is only put off. Raises database outages (OUTAGES)
    and nothing else: any other exception would recur, so it is recorded as a failure.
    """
    try:
        await _drain(runtime, record_key, owner=owner)
    except LeaseLost:
        log.debug("record %s is leased by another worker", key_in_logs(record_key))
        async with transaction(runtime.sessions) as session:
            await put_off(session, record_key, retry_policy(runtime.settings.sync).lease_seconds)
    except OUTAGES:
        raise
    except Exception as error:
        await fail_unprocessable(runtime, record_key, error)


async def _drain(runtime: Runtime, record_key: str, *, owner: str) -> None:
    async with runtime.drains.open(record_key, owner) as opened:
        if opened.deliveries:
            await _sync_traced(replace(runtime, chosen=opened.chosen), opened)


async def _sync_traced(runtime: Runtime, opened: Opened) -> None:
    """Log lines and spans carry the id of the oldest delivery, as the line of its receipt did."""
    oldest = opened.deliveries[0]
    attributes = {"record": key_in_logs(oldest.record_key), "delivery": str(oldest.id)}
    with traced(attributes["delivery"]), span("sync record", attributes):
        await _sync_guarded(runtime, opened)


async def _sync_guarded(runtime: Runtime, opened: Opened) -> None:
    deliveries, lease = opened.deliveries, opened.lease
    lost_claims = max(delivery.lost_claims for delivery in deliveries)
    try:
        if lost_claims >= MAX_LOST_CLAIMS:
            error = WooVtigerError(WORKER_LOST.format(times=lost_claims))
            await _dead_letter(runtime, deliveries, lease, error=error)
            return
        with calling_for(key_in_logs(deliveries[-1].record_key)):
            await _sync(runtime, opened)
    except OUTAGES:
        raise  # nothing can be stored now; the deliveries are woken again as stranded
    except Exception as error:
        await end_after_error(runtime, deliveries, lease, error=error)


async def end_after_error(
    runtime: Runtime, deliveries: Sequence[Delivery], lease: PairLease, *, error: Exception
) -> None:
    """Postpone the deliveries, or record them as failed, after an error.

    If they cannot be postponed either, they are recorded as failed: otherwise they would be
    claimed again at once, without end. Raises LeaseLost and database outages.
    """
    try:
        await _retry_or_fail(runtime, deliveries, lease, error=error)
    except LeaseLost:
        raise
    except OUTAGES:
        raise
    except Exception as second:
        key = key_in_logs(deliveries[-1].record_key)
        log.error("%s could not be postponed", key, exc_info=second)
        await _dead_letter(
            runtime, deliveries, lease, error=WooVtigerError(describe_unhandled(second))
        )


async def _retry_or_fail(
    runtime: Runtime, deliveries: Sequence[Delivery], lease: PairLease, *, error: Exception
) -> None:
    """An error that is no WooVtigerError is unhandled and not retried."""
    if isinstance(error, WooVtigerError):
        await _retry_or_dead_letter(runtime, deliveries, lease, error=error)
        return
    key = key_in_logs(deliveries[-1].record_key)
    log.error("unhandled exception while syncing %s", key, exc_info=error)
    await _dead_letter(runtime, deliveries, lease, error=WooVtigerError(describe_unhandled(error)))


async def _sync(runtime: Runtime, opened: Opened) -> None:
    deliveries, lease = opened.deliveries, opened.lease
    hinted = record_of(deliveries[-1])
    skip = await find_objection(runtime, hinted)
    if skip is not None:
        result = skipped(hinted.system.other, hinted.id, skip)
        await _settle_without_pair(runtime, deliveries, lease, result=result)
        return
    record = await resolve(runtime, hinted)
    dependencies = Dependencies(runtime, drain, run_id=deliveries[-1].run_id)
    work = await open_work(runtime, record, deliveries, lease=lease, dependencies=dependencies)
    if opened.pair is None or record.key != hinted.key:
        await work.read()
    else:
        await work.open(opened.pair)
    await work.finish(await reconcile(work, work.state.link))


async def fail_unprocessable(runtime: Runtime, record_key: str, error: Exception) -> None:
    """Record the open deliveries of a record as failed, because no worker can process them.

    Works without a lease, for the database may refuse the key itself. Raises database outages.
    """
    key = key_in_logs(record_key)
    log.error("record %s cannot be processed", key, exc_info=error)
    try:
        await _record_unprocessable(runtime, record_key, error)
    except OUTAGES:
        raise
    except Exception as second:
        log.error("the failure of record %s cannot be logged", key, exc_info=second)
        async with transaction(runtime.sessions) as session:
            await dead_letter_unreported(
                session, record_key, reason=UNHANDLED, message=describe_unhandled(second)
            )


async def _record_unprocessable(runtime: Runtime, record_key: str, error: Exception) -> None:
    async with transaction(runtime.sessions) as session:
        deliveries = await claim(session, record_key)
        if not deliveries:
            return
        record = record_of(deliveries[-1])
        result = failed(record.system.other, record.id, WooVtigerError(describe_unhandled(error)))
        entry = build_entry(record, deliveries, result, None, monotonic())
        ids = [delivery.id for delivery in deliveries]
        await settle(
            session, ids, await record_outcome(session, entry, ids), state=DeliveryState.DEAD
        )


def describe_unhandled(error: Exception) -> str:
    """The message on an unhandled exception: only its type, for its text may quote a record."""
    return f"{type(error).__name__}: an error in the service; see its log for details."


async def _retry_or_dead_letter(
    runtime: Runtime, deliveries: Sequence[Delivery], lease: PairLease, *, error: WooVtigerError
) -> None:
    """Postpone the deliveries; those whose retry budget is exhausted become dead letters."""
    policy = retry_policy(runtime.settings.sync)
    retryable = [each for each in deliveries if should_retry(policy, error, each.age)]
    expired = [each for each in deliveries if each not in retryable]
    if expired:
        await _dead_letter(runtime, expired, lease, error=error, keeps_lease=bool(retryable))
    if not retryable:
        return
    attempts = max(delivery.attempts for delivery in retryable)
    seconds = delay_seconds(policy, error, attempts, _RANDOM)
    wait = Postponement(
        seconds,
        error.reason,
        str(error),
        counted=counts_as_attempt(error),
        waits_for=error.record_key if isinstance(error, DependencyNotReady) else None,
    )
    # Only the reason code is logged: a remote's message may quote the record.
    key = key_in_logs(retryable[-1].record_key)
    log.info("record %s waits %.1f s: %s", key, seconds, error.reason)
    async with transaction(runtime.sessions) as session:
        await lease.confirm(session)
        await postpone(session, [delivery.id for delivery in retryable], wait)
    RETRIES.labels(retryable[-1].module or "", error.reason).inc()


async def _dead_letter(
    runtime: Runtime,
    deliveries: Sequence[Delivery],
    lease: PairLease,
    *,
    error: WooVtigerError,
    keeps_lease: bool = False,
) -> None:
    """Record the outcome `failed` and make the deliveries dead letters.

    A record that does not exist is recorded as `skipped`. If writing back to the hinted system
    failed, the entry names that system as its target.
    """
    record = record_of(deliveries[-1])
    if isinstance(error, NotFound):
        result = skipped(record.system.other, record.id, Skip("not_found", str(error)))
    elif error.retryable:
        attempts = max(delivery.attempts for delivery in deliveries)
        result = exhausted(record.system.other, record.id, error, attempts=attempts)
    else:
        result = failed(record.system.other, record.id, error)
    if error.target is record.system:
        source_id = error.source_id
        result = replace(result, target=error.target, source_id=source_id, target_id=record.id)
    await _settle_without_pair(runtime, deliveries, lease, result=result, keeps_lease=keeps_lease)


async def _settle_without_pair(
    runtime: Runtime,
    deliveries: Sequence[Delivery],
    lease: PairLease,
    *,
    result: Result,
    keeps_lease: bool = False,
) -> None:
    dead = result.outcome is Outcome.FAILED
    entry = build_entry(record_of(deliveries[-1]), deliveries, result, None, monotonic())
    written = await runtime.drains.write(
        WriteDown(
            lease,
            entries=lambda _: [entry],
            deliveries=[delivery.id for delivery in deliveries],
            settled_as=DeliveryState.DEAD if dead else DeliveryState.DONE,
            ended={deliveries[-1].record_key},
            keeps_lease=keeps_lease,
        )
    )
    for entry_id, each in written.entries:
        publish(entry_id, each)


PAUSE_SECONDS = 0.05
"""Pause between two dispatches, which coalesces deliveries; a full queue is topped up after it."""


AHEAD = 2
"""Queued jobs for each concurrent job of a worker: enough until the next dispatch, and few enough
that a new delivery does not wait long."""


class Dispatcher:
    """`run` and `listen` run concurrently; `run_once` dispatches everything that is due."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._accepted = asyncio.Event()
        self._rescued_at = float("-inf")
        settings = runtime.settings
        self._retry_strategy = RetryStrategy(
            settings.worker.lease_seconds, settings.sync.retry_budget
        )

    async def run(self) -> None:
        worker = self._runtime.settings.worker
        is_full = False
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS if is_full else worker.dispatch_interval):
                    await self._accepted.wait()
            self._accepted.clear()
            is_full = await self._top_up(AHEAD * worker.concurrency)
            await self._rescue_if_due()
            await asyncio.sleep(PAUSE_SECONDS)

    async def run_once(self) -> None:
        """Wake every record that is due."""
        woken = 1
        while woken:
            try:
                async with transaction(self._runtime.sessions) as session:
                    woken = await dispatch(self._runtime.jobs, session, self._retry_strategy)
            except Exception as error:
                await self._dispatch_each(error)
                return

    async def _top_up(self, ahead: int) -> bool:
        """Whether due records are left because the queue is full."""
        try:
            async with transaction(self._runtime.sessions) as session:
                topped_up = await top_up(
                    self._runtime.jobs, session, self._retry_strategy, ahead=ahead
                )
        except Exception as error:
            await self._dispatch_each(error)
            return False
        return topped_up.is_full

    async def _dispatch_each(self, error: Exception) -> None:
        """Dispatch records one by one; those that cannot be dispatched are recorded as failed."""
        if is_without_database(error):
            raise error
        log.error(
            "A batch of records could not be woken; each is dispatched singly", exc_info=error
        )
        async with self._runtime.sessions() as session:
            keys = await search_due(session, self._retry_strategy)
        for key in keys:
            try:
                async with transaction(self._runtime.sessions) as session:
                    await dispatch_one(self._runtime.jobs, session, key)
            except Exception as second:
                if is_without_database(second):
                    raise
                await fail_unprocessable(self._runtime, key, second)

    async def _rescue_if_due(self) -> None:
        now = asyncio.get_running_loop().time()
        worker = self._runtime.settings.worker
        if now - self._rescued_at < worker.heartbeat:
            return
        self._rescued_at = now
        async with transaction(self._runtime.sessions) as session:
            await rescue(self._runtime.jobs, session, worker.stalled_after)

    async def listen(self) -> None:
        """Receive notifications of accepted deliveries, so that `run` dispatches them at once."""
        pulse, address = self._runtime.pulse, self._runtime.address
        async with await pulse.connect(address, autocommit=True) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            async for _ in connection.notifies():
                self._accepted.set()
