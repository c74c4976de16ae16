"""Many records brought up again at once: one hint each, whatever is waiting."""

from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from app.db.session import Sessions, transaction
from app.domain import DeliveryState, Event, Module, Record, System
from app.inbox.models import Delivery
from app.inbox.replay import Replayed, replay
from app.inbox.repository import DeliveryFilter, accept, claim, replay_key, settle
from app.synclog.models import Entry
from tests.inbox.hints import KEY, hint

pytestmark = pytest.mark.anyio

DEAD = DeliveryFilter(state=[DeliveryState.DEAD])


async def ended(sessions: Sessions, *record_ids: str, state: DeliveryState, **how: Any) -> None:
    """A settled delivery of each record, with its row in the log."""
    for record_id in record_ids:
        async with transaction(sessions) as session:
            [accepted] = await accept(session, [hint(record_id)])
            await claim(session, KEY.format(id=record_id))
            row = {"outcome": "failed", "reason": "rejected_by_remote"} | how
            entry_id = await session.scalar(insert(Entry).values(BLANK | row).returning(Entry.id))
            assert entry_id is not None
            await settle(session, [accepted.id], entry_id, state=state)


BLANK: dict[str, Any] = {
    "store": "main",
    "module": Module.CONTACTS,
    "target": System.VTIGER,
    "source_id": "5",
    "event": Event.UPDATED,
    "message": "",
    "attempts": 1,
    "duration_ms": 1,
    "delivery_count": 1,
}


MANY = """
INSERT INTO deliveries
    (origin, store, system, module, kind, event, state, record_id, record_key, dedupe_key)
SELECT 'webhook', 'main', 'woocommerce', 'contacts', 'customer', 'updated', 'dead', n, n, n
FROM generate_series(1, 100000) AS n
"""


async def waiting(sessions: Sessions) -> list[Delivery]:
    pending = Delivery.state == DeliveryState.PENDING
    async with sessions() as session:
        found = select(Delivery).where(pending).order_by(Delivery.record_id)
        return list(await session.scalars(found))


async def test_each_record_is_brought_up_once(sessions: Sessions) -> None:
    await ended(sessions, "5", "6", "6", state=DeliveryState.DEAD)
    await ended(sessions, "7", state=DeliveryState.DONE)

    assert await replay(sessions, DEAD) == Replayed(matched=3, replayed=2)
    found = await waiting(sessions)
    assert [(each.record_id, each.origin, each.event) for each in found] == [
        ("5", "replay", "updated"),
        ("6", "replay", "updated"),
    ]
    assert [each.dedupe_key for each in found] == [replay_key(KEY.format(id=n)) for n in (5, 6)]


async def test_a_record_of_any_letters_has_the_same_key_everywhere(sessions: Sessions) -> None:
    record = Record("main", System.WOOCOMMERCE, Module.CONTACTS, "guest:zoë€@shop.example")
    await ended(sessions, record.id, state=DeliveryState.DEAD)
    await replay(sessions, DEAD)

    [found] = await waiting(sessions)
    assert found.dedupe_key == replay_key(record.key)


async def test_a_second_replay_joins_the_one_that_waits(sessions: Sessions) -> None:
    await ended(sessions, "5", "6", state=DeliveryState.DEAD)
    await replay(sessions, DEAD)
    await ended(sessions, "7", state=DeliveryState.DEAD)

    assert await replay(sessions, DEAD) == Replayed(matched=3, replayed=1, duplicates=2)
    assert [each.duplicates for each in await waiting(sessions)] == [1, 1, 0]


async def test_replays_are_not_replayed_in_turn(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        await accept(session, [hint("5"), hint("6")])

    pending = DeliveryFilter(state=[DeliveryState.PENDING])
    assert await replay(sessions, pending, batch=1) == Replayed(matched=2, replayed=2)


async def test_batches_find_what_one_sweep_would(sessions: Sessions) -> None:
    await ended(sessions, *"56789", *"567", state=DeliveryState.DEAD)

    found = await replay(sessions, DEAD, batch=3)
    assert (found.matched, found.replayed, found.duplicates) == (8, 5, 3)
    assert len(await waiting(sessions)) == 5


async def test_reasons_and_outcomes_narrow(sessions: Sessions) -> None:
    braked = {"outcome": "skipped", "reason": "delete_brake"}
    await ended(sessions, "5", state=DeliveryState.DONE, **braked)
    await ended(sessions, "6", state=DeliveryState.DEAD)
    async with transaction(sessions) as session:
        await accept(session, [hint("7")])
        late = update(Delivery).where(Delivery.record_id == "7").values(last_reason="timeout")
        await session.execute(late)

    for filters, wanted in (
        (DeliveryFilter(reason=["delete_brake"]), 1),
        (DeliveryFilter(reason=["timeout", "rejected_by_remote"]), 2),
        (DeliveryFilter(outcome=["skipped", "failed"]), 2),
        (DeliveryFilter(outcome=["skipped"], reason=["timeout"]), 0),
        (DeliveryFilter(reason=["delete_brake"], store=["shop-fr"]), 0),
    ):
        assert (await replay(sessions, filters)).matched == wanted, filters


async def test_a_hundred_thousand_dead_letters_are_no_burden(sessions: Sessions) -> None:
    """They are copied inside the database: the number of statements goes with the batches."""
    async with transaction(sessions) as session:
        await session.execute(text(MANY))

    assert await replay(sessions, DEAD) == Replayed(matched=100_000, replayed=100_000)


async def test_a_dead_letter_is_over_once_its_record_went_well(sessions: Sessions) -> None:
    await ended(sessions, "5", "6", state=DeliveryState.DEAD)
    await ended(sessions, "5", state=DeliveryState.DONE, outcome="updated", reason=None)

    async with sessions() as session:
        found = await session.execute(select(Delivery.record_id, Delivery.state))
        states = sorted((str(record), str(state)) for record, state in found)
    assert states == [("5", "done"), ("5", "done"), ("6", "dead")]
