"""Blocks of permits: few commits a call, and limits that hold whatever several processes do."""

import asyncio
import heapq
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from app.db.session import Sessions, transaction
from app.domain import (
    AuthRejected,
    CallsPaused,
    RateLimited,
    RemoteError,
    RemoteUnavailable,
    System,
)
from app.remotes.gate import (
    PERMIT_SHARE,
    TURN_CALLS,
    Block,
    RemoteLimits,
    RemoteState,
    SharedGate,
    reserve_block,
    search_remotes,
)
from app.tasks import run_together
from tests.tampering import AGE_REMOTES

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
BLOCK = 25


# The rate: a model of several processes, in virtual time.


@dataclass(slots=True)
class Process:
    """The calls of one process, each as seconds after the one before. It may die with a block."""

    gaps: Sequence[float]
    block: Block | None = None
    begun: list[float] = field(default_factory=list)


def simulate(rate: float, processes: Sequence[Process]) -> list[tuple[float, float]]:
    """When each call was wanted and began, in seconds; callers of a process wait in line."""
    limits, state, calls = RemoteLimits(calls_per_second=rate), RemoteState(), []
    queue = [(each.gaps[0], number, 0) for number, each in enumerate(processes)]
    heapq.heapify(queue)
    while queue:
        wanted, number, call = heapq.heappop(queue)
        process = processes[number]
        if process.block is None or not process.block.has_left(wanted):
            moment = NOW + timedelta(seconds=wanted)
            state, process.block = reserve_block(
                state, limits, now=moment, monotonic=wanted, last=process.block, waiting=1
            )
        begun = max(wanted, process.block.use())
        calls.append((wanted, begun))
        if call + 1 < len(process.gaps):
            heapq.heappush(queue, (begun + process.gaps[call + 1], number, call + 1))
    return calls


gaps = st.one_of(st.just(0.0), st.floats(0, 0.05), st.floats(0, 3))
histories = st.lists(st.lists(gaps, min_size=1, max_size=60), min_size=1, max_size=6)
rates = st.sampled_from([0.5, 1.0, 3.0, 4.0, 20.0, 100.0])


@settings(max_examples=300)
@given(rates, histories)
def test_any_span_of_time_sees_the_rate_a_saved_second_and_one_block_a_process(
    rate: float, history: list[list[float]]
) -> None:
    begun = sorted(begun for _, begun in simulate(rate, [Process(gaps) for gaps in history]))
    block = max(1, int(rate * PERMIT_SHARE))
    held = min(rate, len(history) * block)
    for first, start in enumerate(begun):
        for count, end in enumerate(begun[first:], start=1):
            assert count <= rate * (end - start + 1) + held + 1.001


@settings(max_examples=300)
@given(rates, histories)
def test_nobody_waits_for_more_than_one_block_of_each_other_process(
    rate: float, history: list[list[float]]
) -> None:
    """Those of processes that died with a block included."""
    longest = len(history) * max(PERMIT_SHARE, 1 / rate)
    calls = simulate(rate, [Process(gaps) for gaps in history])
    assert all(begun - wanted <= longest + 0.001 for wanted, begun in calls)


def test_a_process_with_few_calls_leaves_the_rest_to_others() -> None:
    """Fifty processes with a call a second each want half of the rate: nobody has to wait long."""
    calls = simulate(100, [Process([number / 50, *[1.0] * 20]) for number in range(50)])
    late = [begun - wanted for wanted, begun in calls if wanted > 15]
    assert max(late) < 0.1


def test_a_process_that_was_idle_for_a_second_has_no_permit_left() -> None:
    limits, state = RemoteLimits(calls_per_second=4 * BLOCK), RemoteState()
    _, block = reserve_block(state, limits, now=NOW, monotonic=0, last=None, waiting=1)
    block.use()
    assert block.has_left(0.9)
    assert not block.has_left(1)


def test_what_a_process_held_when_it_was_killed_is_free_again_after_a_second() -> None:
    """The others may then begin as many calls at once as if it had never been there."""
    limits = RemoteLimits(calls_per_second=4 * BLOCK)
    held, _ = reserve_block(RemoteState(), limits, now=NOW, monotonic=0, last=None, waiting=1)
    later = NOW + timedelta(seconds=1)
    after = [
        reserve_block(state, limits, now=later, monotonic=1, last=None, waiting=1)[1]
        for state in (held, RemoteState())
    ]
    assert after[0] == after[1]


CALLER = """
import asyncio, os, signal, sys
from app.db.session import open_engine, open_sessions
from app.domain import System
from app.remotes.gate import RemoteLimits, SharedGate

async def no_wait(seconds):
    pass

async def call():
    if is_killed:
        os.kill(os.getpid(), signal.SIGKILL)

async def main(url, calls):
    engine = open_engine(url)
    limits = RemoteLimits(calls_per_second=100)
    gate = SharedGate(open_sessions(engine), System.VTIGER, "", limits, 4, sleep=no_wait)
    await asyncio.gather(*(gate.run(call) for _ in range(calls)))
    await engine.dispose()

is_killed = sys.argv[3] == "killed"
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.anyio
async def test_processes_reserve_what_they_use_and_at_most_one_block_each(
    sessions: Sessions,
) -> None:
    """One of the three is killed with its block. The line begins far ahead, so that permits can be
    counted exactly."""
    start = datetime.now(UTC) + timedelta(days=1)
    async with transaction(sessions) as session:
        await session.execute(
            text("INSERT INTO remotes (key, booked_until) VALUES ('vtiger', :start)"),
            {"start": start},
        )
    url = sessions.kw["bind"].url.render_as_string(hide_password=False)
    callers = [("130", "lives"), ("70", "lives"), ("1", "killed")]
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", CALLER, url, calls, end)
        for calls, end in callers
    ]
    ends = [await process.wait() for process in processes]
    assert ends == [0, 0, -signal.SIGKILL]
    async with sessions() as session:
        booked_until = (await search_remotes(session))["vtiger"].booked_until
    assert booked_until is not None
    permits = round((booked_until - start).total_seconds() * 4 * BLOCK)
    assert 130 + 70 + 1 <= permits <= 130 + 70 + 3 * BLOCK


# What a call costs: commits, as the engine counts them.


class Commits:
    """Counts the commits and statements of all sessions."""

    def __init__(self) -> None:
        self.count = 0
        self.statements = 0

    @contextmanager
    def counted(self, sessions: Sessions) -> Iterator[None]:
        engine = sessions.kw["bind"].sync_engine
        event.listen(engine, "commit", self._add)
        event.listen(engine, "before_cursor_execute", self._add_statement)
        try:
            yield
        finally:
            event.remove(engine, "commit", self._add)
            event.remove(engine, "before_cursor_execute", self._add_statement)

    def _add(self, *_: object) -> None:
        self.count += 1

    def _add_statement(self, *_: object) -> None:
        self.statements += 1

    def taken(self) -> int:
        """The commits since this was asked last."""
        return self.taken_with_statements()[0]

    def taken_with_statements(self) -> tuple[int, int]:
        """The commits and the statements since this was asked last."""
        counts = self.count, self.statements
        self.count = self.statements = 0
        return counts


@pytest.fixture
async def commits(sessions: Sessions) -> AsyncIterator[Commits]:
    counter = Commits()
    with counter.counted(sessions):
        yield counter


def open_gate(sessions: Sessions, rate: float = 4 * BLOCK) -> SharedGate:
    """A gate as a process of its own has it."""
    limits = RemoteLimits(calls_per_second=rate)
    return SharedGate(sessions, System.VTIGER, "", limits, most_at_once=4)


def failing(error: RemoteError) -> Callable[[], Awaitable[str]]:
    async def call() -> str:
        raise error

    return call


async def answer() -> str:
    return "answer"


@pytest.mark.anyio
async def test_a_call_costs_one_commit_before_it_or_none_and_none_after_it(
    sessions: Sessions, commits: Commits
) -> None:
    gate = open_gate(sessions)
    await gate.run(answer)
    assert commits.taken() == 1
    for _ in range(BLOCK - 1):
        await gate.run(answer, write=True)
    assert commits.taken() == 0
    await gate.run(answer)
    assert commits.taken() == 1


@pytest.mark.anyio
async def test_a_lone_call_costs_one_commit_of_two_statements(
    sessions: Sessions, commits: Commits
) -> None:
    await open_gate(sessions).run(answer)
    commits.taken()
    await open_gate(sessions).run(answer)
    assert commits.taken_with_statements() == (1, 2)


@pytest.mark.anyio
async def test_fifty_calls_in_a_burst_cost_two_commits_of_two_statements(
    sessions: Sessions, commits: Commits
) -> None:
    await open_gate(sessions).run(answer)
    gate = open_gate(sessions)
    commits.taken()
    await run_together([gate.run(answer) for _ in range(50)])
    assert commits.taken_with_statements() == (2, 4)


@pytest.mark.anyio
async def test_of_answers_the_first_is_reported_and_others_go_with_the_next_block(
    sessions: Sessions, commits: Commits
) -> None:
    async def answered_at() -> datetime | None:
        async with sessions() as session:
            return (await search_remotes(session))[gate.key].answered_at

    gate = open_gate(sessions)
    await gate.run(answer)
    commits.taken()
    await gate.report()
    first = await answered_at()
    assert (first is not None, commits.taken()) == (True, 1)
    for _ in range(BLOCK - 1):
        await gate.run(answer)
        await gate.report()
    assert (await answered_at(), commits.taken()) == (first, 0)
    await gate.run(answer)
    latest = await answered_at()
    assert first is not None
    assert latest is not None
    assert latest > first
    assert commits.taken() == 1


@pytest.mark.anyio
async def test_each_failure_is_stored_at_once_and_the_answer_that_ends_them_too(
    sessions: Sessions,
) -> None:
    gate = open_gate(sessions)
    down = failing(RemoteUnavailable(System.VTIGER, "refused"))
    for failures in (1, 2):
        with pytest.raises(RemoteUnavailable):
            await gate.run(down)
        async with sessions() as session:
            assert (await search_remotes(session))[gate.key].failures == failures
    await gate.run(answer)
    async with sessions() as session:
        assert (await search_remotes(session))[gate.key].failures == 0


@pytest.mark.anyio
async def test_reads_that_are_answered_cost_nothing_while_writes_are_rejected(
    sessions: Sessions, commits: Commits
) -> None:
    gate = open_gate(sessions)
    with pytest.raises(AuthRejected):
        await gate.run(failing(AuthRejected(System.VTIGER, "who?", status=401)), write=True)
    await gate.run(answer)
    commits.taken()
    await gate.run(answer)
    assert commits.taken() <= 1
    await gate.run(answer, write=True)
    async with sessions() as session:
        assert (await search_remotes(session))[gate.key].rejected_at is None


@pytest.mark.anyio
async def test_a_pause_that_is_asked_for_during_a_long_wait_for_a_permit_is_kept(
    sessions: Sessions,
) -> None:
    """The permit was reserved before; meanwhile another process was asked for fewer calls."""
    gate, other = open_gate(sessions, rate=0.5), open_gate(sessions, rate=0.5)
    calls = 0

    async def count() -> str:
        nonlocal calls
        calls += 1
        return "answer"

    async def wait(_: float) -> None:
        throttled = RateLimited(System.VTIGER, "slow", retry_after=30)
        with pytest.raises(RateLimited):
            await other.run(failing(throttled))

    await gate.run(count)
    async with transaction(sessions) as session:
        await session.execute(text(AGE_REMOTES), {"by": -2})
    await other.acquire_permit()
    gate.sleep = wait
    with pytest.raises(CallsPaused):
        await gate.run(count)
    assert calls == 1


# Exclusive calls: the turn is passed on within a process, and given to the next one.


@pytest.mark.anyio
async def test_calls_that_wait_in_line_share_a_turn(sessions: Sessions, commits: Commits) -> None:
    gate = open_gate(sessions)
    calls = [gate.run(answer, exclusive="orders") for _ in range(2 * TURN_CALLS)]
    assert await run_together(calls) == ["answer"] * 2 * TURN_CALLS
    turns, permits = 2 * 2, 1
    assert commits.taken() == turns + permits


@pytest.mark.anyio
async def test_a_busy_process_does_not_keep_the_turn_from_another(sessions: Sessions) -> None:
    busy, other = open_gate(sessions), open_gate(sessions)
    has_begun, has_polled = asyncio.Event(), asyncio.Event()
    made: list[str] = []

    async def call(name: str) -> None:
        has_begun.set()
        await has_polled.wait()
        made.append(name)

    async def wait(_: float) -> None:
        has_polled.set()
        await asyncio.sleep(0)

    async def ask_later() -> None:
        await has_begun.wait()
        other._turns.sleep = wait
        await other.run(lambda: call("other"), exclusive="orders")

    await run_together(
        [
            *(busy.run(lambda: call("busy"), exclusive="orders") for _ in range(5 * TURN_CALLS)),
            ask_later(),
        ]
    )
    assert made.index("other") == TURN_CALLS
    async with sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM remote_turns")) == 0


@pytest.mark.anyio
async def test_a_caller_that_gives_up_in_line_leaves_no_turn_behind(sessions: Sessions) -> None:
    """It is cancelled in the moment in which the turn was passed on to it."""
    gate, begun, end = open_gate(sessions), asyncio.Event(), asyncio.Event()

    async def long() -> str:
        begun.set()
        await end.wait()
        return "answer"

    async def call_and_cancel() -> None:
        await gate.run(long, exclusive="orders")
        second.cancel()

    first = asyncio.create_task(call_and_cancel())
    await begun.wait()
    second = asyncio.create_task(gate.run(answer, exclusive="orders"))
    await asyncio.sleep(0)
    end.set()
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    async with sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM remote_turns")) == 0
