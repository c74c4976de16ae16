"""An update that was carried out though nobody heard so is nobody's edit: whatever the policy, the
next edit of the one who made the first meets no conflict. Decision 15.
"""

import pytest

from app.domain import Module
from app.modules.context import ensure_setup
from tests.disputes import conflicts
from tests.goods import edit as edit_product
from tests.goods import links_of, product, shelf
from tests.trade import edit, kept, order, sale
from tests.world import World

pytestmark = pytest.mark.anyio

POLICIES = ["latest_wins", "woocommerce_wins", "vtiger_wins", "ask"]
LONG = " ".join(["A street so long"] * 20)


async def paired(world: World, **billing: str) -> tuple[str, str]:
    customer_id = await world.customer("zoe@shop.example", last_name="M", billing=billing)
    await world.settle()
    await world.forget_log()
    [link] = await world.links()
    world.later()
    return customer_id, link.vtiger_id


async def unheard(world: World, **billing: str) -> tuple[str, str]:
    """A pair whose last edit in the shop was written to Vtiger, with the answer lost."""
    customer_id, contact_id = await paired(world, city="Paris")
    world.sandbox.crm_faults.drop("POST", "operation=revise", after_write=True)
    world.edit_customer(customer_id, billing=billing)
    await world.sandbox.shop.webhooks.flush()
    await world.step()
    assert world.sandbox.crm_faults.hits == 1
    return customer_id, contact_id


async def cities(world: World, customer_id: str, contact_id: str) -> tuple[str, str]:
    customer = await world.get_customer(customer_id)
    return customer["billing"]["city"], world.get_contact(contact_id)["mailingcity"]


@pytest.mark.parametrize("policy", POLICIES)
async def test_the_next_edit_in_the_shop_counts(world: World, policy: str) -> None:
    await world.set_policy(conflict_policy=policy)
    pair = await unheard(world, city="Lyon")
    world.edit_customer(pair[0], billing={"city": "Nice"})
    await world.settle()

    assert await cities(world, *pair) == ("Nice", "Nice")
    assert await conflicts(world) == []
    assert {row.target for row in await world.log() if row.outcome == "updated"} == {"vtiger"}


@pytest.mark.parametrize("policy", POLICIES)
async def test_the_next_edit_in_vtiger_counts(world: World, policy: str) -> None:
    await world.set_policy(conflict_policy=policy)
    customer_id, contact_id = await paired(world, city="Paris")
    world.sandbox.shop_faults.drop("PUT", "/customers", after_write=True)
    await world.edit_contact(contact_id, mailingcity="Lyon")
    await world.step()
    assert world.sandbox.shop_faults.hits == 1
    await world.edit_contact(contact_id, mailingcity="Nice")
    await world.settle()

    assert await cities(world, customer_id, contact_id) == ("Nice", "Nice")
    assert await conflicts(world) == []


async def test_what_the_target_cut_is_known_again(world: World) -> None:
    await world.set_policy(conflict_policy="vtiger_wins")
    customer_id, contact_id = await unheard(world, address_1=LONG)
    world.edit_customer(customer_id, billing={"address_1": "1 Short Street"})
    await world.settle()

    customer = await world.get_customer(customer_id)
    assert customer["billing"]["address_1"] == "1 Short Street"
    assert world.get_contact(contact_id)["mailingstreet"] == "1 Short Street"


async def test_one_row_tells_what_the_unheard_update_did_and_what_the_next_one_did(
    world: World,
) -> None:
    customer_id, _ = await unheard(world, city="Lyon")
    world.edit_customer(customer_id, billing={"phone": "5"})
    await world.settle()

    rows = [row for row in await world.log() if row.outcome == "updated"]
    told = [(each["field"], each["old"], each["new"]) for row in rows for each in row.changes]
    assert sorted(told) == [("mailing_city", "Paris", "Lyon"), ("phone", "", "5")]


async def test_what_a_person_made_of_it_since_goes_by_the_policy(world: World) -> None:
    """It cannot be known whether the person saw what was written."""
    await world.set_policy(conflict_policy="vtiger_wins")
    pair = await unheard(world, city="Lyon")
    await world.edit_contact(pair[1], mailingcity="Metz")
    await world.settle()

    assert await cities(world, *pair) == ("Metz", "Metz")


async def test_an_update_that_was_refused_leaves_nothing_behind(world: World) -> None:
    customer_id, _ = await paired(world, city="Paris")
    body = b'{"success":false,"error":{"code":"MANDATORY_FIELDS_MISSING","message":"lastname"}}'
    world.sandbox.crm_faults.fail("POST", "operation=revise", status=200, body=body)
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.settle()
    assert [row.reason for row in await world.log()] == ["rejected_by_remote"]

    [link] = await world.links()
    assert link.attempted is None


async def test_an_update_that_was_heard_leaves_nothing_behind(world: World) -> None:
    await unheard(world, city="Lyon")
    [link] = await world.links()
    assert link.attempted == {"vtiger": {"mailing_city": "Lyon"}}
    await world.settle()
    [link] = await world.links()
    assert link.attempted is None


@pytest.mark.parametrize("policy", POLICIES)
async def test_an_order(world: World, policy: str) -> None:
    await ensure_setup(world.runtime)
    await world.set_policy(module=Module.SALES_ORDERS, conflict_policy=policy)
    mug = product(world, name="Mug", sku="MUG", regular_price="10.00")
    order_id = order(world, (mug, 2), billing={"city": "Paris"}, status="processing")
    await world.settle()
    world.later()
    world.sandbox.crm_faults.drop("POST", "operation=revise", after_write=True)
    edit(world, order_id, billing={"city": "Lyon"}, status="on-hold")
    await world.sandbox.shop.webhooks.flush()
    await world.step()
    assert world.sandbox.crm_faults.hits == 1
    edit(world, order_id, billing={"city": "Nice"}, status="completed")
    await world.settle()

    assert kept(world, order_id).billing["city"] == sale(world, order_id)["bill_city"] == "Nice"
    assert (kept(world, order_id).status, sale(world, order_id)["sostatus"]) == (
        "completed",
        "Delivered",
    )
    assert await conflicts(world) == []


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_product(world: World, policy: str) -> None:
    await world.set_policy(module=Module.PRODUCTS, conflict_policy=policy)
    mug = product(world, name="Mug", sku="MUG", regular_price="10.00")
    await world.settle()
    world.later()
    world.sandbox.crm_faults.drop("POST", "operation=revise", after_write=True)
    edit_product(world, mug, regular_price="11.00")
    await world.sandbox.shop.webhooks.flush()
    await world.step()
    assert world.sandbox.crm_faults.hits == 1
    edit_product(world, mug, regular_price="12.00")
    await world.settle()

    [link] = await links_of(world, Module.PRODUCTS)
    assert shelf(world, mug)["regular_price"] == "12.00"
    assert float(world.sandbox.crm.record(link.vtiger_id)["unit_price"]) == 12
    assert await conflicts(world) == []


@pytest.mark.parametrize("policy", POLICIES)
async def test_two_updates_in_a_row_that_nobody_heard_of(world: World, policy: str) -> None:
    """The second takes the first one's place on record, and is not carried out."""
    await world.set_policy(conflict_policy=policy)
    pair = await unheard(world, city="Lyon")
    world.sandbox.crm_faults.drop("POST", "operation=revise")
    world.edit_customer(pair[0], billing={"city": "Metz"})
    await world.sandbox.shop.webhooks.flush()
    await world.step()
    assert world.get_contact(pair[1])["mailingcity"] == "Lyon"
    world.edit_customer(pair[0], billing={"city": "Nice"})
    await world.settle()

    assert await cities(world, *pair) == ("Nice", "Nice")
    assert await conflicts(world) == []
