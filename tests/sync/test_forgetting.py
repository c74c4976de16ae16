"""One person is forgotten: no trace in any table, no pair lost, nothing written anywhere."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from app.domain import Event, Module, Origin, Record, System
from app.inbox.repository import NewDelivery
from app.links.models import Link
from app.privacy import forget
from app.sync.polling import poll
from tests.disputes import conflicts
from tests.goods import links_of, product
from tests.setting import STORE
from tests.trade import edit as edit_order
from tests.trade import kept, order, sale, sales
from tests.world import World

pytestmark = pytest.mark.anyio

PERSONAL = ("zoe@shop.example", "Zoë", "Müller", "555-0142", "Rue Haute", "Zoeville")
ADDRESS = {
    "first_name": "Zoë",
    "last_name": "Müller",
    "address_1": "12 Rue Haute",
    "city": "Zoeville",
    "country": "FR",
    "email": "Zoe@shop.example",
    "phone": "555-0142",
}
COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type IN (
    'text', 'character varying', 'json', 'jsonb', 'bytea', 'ARRAY')
"""


async def traces(world: World, words: Sequence[str] = PERSONAL) -> set[str]:
    """Columns of any table that hold one of the words, plain or as JSON writes it."""
    forms = {form for word in words for form in (word, word.encode("unicode_escape").decode())}
    found = set()
    async with world.runtime.sessions() as session:
        for table, column in (await session.execute(text(COLUMNS))).all():
            query = f'SELECT "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL'  # noqa: S608
            for (value,) in await session.execute(text(query)):
                raw = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                if any(form.casefold() in raw.casefold() for form in forms):
                    found.add(f"{table}.{column}")
    return found


async def known(world: World) -> str:
    """A person with an account and an order, whom the log tells a lot about; the customer's id."""
    customer_id = await world.customer(
        "zoe@shop.example", first_name="Zoë", last_name="Müller", billing=ADDRESS
    )
    mug = product(world, name="Mug", sku="MUG")
    order(world, (mug, 1), customer_id=int(customer_id), billing=ADDRESS)
    await world.customer("bob@shop.example", last_name="Bobson", billing={"phone": "555-0999"})
    await world.settle()
    return customer_id


async def contact_of(world: World, customer_id: str) -> Link:
    pairs = await links_of(world, Module.CONTACTS)
    return next(each for each in pairs if each.woo_id == customer_id)


async def test_no_trace_of_a_customer_is_left(market: World) -> None:
    await market.set_policy(conflict_policy="ask")
    customer_id = await known(market)
    market.later()
    [link] = [
        each for each in await links_of(market, Module.CONTACTS) if each.woo_id == customer_id
    ]
    market.edit_customer(customer_id, billing={"address_1": "1 Rue Haute"})
    await market.edit_contact(link.vtiger_id, mailingstreet="2 Rue Haute", description="Zoë")
    await market.settle()
    assert [row.field for row in await conflicts(market)] == ["mailing_street"]
    before = await counts(market)
    market.traffic.reset()

    erased = await forget(market.runtime.sessions, " ZOE@shop.example")

    assert await traces(market) == set()
    assert (erased.links, erased.conflicts, erased.waiting) == (2, 1, 0)
    assert min(erased.deliveries, erased.log_entries) >= 4
    assert await counts(market) == before
    assert await traces(market, ["Bobson", "bob@shop.example", "555-0999"]) >= {"links.base"}
    assert market.traffic.writes + market.traffic.reads == {}


async def counts(world: World) -> list[tuple[Any, ...]]:
    """What the screens count, and the ids of all rows."""
    async with world.runtime.sessions() as session:
        queries = (
            "SELECT target, module, outcome, sum(count) FROM sync_totals GROUP BY 1, 2, 3",
            "SELECT id, outcome, reason, link_id FROM sync_log",
            "SELECT id, state, sync_log_id FROM deliveries",
            "SELECT id, vtiger_id FROM links",
        )
        rows = [row for query in queries for row in await session.execute(text(query))]
        return sorted((tuple(row) for row in rows), key=str)


async def test_no_trace_of_a_guest_is_left(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG")
    order(market, (mug, 1), billing=ADDRESS)
    await market.settle()
    assert "guest_orders.email" in await traces(market)
    assert "deliveries.record_key" in await traces(market)

    erased = await forget(market.runtime.sessions, "zoe@shop.example")

    assert await traces(market) == set()
    assert (erased.links, erased.waiting) == (2, 0)


async def test_orders_that_name_the_contact_that_took_ones_place_are_found(market: World) -> None:
    """Two customers of the shop are one contact in Vtiger since a person merged theirs, and what
    the hints carried was dropped by its age."""
    customers = [
        await market.customer(email, last_name="B") for email in ("bob@x.example", "eve@x.example")
    ]
    await market.settle()
    bob, eve = [(await contact_of(market, each)).vtiger_id for each in customers]
    mug = product(market, name="Mug", sku="MUG")
    await market.sandbox.crm.ui_merge(eve, bob, {"secondaryemail": "bob@x.example"})
    market.later(60)
    order_id = order(market, (mug, 1), customer_id=int(customers[0]))
    await market.settle()
    assert sale(market, order_id)["contact_id"] == eve
    await market.execute("UPDATE deliveries SET body = NULL")

    await forget(market.runtime.sessions, "bob@x.example")

    [link] = await links_of(market, Module.SALES_ORDERS)
    assert link.forgotten_at is not None
    assert not link.base.keys() & {"bill_street", "bill_city"}


async def test_a_person_with_a_name_inside_anothers_is_not_meant(world: World) -> None:
    for email in ("chloezoe@shop.example", "zoe@shop.example.org", "zoe-b@shop.example"):
        await world.customer(email, last_name="Other")
    await world.settle()

    erased = await forget(world.runtime.sessions, "zoe@shop.example")

    assert (erased.links, erased.log_entries, erased.deliveries) == (0, 0, 0)
    assert "sync_log.label" in await traces(world, ["Other"])


async def test_another_store_is_not_meant(world: World) -> None:
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()

    assert (await forget(world.runtime.sessions, "zoe@shop.example", store="shop-fr")).links == 0
    assert (await forget(world.runtime.sessions, "zoe@shop.example", store="main")).links == 1


async def test_polls_leave_the_forgotten_alone(market: World) -> None:
    await known(market)
    await poll(market.runtime)
    await market.settle()
    await forget(market.runtime.sessions, "zoe@shop.example")
    for _ in range(2):
        await poll(market.runtime)
        await market.settle()

    assert await traces(market) == set()


async def test_the_next_change_syncs_as_usual(market: World) -> None:
    """Each side's edit since, and what both held before, is there afterwards."""
    customer_id = await known(market)
    await forget(market.runtime.sessions, "zoe@shop.example")
    market.later()
    market.edit_customer(customer_id, billing={"phone": "555-0143"})
    await market.settle()
    link = await contact_of(market, customer_id)
    contact = market.get_contact(link.vtiger_id)
    assert (contact["phone"], contact["mailingcity"]) == ("555-0143", "Zoeville")
    market.later()
    await market.edit_contact(link.vtiger_id, mailingcity="Lyon")
    await market.settle()

    customer = await market.get_customer(customer_id)
    assert (customer["billing"]["city"], customer["billing"]["phone"]) == ("Lyon", "555-0143")
    assert (await contact_of(market, customer_id)).forgotten_at is None
    assert (await market.people()).faults() == []


async def test_an_order_of_the_forgotten_goes_on_with_its_lines(market: World) -> None:
    await known(market)
    [link] = await links_of(market, Module.SALES_ORDERS)
    before = sale(market, link.woo_id)
    await forget(market.runtime.sessions, "zoe@shop.example")
    market.later()
    edit_order(market, link.woo_id, status="completed")
    await market.settle()

    after = sale(market, link.woo_id)
    assert (after["sostatus"], len(sales(market))) == ("Delivered", 1)
    changing = {"sostatus", "modifiedtime", "modifiedby"}
    assert {name for name in after if after[name] != before[name]} <= changing
    assert kept(market, link.woo_id).billing["city"] == "Zoeville"


async def test_a_guest_who_orders_again_takes_the_contact_up_again(market: World) -> None:
    await market.set_policy(delete_policy="propagate")
    mug = product(market, name="Mug", sku="MUG")
    order(market, (mug, 1), billing=ADDRESS)
    await market.settle()
    [before] = await links_of(market, Module.CONTACTS)
    await forget(market.runtime.sessions, "zoe@shop.example")
    await market.edit_contact(before.vtiger_id, mobile="7")
    await market.settle()
    assert len(market.contacts()) == 1, "nobody is deleted for having been forgotten"
    market.later()
    order(market, (mug, 1), billing=ADDRESS)
    await market.settle()

    [after] = await links_of(market, Module.CONTACTS)
    assert (after.id, after.vtiger_id) == (before.id, before.vtiger_id)
    assert after.woo_id == "guest:zoe@shop.example"
    assert (len(market.contacts()), len(sales(market))) == (1, 2)


async def test_hints_that_wait_are_told_and_not_lost(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG")
    order(market, (mug, 1), billing=ADDRESS)
    await market.settle()
    guest = Record(STORE, System.WOOCOMMERCE, Module.CONTACTS, "guest:zoe@shop.example")
    await market.runtime.acceptor.accept([NewDelivery(guest, Origin.MANUAL, Event.CHANGED, "x")])

    assert (await forget(market.runtime.sessions, "zoe@shop.example")).waiting == 1
    await market.settle()
    assert (len(market.contacts()), len(sales(market))) == (1, 1)
    assert (await forget(market.runtime.sessions, "zoe@shop.example")).waiting == 0
    assert await traces(market) == set()
