"""Carrying out a run: step after step, so that whoever takes it up begins at the last one.

One run of a store at a time, by whichever worker holds its lease. A look only reads; what it
finds is a hint like any other, with a row of its own in the log, so a crash loses nothing: what
was in hand is woken again by any worker, and what this run has brought up is not brought up twice.
"""

import logging
import random
from datetime import timedelta
from uuid import uuid4

from app.db.outage import OUTAGES
from app.db.session import transaction
from app.errors import LeaseLost, Waiting, WooVtigerError
from app.links.leases import PairLease, hold
from app.runs.models import DUE_STATES, RunState, SyncRun
from app.runs.repository import (
    ask_consent,
    find_run,
    finish_run,
    put_off,
    search_due_runs,
    take_up,
)
from app.runtime import Runtime
from app.sync.forecast import describe_forecast
from app.sync.retry import delay_seconds, retry_policy, worth_trying
from app.sync.run import count_outcomes
from app.sync.run_steps import ConsentNeeded, RunEnded, Steps

log = logging.getLogger(__name__)

_RANDOM = random.Random()  # noqa: S311 - jitter needs no secrecy


async def execute_due(runtime: Runtime) -> int:
    """Carry out the runs that want work and that nobody else is at; how many those were."""
    async with runtime.sessions() as session:
        due = [run.id for run in await search_due_runs(session)]
    return sum([await execute(runtime, run_id) for run_id in due])


async def execute(runtime: Runtime, run_id: int) -> bool:
    """Go on with a run until it ends or has to wait; False if another worker is at its store."""
    async with runtime.sessions() as session:
        run = await find_run(session, run_id)
    if run is None or run.state not in DUE_STATES or run.store not in runtime.stores:
        return False
    seconds = runtime.settings.worker.lease_seconds
    try:
        async with hold(
            runtime.sessions, [f"run:{run.store}"], owner=uuid4().hex, seconds=seconds
        ) as lease:
            await _carry_out(runtime, run_id, lease)
    except LeaseLost:
        log.debug("another worker is at a run of store %s", run.store)
        return False
    return True


async def _carry_out(runtime: Runtime, run_id: int, lease: PairLease) -> None:
    async with transaction(runtime.sessions) as session:
        run = await take_up(session, run_id)
    if run is None:
        return
    log.info("run %d of store %s is under way", run.id, run.store)
    try:
        await Steps(runtime, run, lease).go()
    except RunEnded:
        log.info("run %d was cancelled", run.id)
    except ConsentNeeded as needed:
        async with transaction(runtime.sessions) as session:
            await lease.confirm(session)
            await ask_consent(session, run.id, needed.forecast.as_json())
        log.info("run %d asks first: %s", run.id, describe_forecast(needed.forecast))
    except LeaseLost:
        raise
    except WooVtigerError as error:
        await _put_off_or_fail(runtime, run, error, lease=lease)
    except OUTAGES:
        raise  # nothing can be written down now; the run is taken up again
    except Exception as error:
        log.exception("a bug in run %d", run.id)
        message = f"{type(error).__name__}: an error in the service; its log tells more."
        await _finish(runtime, run, RunState.FAILED, lease=lease, reason="bug", message=message)
    else:
        await _finish(runtime, run, RunState.DONE, lease=lease)


async def _put_off_or_fail(
    runtime: Runtime, run: SyncRun, error: WooVtigerError, *, lease: PairLease
) -> None:
    policy = retry_policy(runtime.settings.sync)
    age: timedelta = runtime.clock() - run.created_at
    if not worth_trying(policy, error, age):
        reason, message = error.reason, error.summary
        await _finish(runtime, run, RunState.FAILED, lease=lease, reason=reason, message=message)
        return
    attempts = 1 if isinstance(error, Waiting) else run.attempts
    seconds = delay_seconds(policy, error, attempts, _RANDOM)
    log.warning("run %d waits %.0f s: %s", run.id, seconds, error.summary)
    async with transaction(runtime.sessions) as session:
        await lease.confirm(session)
        await put_off(session, run.id, seconds, reason=error.reason, message=error.summary)


async def _finish(
    runtime: Runtime,
    run: SyncRun,
    state: RunState,
    *,
    lease: PairLease,
    reason: str | None = None,
    message: str | None = None,
) -> None:
    async with runtime.sessions() as session:
        now = await find_run(session, run.id)
    totals = await count_outcomes(runtime, now or run)
    async with transaction(runtime.sessions) as session:
        await lease.confirm(session)
        await finish_run(session, run.id, state, totals=totals, reason=reason, message=message)
    log.info("run %d is %s", run.id, state)
