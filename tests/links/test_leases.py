"""Leases: one holder at a time, all keys or none, lost when silent, by the database's clock."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Sessions, transaction
from app.domain import LeaseLost
from app.links.leases import PairLease, acquire_turn, hold
from app.links.models import Lease
from tests.locks import until_blocked

pytestmark = pytest.mark.anyio

LONG = 60.0
EARLIER = "HGFEDCB"
"""So many that chance does not lock them in order."""


async def _keys(sessions: Sessions) -> list[str]:
    async with sessions() as session:
        return sorted(await session.scalars(select(Lease.key)))


async def _expire(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        await session.execute(text("UPDATE leases SET expires_at = now() - interval '1 second'"))


async def test_one_of_two_owners_gets_a_key(sessions: Sessions) -> None:
    async with hold(sessions, ["a"], owner="one", seconds=LONG):
        with pytest.raises(LeaseLost):
            async with hold(sessions, ["a"], owner="two", seconds=LONG):
                pass
    async with hold(sessions, ["a"], owner="two", seconds=LONG):
        assert await _keys(sessions) == ["a"]


async def test_of_many_that_come_at_once_one_gets_it(sessions: Sessions) -> None:
    leases = [PairLease(sessions, str(number), LONG) for number in range(10)]
    results = await asyncio.gather(
        *(lease.extend(["a", "b"]) for lease in leases), return_exceptions=True
    )

    assert sum(result is None for result in results) == 1
    assert all(result is None or isinstance(result, LeaseLost) for result in results)


async def test_all_keys_are_taken_or_none(sessions: Sessions) -> None:
    async with hold(sessions, ["b"], owner="one", seconds=LONG):
        with pytest.raises(LeaseLost, match=r"^another worker holds the lease of this pair$"):
            await PairLease(sessions, "two", LONG).extend(["a", "b", "c"])
        assert await _keys(sessions) == ["b"]


async def test_owners_that_want_keys_in_turned_order_do_not_block_each_other(
    sessions: Sessions,
) -> None:
    for _ in range(20):
        one, two = PairLease(sessions, "one", LONG), PairLease(sessions, "two", LONG)
        results = await asyncio.gather(
            one.extend(["a", "b"]), two.extend(["b", "a"]), return_exceptions=True
        )
        assert sum(result is None for result in results) == 1
        await asyncio.gather(one.release(), two.release())


async def test_a_silent_owners_keys_are_free_after_a_while(sessions: Sessions) -> None:
    silent = PairLease(sessions, "one", LONG)
    await silent.extend(["a"])
    await _expire(sessions)

    async with hold(sessions, ["a"], owner="two", seconds=LONG), sessions() as session:
        assert await session.scalar(select(Lease.owner)) == "two"


async def test_a_holder_stays_one_as_long_as_it_renews(sessions: Sessions) -> None:
    lease = PairLease(sessions, "one", LONG)
    await lease.extend(["a", "b"])
    await _expire(sessions)
    await lease.renew()

    with pytest.raises(LeaseLost):
        await PairLease(sessions, "two", LONG).extend(["a"])
    lease.check()


async def test_a_lease_ran_out_for_its_holder_before_others_may_take_it(
    sessions: Sessions,
) -> None:
    lease = PairLease(sessions, "one", 0.0)
    await lease.extend(["a"])

    with pytest.raises(LeaseLost, match=r"^the pair's lease expired during the work$"):
        lease.check()
    with pytest.raises(LeaseLost):
        await lease.extend(["b"])


async def test_what_another_took_cannot_be_renewed(sessions: Sessions) -> None:
    lease = PairLease(sessions, "one", 0.0)
    await lease.extend(["a"])
    await _expire(sessions)
    async with hold(sessions, ["a"], owner="two", seconds=LONG):
        await lease.renew()
    await lease.renew()

    with pytest.raises(LeaseLost):
        lease.check()
    assert await _keys(sessions) == []


async def test_a_holder_that_was_followed_cannot_confirm(sessions: Sessions) -> None:
    slept = PairLease(sessions, "one", LONG)
    await slept.extend(["a", "b"])
    await _expire(sessions)
    await PairLease(sessions, "two", LONG).extend(["b"])
    async with transaction(sessions) as session:
        with pytest.raises(LeaseLost, match=r"^another worker took over this pair$"):
            await slept.confirm(session)


async def test_nobody_takes_over_while_a_holder_writes_down(sessions: Sessions) -> None:
    holder, follower = PairLease(sessions, "one", LONG), PairLease(sessions, "two", LONG)
    await holder.extend(["a"])
    await _expire(sessions)
    async with transaction(sessions) as session:
        await holder.confirm(session)
        taking = asyncio.create_task(follower.extend(["a"]))
        await session.execute(text("SELECT pg_sleep(0.05)"))
        assert not taking.done()
    await taking


async def test_one_that_waits_gets_the_key_when_it_is_free(sessions: Sessions) -> None:
    first, second = PairLease(sessions, "one", LONG), PairLease(sessions, "two", LONG)
    await first.extend(["a"])
    waiting = asyncio.create_task(second.extend(["a"], wait_seconds=30))
    await asyncio.gather(first.release(), waiting)

    second.check()


async def test_one_that_waits_gives_up(sessions: Sessions) -> None:
    await PairLease(sessions, "one", LONG).extend(["a"])
    with pytest.raises(LeaseLost):
        await PairLease(sessions, "two", LONG).extend(["a"], wait_seconds=0.05)


async def test_extending_keeps_what_is_held(sessions: Sessions) -> None:
    async with hold(sessions, ["a"], owner="one", seconds=LONG) as lease:
        await lease.extend(["b"])
        assert await _keys(sessions) == ["a", "b"]
    assert await _keys(sessions) == []


async def test_of_several_groups_those_are_held_of_which_nobody_has_a_key(
    sessions: Sessions,
) -> None:
    """Of the others nothing is kept, but for what was held before."""
    await PairLease(sessions, "one", LONG).extend(["b2", "d"])
    lease = PairLease(sessions, "two", LONG)
    groups = {"a": ["a", "shared"], "b": ["b1", "b2"], "c": ["shared", "c"], "d": ["d"]}
    assert await lease.take_free(groups) == {"a", "c"}

    lease.check()
    assert await _owners(sessions) == {
        **dict.fromkeys(["a", "c", "shared"], "two"),
        **dict.fromkeys(["b2", "d"], "one"),
    }
    assert await lease.take_free({"e": ["c", "e"], "f": ["a", "d"]}) == {"e"}
    assert await lease.take_free({}) == set()
    assert set(await _owners(sessions)) == {"a", "b2", "c", "d", "e", "shared"}
    async with transaction(sessions) as session:
        await lease.confirm(session)
    await lease.release()
    assert await _keys(sessions) == ["b2", "d"]


async def test_groups_are_held_for_as_long_as_the_lease(sessions: Sessions) -> None:
    """What is taken later makes nothing longer that was taken before."""
    lease = PairLease(sessions, "one", 0.0)
    assert await lease.take_free({"a": ["a"]}) == {"a"}
    with pytest.raises(LeaseLost):
        lease.check()
    assert await lease.take_free({"b": ["b"]}) == {"b"}
    with pytest.raises(LeaseLost):
        lease.check()
    assert await PairLease(sessions, "two", LONG).take_free({"a": ["a"], "b": ["b"]}) == {"a", "b"}


@pytest.mark.parametrize("by_groups", [False, True])
async def test_keys_that_are_taken_later_do_not_prolong_the_lease(
    sessions: Sessions, *, by_groups: bool
) -> None:
    """The keys that were taken first expire in the database when they would have."""
    lease = PairLease(sessions, "one", 1.0)
    await lease.extend(["a"])
    async with sessions() as session:
        await session.execute(text("SELECT pg_sleep(0.6)"))
        with pytest.raises(LeaseLost):  # by `extend` itself on a machine that is slow
            await _take_and_check(session, lease, by_groups=by_groups)


async def _take_and_check(session: AsyncSession, lease: PairLease, *, by_groups: bool) -> None:
    await (lease.take_free({"b": ["b"]}) if by_groups else lease.extend(["b"]))
    await session.execute(text("SELECT pg_sleep(0.5)"))
    lease.check()


async def test_a_group_of_long_keys_is_held_by_their_short_forms(sessions: Sessions) -> None:
    long = "k" * 5_000
    lease = PairLease(sessions, "one", LONG)
    assert await lease.take_free({"a": [long]}) == {"a"}
    with pytest.raises(LeaseLost):
        await PairLease(sessions, "two", LONG).extend([long])


async def _owners(sessions: Sessions) -> dict[str, str]:
    async with sessions() as session:
        rows = await session.execute(select(Lease.key, Lease.owner))
        return {row.key: row.owner for row in rows}


async def test_a_body_that_fails_gives_its_keys_back(sessions: Sessions) -> None:
    with pytest.raises(ZeroDivisionError):
        async with hold(sessions, ["a"], owner="one", seconds=LONG):
            raise ZeroDivisionError
    assert await _keys(sessions) == []


async def test_who_works_on_under_a_lease_that_was_given_back_is_refused(
    sessions: Sessions,
) -> None:
    async with hold(sessions, ["a"], owner="one", seconds=LONG) as lease:
        lease.check()
    with pytest.raises(LeaseLost, match=r"^the pair's lease was released already$"):
        lease.check()
    with pytest.raises(LeaseLost):
        await lease.extend(["b"])
    with pytest.raises(LeaseLost):
        await lease.take_free({"b": ["b"]})
    async with transaction(sessions) as session:
        with pytest.raises(LeaseLost):
            await lease.confirm(session)


async def test_a_lease_that_cannot_be_given_back_is_not_held_any_more(
    sessions: Sessions,
) -> None:
    async with transaction(sessions) as session:
        await session.execute(text("ALTER TABLE leases RENAME TO elsewhere"))
    lease = PairLease(sessions, "one", LONG)
    try:
        with pytest.raises(ProgrammingError):
            await lease.release()
    finally:
        async with transaction(sessions) as session:
            await session.execute(text("ALTER TABLE elsewhere RENAME TO leases"))
    with pytest.raises(LeaseLost):
        lease.check()


async def _confirm(sessions: Sessions, lease: PairLease) -> None:
    async with transaction(sessions) as session:
        await lease.confirm(session)


async def _renew(_: Sessions, lease: PairLease) -> None:
    await lease.renew()


async def _release(_: Sessions, lease: PairLease) -> None:
    await lease.release()


async def _want(sessions: Sessions, _: PairLease) -> None:
    with pytest.raises(LeaseLost):
        await PairLease(sessions, "two", LONG).extend(["a", *EARLIER])


ACTS = pytest.mark.parametrize("act", [_confirm, _renew, _release, _want])
Act = Callable[[Sessions, PairLease], Coroutine[Any, Any, None]]


@ACTS
async def test_keys_are_locked_in_the_order_in_which_python_sorts(
    sessions: Sessions, emptied_database_url: str, act: Act
) -> None:
    """Capitals before a: whoever waits for a has locked all of them."""
    lease = PairLease(sessions, "one", LONG)
    await lease.extend(["a", *EARLIER])
    async with transaction(sessions) as other:
        await other.execute(select(Lease).where(Lease.key == "a").with_for_update())
        acting = asyncio.create_task(act(sessions, lease))
        await until_blocked(emptied_database_url)
        async with transaction(sessions) as session:
            first = select(Lease.key).where(Lease.key.in_(list(EARLIER)))
            free = await session.scalars(first.with_for_update(skip_locked=True))
            assert free.all() == []
    await acting


@ACTS
async def test_that_order_does_not_depend_on_how_the_database_sorts(
    sessions: Sessions, act: Act
) -> None:
    """The embedded server sorts byte by byte anyway: what is asked of others is in the SQL."""
    lease = PairLease(sessions, "one", LONG)
    await lease.extend(["a", "B"])
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    engine = sessions.kw["bind"].sync_engine
    event.listen(engine, "before_cursor_execute", note)
    await act(sessions, lease)
    event.remove(engine, "before_cursor_execute", note)

    locking = [each for each in asked if "FOR UPDATE" in each or "INSERT" in each]
    assert locking
    assert [each for each in locking if 'key COLLATE "C"' not in each] == []


async def test_a_renewal_that_failed_is_followed_by_another(sessions: Sessions) -> None:
    failed, renewed = asyncio.Event(), asyncio.Event()

    def note_failure(_: object) -> None:
        failed.set()

    def note_renewal(_: object, __: object, statement: str, *___: object) -> None:
        if failed.is_set() and "INSERT INTO leases" in statement:
            renewed.set()

    engine = sessions.kw["bind"].sync_engine
    async with hold(sessions, ["a"], owner="one", seconds=0.3):
        event.listen(engine, "handle_error", note_failure)
        event.listen(engine, "after_cursor_execute", note_renewal)
        async with transaction(sessions) as session:
            await session.execute(text("ALTER TABLE leases RENAME TO elsewhere"))
        await failed.wait()
        async with transaction(sessions) as session:
            await session.execute(text("ALTER TABLE elsewhere RENAME TO leases"))
        await renewed.wait()
    event.remove(engine, "handle_error", note_failure)
    event.remove(engine, "after_cursor_execute", note_renewal)
    assert await _keys(sessions) == []


async def test_the_turn_of_a_worker_that_died_is_waited_out(sessions: Sessions) -> None:
    await PairLease(sessions, "dead", 0.2).extend(["a"])
    async with acquire_turn(sessions, "a", owner="two", seconds=LONG) as lease:
        lease.check()
    assert await _keys(sessions) == []


async def test_the_turn_of_a_worker_that_lives_is_left_to_it(sessions: Sessions) -> None:
    async with hold(sessions, ["a"], owner="one", seconds=0.3):
        with pytest.raises(LeaseLost):
            async with acquire_turn(sessions, "a", owner="two", seconds=LONG):
                pass


async def test_a_turn_that_ends_while_it_is_waited_for_was_taken(sessions: Sessions) -> None:
    """What was to be done is done: nobody does it again at once."""
    one = PairLease(sessions, "one", 0.3)
    await one.extend(["a"])

    async def take_turn() -> None:
        async with acquire_turn(sessions, "a", owner="two", seconds=LONG):
            pass

    waiting = asyncio.create_task(take_turn())
    await asyncio.wait({waiting}, timeout=0.05)
    await one.release()
    with pytest.raises(LeaseLost):
        await waiting
