"""The end of deliveries, what that ends or wakes beside them, and what is counted of them."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from app.db.session import Sessions, transaction
from app.domain import DeliveryState
from app.inbox.models import Delivery
from app.inbox.repository import (
    WAITING_FOR_RUN,
    Postponement,
    accept,
    claim,
    count_open,
    count_run,
    dead_letter_unreported,
    find_delivery,
    find_oldest_due,
    postpone,
    record_of,
    search_unsettled,
    settle,
    settle_each,
    store_claimed,
    wake_waiting,
)
from tests.inbox.hints import KEY, hint

pytestmark = pytest.mark.anyio

MINE = KEY.format(id="5")
OTHER = KEY.format(id="6")
DUE, DEAD, DONE, IN_HAND = (
    DeliveryState.PENDING,
    DeliveryState.DEAD,
    DeliveryState.DONE,
    DeliveryState.PROCESSING,
)


async def arrive(
    sessions: Sessions, *keys: str, of: str = "5", run_id: int | None = None
) -> list[int]:
    """Hints of a record, whose dedupe keys end so."""
    async with transaction(sessions) as session:
        found = await accept(session, [hint(of, f"{of}-{key}", run_id=run_id) for key in keys])
    return [each.id for each in found]


async def take(sessions: Sessions, of: str = "5") -> list[int]:
    async with transaction(sessions) as session:
        return [each.id for each in await claim(session, KEY.format(id=of))]


async def end(
    sessions: Sessions,
    ids: Sequence[int],
    state: DeliveryState = DONE,
    *,
    entry: int = 7,
    ended: Sequence[str] = (),
) -> None:
    async with transaction(sessions) as session:
        await settle(session, ids, entry, state=state, ended=ended)


async def put_off(sessions: Sessions, ids: Sequence[int], waits_for: str | None = None) -> None:
    wait = Postponement(3600, "timeout", "No answer.", waits_for=waits_for)
    async with transaction(sessions) as session:
        await postpone(session, ids, wait)


async def get(sessions: Sessions, delivery_id: int) -> Delivery:
    async with sessions() as session:
        found = await find_delivery(session, delivery_id)
    assert found is not None
    return found


async def states(sessions: Sessions) -> list[str]:
    async with sessions() as session:
        return list(await session.scalars(select(Delivery.state).order_by(Delivery.id)))


async def execute(sessions: Sessions, statement: str, **values: object) -> None:
    async with transaction(sessions) as session:
        await session.execute(text(statement), values)


async def test_a_delivery_keeps_all_that_the_hint_said(sessions: Sessions) -> None:
    said = hint("5", "a", body=b"{}", run_id=3)
    async with transaction(sessions) as session:
        [accepted] = await accept(session, [said])

    kept = await get(sessions, accepted.id)
    assert {name: getattr(kept, name) for name in said.as_row()} == said.as_row()
    assert (record_of(kept), kept.state, kept.duplicates) == (said.record, DUE, 0)


async def test_a_twin_counts_and_is_the_last_that_was_received(sessions: Sessions) -> None:
    [first] = await arrive(sessions, "a")
    await execute(sessions, "UPDATE deliveries SET last_received_at = now() - interval '9 days'")
    async with transaction(sessions) as session:
        found = await accept(session, [hint("5", f"5-{each}") for each in "ababb"])

    joined, new = await get(sessions, first), await get(sessions, found[1].id)
    assert (joined.duplicates, new.duplicates) == (2, 2)
    assert joined.last_received_at - joined.received_at < timedelta(minutes=5)
    assert new.last_received_at - joined.last_received_at < timedelta(minutes=5)
    assert [each.id for each in found] == [first, new.id, first, new.id, new.id]
    assert [each.duplicate for each in found] == [True, False, True, True, True]


async def test_a_claim_counts_what_was_lost_in_a_row(sessions: Sessions) -> None:
    [first] = await arrive(sessions, "a")
    await arrive(sessions, "a", of="6")
    for lost in (0, 1, 2):
        assert await take(sessions) == [first]
        assert (await get(sessions, first)).lost_claims == lost
    await put_off(sessions, [first])
    await take(sessions)

    again = await get(sessions, first)
    assert (again.lost_claims, again.attempts) == (0, 4)
    assert again.claimed_at is not None
    assert again.age < timedelta(minutes=5)
    assert await states(sessions) == [IN_HAND, DUE]


async def test_what_waits_for_a_run_is_not_claimed(sessions: Sessions) -> None:
    ids = await arrive(sessions, "a", "b")
    await take(sessions)
    async with transaction(sessions) as session:
        await postpone(session, ids[:1], Postponement(3600, WAITING_FOR_RUN, "A run."))

    assert await take(sessions) == ids[1:]


async def test_a_hint_that_is_given_back_keeps_its_key_with_its_number(sessions: Sessions) -> None:
    """Once: it does not grow each time."""
    [first, other] = await arrive(sessions, "a", "b")
    for _ in range(2):
        await take(sessions)
        await put_off(sessions, [first], OTHER)
    kept = await get(sessions, first)
    assert (kept.dedupe_key, kept.waits_for) == (f"5-a:{first}", OTHER)
    assert (await get(sessions, other)).state == IN_HAND

    await take(sessions)
    await put_off(sessions, [first])
    assert (await get(sessions, first)).waits_for is None


@pytest.mark.parametrize("state", [DONE, DEAD])
async def test_what_is_in_hand_is_settled_by_an_entry(
    sessions: Sessions, state: DeliveryState
) -> None:
    """What came in meanwhile waits on."""
    ids = await arrive(sessions, "a", "b")
    await take(sessions)
    await arrive(sessions, "c")
    await arrive(sessions, "d", of="6")
    await take(sessions, "6")
    await end(sessions, ids, state)

    assert await states(sessions) == [state, state, DUE, IN_HAND]
    for each in ids:
        kept = await get(sessions, each)
        assert (kept.sync_log_id, kept.settled_at is not None) == (7, True)


async def test_dead_letters_of_a_record_that_went_well_are_done(sessions: Sessions) -> None:
    """They keep the entry that tells how they ended; those of another record stay."""
    for of in "56":
        await end(sessions, [*await arrive(sessions, "a", of=of), *await take(sessions, of)], DEAD)
    ids = await arrive(sessions, "b")
    await take(sessions)
    await end(sessions, ids, DEAD, entry=8)
    assert await states(sessions) == [DEAD, DEAD, DEAD]

    ids = await arrive(sessions, "c")
    await take(sessions)
    await end(sessions, ids, DONE, entry=9)
    assert await states(sessions) == [DONE, DEAD, DONE, DONE]
    async with sessions() as session:
        entries = await session.scalars(select(Delivery.sync_log_id).order_by(Delivery.id))
        assert entries.all() == [7, 7, 8, 9]


async def test_nothing_is_settled_nor_woken_by_hints_that_are_not_in_hand(
    sessions: Sessions,
) -> None:
    """Another worker has settled them: what that ended was woken then."""
    await end(sessions, [*await arrive(sessions, "dead"), *await take(sessions)], DEAD)
    [waiting] = await arrive(sessions, "a", of="6")
    await take(sessions, "6")
    await put_off(sessions, [waiting], MINE)
    ids = await arrive(sessions, "b")
    await end(sessions, ids, DONE, ended=[MINE])
    await end(sessions, [], DONE, ended=[MINE])

    assert await states(sessions) == [DEAD, DUE, DUE]
    assert (await get(sessions, waiting)).waits_for == MINE


async def test_what_waited_for_a_record_is_woken_alone(sessions: Sessions) -> None:
    ids = await arrive(sessions, "a", "b")
    await take(sessions)
    await put_off(sessions, ids[:1], OTHER)
    await put_off(sessions, ids[1:], "another")
    async with transaction(sessions) as session:
        await wake_waiting(session, [])
        await wake_waiting(session, [OTHER])
        now = await session.scalar(text("SELECT now()"))

    woken, waits = [await get(sessions, each) for each in ids]
    assert now is not None
    assert (woken.waits_for, woken.next_attempt_at <= now) == (None, True)
    assert (waits.waits_for, waits.next_attempt_at > now) == ("another", True)


async def test_what_no_entry_can_tell_of_ends_with_the_reason(sessions: Sessions) -> None:
    done = await arrive(sessions, "done")
    await take(sessions)
    await end(sessions, done)
    [first] = await arrive(sessions, "a")
    await take(sessions)
    [second] = await arrive(sessions, "b")
    await arrive(sessions, "a", of="6")
    async with transaction(sessions) as session:
        await dead_letter_unreported(session, MINE, reason="bug", message="It broke.")

    assert await states(sessions) == [DONE, DEAD, DEAD, DUE]
    for each in (first, second):
        kept = await get(sessions, each)
        assert (kept.last_reason, kept.last_error) == ("bug", "It broke.")
        assert (kept.settled_at is not None, kept.sync_log_id) == (True, None)


async def test_what_a_record_waits_for_is_its_newest_open_hint_or_else_dead_letter(
    sessions: Sessions,
) -> None:
    async def newest(*keys: str) -> dict[str, int]:
        async with sessions() as session:
            found = await search_unsettled(session, keys)
            assert not any("body" in each.__dict__ for each in found.values())
        return {key: each.id for key, each in found.items()}

    [done] = await arrive(sessions, "done")
    await take(sessions)
    await end(sessions, [done])
    assert await newest(MINE) == {}

    await end(sessions, [*await arrive(sessions, "x"), *await take(sessions)], DEAD)
    [dead] = await arrive(sessions, "y")
    await take(sessions)
    await end(sessions, [dead], DEAD)
    [other] = await arrive(sessions, "a", of="6")
    assert await newest(MINE, OTHER) == {MINE: dead, OTHER: other}
    assert await newest(MINE) == {MINE: dead}

    [in_hand] = await arrive(sessions, "a")
    await take(sessions)
    assert await newest(MINE) == {MINE: in_hand}
    [waiting] = await arrive(sessions, "b")
    assert await newest(MINE) == {MINE: waiting}

    [late] = await arrive(sessions, "z")
    await execute(sessions, "UPDATE deliveries SET state = 'dead' WHERE id = :id", id=late)
    assert await newest(MINE) == {MINE: waiting}


async def test_all_that_is_open_or_dead_is_counted(sessions: Sessions) -> None:
    async with sessions() as session:
        assert await count_open(session) == {"pending": 0, "processing": 0, "dead": 0}
        assert await find_oldest_due(session) is None
    await end(sessions, [*await arrive(sessions, "a"), *await take(sessions)], DONE)
    await arrive(sessions, "b", "c")
    await take(sessions)
    await arrive(sessions, "d")
    async with sessions() as session:
        assert await count_open(session) == {"pending": 1, "processing": 2, "dead": 0}


async def test_the_oldest_that_is_due_is_found(sessions: Sessions) -> None:
    """What is in hand, and what is put off, is not due."""
    waiting = (
        "UPDATE deliveries SET state = :state,"
        " next_attempt_at = now() + make_interval(hours => :hours) WHERE id = :id"
    )
    for key, state, hours in (("a", IN_HAND, -9), ("b", DUE, -2), ("c", DUE, -1), ("d", DUE, 1)):
        [each] = await arrive(sessions, key)
        await execute(sessions, waiting, state=state, hours=hours, id=each)
    async with sessions() as session:
        oldest = await find_oldest_due(session)
        now = await session.scalar(text("SELECT now()"))
    assert oldest is not None
    assert now is not None
    assert timedelta(hours=2) <= now - oldest < timedelta(hours=3)


async def test_the_hints_of_a_run_are_counted_by_state(sessions: Sessions) -> None:
    await end(sessions, [*await arrive(sessions, "a", run_id=3), *await take(sessions)], DONE)
    await arrive(sessions, "b", "c", run_id=3)
    await arrive(sessions, "d", run_id=4)
    await arrive(sessions, "e")
    async with sessions() as session:
        assert await count_run(session, 3) == {DUE: 2, IN_HAND: 0, DONE: 1, DEAD: 0}


async def test_hints_of_a_run_are_taken_in_hand_at_once_in_their_order(
    sessions: Sessions,
) -> None:
    hints = [hint(each, f"k{each}", body=b"{}", run_id=3) for each in "97"]
    async with transaction(sessions) as session:
        taken = await store_claimed(session, hints, attempts=2)
        now = await session.scalar(text("SELECT now()"))

    assert [each.record_id for each in taken] == ["9", "7"]
    for each, said in zip(taken, hints, strict=True):
        kept = await get(sessions, each.id)
        assert {name: getattr(kept, name) for name in said.as_row()} == said.as_row()
        assert (kept.state, kept.claimed_at, kept.attempts) == (IN_HAND, now, 2)
        assert each.received_at == kept.received_at


async def test_hints_of_a_run_are_settled_each_by_its_own_entry(sessions: Sessions) -> None:
    """But for one that somebody else has settled meanwhile."""
    async with transaction(sessions) as session:
        hints = [hint(each, f"k{each}") for each in "789"]
        ids = [each.id for each in await store_claimed(session, hints, attempts=1)]
    await end(sessions, ids[2:], DEAD, entry=30)
    [waiting] = await arrive(sessions, "a", of="6")
    await take(sessions, "6")
    await put_off(sessions, [waiting], MINE)
    async with transaction(sessions) as session:
        entries = dict(zip(ids, (10, 20, 40), strict=True))
        await settle_each(session, entries, ended=[MINE])

    kept = [await get(sessions, each) for each in ids]
    assert [(each.state, each.sync_log_id) for each in kept] == [(DONE, 10), (DONE, 20), (DEAD, 30)]
    assert None not in {each.settled_at for each in kept}
    assert (await get(sessions, waiting)).waits_for is None
