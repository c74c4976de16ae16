"""Joining a hint that is open already, and being woken by the end of another record."""

import asyncio

import pytest
from sqlalchemy import select

from app.db.session import Sessions, transaction
from app.domain import DeliveryState
from app.inbox.models import Delivery
from app.inbox.repository import (
    Open,
    Postponement,
    accept,
    claim,
    join,
    postpone,
    settle,
    settle_each,
)
from tests.inbox.hints import KEY, hint

pytestmark = pytest.mark.anyio

LONG = 3600.0
PRODUCT = "main:products:woocommerce:7"


async def _join(sessions: Sessions, record_id: str = "5", *, run_id: int | None = None) -> Open:
    async with transaction(sessions) as session:
        return await join(session, hint(record_id, f"{record_id}-{run_id}", run_id=run_id))


async def _put_off(sessions: Sessions, *, waits_for: str | None = None) -> list[int]:
    """What is open of record 5 is tried, and given back."""
    wait = Postponement(LONG, "timeout", "No answer.", waits_for=waits_for)
    async with transaction(sessions) as session:
        ids = [each.id for each in await claim(session, KEY.format(id="5"))]
        await postpone(session, ids, wait)
    return ids


async def test_many_that_join_at_once_share_one_hint(sessions: Sessions) -> None:
    joined = await asyncio.gather(*(_join(sessions) for _ in range(10)))

    assert len({each.id for each in joined}) == 1
    assert {each.seconds for each in joined} == {0}


async def test_one_that_is_put_off_is_joined_and_tells_for_how_long(sessions: Sessions) -> None:
    first = await _join(sessions)
    assert await _put_off(sessions) == [first.id]
    again = await _join(sessions)

    assert again.id == first.id
    assert LONG - 60 < again.seconds <= LONG


async def test_one_that_is_in_hand_is_joined_unless_it_may_have_been_read_before(
    sessions: Sessions,
) -> None:
    first = await _join(sessions)
    async with transaction(sessions) as session:
        await claim(session, KEY.format(id="5"))
    assert (await _join(sessions)).id == first.id
    async with transaction(sessions) as session:
        fresh = await join(session, hint("5", "5-None"), among=[DeliveryState.PENDING])

    assert fresh.id != first.id


async def test_another_run_and_what_is_settled_are_not_joined(sessions: Sessions) -> None:
    first, of_run = await _join(sessions), await _join(sessions, run_id=3)
    async with transaction(sessions) as session:
        await claim(session, KEY.format(id="5"))
        await settle(session, [first.id, of_run.id], 1, state=DeliveryState.DEAD)
    later = await _join(sessions)

    assert len({first.id, of_run.id, later.id}) == 3


@pytest.mark.parametrize("together", [False, True])
async def test_what_waits_for_a_record_is_due_when_that_is_settled(
    sessions: Sessions, *, together: bool
) -> None:
    await _join(sessions)
    [waiting] = await _put_off(sessions, waits_for=PRODUCT)
    async with transaction(sessions) as session:
        [other] = await accept(session, [hint("7")])
        await claim(session, KEY.format(id="7"))
    async with transaction(sessions) as session:
        if together:
            await settle_each(session, {other.id: 1}, ended={PRODUCT})
        else:
            await settle(session, [other.id], 1, state=DeliveryState.DEAD, ended={PRODUCT})

    async with sessions() as session:
        found = await session.get_one(Delivery, waiting)
        now = await session.scalar(select(Delivery.settled_at).where(Delivery.id == other.id))
    assert now is not None
    assert found.next_attempt_at <= now
    assert found.waits_for is None


async def test_what_waits_for_something_else_waits_on(sessions: Sessions) -> None:
    await _join(sessions)
    [waiting] = await _put_off(sessions, waits_for="main:products:woocommerce:8")
    async with transaction(sessions) as session:
        [other] = await accept(session, [hint("7")])
        await claim(session, KEY.format(id="7"))
        await settle(session, [other.id], 1, state=DeliveryState.DONE, ended={PRODUCT})

    async with sessions() as session:
        found = await session.get_one(Delivery, waiting)
    assert (found.state, found.waits_for) == (DeliveryState.PENDING, "main:products:woocommerce:8")
