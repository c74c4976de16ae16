"""No character that a remote system sends stops a statement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.db.session import (
    LONGEST_MESSAGE,
    OUTAGES,
    Sessions,
    StatementRefused,
    storable,
    storable_json,
    transaction,
)
from app.inbox.models import Delivery
from app.inbox.repository import Postponement, accept, claim, postpone
from app.synclog.models import Entry
from tests.inbox.hints import hint
from tests.refusals import refusing

ODD = "a\x00b\ud800c"

texts = st.text(st.characters(exclude_categories=()))


@given(texts)
def test_any_text_can_be_stored_and_ordinary_text_is_unchanged(text: str) -> None:
    stored = storable(text)

    assert "\x00" not in stored
    stored.encode()
    assert stored == text or "\x00" in text or any("\ud800" <= each <= "\udfff" for each in text)


@given(
    st.recursive(
        texts | st.none() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    )
)
def test_json_is_made_storable_at_every_depth(value: object) -> None:
    assert "\x00" not in repr(storable_json(value)).replace("\\x00", "\x00")
    repr(storable_json(value)).encode()


@pytest.mark.anyio
async def test_texts_and_json_of_any_characters_are_stored(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        session.add(
            Entry(
                store="main",
                module="contacts",
                target="vtiger",
                source_id=ODD,
                event="changed",
                outcome="failed",
                message=ODD * LONGEST_MESSAGE,
                attempts=1,
                duration_ms=1,
                delivery_count=1,
                notes=[{ODD: [ODD, {"value": ODD}]}],
            )
        )

    async with sessions() as session:
        [kept] = (await session.scalars(select(Entry).where(Entry.source_id == ODD))).all()
    assert kept.source_id == "a\ufffdb?c"
    assert kept.notes == [{"a\ufffdb?c": ["a\ufffdb?c", {"value": "a\ufffdb?c"}]}]
    assert len(kept.message) == LONGEST_MESSAGE
    assert kept.message.endswith("…")


@pytest.mark.anyio
async def test_an_error_of_any_characters_gives_a_hint_back(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        await accept(session, [hint("5")])
    async with transaction(sessions) as session:
        [taken] = await claim(session, "main:contacts:woocommerce:5")
    async with transaction(sessions) as session:
        await postpone(session, [taken.id], Postponement(1.0, "rejected_by_remote", ODD))

    async with sessions() as session:
        given_back = await session.get_one(Delivery, taken.id)
    assert (given_back.state, given_back.last_error) == ("pending", "a\ufffdb?c")


@pytest.mark.anyio
async def test_a_refused_statement_is_no_outage(sessions: Sessions) -> None:
    async with refusing(sessions, "deliveries", "record_id", "bad"):
        with pytest.raises(StatementRefused) as refused:
            async with transaction(sessions) as session:
                await accept(session, [hint("bad")])

    assert not isinstance(refused.value, OUTAGES)
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Delivery)) == 0
