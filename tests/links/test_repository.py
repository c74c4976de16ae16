"""Links, intents, sightings and watermarks as they are kept."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from app.db.session import Sessions, transaction
from app.errors import System
from app.links.models import Link
from app.links.repository import (
    close_intent,
    each_living,
    find_intent,
    find_link,
    find_watermark,
    open_intent,
    renew_intent,
    save_link,
    save_watermark,
    search_links,
    search_sightings,
    see,
)
from app.records import Module, Record

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)


def _woo(record_id: str, store: str = "main") -> Record:
    return Record(store, System.WOOCOMMERCE, Module.CONTACTS, record_id)


def _crm(record_id: str, store: str = "main") -> Record:
    return Record(store, System.VTIGER, Module.CONTACTS, record_id)


async def _pair(sessions: Sessions, woo_id: str, vtiger_id: str, **fields: object) -> Link:
    link = Link(
        **{"store": "main", "module": "contacts", "woo_id": woo_id, "vtiger_id": vtiger_id} | fields
    )
    async with transaction(sessions) as session:
        return await save_link(session, link)


async def test_a_pair_is_found_from_both_sides(sessions: Sessions) -> None:
    kept = await _pair(sessions, "5", "12x7", base={"email": ["a", "a"]})
    async with sessions() as session:
        for record in (_woo("5"), _crm("12x7")):
            found = await find_link(session, record)
            assert found is not None
            assert (found.id, found.base) == (kept.id, {"email": ["a", "a"]})


async def test_a_pair_of_one_store_is_none_of_another(sessions: Sessions) -> None:
    await _pair(sessions, "5", "12x7")
    await _pair(sessions, "5", "12x7", store="shop-fr")
    async with sessions() as session:
        assert await find_link(session, _woo("5", "shop-de")) is None
        found = await find_link(session, _crm("12x7", "shop-fr"))
    assert found is not None
    assert found.store == "shop-fr"


@pytest.mark.parametrize("ids", [("5", "12x8"), ("6", "12x7")])
async def test_a_record_is_never_in_two_pairs(sessions: Sessions, ids: tuple[str, str]) -> None:
    await _pair(sessions, "5", "12x7")
    with pytest.raises(IntegrityError):
        await _pair(sessions, *ids)


async def test_many_links_are_found_by_the_ids_of_their_side(sessions: Sessions) -> None:
    for number in range(3):
        await _pair(sessions, str(number), f"12x{number}")
    async with sessions() as session:
        by_woo = await search_links(session, [_woo("0"), _woo("2"), _woo("9")])
        by_crm = await search_links(session, [_crm("12x1")])
        assert await search_links(session, []) == {}
    assert {key: link.vtiger_id for key, link in by_woo.items()} == {"0": "12x0", "2": "12x2"}
    assert {key: link.woo_id for key, link in by_crm.items()} == {"12x1": "1"}


async def test_an_intent_outlives_its_transaction_until_it_is_closed(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        await open_intent(session, _woo("5"), "email:a")
    async with sessions() as session:
        found = await find_intent(session, _woo("5"))
        assert await find_intent(session, _woo("6")) is None
    assert found is not None
    assert (found[0].target, found[0].natural_key) == ("vtiger", "email:a")
    async with transaction(sessions) as session:
        await close_intent(session, _woo("5"))
        assert await find_intent(session, _woo("5")) is None


async def test_an_intent_that_is_opened_again_is_young_again(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        await open_intent(session, _woo("5"), "email:a")
    async with transaction(sessions) as session:
        first = await find_intent(session, _woo("5"))
        await open_intent(session, _woo("5"), "email:b")
    async with sessions() as session:
        again = await find_intent(session, _woo("5"))
    assert first is not None
    assert again is not None
    assert again[0].created_at > first[0].created_at


async def test_an_intent_keeps_its_key_until_it_is_sent_without_one(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        assert await open_intent(session, _woo("5"), "email:a", token="key-1") == "key-1"
        await renew_intent(session, _woo("5"))
        assert await open_intent(session, _woo("5"), "email:a", token="key-2") == "key-1"
        assert await open_intent(session, _woo("5"), "email:a") is None
        assert await open_intent(session, _woo("5"), "email:a", token="key-3") == "key-3"
        await close_intent(session, _woo("5"))
        await renew_intent(session, _woo("5"))
        assert await find_intent(session, _woo("5")) is None


async def test_the_last_sight_of_a_record_is_kept(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        await see(session, {"a": "1", "b": "1"})
        await see(session, {"a": "2"})
        assert await search_sightings(session, ["a", "b"]) == {"a": "2", "b": "1"}


async def test_a_watermark_is_kept(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        assert await find_watermark(session, "k") is None
        await save_watermark(session, "k", NOW)
        await save_watermark(session, "k", NOW + timedelta(1))
        assert await find_watermark(session, "k") == NOW + timedelta(1)


async def test_pairs_whose_record_lives_are_walked(sessions: Sessions) -> None:
    await _pair(sessions, "1", "12x1")
    await _pair(sessions, "2", "12x2", woo_deleted_at=NOW)
    await _pair(sessions, "3", "12x3", vtiger_deleted_at=NOW)
    await _pair(sessions, "4", "12x4", store="shop-fr")
    later = NOW + timedelta(days=1)
    async with sessions() as session:
        living = {
            system: [
                link.woo_id
                async for link in each_living(
                    session, "main", module=Module.CONTACTS, system=system, before=later
                )
            ]
            for system in System
        }
    assert sorted(living[System.WOOCOMMERCE]) == ["1", "3"]
    assert sorted(living[System.VTIGER]) == ["1", "2"]
