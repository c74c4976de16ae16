"""Hints that arrive together share a transaction, and each is answered for itself."""

import asyncio
import logging
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, select, text

from app.db.session import OUTAGES, Sessions, StatementRefused, open_engine, open_sessions
from app.inbox.models import Delivery
from app.inbox.repository import CHANNEL, MOST_AT_ONCE, Acceptor, claim
from app.observability import REGISTRY
from tests.inbox.hints import hint
from tests.refusals import refusing

pytestmark = pytest.mark.anyio


async def _rows(sessions: Sessions) -> list[tuple[str, int]]:
    async with sessions() as session:
        found = await session.execute(
            select(Delivery.record_id, Delivery.duplicates).order_by(Delivery.id)
        )
        return [(record_id, duplicates) for record_id, duplicates in found]


async def test_a_hint_is_stored_before_it_is_answered(sessions: Sessions) -> None:
    [accepted] = await Acceptor(sessions).accept([hint(body=b"\x00\xff{}")])

    async with sessions() as session:
        stored = await session.get_one(Delivery, accepted.id)
    assert (stored.record_key, stored.state, stored.body) == (
        "main:contacts:woocommerce:5",
        "pending",
        b"\x00\xff{}",
    )


async def test_a_waiting_twin_is_joined(sessions: Sessions) -> None:
    acceptor = Acceptor(sessions)
    [first] = await acceptor.accept([hint("5", "same")])
    [second] = await acceptor.accept([hint("5", "same")])

    assert (first.duplicate, second.duplicate, second.id) == (False, True, first.id)
    assert await _rows(sessions) == [("5", 1)]


async def test_twins_in_one_batch_are_joined_and_counted(sessions: Sessions) -> None:
    answers = await Acceptor(sessions).accept([hint("5", "same"), hint("6"), hint("5", "same")])

    assert [answer.duplicate for answer in answers] == [False, False, True]
    assert answers[0].id == answers[2].id
    assert sorted(await _rows(sessions)) == [("5", 1), ("6", 0)]


async def test_the_same_hint_counts_again_once_the_first_is_in_hand(sessions: Sessions) -> None:
    """A record that goes from A to B and back tells A twice."""
    acceptor = Acceptor(sessions)
    [first] = await acceptor.accept([hint("5", "A")])
    async with sessions() as session, session.begin():
        await claim(session, "main:contacts:woocommerce:5")
    [again] = await acceptor.accept([hint("5", "A")])

    assert not again.duplicate
    assert again.id != first.id


async def test_hints_of_many_callers_are_each_answered_with_their_own(sessions: Sessions) -> None:
    acceptor = Acceptor(sessions)
    groups = [[hint(f"{n}-{m}") for m in range(n % 4 + 1)] for n in range(300)]
    answers = await asyncio.gather(*(acceptor.accept(group) for group in groups))

    async with sessions() as session:
        rows = await session.execute(select(Delivery.id, Delivery.record_id))
        ids = {delivery_id: record_id for delivery_id, record_id in rows}  # noqa: C416 - rows
    told = [[ids[each.id] for each in answer] for answer in answers]
    assert told == [[each.record.id for each in group] for group in groups]


async def test_callers_share_a_statement_and_a_transaction(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which begins and ends by itself: one exchange with the database for all of them."""
    autocommitted: list[bool] = []
    execute = psycopg.AsyncCursor.execute

    async def counted(self: psycopg.AsyncCursor[Any], *args: Any, **options: Any) -> Any:
        autocommitted.append(self.connection.autocommit)
        return await execute(self, *args, **options)

    acceptor = Acceptor(sessions)
    await acceptor.accept([hint("first")])  # on a new connection, of which SQLAlchemy asks things
    monkeypatch.setattr(psycopg.AsyncCursor, "execute", counted)
    await asyncio.gather(*(acceptor.accept([hint(str(number))]) for number in range(100)))
    assert autocommitted == [True]

    async with sessions() as session:
        by_transaction = text("SELECT count(*) FROM deliveries GROUP BY xmin::text ORDER BY 1")
        assert (await session.scalars(by_transaction)).all() == [1, 100]


async def test_a_burst_borrows_one_connection_and_gives_it_back(sessions: Sessions) -> None:
    pool = sessions.kw["bind"].sync_engine.pool
    borrowed: list[object] = []

    def count(connection: object, *_: object) -> None:
        borrowed.append(connection)

    event.listen(pool, "checkout", count)
    acceptor = Acceptor(sessions)
    many = MOST_AT_ONCE * 3
    await asyncio.gather(*(acceptor.accept([hint(str(number))]) for number in range(many)))
    event.remove(pool, "checkout", count)

    assert (len(borrowed), pool.checkedout()) == (1, 0)
    assert len(await _rows(sessions)) == many


async def test_one_line_and_one_sum_tell_of_all_that_are_stored_together(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.inbox.repository")
    before = _counted("false"), _counted("true")
    acceptor = Acceptor(sessions)
    told = await asyncio.gather(*(acceptor.accept([hint(each)]) for each in ("5", "6", "5")))

    [line] = caplog.records
    ids = [accepted.id for [accepted] in told]
    key = "main:contacts:woocommerce"
    assert vars(line)["records"] == f"{ids[0]}={key}:5 {ids[1]}={key}:6"
    assert (_counted("false"), _counted("true")) == (before[0] + 2, before[1] + 1)


def _counted(duplicate: str) -> float:
    labels = {"store": "main", "source": "woocommerce", "origin": "webhook", "module": "contacts"}
    name = "woo_vtiger_deliveries_accepted_total"
    return REGISTRY.get_sample_value(name, labels | {"duplicate": duplicate}) or 0.0


async def test_twins_of_several_processes_do_not_block_each_other(sessions: Sessions) -> None:
    acceptors = [Acceptor(sessions) for _ in range(4)]
    names = [str(number) for number in range(30)]
    await asyncio.gather(
        *(acceptor.accept([hint(name) for name in names]) for acceptor in acceptors),
        *(acceptor.accept([hint(name) for name in names[::-1]]) for acceptor in acceptors),
    )

    assert sorted(await _rows(sessions)) == sorted((name, 7) for name in names)


async def test_a_failure_reaches_each_who_waits(sessions: Sessions) -> None:
    del sessions
    engine = open_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    acceptor = Acceptor(open_sessions(engine))
    answers = await asyncio.gather(
        *(acceptor.accept([hint(str(number))]) for number in range(5)), return_exceptions=True
    )

    assert all(isinstance(answer, OUTAGES) for answer in answers)
    await engine.dispose()


async def test_after_a_failure_hints_are_stored_again(sessions: Sessions) -> None:
    acceptor = Acceptor(sessions)
    async with sessions() as session, session.begin():
        await session.execute(text("ALTER TABLE deliveries RENAME TO elsewhere"))
    with pytest.raises(Exception, match="deliveries"):
        await acceptor.accept([hint("1")])
    async with sessions() as session, session.begin():
        await session.execute(text("ALTER TABLE elsewhere RENAME TO deliveries"))
    await acceptor.accept([hint("2")])

    assert await _rows(sessions) == [("2", 0)]


async def test_one_who_stops_waiting_takes_nothing_from_the_others(sessions: Sessions) -> None:
    acceptor = Acceptor(sessions)
    impatient = asyncio.create_task(acceptor.accept([hint("1")]))
    patient = asyncio.create_task(acceptor.accept([hint("2")]))
    await asyncio.sleep(0)
    impatient.cancel()
    [accepted] = await patient

    assert {record_id for record_id, _ in await _rows(sessions)} == {"1", "2"}
    assert not accepted.duplicate


async def test_accepting_tells_those_who_listen(
    sessions: Sessions, emptied_database_url: str
) -> None:
    address = emptied_database_url
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as listener:
        await listener.execute(f"LISTEN {CHANNEL}")
        await Acceptor(sessions).accept([hint()])
        heard = [each.channel async for each in listener.notifies(timeout=10, stop_after=1)]

    assert heard == [CHANNEL]


async def test_a_hint_that_the_database_refuses_fails_for_its_own_sender_alone(
    sessions: Sessions,
) -> None:
    acceptor = Acceptor(sessions)
    async with refusing(sessions, "deliveries", "record_id", "bad"):
        answers = await asyncio.gather(
            *(acceptor.accept([hint(each)]) for each in ("5", "6", "bad", "7")),
            return_exceptions=True,
        )

    assert [isinstance(answer, StatementRefused) for answer in answers] == [
        False,
        False,
        True,
        False,
    ]
    assert sorted(await _rows(sessions)) == [("5", 0), ("6", 0), ("7", 0)]
