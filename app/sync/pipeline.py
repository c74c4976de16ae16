"""The way of one hint, from the inbox to exactly one row of the Sync Log.

Architecture, "The way of one hint": each stop once, in order; no transaction is open while a
remote is called; expected failures are values, and only a bug is an exception, which is logged
as `failed / bug` like any other outcome."""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic

from app.config.settings import SyncSettings
from app.db.session import OUTAGES, Session, transaction
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
from app.http.client import calling_for
from app.inbox.models import Delivery
from app.inbox.repository import Postponement, claim, dead_letter_unreported, peek, postpone, settle
from app.links.leases import PairLease, hold
from app.links.models import Link
from app.links.repository import find_link
from app.logging import traced
from app.modules.dependencies import Dependencies
from app.modules.ports import Skip, lease_keys, with_partner
from app.observability import RETRIES, span
from app.queue import clear_wakeup, put_off
from app.runtime import Runtime
from app.sync.reconcile import reconcile
from app.sync.work import (
    Result,
    Work,
    entry_of,
    failed,
    find_objection,
    given_up,
    open_work,
    resolve,
    skipped,
    tell,
)

# When a hint that could not be settled is tried again. Pure.


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Delays in seconds; `budget` is the age at which a hint becomes a dead letter."""

    base_seconds: float = 2.0
    most_seconds: float = 3600.0
    lease_seconds: float = 0.5
    budget: timedelta = timedelta(days=3)


def retry_policy(chosen: SyncSettings) -> RetryPolicy:
    """As the settings have it."""
    return RetryPolicy(
        base_seconds=chosen.retry_base_delay,
        most_seconds=chosen.retry_max_delay,
        budget=timedelta(seconds=chosen.retry_budget),
    )


def delay_seconds(
    policy: RetryPolicy, error: WooVtigerError, attempts: int, rng: random.Random
) -> float:
    """Exponential with full jitter above half; what the remote asked for is a lower bound, and so
    is the next try of a record that has to be synced first. Where no call was made there is
    nothing to back off from: it is until the next call."""
    if isinstance(error, LeaseLost):
        return policy.lease_seconds * (0.5 + rng.random())
    if isinstance(error, RemotePaused):
        return error.seconds + policy.base_seconds * rng.random()
    ceiling = min(policy.most_seconds, policy.base_seconds * 2.0 ** min(attempts - 1, 30))
    wait = ceiling * (0.5 + rng.random() / 2)
    asked = error.retry_after if isinstance(error, RateLimited) else None
    if isinstance(error, DependencyNotReady) and error.seconds > 0:
        asked = error.seconds + policy.base_seconds * rng.random()
    return max(wait, asked or 0.0)


def worth_trying(policy: RetryPolicy, error: WooVtigerError, age: timedelta) -> bool:
    """Whether another try can help and the hint is young enough for it."""
    return error.retryable and (isinstance(error, LeaseLost) or age < policy.budget)


def burns_attempt(error: WooVtigerError) -> bool:
    """Whether that was a try: not where another worker, record or remote had to be waited for."""
    return not isinstance(error, LeaseLost | DependencyNotReady | RemotePaused)


log = logging.getLogger(__name__)

BUG = WooVtigerError.reason
MOST_LOST_CLAIMS = 20
NO_WORD = (
    "Taken up {times} times in a row, and each time the worker ended without a word: look for its "
    "end in the logs (memory, kill), then replay this delivery."
)

_RANDOM = random.Random()  # noqa: S311 - jitter needs no secrecy


async def drain(runtime: Runtime, record_key: str, *, owner: str) -> None:
    """Settle, or give back, every open hint of one record; quietly leave it if another has it.

    Raises outages of the database alone: whatever else goes wrong here would go wrong again.
    """
    try:
        await _drain(runtime, record_key, owner=owner)
    except LeaseLost:
        log.debug("record %s is in other hands", key_in_logs(record_key))
        async with transaction(runtime.sessions) as session:
            await put_off(session, record_key, retry_policy(runtime.settings.sync).lease_seconds)
    except OUTAGES:
        raise
    except Exception as error:
        await fail_unworkable(runtime, record_key, error)


async def _drain(runtime: Runtime, record_key: str, *, owner: str) -> None:
    async with runtime.sessions() as session:
        keys = await _pair_keys(session, record_key)
    seconds = runtime.settings.worker.lease_seconds
    async with hold(runtime.sessions, keys, owner=owner, seconds=seconds) as lease:
        async with transaction(runtime.sessions) as session:
            deliveries = await claim(session, record_key)
            await clear_wakeup(session, record_key, has_work=bool(deliveries))
        if deliveries:
            await _bring_traced(runtime, deliveries, lease)


async def _pair_keys(session: Session, record_key: str) -> Sequence[str]:
    """The record's key and its partner's: taken together, so that no two workers cross over."""
    record = await peek(session, record_key)
    if record is None or record.module is None:
        return [record_key]
    link = await find_link(session, record)
    records = with_partner(record, link)
    return [record_key, *lease_keys(*records)]


async def _bring_traced(runtime: Runtime, deliveries: Sequence[Delivery], lease: PairLease) -> None:
    """All lines carry the id of the oldest hint, as the line of its receipt did."""
    oldest = deliveries[0]
    told = {"record": key_in_logs(oldest.record_key), "delivery": str(oldest.id)}
    with traced(told["delivery"]), span("sync record", told):
        await _bring(runtime, deliveries, lease)


async def _bring(runtime: Runtime, deliveries: Sequence[Delivery], lease: PairLease) -> None:
    lost = max(delivery.lost_claims for delivery in deliveries)
    try:
        if lost >= MOST_LOST_CLAIMS:
            error = WooVtigerError(NO_WORD.format(times=lost))
            await _dead_letter(runtime, deliveries, lease, error=error)
            return
        with calling_for(key_in_logs(deliveries[-1].record_key)):
            await _settle(runtime, deliveries, lease)
    except OUTAGES:
        raise  # nothing can be written down now; the hints are woken again as stranded
    except Exception as error:
        await end_surely(runtime, deliveries, lease, error=error)


async def end_surely(
    runtime: Runtime, deliveries: Sequence[Delivery], lease: PairLease, *, error: Exception
) -> None:
    """What broke off is tried again later, or told as failed. A hint that cannot even be given
    back would be taken up again at once, for ever: it is told as failed."""
    try:
        await _end_with(runtime, deliveries, lease, error=error)
    except LeaseLost:
        raise
    except OUTAGES:
        raise
    except Exception as second:
        key = key_in_logs(deliveries[-1].record_key)
        log.error("%s could not be given back", key, exc_info=second)
        await _dead_letter(runtime, deliveries, lease, error=WooVtigerError(of_bug(second)))


async def _end_with(
    runtime: Runtime, deliveries: Sequence[Delivery], lease: PairLease, *, error: Exception
) -> None:
    """What is no expected failure is a bug."""
    if isinstance(error, WooVtigerError):
        await _retry_or_dead_letter(runtime, deliveries, lease, error=error)
        return
    key = key_in_logs(deliveries[-1].record_key)
    log.error("unhandled exception while syncing %s", key, exc_info=error)
    await _dead_letter(runtime, deliveries, lease, error=WooVtigerError(of_bug(error)))


async def _settle(runtime: Runtime, deliveries: Sequence[Delivery], lease: PairLease) -> None:
    told = deliveries[-1].record
    skip = await find_objection(runtime, told)
    if skip is not None:
        result = skipped(told.system.other, told.id, skip)
        await _end_without_pair(runtime, deliveries, lease, result=result)
        return
    record = await resolve(runtime, told)
    dependencies = Dependencies(runtime, drain, run_id=deliveries[-1].run_id)
    work = await open_work(runtime, record, deliveries, lease=lease, dependencies=dependencies)
    link = await _link_under_lease(work)
    await work.finish(await reconcile(work, link))


async def _link_under_lease(work: Work) -> Link | None:
    """The record's link, with both records of the pair leased, and its conflicts."""
    async with work.runtime.sessions() as session:
        link = await find_link(session, work.record)
    records = with_partner(work.record, link)
    await work.lease.extend(lease_keys(*records))
    if link is None:
        return None
    async with work.runtime.sessions() as session:
        link = await find_link(session, work.record)
    if link is not None:
        await work.read_conflicts(link)
    return link


async def fail_unworkable(runtime: Runtime, record_key: str, error: Exception) -> None:
    """Tell the open hints of a record as failed that no worker can take up.

    Without a lease: the key itself may be what the database refuses.
    """
    key = key_in_logs(record_key)
    log.error("record %s cannot be worked on", key, exc_info=error)
    try:
        await _tell_unworkable(runtime, record_key, error)
    except OUTAGES:
        raise
    except Exception as second:
        log.error("the end of record %s cannot be told", key, exc_info=second)
        async with transaction(runtime.sessions) as session:
            await dead_letter_unreported(session, record_key, reason=BUG, message=of_bug(second))


async def _tell_unworkable(runtime: Runtime, record_key: str, error: Exception) -> None:
    async with transaction(runtime.sessions) as session:
        deliveries = await claim(session, record_key)
        if not deliveries:
            return
        record = deliveries[-1].record
        result = failed(record.system.other, record.id, WooVtigerError(of_bug(error)))
        entry = entry_of(record, deliveries, result, None, monotonic())
        ids = [delivery.id for delivery in deliveries]
        await settle(session, ids, await tell(session, entry, ids), state=DeliveryState.DEAD)


def of_bug(error: Exception) -> str:
    return f"{type(error).__name__}: an error in the service; its log tells more."


async def _retry_or_dead_letter(
    runtime: Runtime, deliveries: Sequence[Delivery], lease: PairLease, *, error: WooVtigerError
) -> None:
    """Each hint has its own time to be tried in; those whose time is up are told as failed."""
    policy = retry_policy(runtime.settings.sync)
    young = [each for each in deliveries if worth_trying(policy, error, each.age)]
    spent = [each for each in deliveries if each not in young]
    if spent:
        await _dead_letter(runtime, spent, lease, error=error)
    if not young:
        return
    attempts = max(delivery.attempts for delivery in young)
    seconds = delay_seconds(policy, error, attempts, _RANDOM)
    wait = Postponement(
        seconds,
        error.reason,
        str(error),
        counted=burns_attempt(error),
        waits_for=error.record_key if isinstance(error, DependencyNotReady) else None,
    )
    # By its code: the words of a remote system may quote the record. The delivery keeps them.
    key = key_in_logs(young[-1].record_key)
    log.info("record %s waits %.1f s: %s", key, seconds, error.reason)
    async with transaction(runtime.sessions) as session:
        await lease.confirm(session)
        await postpone(session, [delivery.id for delivery in young], wait)
    RETRIES.labels(young[-1].module or "", error.reason).inc()


async def _dead_letter(
    runtime: Runtime, deliveries: Sequence[Delivery], lease: PairLease, *, error: WooVtigerError
) -> None:
    """No further try can help, or time is up: the log says `failed`, the hints wait for a person.

    What turned out not to exist is no failure: it is skipped. Where it was the write back that
    failed, the log says so: it is told of the system that the hint came from.
    """
    record = deliveries[-1].record
    if isinstance(error, NotFound):
        result = skipped(record.system.other, record.id, Skip("not_found", str(error)))
    elif error.retryable:
        attempts = max(delivery.attempts for delivery in deliveries)
        result = given_up(record.system.other, record.id, error, attempts=attempts)
    else:
        result = failed(record.system.other, record.id, error)
    if error.target is record.system:
        source_id = error.source_id
        result = replace(result, target=error.target, source_id=source_id, target_id=record.id)
    await _end_without_pair(runtime, deliveries, lease, result=result)


async def _end_without_pair(
    runtime: Runtime, deliveries: Sequence[Delivery], lease: PairLease, *, result: Result
) -> None:
    ids = [delivery.id for delivery in deliveries]
    dead = result.outcome is Outcome.FAILED
    state = DeliveryState.DEAD if dead else DeliveryState.DONE
    entry = entry_of(deliveries[-1].record, deliveries, result, None, monotonic())
    async with transaction(runtime.sessions) as session:
        await lease.confirm(session)
        told = await tell(session, entry, ids)
        await settle(session, ids, told, state=state, ended={deliveries[-1].record_key})
