"""The gate: what one worker learns holds for all; an open breaker lets one probe pass."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.db.session import Sessions, transaction
from app.domain import (
    AuthRejected,
    CallsPaused,
    CircuitOpen,
    NotFound,
    RateLimited,
    RemoteError,
    RemoteTimeout,
    RemoteUnavailable,
    System,
    utc_now,
)
from app.remotes.gate import RemoteLimits, SharedGate, probing, search_calls, search_remotes
from app.remotes.incidents import IncidentFilter, search_incidents
from tests.tampering import AGE_REMOTES

pytestmark = pytest.mark.anyio

LIMITS = RemoteLimits(failures=3, calls_per_second=20)
DOWN = RemoteUnavailable(System.WOOCOMMERCE, "refused")
GateOf = Callable[..., SharedGate]


class Shop:
    """A shop that answers, or fails as it is told; it counts who called."""

    def __init__(self, error: RemoteError | None = None) -> None:
        self.error = error
        self.calls = 0
        self.inside = 0
        self.most_inside = 0

    async def __call__(self) -> str:
        self.calls += 1
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        for _ in range(50):
            await asyncio.sleep(0)
        self.inside -= 1
        if self.error is not None:
            raise self.error
        return "answer"


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def gate_of(sessions: Sessions, waits: list[float]) -> GateOf:
    """Gates as several processes have them, to the shop `main` unless told otherwise."""

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    def make(store: str = "main", limits: RemoteLimits = LIMITS) -> SharedGate:
        return SharedGate(sessions, System.WOOCOMMERCE, store, limits, most_at_once=4, sleep=wait)

    return make


async def fails(gate: SharedGate, shop: Callable[[], Awaitable[str]], times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(RemoteError):
            await gate.run(shop)


async def time_passes(sessions: Sessions, seconds: float) -> None:
    async with transaction(sessions) as session:
        await session.execute(text(AGE_REMOTES), {"by": seconds})


async def told(sessions: Sessions) -> list[tuple[str, str]]:
    async with sessions() as session:
        found = await search_incidents(session, IncidentFilter(), cursor=None, limit=9)
    return [(row.kind, row.mended) for row in found.items]


async def test_a_breaker_that_one_worker_opened_is_open_for_all(
    gate_of: GateOf, sessions: Sessions
) -> None:
    shop = Shop(DOWN)
    await fails(gate_of(), shop, times=3)
    with pytest.raises(CircuitOpen, match=r"3 calls in a row failed, the last one with: refused"):
        await gate_of().run(shop)

    assert shop.calls == 3
    assert await told(sessions) == [("remote_down", "")]


async def test_failures_of_several_workers_count_together(gate_of: GateOf) -> None:
    shop = Shop(DOWN)
    for _ in range(3):
        await fails(gate_of(), shop)
    with pytest.raises(CircuitOpen):
        await gate_of().run(shop)


async def test_another_shop_is_called_on(gate_of: GateOf) -> None:
    await fails(gate_of(), Shop(DOWN), times=3)

    assert await gate_of("shop-fr").run(Shop()) == "answer"


async def test_a_record_that_is_not_there_counts_for_nothing(gate_of: GateOf) -> None:
    gate = gate_of()
    await fails(gate, Shop(NotFound(System.WOOCOMMERCE, "gone")), times=10)

    assert await gate.run(Shop()) == "answer"


async def test_of_all_workers_one_probes_and_its_answer_lets_all_pass(
    gate_of: GateOf, sessions: Sessions
) -> None:
    gates, shop = [gate_of() for _ in range(4)], Shop(DOWN)
    await fails(gates[0], shop, times=3)
    assert not any([await gate.claim_probe() for gate in gates])

    await time_passes(sessions, 10)
    claims = await asyncio.gather(*(gate.claim_probe() for gate in gates))
    assert sorted(claims) == [False, False, False, True]
    prober = gates[claims.index(True)]
    shop.error = None
    with probing():
        assert await prober.run(shop) == "answer"

    assert await gates[0].run(shop) == "answer"
    assert await told(sessions) == [("remote_down", "It answers again.")]


async def test_a_probe_is_one_call_and_the_next_comes_later(
    gate_of: GateOf, sessions: Sessions
) -> None:
    gate, shop = gate_of(), Shop(DOWN)
    await fails(gate, shop, times=3)
    await time_passes(sessions, 10)
    assert await gate.claim_probe()
    with probing():
        await fails(gate, shop, times=3)

    assert shop.calls == 4
    assert not await gate.claim_probe()


async def test_a_person_who_asks_is_let_through_and_an_answer_makes_it_well(
    gate_of: GateOf,
) -> None:
    gate, shop = gate_of(), Shop(DOWN)
    await fails(gate, shop, times=3)
    with probing(every=True):
        await fails(gate, shop, times=2)
        shop.error = None
        assert await gate.run(shop) == "answer"

    assert shop.calls == 6
    assert await gate_of().run(shop) == "answer"


async def test_what_one_worker_was_asked_to_wait_all_wait(gate_of: GateOf) -> None:
    await fails(gate_of(), Shop(RateLimited(System.WOOCOMMERCE, "slow", retry_after=30)))
    shop = Shop()
    with pytest.raises(CallsPaused) as caught:
        await gate_of().run(shop)

    assert shop.calls == 0
    assert 28 < caught.value.seconds <= 30


async def test_after_the_pause_calls_go_on_at_half_the_rate(
    gate_of: GateOf, sessions: Sessions, waits: list[float]
) -> None:
    await fails(gate_of(), Shop(RateLimited(System.WOOCOMMERCE, "slow", retry_after=30)))
    await time_passes(sessions, 30)
    gate, shop = gate_of(), Shop()
    for _ in range(40):
        await gate.run(shop)

    assert shop.calls == 40
    assert sum(waits) > 1


async def test_workers_keep_the_rate_together(gate_of: GateOf, sessions: Sessions) -> None:
    """Their permits are on one line, which begins far ahead, so that they can be counted."""
    gates, shop = [gate_of() for _ in range(3)], Shop()
    start = utc_now() + timedelta(days=1)
    async with transaction(sessions) as session:
        await session.execute(
            text("INSERT INTO remotes (key, booked_until) VALUES (:key, :start)"),
            {"key": gates[0].key, "start": start},
        )
    for number in range(60):
        await gates[number % 3].run(shop)

    async with sessions() as session:
        booked_until = (await search_remotes(session))[gates[0].key].booked_until
    assert booked_until is not None
    block = 5
    permits = round((booked_until - start).total_seconds() * LIMITS.calls_per_second)
    assert 60 <= permits < 60 + 3 * block


async def test_no_more_calls_at_once_than_allowed(gate_of: GateOf) -> None:
    gate, shop = gate_of(), Shop()
    await asyncio.gather(*(gate.run(shop) for _ in range(30)))

    assert shop.most_inside == 4


async def test_refused_credentials_are_told_until_they_are_accepted(
    gate_of: GateOf, sessions: Sessions
) -> None:
    gate = gate_of()
    await fails(gate, Shop(AuthRejected(System.WOOCOMMERCE, "who?", status=401)), times=9)
    assert await told(sessions) == [("auth_rejected", "")]

    assert await gate.run(Shop()) == "answer"
    assert await told(sessions) == [("auth_rejected", "The credentials are accepted again.")]


async def test_a_remote_that_is_well_costs_one_look_for_many_calls(
    gate_of: GateOf, sessions: Sessions
) -> None:
    gate = gate_of(limits=RemoteLimits(calls_per_second=100))
    await gate.run(Shop())
    async with transaction(sessions) as session:
        await session.execute(text("DELETE FROM remotes"))
    for _ in range(20):
        await gate.run(Shop())
    async with sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM remotes")) == 0


async def test_all_processes_see_which_calls_are_under_way_and_when_one_was_answered(
    gate_of: GateOf, sessions: Sessions
) -> None:
    gate, other, end, begun = gate_of(), gate_of(), asyncio.Event(), asyncio.Barrier(3)

    async def call() -> str:
        await begun.wait()
        await end.wait()
        return "answer"

    tasks = [asyncio.create_task(gate.run(call)) for _ in range(2)]
    await begun.wait()
    await gate.report()
    await other.report()
    async with sessions() as session:
        before = (await search_calls(session))[gate.key], (await search_remotes(session))[gate.key]
    end.set()
    await asyncio.gather(*tasks)
    await gate.report()
    async with sessions() as session:
        after = await search_calls(session), (await search_remotes(session))[gate.key]

    assert (before[0].calls, before[1].answered_at) == (2, None)
    assert after[0] == {}
    assert after[1].answered_at is not None
    assert after[1].answered_at >= before[0].oldest_at


async def test_half_a_minute_without_an_answer_is_an_incident_until_there_is_one(
    gate_of: GateOf, sessions: Sessions
) -> None:
    gate = gate_of()
    await fails(gate, Shop(RemoteTimeout(System.WOOCOMMERCE, "no answer in time")))
    await gate.report()
    assert await told(sessions) == []
    await time_passes(sessions, 30)
    await gate.report()
    assert await told(sessions) == [("remote_slow", "")]
    await gate.run(Shop())
    await gate.report()
    assert await told(sessions) == [("remote_slow", "It answers in time again.")]


async def test_a_process_that_is_gone_has_nothing_under_way(
    gate_of: GateOf, sessions: Sessions
) -> None:
    gate = gate_of()
    row = {"key": gate.key, "process": "gone", "calls": 1}
    async with transaction(sessions) as session:
        await session.execute(
            text(
                "INSERT INTO remote_calls VALUES (:key, :process, :calls, now() - interval '1 h',"
                " now() - interval '11 s')"
            ),
            row,
        )
    await gate.run(Shop())
    await gate.report()
    async with sessions() as session:
        assert await search_calls(session) == {}
        assert await session.scalar(text("SELECT count(*) FROM remote_calls")) == 0
    assert await told(sessions) == []


async def test_the_report_of_a_quiet_gate_costs_nothing(
    gate_of: GateOf, sessions: Sessions
) -> None:
    gate = gate_of()
    await gate.report()
    async with sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM remotes")) == 0
