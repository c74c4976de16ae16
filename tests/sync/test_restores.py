"""A deleted record that is restored takes its pair up again, and nothing is made anew."""

import pytest

from app.domain import DeletePolicy, Module, Outcome
from app.links.models import Link
from app.sync.polling import poll
from tests.goods import edit, links_of, listed, product, shelf
from tests.trade import edit as edit_order
from tests.trade import kept, order, restore, sale, sales, trash
from tests.world import World

pytestmark = pytest.mark.anyio

POLICIES = pytest.mark.parametrize("policy", DeletePolicy)


async def mug(world: World, policy: DeletePolicy) -> Link:
    """A synced product."""
    await world.set_policy(module=Module.PRODUCTS, delete_policy=policy)
    product(world, name="Mug", sku="MUG-1")
    await world.settle()
    [link] = await links_of(world, Module.PRODUCTS)
    world.later()
    return link


async def sold(world: World, policy: DeletePolicy) -> Link:
    """A synced order."""
    await world.set_policy(module=Module.SALES_ORDERS, delete_policy=policy)
    order(world, (product(world, name="Mug", sku="MUG-1"), 1))
    await world.settle()
    [link] = await links_of(world, Module.SALES_ORDERS)
    world.later()
    return link


async def same(world: World, module: Module, before: Link) -> bool:
    """Whether the pair is what it was, with both records alive."""
    [link] = await links_of(world, module)
    marks = (link.woo_deleted_at, link.vtiger_deleted_at)
    return (link.id, link.woo_id, link.vtiger_id, *marks) == (
        *(before.id, before.woo_id, before.vtiger_id),
        *(None, None),
    )


@POLICIES
async def test_a_product_out_of_the_shops_trash(world: World, policy: DeletePolicy) -> None:
    link = await mug(world, policy)
    world.sandbox.shop.trade.product_book.trash(int(link.woo_id))
    await world.settle()
    assert [row["discontinued"] for row in listed(world)] == {
        DeletePolicy.IGNORE: ["1"],
        DeletePolicy.DEACTIVATE: ["0"],
        DeletePolicy.PROPAGATE: [],
    }[policy]
    world.later()
    if policy is DeletePolicy.PROPAGATE:
        world.sandbox.crm.ui_restore(link.vtiger_id)
    world.sandbox.shop.admin.restore_product(int(link.woo_id))
    edit(world, link.woo_id, name="Cup")
    await world.settle()

    assert await same(world, Module.PRODUCTS, link)
    assert [(row["productname"], row["discontinued"]) for row in listed(world)] == [("Cup", "1")]
    assert shelf(world, link.woo_id)["status"] == "publish"


@POLICIES
async def test_a_product_out_of_vtigers_recycle_bin(world: World, policy: DeletePolicy) -> None:
    link = await mug(world, policy)
    await poll(world.runtime)
    world.sandbox.crm.ui_delete(link.vtiger_id)
    await poll(world.runtime)
    await world.settle()
    assert (
        shelf(world, link.woo_id)["status"]
        == {
            DeletePolicy.IGNORE: "publish",
            DeletePolicy.DEACTIVATE: "private",
            DeletePolicy.PROPAGATE: "trash",
        }[policy]
    )
    world.later()
    world.sandbox.crm.ui_restore(link.vtiger_id)
    await world.sandbox.crm.ui_edit(link.vtiger_id, {"productname": "Cup"})
    await world.settle()

    assert await same(world, Module.PRODUCTS, link)
    found = shelf(world, link.woo_id)
    assert (found["name"], found["status"]) == ("Cup", "publish")
    assert len(listed(world)) == 1


@POLICIES
async def test_an_order_out_of_the_shops_trash(market: World, policy: DeletePolicy) -> None:
    link = await sold(market, policy)
    trash(market, link.woo_id)
    await market.settle()
    assert [row["sostatus"] for row in sales(market)] == {
        DeletePolicy.IGNORE: ["Approved"],
        DeletePolicy.DEACTIVATE: ["Cancelled"],
        DeletePolicy.PROPAGATE: [],
    }[policy]
    market.later()
    if policy is DeletePolicy.PROPAGATE:
        market.sandbox.crm.ui_restore(link.vtiger_id)
    restore(market, link.woo_id)
    edit_order(market, link.woo_id, customer_note="Thanks")
    await market.settle()

    assert await same(market, Module.SALES_ORDERS, link)
    found = sale(market, link.woo_id)
    assert (found["sostatus"], found["description"]) == ("Approved", "Thanks")


@POLICIES
async def test_a_sales_order_out_of_vtigers_recycle_bin(
    market: World, policy: DeletePolicy
) -> None:
    link = await sold(market, policy)
    await poll(market.runtime)
    market.sandbox.crm.ui_delete(link.vtiger_id)
    await poll(market.runtime)
    await market.settle()
    assert (
        kept(market, link.woo_id).status
        == {
            DeletePolicy.IGNORE: "processing",
            DeletePolicy.DEACTIVATE: "cancelled",
            DeletePolicy.PROPAGATE: "trash",
        }[policy]
    )
    market.later()
    market.sandbox.crm.ui_restore(link.vtiger_id)
    await market.sandbox.crm.ui_edit(link.vtiger_id, {"description": "Back"})
    await market.settle()

    assert await same(market, Module.SALES_ORDERS, link)
    assert kept(market, link.woo_id).status == "processing"
    assert len(sales(market)) == 1


async def test_a_contact_out_of_vtigers_recycle_bin(world: World) -> None:
    customer_id = await world.customer("zoe@shop.example", last_name="M")
    await world.settle()
    [link] = await world.links()
    world.sandbox.crm.ui_delete(link.vtiger_id)
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.settle()
    world.later()
    world.sandbox.crm.ui_restore(link.vtiger_id)
    await poll(world.runtime)
    await world.settle()

    assert [row["mailingcity"] for row in world.contacts()] == ["Lyon"]
    assert [each.id for each in await world.links()] == [link.id]
    assert (await world.people()).faults() == []


async def test_a_contact_whose_customer_is_gone_for_good_says_what_helps(world: World) -> None:
    """A shop has no trash for people."""
    await world.set_policy(delete_policy="propagate")
    customer_id = await world.customer("zoe@shop.example", last_name="M")
    await world.settle()
    [link] = await world.links()
    world.delete_customer(customer_id)
    await world.settle()
    world.later()
    world.sandbox.crm.ui_restore(link.vtiger_id)
    await world.edit_contact(link.vtiger_id, phone="5")
    await world.settle()

    row = (await world.log())[-1]
    assert (row.target, row.outcome, row.reason) == ("woocommerce", "skipped", "delete_ignored")
    assert "cannot be restored" in row.message
    again = await world.customer("zoe@shop.example", last_name="M")
    await world.settle()
    [taken] = await world.links()
    assert (taken.id, taken.woo_id, taken.vtiger_id) == (link.id, again, link.vtiger_id)
    assert (await world.get_customer(again))["billing"]["phone"] == "5"


async def test_an_order_that_was_cancelled_without_an_answer_comes_back(market: World) -> None:
    """What a lost call of ours did to it is no edit of a person's."""
    link = await sold(market, DeletePolicy.DEACTIVATE)
    market.sandbox.crm_faults.drop("POST", "operation=revise", after_write=True)
    trash(market, link.woo_id)
    await market.settle()
    assert market.sandbox.crm_faults.hits == 1
    [row] = await market.log(Outcome.UPDATED)
    assert [(change["field"], change["new"]) for change in row.changes] == [("status", "Cancelled")]
    market.later()
    restore(market, link.woo_id)
    await market.settle()

    assert await same(market, Module.SALES_ORDERS, link)
    assert sale(market, link.woo_id)["sostatus"] == "Approved"
    assert kept(market, link.woo_id).status == "processing"


async def test_a_product_that_was_made_private_without_an_answer_comes_back(world: World) -> None:
    link = await mug(world, DeletePolicy.DEACTIVATE)
    await poll(world.runtime)
    world.sandbox.crm.ui_delete(link.vtiger_id)
    world.sandbox.shop_faults.fail("PUT", "/products", status=500, after_write=True)
    await poll(world.runtime)
    await world.settle()
    assert world.sandbox.shop_faults.hits == 1
    assert shelf(world, link.woo_id)["status"] == "private"
    world.later()
    world.sandbox.crm.ui_restore(link.vtiger_id)
    await world.sandbox.crm.ui_edit(link.vtiger_id, {"productname": "Cup"})
    await world.settle()

    assert await same(world, Module.PRODUCTS, link)
    assert shelf(world, link.woo_id)["status"] == "publish"
    assert [row["discontinued"] for row in listed(world)] == ["1"]
