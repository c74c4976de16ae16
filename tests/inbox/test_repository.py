"""The way of a delivery through its states: claimed, given back, settled, never reopened."""

import pytest
from sqlalchemy import select, text, update

from app.db.session import Sessions, driver_transaction, transaction
from app.domain import DeliveryState
from app.inbox.models import Delivery
from app.inbox.repository import (
    Hinted,
    Postponement,
    accept,
    claim,
    count_open,
    peek_each,
    postpone,
    prune_deliveries,
    settle,
    was_attempted,
)
from tests.inbox.hints import KEY, hint

pytestmark = pytest.mark.anyio

LATER = Postponement(3600, "timeout", "No answer.")


async def _accept(sessions: Sessions, *keys: str, record_id: str = "5") -> list[int]:
    async with transaction(sessions) as session:
        found = await accept(session, [hint(record_id, key) for key in keys])
    return [each.id for each in found]


async def _claim(sessions: Sessions, record_id: str = "5") -> list[int]:
    async with transaction(sessions) as session:
        return [each.id for each in await claim(session, KEY.format(id=record_id))]


async def _all(sessions: Sessions) -> list[Delivery]:
    async with sessions() as session:
        return list(await session.scalars(select(Delivery).order_by(Delivery.id)))


async def test_all_hints_of_a_record_are_claimed_oldest_first(sessions: Sessions) -> None:
    ids = [*await _accept(sessions, "z"), *await _accept(sessions, "a", "b")]
    await _accept(sessions, "other", record_id="6")

    assert await _claim(sessions) == sorted(ids)
    assert [each.state for each in await _all(sessions)] == ["processing"] * 3 + ["pending"]


async def test_hints_left_by_a_dead_worker_are_claimed_again(sessions: Sessions) -> None:
    await _accept(sessions, "a")
    await _claim(sessions)
    await _accept(sessions, "b")
    await _claim(sessions)

    assert [each.attempts for each in await _all(sessions)] == [2, 1]


async def test_a_settled_hint_is_claimed_no_more(sessions: Sessions) -> None:
    ids = await _accept(sessions, "a")
    await _claim(sessions)
    async with transaction(sessions) as session:
        await settle(session, ids, 7, state=DeliveryState.DONE)

    assert await _claim(sessions) == []
    [settled] = await _all(sessions)
    assert (settled.state, settled.sync_log_id) == ("done", 7)
    assert settled.settled_at is not None


async def test_a_settled_hint_is_never_reopened_nor_settled_again(sessions: Sessions) -> None:
    ids = await _accept(sessions, "a")
    await _claim(sessions)
    async with transaction(sessions) as session:
        await settle(session, ids, 7, state=DeliveryState.DEAD)
    async with transaction(sessions) as session:
        await postpone(session, ids, LATER)
        await settle(session, ids, 8, state=DeliveryState.DONE)

    [settled] = await _all(sessions)
    assert (settled.state, settled.sync_log_id, settled.attempts) == ("dead", 7, 1)


async def test_a_hint_is_given_back_with_the_reason(sessions: Sessions) -> None:
    ids = await _accept(sessions, "a")
    await _claim(sessions)
    async with transaction(sessions) as session:
        await postpone(session, ids, LATER)

    [waiting] = await _all(sessions)
    assert (waiting.state, waiting.last_reason, waiting.last_error) == (
        "pending",
        "timeout",
        "No answer.",
    )
    assert 3500 < (waiting.next_attempt_at - waiting.received_at).total_seconds() < 3700
    assert waiting.attempts == 1


async def test_waiting_for_a_pair_in_other_hands_burns_no_attempt(sessions: Sessions) -> None:
    ids = await _accept(sessions, "a")
    await _claim(sessions)
    async with transaction(sessions) as session:
        await postpone(session, ids, Postponement(1, "busy", "Busy.", counted=False))

    assert [each.attempts for each in await _all(sessions)] == [0]


async def test_a_hint_is_given_back_beside_its_twin_of_the_meantime(sessions: Sessions) -> None:
    for _ in range(3):
        await _accept(sessions, "same")
        ids = await _claim(sessions)
        await _accept(sessions, "same")
        async with transaction(sessions) as session:
            await postpone(session, ids, LATER)

    assert {each.state for each in await _all(sessions)} == {"pending"}
    assert len(await _claim(sessions)) == 4


async def test_the_record_of_waiting_hints_can_be_seen(sessions: Sessions) -> None:
    assert await _peek(sessions) is None
    ids = await _accept(sessions, "a")
    hinted = await _peek(sessions)
    assert hinted is not None
    assert hinted.partner_id is None
    record = hinted.record
    assert (record.id, record.kind, record.key) == ("5", "customer", KEY.format(id="5"))
    await _claim(sessions)
    async with transaction(sessions) as session:
        assert await was_attempted(session, KEY.format(id="5"))
        await settle(session, ids, 1, state=DeliveryState.DONE)
        assert not await was_attempted(session, KEY.format(id="5"))
    assert await _peek(sessions) is None


async def _peek(sessions: Sessions) -> Hinted | None:
    async with driver_transaction(sessions) as driver:
        return (await peek_each(driver, [KEY.format(id="5")])).get(KEY.format(id="5"))


async def test_a_hint_that_nobody_touched_was_not_tried(sessions: Sessions) -> None:
    await _accept(sessions, "a")
    async with sessions() as session:
        assert not await was_attempted(session, KEY.format(id="5"))


async def test_open_hints_are_counted_by_state(sessions: Sessions) -> None:
    await _accept(sessions, "a", "b")
    ids = await _accept(sessions, "c", record_id="6")
    await _claim(sessions, "6")
    async with transaction(sessions) as session:
        await settle(session, ids, 1, state=DeliveryState.DEAD)
    async with sessions() as session:
        counted = await count_open(session)
    assert counted == {"pending": 2, "processing": 0, "dead": 1}


async def test_old_settled_hints_are_dropped_and_dead_ones_kept(sessions: Sessions) -> None:
    for name, state in (("old", "done"), ("dead", "dead"), ("new", "done"), ("open", "pending")):
        [delivery_id] = await _accept(sessions, name, record_id=name)
        values = update(Delivery).where(Delivery.id == delivery_id).values(state=state)
        async with transaction(sessions) as session:
            await session.execute(values)
    async with transaction(sessions) as session:
        old = "UPDATE deliveries SET {0}, received_at = now() - interval '91 days' WHERE {1}"
        settled = "settled_at = now() - interval '91 days'"
        await session.execute(text(old.format(settled, "record_id IN ('old', 'dead')")))
        new = "UPDATE deliveries SET settled_at = now() WHERE record_id = 'new'"
        await session.execute(text(new))
        await prune_deliveries(session, 90, most=10)

    assert [each.record_id for each in await _all(sessions)] == ["dead", "new", "open"]
