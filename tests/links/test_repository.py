"""Links, intents, sightings and watermarks as they are kept."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.db.session import Session, Sessions, driver_transaction, transaction
from app.domain import InvalidInput, LeaseLost, Module, Record, System
from app.links.conflicts import search_unsettled
from app.links.models import FieldConflict, Intent, Link, Sighting
from app.links.repository import (
    LinkFilter,
    add_links,
    close_intent,
    close_intents,
    count_links,
    find_intent,
    find_link,
    find_watermark,
    open_intent,
    open_intents,
    read_pairs,
    remove_link,
    renew_intent,
    save_link,
    save_sightings,
    save_watermark,
    search_intents,
    search_links,
    search_links_of_other_stores,
    search_module_links,
    search_pairs,
    search_poll_times,
    search_sightings,
    search_watermarks,
    stamp_links,
    stream_live_links,
)
from tests.locks import until_blocked

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
        await save_sightings(session, {"a": "1", "b": "1"})
        await save_sightings(session, {"a": "2"})
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
                async for link in stream_live_links(
                    session, "main", module=Module.CONTACTS, system=system, before=later
                )
            ]
            for system in System
        }
    assert sorted(living[System.WOOCOMMERCE]) == ["1", "3"]
    assert sorted(living[System.VTIGER]) == ["1", "2"]


async def test_links_are_searched_by_store_and_module(sessions: Sessions) -> None:
    """The same numbers mean other records there."""
    for store, module in (("main", "contacts"), ("main", "products"), ("shop-fr", "contacts")):
        await _pair(sessions, "5", "12x7", store=store, module=module, made_in=f"{store} {module}")
    product = Record("main", System.WOOCOMMERCE, Module.PRODUCTS, "5")
    async with sessions() as session:
        for record, made_in in (
            (product, "main products"),
            (_woo("5"), "main contacts"),
            (_woo("5", "shop-fr"), "shop-fr contacts"),
        ):
            assert [each.made_in for each in (await search_links(session, [record])).values()] == [
                made_in
            ]
            found = await find_link(session, record)
            assert found is not None
            assert found.made_in == made_in
        assert await search_links(session, [_woo("5", "shop-de")]) == {}
        assert await search_links(session, [_woo("12x7")]) == {}


async def test_links_of_many_modules_are_found_at_once(sessions: Sessions) -> None:
    await _pair(sessions, "5", "12x5")
    await _pair(sessions, "6", "14x6", module="products")
    records = [_woo("5"), Record("main", System.WOOCOMMERCE, Module.PRODUCTS, "6")]
    async with sessions() as session:
        found = await search_links(session, records)
    assert {key: link.vtiger_id for key, link in found.items()} == {"5": "12x5", "6": "14x6"}


async def test_the_pairs_of_a_module_are_counted_and_listed_as_they_were_made(
    sessions: Sessions,
) -> None:
    async with sessions() as session:
        assert await count_links(session, "main", Module.CONTACTS) == 0
    for woo_id in ("3", "1", "2"):
        await _pair(sessions, woo_id, f"12x{woo_id}")
    await _pair(sessions, "4", "12x4", store="shop-fr")
    await _pair(sessions, "5", "12x5", module="products")
    [last, *_] = await _links(sessions, "3")
    await _change(sessions, last, made_in="vtiger")  # the row is moved to the end of the table
    async with sessions() as session:
        assert await count_links(session, "main", Module.CONTACTS) == 3
        found = await search_module_links(session, "main", Module.CONTACTS)
    assert [link.woo_id for link in found] == ["3", "1", "2"]


async def test_the_pairs_of_vtigers_records_in_other_stores_are_found(sessions: Sessions) -> None:
    await _pair(sessions, "1", "12x1")
    for store in ("shop-fr", "shop-de"):
        await _pair(sessions, "7", "12x1", store=store)
    await _pair(sessions, "8", "12x2", store="shop-fr")
    await _pair(sessions, "9", "12x1", store="shop-fr", module="products")
    [first] = [link for link in await _links(sessions, "7") if link.store == "shop-fr"]
    await _change(sessions, first, made_in="vtiger")
    async with sessions() as session:
        found = await search_links_of_other_stores(
            session, "main", Module.CONTACTS, vtiger_ids=["12x1"]
        )
    assert [(link.store, link.woo_id) for link in found] == [("shop-fr", "7"), ("shop-de", "7")]


async def _links(sessions: Sessions, woo_id: str) -> Sequence[Link]:
    async with sessions() as session:
        return (await session.scalars(select(Link).where(Link.woo_id == woo_id))).all()


async def _change(sessions: Sessions, link: Link, **fields: object) -> Link:
    for name, value in fields.items():
        setattr(link, name, value)
    async with transaction(sessions) as session:
        return await save_link(session, link)


async def test_a_pair_that_was_changed_meanwhile_is_not_overwritten(sessions: Sessions) -> None:
    kept = await _pair(sessions, "5", "12x7")
    [stale] = await _links(sessions, "5")
    changed = await _change(sessions, kept, made_in="vtiger")

    with pytest.raises(LeaseLost, match="changed the link meanwhile"):
        await _change(sessions, stale, made_in="woocommerce")
    stale.woo_written_at = NOW
    with pytest.raises(LeaseLost):
        await _stamp(sessions, [stale])
    [now] = await _links(sessions, "5")
    assert (now.made_in, now.version, now.woo_written_at) == ("vtiger", changed.version, None)


async def _stamp(sessions: Sessions, links: Sequence[Link]) -> None:
    async with transaction(sessions) as session:
        await stamp_links(session, links)


async def test_new_links_are_stamped_with_what_was_written(sessions: Sessions) -> None:
    links = [
        Link(store="main", module="contacts", woo_id=each, vtiger_id=f"12x{each}") for each in "12"
    ]
    async with transaction(sessions) as session:
        await add_links(session, links)
        assert len({link.id for link in links}) == 2
    for at, link in enumerate(links):
        link.woo_modified_at = NOW + timedelta(at)
        link.vtiger_modified_at = NOW + timedelta(at + 10)
        link.woo_written_at = NOW + timedelta(at + 20)
        link.vtiger_written_at = NOW + timedelta(at + 30)
    await _stamp(sessions, links)
    await _stamp(sessions, [])

    for at, woo_id in enumerate("12"):
        [kept] = await _links(sessions, woo_id)
        stamps = (
            kept.woo_modified_at,
            kept.vtiger_modified_at,
            kept.woo_written_at,
            kept.vtiger_written_at,
        )
        assert stamps == tuple(NOW + timedelta(at + days) for days in (0, 10, 20, 30))


async def test_a_parted_pair_takes_its_open_conflicts_along(sessions: Sessions) -> None:
    """What a person decided on and was written stays on record."""
    gone, stays = await _pair(sessions, "5", "12x5"), await _pair(sessions, "6", "12x6")
    async with transaction(sessions) as session:
        for link in (gone, stays):
            session.add(_conflict(link, "phone"))
            session.add(_conflict(link, "city", applied_at=NOW))
    async with transaction(sessions) as session:
        await remove_link(session, gone)

    async with sessions() as session:
        left = await session.scalars(select(FieldConflict).order_by(FieldConflict.id))
        found = [(each.woo_id, each.field) for each in left]
    assert found == [("5", "city"), ("6", "phone"), ("6", "city")]
    assert (await _links(sessions, "5"), len(await _links(sessions, "6"))) == ([], 1)


def _conflict(link: Link, field: str, applied_at: datetime | None = None) -> FieldConflict:
    return FieldConflict(
        store=link.store, module=link.module, link_id=link.id, woo_id=link.woo_id,
        vtiger_id=link.vtiger_id, label="Zoe", field=field, state="open", applied_at=applied_at,
    )  # fmt: skip


async def test_a_pair_is_found_with_its_unsettled_conflicts(sessions: Sessions) -> None:
    link, other = await _pair(sessions, "5", "12x7"), await _pair(sessions, "6", "12x8")
    async with transaction(sessions) as session:
        for each in (_conflict(other, "city"), _conflict(link, "phone"), _conflict(link, "city")):
            session.add(each)
            await session.flush()
        session.add(_conflict(link, "email", applied_at=NOW))
    settled = await _pair(sessions, "7", "12x9")
    async with transaction(sessions) as session:
        session.add(_conflict(settled, "city", applied_at=NOW))

    records = [_crm("12x7"), _woo("7"), _crm("12x10")]
    async with driver_transaction(sessions) as driver:
        found = await read_pairs(driver, records)
    states = [found[each.key] for each in records]
    assert [each.link.id if each.link else None for each in states] == [link.id, settled.id, None]
    assert [each.has_conflicts for each in states] == [True, False, False]
    async with sessions() as session:
        unsettled = await search_unsettled(session, link.id)
    assert [each.field for each in unsettled] == ["phone", "city"]


async def test_intents_of_many_records_are_opened_found_and_closed(sessions: Sessions) -> None:
    names = {_woo("5"): "email:a", _woo("6"): "email:b", _crm("12x7"): "email:c"}
    keys = [record.key for record in names]
    async with transaction(sessions) as session:
        await open_intents(session, names, {_woo("6"): "key-6"})
    async with sessions() as session:
        kept = (await session.scalars(select(Intent).order_by(Intent.natural_key))).all()
        assert [(each.record_key, each.natural_key, each.target, each.token) for each in kept] == [
            (keys[0], "email:a", "vtiger", None),
            (keys[1], "email:b", "vtiger", "key-6"),
            (keys[2], "email:c", "woocommerce", None),
        ]
        assert await search_intents(session, [*keys[1:], "another"]) == set(keys[1:])
    async with transaction(sessions) as session:
        await close_intents(session, [keys[0], keys[2]])
        assert await search_intents(session, keys) == {keys[1]}


async def test_an_intent_tells_its_age_and_is_renewed_alone(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        for each in "56":
            await open_intent(session, _woo(each), f"email:{each}")
        aged = "UPDATE intents SET created_at = now() - interval '90 seconds'"
        await session.execute(text(aged))
    async with transaction(sessions) as session:
        found = await find_intent(session, _woo("5"))
        assert found is not None
        assert 90 <= found[1] < 100
        await renew_intent(session, _woo("5"))
    async with transaction(sessions) as session:
        renewed, other = [await find_intent(session, _woo(each)) for each in "56"]
        assert renewed is not None
        assert renewed[1] < 10
        assert other is not None
        assert other[1] >= 90
        await open_intent(session, _woo("6"), "email:b")
        await session.execute(text("DELETE FROM intents WHERE natural_key = 'email:5'"))
    async with sessions() as session:
        again = await find_intent(session, _woo("6"))
    assert again is not None
    assert (again[0].natural_key, again[1] < 10) == ("email:b", True)


async def test_sightings_are_young_again_with_each_look(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        await save_sightings(session, {})
        await save_sightings(session, {"a": "1", "b": "1", "c": "1"})
        await session.execute(text("UPDATE sightings SET seen_at = now() - interval '9 days'"))
    async with transaction(sessions) as session:
        await save_sightings(session, {"a": "2", "b": "1"})
    async with sessions() as session:
        assert await search_sightings(session, ["a", "b", "x"]) == {"a": "2", "b": "1"}
        rows = await session.scalars(
            select(Sighting.record_key).where(Sighting.seen_at > NOW - timedelta(days=1))
        )
        assert set(rows) == {"a", "b"}


async def test_rows_are_written_in_the_order_of_their_keys(
    sessions: Sessions, emptied_database_url: str
) -> None:
    """Whatever order they are given in: another writer that has the first key can go on to the
    last, or the two would wait for each other."""

    async def look(session: Session, *keys: str) -> None:
        await save_sightings(session, dict.fromkeys(keys, "1"))

    async def begin(session: Session, *keys: str) -> None:
        await open_intents(session, {_woo(key): f"email:{key}" for key in keys}, {})

    async def write_last_first(write: Callable[..., Awaitable[None]]) -> None:
        async with transaction(sessions) as session:
            await write(session, "2", "1")

    for write in (look, begin):
        async with sessions() as other:
            await write(other, "1")
            writing = asyncio.create_task(write_last_first(write))
            await until_blocked(emptied_database_url)
            await write(other, "2")
            await other.rollback()
        await writing


async def test_watermarks_are_listed_with_the_time_of_their_last_look(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        await save_watermark(session, "a", NOW - timedelta(1))
        await save_watermark(session, "b", NOW)
        aged = "UPDATE watermarks SET looked_at = now() - interval '9 days'"
        await session.execute(text(aged))
    async with transaction(sessions) as session:
        await save_watermark(session, "a", NOW + timedelta(1))
    async with sessions() as session:
        assert await search_watermarks(session) == {"a": NOW + timedelta(1), "b": NOW}
        looks = await search_poll_times(session)
    assert looks["a"] - looks["b"] > timedelta(8)
    assert abs(looks["a"] - datetime.now(UTC)) < timedelta(minutes=5)


async def test_records_made_after_a_moment_are_not_walked(sessions: Sessions) -> None:
    await _pair(sessions, "1", "12x1")
    await _pair(sessions, "2", "12x2", created_at=NOW - timedelta(days=9))
    await _pair(sessions, "3", "14x3", module="products", created_at=NOW - timedelta(days=9))
    before = NOW - timedelta(days=1)
    async with sessions() as session:
        living = stream_live_links(
            session, "main", module=Module.CONTACTS, system=System.VTIGER, before=before
        )
        assert [link.woo_id async for link in living] == ["2"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (LinkFilter(), ["4", "3", "2", "1"]),
        (LinkFilter(store=["main"]), ["3", "2", "1"]),
        (LinkFilter(module=["products"]), ["3"]),
        (LinkFilter(woo_id=["1", "4"]), ["4", "1"]),
        (LinkFilter(vtiger_id=["12x2"]), ["2"]),
        (LinkFilter(store=["main"], woo_id=["1", "4"]), ["1"]),
        (LinkFilter(held=True), ["2"]),
        (LinkFilter(held=False), ["4", "3", "1"]),
    ],
)
async def test_pairs_are_listed_newest_first_and_by_filters(
    sessions: Sessions, filters: LinkFilter, expected: list[str]
) -> None:
    ages = iter(range(9, 0, -1))
    for woo_id, fields in (
        ("1", {}),
        ("2", {"delete_held_at": NOW}),
        ("3", {"module": "products"}),
        ("4", {"store": "shop-fr"}),
    ):
        made = {"created_at": NOW - timedelta(next(ages)), **fields}
        await _pair(sessions, woo_id, f"12x{woo_id}", base={"email": ["a", "a"]}, **made)
    async with sessions() as session:
        first = await search_pairs(session, filters, cursor=None, limit=2)
        found = [link.woo_id for link in first.items]
        assert "base" not in first.items[0].__dict__, "it is large, and no list shows it"
        if first.next_cursor is not None:
            rest = await search_pairs(session, filters, cursor=first.next_cursor, limit=9)
            found += [link.woo_id for link in rest.items]
        with pytest.raises(InvalidInput):
            await search_pairs(session, filters, cursor="nonsense", limit=9)
    assert found == expected
