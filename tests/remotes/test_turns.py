"""Calls that are made alone: one at a time from all processes, and a dead one keeps nobody long."""

import asyncio
from datetime import datetime

import pytest
from sqlalchemy import func, select, update

from app.db.session import Sessions, transaction
from app.domain import RemoteTimeout, RemoteUnavailable, System
from app.remotes.gate import RemoteLimits, SharedGate
from app.remotes.models import RemoteTurn
from app.tasks import run_together

pytestmark = pytest.mark.anyio

ORDERS = "order lines"


class Crm:
    """Bears one order at a time; it counts how many were inside."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.inside = 0
        self.most = 0

    async def __call__(self) -> str:
        self.inside += 1
        self.most = max(self.most, self.inside)
        for _ in range(50):
            await asyncio.sleep(0)
        self.inside -= 1
        if self.error is not None:
            raise self.error
        return "written"


def open_gate(sessions: Sessions) -> SharedGate:
    """A gate as a process of its own has it."""
    limits = RemoteLimits(calls_per_second=1000)
    return SharedGate(sessions, System.VTIGER, "", limits, most_at_once=4)


async def turns(sessions: Sessions) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(RemoteTurn)) or 0


async def test_no_two_are_made_at_once_by_two_processes(sessions: Sessions) -> None:
    gates, crm = [open_gate(sessions), open_gate(sessions)], Crm()
    calls = [gate.run(crm, write=True, exclusive=ORDERS) for gate in gates for _ in range(4)]
    assert await run_together(calls) == ["written"] * 8
    assert crm.most == 1
    assert await turns(sessions) == 0


async def test_others_are_not_kept_by_them(sessions: Sessions) -> None:
    gate, crm = open_gate(sessions), Crm()
    await run_together(
        [gate.run(crm, exclusive=ORDERS), gate.run(crm), gate.run(crm, exclusive="something else")]
    )
    assert crm.most > 1


async def test_a_call_that_failed_gives_its_turn_back(sessions: Sessions) -> None:
    gate = open_gate(sessions)
    with pytest.raises(RemoteUnavailable):
        await gate.run(Crm(RemoteUnavailable(System.VTIGER, "reset")), write=True, exclusive=ORDERS)
    assert await turns(sessions) == 0


@pytest.mark.parametrize(
    "given_up", [RemoteTimeout(System.VTIGER, "silence", ambiguous=True), asyncio.CancelledError()]
)
async def test_a_call_that_may_go_on_over_there_keeps_its_turn_until_it_runs_out(
    sessions: Sessions, given_up: Exception
) -> None:
    """So does that of a process which is gone."""
    with pytest.raises(type(given_up)):
        await open_gate(sessions).run(Crm(given_up), write=True, exclusive=ORDERS)
    assert await turns(sessions) == 1

    waits = 0

    async def wait(_: float) -> None:
        nonlocal waits
        waits += 1
        if waits > 1:  # what renews the turn that is taken then
            await asyncio.Event().wait()
        async with transaction(sessions) as session:  # time passes
            await session.execute(
                update(RemoteTurn).values(expires_at=func.clock_timestamp() - func.make_interval())
            )

    other = open_gate(sessions)
    other._turns.sleep = wait
    assert await other.run(Crm(), write=True, exclusive=ORDERS) == "written"
    assert await turns(sessions) == 0


async def test_a_call_that_takes_long_keeps_its_turn(sessions: Sessions) -> None:
    gate = open_gate(sessions)
    looked, renewed, never = (asyncio.Event() for _ in range(3))
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 1:
            renewed.set()
            await never.wait()
        await looked.wait()

    async def expiry() -> datetime | None:
        async with sessions() as session:
            return await session.scalar(select(RemoteTurn.expires_at))

    async def long() -> list[datetime | None]:
        before = await expiry()
        looked.set()
        await renewed.wait()
        return [before, await expiry()]

    gate._turns.sleep = wait
    before, after = await gate.run(long, write=True, exclusive=ORDERS)
    assert before is not None
    assert after is not None
    assert after > before
    assert waits == [5.0, 5.0]
