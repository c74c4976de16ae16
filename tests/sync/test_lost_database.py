"""A lost database, then a sync: pairs are found again, and nothing and nobody is made twice."""

from collections import Counter

import pytest

from app.domain import GuestPolicy, Module, Outcome
from app.links.models import Link
from app.links.repository import find_watermark
from app.modules.context import ensure_setup
from app.sync.polling import poll
from tests import goods, trade
from tests.running import run
from tests.setting import STORE
from tests.world import World

pytestmark = pytest.mark.anyio

GUEST = {**trade.ADDRESS, "email": "guest@shop.example"}


async def accounts(world: World) -> list[str]:
    """The e-mails of the shop's customers."""
    return [user.email async for user in world.runtime.stores[STORE].each_customer(role="customer")]


async def held(world: World) -> Counter[str]:
    """How many records both systems hold."""
    found = Counter({"customers": len(await accounts(world))})
    found["orders"] = len(list(world.sandbox.shop.trade.orders))
    for module in ("Contacts", "Products", "SalesOrder"):
        found[module] = len(world.sandbox.crm.records(module))
    return found


async def lose(world: World) -> Counter[str]:
    """The database is lost and begun anew; what there is by then."""
    await world.settle()
    await world.lose_database()
    await world.set_policy()  # contacts may become customers, as before
    await ensure_setup(world.runtime)
    return await held(world)


async def reasons(world: World, module: Module) -> list[str | None]:
    return [row.reason for row in await goods.rows_of(world, module) if row.outcome == "skipped"]


async def links(world: World, module: Module) -> list[Link]:
    return await goods.links_of(world, module)


async def retype(world: World, order_id: str, number: str) -> str:
    """A person types a Purchase Order of the customer's own, in a CRM without our id field."""
    sale_id = str(trade.sale(world, order_id)["id"])
    await world.sandbox.crm.ui_edit(sale_id, {"vtiger_purchaseorder": number})
    await world.settle()
    record = world.sandbox.crm.database.find(sale_id)
    assert record is not None
    record.values["cf_857"] = ""
    return sale_id


async def test_a_sync_makes_nothing_twice(market: World) -> None:
    mug = goods.product(market, name="Mug", sku="MUG")
    gone = goods.product(market, name="Gone", sku="GONE")
    customer = await market.customer("zoe@shop.example", last_name="Müller")
    leaver = await market.customer("leaver@shop.example", last_name="Leaver")
    kept = trade.order(market, (mug, 1), customer_id=int(customer))
    trade.order(market, (mug, 2), billing=GUEST)
    typed = trade.order(market, (mug, 3), customer_id=int(customer))
    deleted = trade.order(market, (mug, 4), customer_id=int(customer))
    await market.settle()
    await retype(market, typed, "K-4711")
    market.sandbox.shop.trade.order_life.delete(int(deleted))
    market.sandbox.shop.trade.product_book.delete(int(gone))
    market.delete_customer(leaver)
    before = await lose(market)
    await run(market)
    await market.settle()

    assert await held(market) == before
    assert await market.log(Outcome.CREATED) == []
    assert [link.woo_id for link in await links(market, Module.SALES_ORDERS) if link.woo_id == kept]
    people = {link.woo_id for link in await links(market, Module.CONTACTS)}
    assert people == {customer, "guest:guest@shop.example"}
    orders = Counter(await reasons(market, Module.SALES_ORDERS))
    assert orders == {"ambiguous_match": 2, "delete_ignored": 1}
    assert await reasons(market, Module.CONTACTS) == ["delete_ignored"]
    assert "delete_ignored" in await reasons(market, Module.PRODUCTS)


async def test_an_order_whose_number_was_typed_is_held_from_either_end(market: World) -> None:
    """It is told how to mend that; once it is, the two are a pair again."""
    mug = goods.product(market, name="Mug", sku="MUG")
    order_id = trade.order(market, (mug, 1), billing=GUEST)
    await market.settle()
    sale_id = await retype(market, order_id, "K-4711")
    before = await lose(market)
    await poll(market.runtime)
    market.later()
    await market.sandbox.crm.ui_edit(sale_id, {"description": "Ring twice"})
    trade.edit(market, order_id, customer_note="By noon")
    await market.settle()

    rows = await goods.rows_of(market, Module.SALES_ORDERS)
    assert {row.reason for row in rows} == {"ambiguous_match"}
    assert {row.target for row in rows} == {"woocommerce", "vtiger"}
    assert all(f"WC-main-{order_id}" in (row.message or "") for row in rows)
    assert await held(market) == before

    await market.sandbox.crm.ui_edit(sale_id, {"vtiger_purchaseorder": f"WC-main-{order_id}"})
    await market.settle()
    pairs = await links(market, Module.SALES_ORDERS)
    assert [(pair.woo_id, pair.vtiger_id) for pair in pairs] == [(order_id, sale_id)]
    assert await held(market) == before


async def test_a_copy_of_an_order_that_carries_its_id_is_a_new_one(market: World) -> None:
    """The Vtiger order that it names is the pair of the first."""
    mug = goods.product(market, name="Mug", sku="MUG")
    order_id = trade.order(market, (mug, 1), billing=GUEST)
    await market.settle()
    sale_id = await retype(market, order_id, "K-4711")
    meta = [{"key": "_vtiger_id", "value": sale_id}]
    copy = trade.order(market, (mug, 1), billing=GUEST, meta_data=meta)
    await market.settle()

    assert trade.sale(market, copy)["id"] != sale_id


async def test_a_contact_with_the_email_of_a_guests_order_gets_no_account(market: World) -> None:
    mug = goods.product(market, name="Mug", sku="MUG")
    trade.order(market, (mug, 1), billing=GUEST)
    market.sandbox.shop.webhooks.pending.clear()
    contact_id = await market.contact(lastname="Guest", email="Guest@Shop.Example")
    await market.settle()

    assert await accounts(market) == []
    [pair] = await links(market, Module.CONTACTS)
    assert (pair.woo_id, pair.vtiger_id) == ("guest:guest@shop.example", contact_id)


async def test_where_guests_are_no_contacts_one_becomes_a_customer(market: World) -> None:
    await market.set_policy(module=Module.SALES_ORDERS, guests=GuestPolicy.SKIP)
    mug = goods.product(market, name="Mug", sku="MUG")
    trade.order(market, (mug, 1), billing=GUEST)
    await market.contact(lastname="Guest", email="guest@shop.example")
    await market.settle()

    assert await accounts(market) == ["guest@shop.example"]


async def test_many_guests_are_found_by_reading_the_orders_once(market: World) -> None:
    mug = goods.product(market, name="Mug", sku="MUG")
    for number in range(5):
        billing = {**GUEST, "email": f"g{number}@shop.example"}
        trade.order(market, (mug, 1), billing=billing)
    await lose(market)
    await run(market, Module.CONTACTS)

    assert await accounts(market) == []
    assert len(await links(market, Module.CONTACTS)) == 5


async def test_guests_of_after_an_old_backup_are_found(market: World) -> None:
    """The orders had been read before the backup; what changed since is read again."""
    mug = goods.product(market, name="Mug", sku="MUG")
    await market.contact(lastname="First", email="first@crm.example")
    await market.lose_database()
    await market.set_policy()
    await run(market, Module.CONTACTS)
    market.later()
    trade.order(market, (mug, 1), billing=GUEST)
    await market.contact(lastname="Guest", email="guest@shop.example")
    await market.forget_hints()
    market.sandbox.shop.webhooks.pending.clear()
    market.runtime.memory.forget("history:main")
    await run(market, Module.CONTACTS)

    assert await accounts(market) == ["first@crm.example"]


async def test_a_new_order_that_a_person_types_needs_no_look_at_all_orders(market: World) -> None:
    goods.product(market, name="Mug", sku="MUG")
    await market.settle()
    await poll(market.runtime)
    market.later()
    await trade.typed(market, trade.item(goods.listed(market)[-1]["id"], "1", "5"))
    await market.settle()

    assert len(list(market.sandbox.shop.trade.orders)) == 1
    async with market.runtime.sessions() as session:
        assert await find_watermark(session, "history:main") is None
