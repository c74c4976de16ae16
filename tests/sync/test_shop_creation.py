"""Which of Vtiger's records become new ones of the shop: accounts are made, and people mailed, only
where the settings ask for it."""

from collections.abc import AsyncIterator

import pytest

from app.domain import Module, Outcome, System
from app.modules.context import ensure_setup
from app.modules.shop_creation import CHOSEN_LABEL
from app.sync.mappings.preview import Trial, preview
from app.sync.runs.requests import differences
from sandbox.vtiger.schema import CustomField
from tests.goods import listed, product
from tests.running import run
from tests.setting import STORE
from tests.trade import item, order, sales, typed
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    """As delivered: contacts become customers if an order needs them, or somebody chose them."""
    async with open_world(emptied_database_url) as opened:
        await opened.set_policy(create_in_shop="with_orders")
        yield opened


async def accounts(world: World) -> set[str]:
    people = await world.people()
    return {person.email for person in people.woo}


async def test_a_contact_that_nobody_chose_stays_in_the_crm(world: World) -> None:
    contact_id = await world.contact(lastname="Ruiz", email="ana@crm.example")
    await world.settle()
    compared = await run(world, Module.CONTACTS, dry_run=True)
    [found] = (await differences(world.runtime, compared.run.id)).items
    told = await preview(world.runtime, Trial(STORE, Module.CONTACTS, System.VTIGER, contact_id))

    assert await accounts(world) == set()
    assert (found.plan, found.reason) == ("skip", "creation_off")
    assert told.skip is not None
    assert told.skip.reason == "creation_off"
    assert await world.told() == [("woocommerce", Outcome.SKIPPED, "creation_off")]


async def test_a_run_makes_no_account_and_says_so_once(world: World) -> None:
    for number in range(3):
        await world.contact(lastname="Ruiz", email=f"c{number}@crm.example")
    await run(world, Module.CONTACTS)
    rows = await world.told()
    await run(world, Module.CONTACTS)

    assert await accounts(world) == set()
    assert rows == [("woocommerce", Outcome.SKIPPED, "creation_off")] * 3
    assert await world.told() == rows


async def test_a_ticked_box_makes_an_account_of_a_contact(world: World) -> None:
    world.sandbox.crm.ui_add_field("Contacts", CustomField("cf_881", CHOSEN_LABEL, "boolean"))
    contact_id = await world.contact(lastname="Ruiz", email="ana@crm.example")
    await world.settle()
    before = await accounts(world)
    world.later()
    await world.edit_contact(contact_id, cf_881="1")
    await world.settle()

    assert (before, await accounts(world)) == (set(), {"ana@crm.example"})


async def test_an_order_brings_its_contact_and_an_earlier_one_counts(world: World) -> None:
    await ensure_setup(world.runtime)
    product(world, name="Mug", sku="MUG")
    ana = await world.contact(lastname="Ruiz", email="ana@crm.example")
    await world.contact(lastname="Lee", email="lee@crm.example")
    await world.settle()
    [mug] = [row["id"] for row in listed(world) if row["productcode"] == "MUG"]
    await typed(world, item(mug, "1", "10"), contact_id=ana)
    compared = await run(world, Module.CONTACTS, dry_run=True)
    found = (await differences(world.runtime, compared.run.id)).items
    await world.settle()

    assert {(each.label.split()[0], each.plan) for each in found} == {
        ("Ruiz", "create"),
        ("Lee", "skip"),
    }
    assert await accounts(world) == {"ana@crm.example"}


async def test_a_guest_s_order_asks_for_no_account(world: World) -> None:
    """Even after the database was lost, which knew that the contact is a guest of the shop."""
    await ensure_setup(world.runtime)
    order(world, (product(world, name="Mug", sku="MUG"), 1))
    await world.settle()
    await world.execute("DELETE FROM links WHERE module = 'contacts'")
    [contact] = world.contacts()
    await world.edit_contact(contact["id"], description="called")
    await world.settle()

    assert len(sales(world)) == 1
    assert await accounts(world) == set()


async def test_never_means_that_an_order_is_made_without_an_account(world: World) -> None:
    await ensure_setup(world.runtime)
    await world.set_policy(create_in_shop="never")
    product(world, name="Mug", sku="MUG")
    ana = await world.contact(lastname="Ruiz", email="ana@crm.example")
    await world.settle()
    [mug] = [row["id"] for row in listed(world) if row["productcode"] == "MUG"]
    await typed(world, item(mug, "1", "10"), contact_id=ana)
    await world.settle()

    [made] = [each async for each in world.runtime.stores[STORE].each_order()]
    assert (made.customer_id, made.data["billing"]["email"]) == (None, "ana@crm.example")
    assert await accounts(world) == set()


async def test_an_order_that_is_not_made_brings_nobody_along(world: World) -> None:
    await ensure_setup(world.runtime)
    await world.set_policy(module=Module.SALES_ORDERS, create_in_shop="never")
    await world.set_policy(module=Module.PRODUCTS, create_in_shop="with_orders")
    ana = await world.contact(lastname="Ruiz", email="ana@crm.example")
    mug = await world.sandbox.crm.ui_create("Products", {"productname": "Mug"})
    await typed(world, item(mug, "1", "10"), contact_id=ana)
    await world.settle()

    shop = world.runtime.stores[STORE]
    assert [each async for each in shop.each_order()] == []
    assert [each async for each in shop.each_product()] == []
    assert await accounts(world) == set()
    reasons = {row.label: row.reason for row in await world.log(Outcome.SKIPPED)}
    assert (reasons["By phone"], reasons["Mug"]) == ("creation_off", "creation_off")
