"""A SKU means one product: twins are found by it, and nobody's product is taken for another's."""

import pytest

from app.domain import Module, Outcome
from tests.goods import (
    edit,
    links_of,
    listed,
    meta,
    product,
    rows_of,
    shelf,
    told_of,
    variable,
    variation,
)
from tests.world import World

pytestmark = pytest.mark.anyio


async def _crm_product(world: World, sku: str, **fields: str) -> str:
    values = {"productname": "Mug", "productcode": sku, "unit_price": "9", **fields}
    return await world.sandbox.crm.ui_create("Products", values)


async def test_products_of_one_sku_become_a_pair(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    vtiger_id = await _crm_product(world, "mug-1")
    product_id = product(world, name="Mug", sku="MUG-1")
    await world.settle()

    [link] = await links_of(world, Module.PRODUCTS)
    assert (link.woo_id, link.vtiger_id) == (product_id, vtiger_id)
    assert meta(world, product_id, "_vtiger_id") == vtiger_id
    assert world.sandbox.crm.record(vtiger_id)["cf_855"] == product_id
    assert world.sandbox.crm.record(vtiger_id)["unit_price"] == "10.00000000"


async def test_an_accent_makes_another_sku(world: World) -> None:
    """Vtiger's `=` takes É for E; we do not."""
    world.sandbox.crm.workflows.callbacks.clear()
    await _crm_product(world, "CAFÉ")
    product(world, name="Coffee", sku="CAFE")
    await world.settle()

    assert [row["productcode"] for row in listed(world)] == ["CAFÉ", "CAFE"]


async def test_two_products_of_one_sku_in_vtiger_are_left_alone(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    for _ in range(2):
        await _crm_product(world, "MUG-1")
    product(world, name="Mug", sku="MUG-1")
    await world.settle()

    assert await told_of(world, Module.PRODUCTS) == [("vtiger", "skipped", "ambiguous_match")]
    assert len(listed(world)) == 2


async def test_neither_of_two_products_of_one_sku_is_sold(world: World) -> None:
    for _ in range(2):
        await _crm_product(world, "MUG-1")
    await world.settle()

    told = await told_of(world, Module.PRODUCTS)
    assert set(told) == {("woocommerce", "skipped", "ambiguous_match")}
    assert world.traffic.writes == {}


async def test_products_without_a_sku_are_products_apart(world: World) -> None:
    for _ in range(2):
        product(world, name="Mug")
    await world.settle()
    await world.settle_again()

    assert len(listed(world)) == 2
    assert len(await links_of(world, Module.PRODUCTS)) == 2


async def test_a_pair_without_a_sku_is_known_by_the_ids_it_carries(world: World) -> None:
    product_id = product(world, name="Mug")
    await world.settle()
    [link] = await links_of(world, Module.PRODUCTS)
    await world.forget_links()
    edit(world, product_id, name="Cup")
    await world.settle()

    [found] = await links_of(world, Module.PRODUCTS)
    assert (found.woo_id, found.vtiger_id) == (link.woo_id, link.vtiger_id)


async def test_an_id_of_a_cloned_shop_is_not_believed(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    other = await _crm_product(world, "OTHER", cf_855="777")
    wrong = [{"key": "_vtiger_id", "value": other}]
    product_id = product(world, name="Mug", sku="MUG-1", meta_data=wrong)
    await world.settle()

    [link] = await links_of(world, Module.PRODUCTS)
    assert link.vtiger_id != other
    assert meta(world, product_id, "_vtiger_id") == link.vtiger_id
    assert world.sandbox.crm.record(other)["cf_855"] == "777"


async def test_a_second_vtiger_product_of_a_paired_sku_is_told_not_taken(world: World) -> None:
    product(world, name="Mug", sku="MUG-1")
    await world.settle()
    await world.forget_log()
    await _crm_product(world, "MUG-1")
    await world.settle()

    assert await told_of(world, Module.PRODUCTS) == [("woocommerce", "skipped", "ambiguous_match")]
    assert len(await links_of(world, Module.PRODUCTS)) == 1


async def test_a_sku_that_the_shops_trash_holds_is_told_with_its_remedy(world: World) -> None:
    product_id = product(world, name="Old mug", sku="MUG-1")
    world.sandbox.shop.trade.product_book.trash(int(product_id))
    await world.settle()
    await world.forget_log()
    vtiger_id = await _crm_product(world, "MUG-1")
    await world.settle()

    [row] = await rows_of(world, Module.PRODUCTS)
    assert (row.outcome, row.reason) == ("skipped", "ambiguous_match")
    assert "trash" in row.message
    world.sandbox.shop.trade.product_book.delete(int(product_id))
    await world.edit_contact(vtiger_id)
    await world.settle()
    assert [link.vtiger_id for link in await links_of(world, Module.PRODUCTS)] == [vtiger_id]


async def test_a_restored_product_takes_the_one_of_its_sku(world: World) -> None:
    product_id = product(world, name="Mug", sku="MUG-1")
    world.sandbox.shop.trade.product_book.trash(int(product_id))
    vtiger_id = await _crm_product(world, "MUG-1")
    await world.settle()
    world.sandbox.shop.admin.restore_product(int(product_id))
    await world.settle()

    [link] = await links_of(world, Module.PRODUCTS)
    assert (link.woo_id, link.vtiger_id) == (product_id, vtiger_id)


async def test_a_holder_that_came_in_between_becomes_the_twin(world: World) -> None:
    """Somebody adds the product between the look and the create: the shop names it."""
    made: list[str] = []

    async def somebody_adds_it() -> None:
        made.append(product(world, name="Mug", sku="mug-1"))

    vtiger_id = await _crm_product(world, "MUG-1")
    world.traffic.before["POST products"] = somebody_adds_it
    await world.settle()

    [link] = await links_of(world, Module.PRODUCTS)
    assert (link.woo_id, link.vtiger_id) == (made[0], vtiger_id)
    assert len(listed(world)) == 1
    assert await world.log(Outcome.FAILED) == []


async def test_a_sku_of_a_variable_parent_is_none_to_take(world: World) -> None:
    variable(world, "T-shirt", sku="TS")
    await world.settle()
    await world.forget_log()
    await _crm_product(world, "TS")
    await world.settle()

    assert await told_of(world, Module.PRODUCTS) == [("woocommerce", "skipped", "filtered")]
    assert await links_of(world, Module.PRODUCTS) == []


async def test_a_variation_is_found_by_its_sku(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    vtiger_id = await _crm_product(world, "R-L")
    red = variation(world, variable(world, "T-shirt"), "Red", "L", sku="R-L")
    await world.settle()

    [link] = await links_of(world, Module.PRODUCTS)
    assert (link.woo_id, link.vtiger_id) == (red, vtiger_id)
    assert meta(world, red, "_vtiger_id") == vtiger_id


async def test_a_changed_sku_that_is_taken_holds_up_nothing_else(world: World) -> None:
    product_id = product(world, name="Mug", sku="MUG-1")
    product(world, name="Plate", sku="PLATE-1")
    await world.settle()
    link = next(
        each for each in await links_of(world, Module.PRODUCTS) if each.woo_id == product_id
    )
    await world.forget_log()
    world.later()
    await world.edit_contact(link.vtiger_id, productcode="PLATE-1", productname="Cup")
    await world.settle()

    assert (shelf(world, product_id)["sku"], shelf(world, product_id)["name"]) == ("MUG-1", "Cup")
    [row] = [each for each in await rows_of(world, Module.PRODUCTS) if each.notes]
    assert [(each["field"], each["reason"]) for each in row.notes] == [("sku", "ambiguous_match")]


async def test_a_product_deleted_for_good_leaves_its_twin(world: World) -> None:
    product_id = product(world, name="Mug", sku="MUG-1")
    await world.settle()
    await world.forget_log()
    world.sandbox.shop.trade.product_book.delete(int(product_id))
    await world.settle()

    told = await told_of(world, Module.PRODUCTS)
    assert told == [("vtiger", "skipped", "delete_ignored")]
    assert len(listed(world)) == 1


async def test_trash_and_restore_follow_the_setting(world: World) -> None:
    await world.set_policy(module=Module.PRODUCTS, delete_policy="propagate")
    product_id = product(world, name="Mug", sku="MUG-1")
    kept = product(world, name="Plate", sku="PLATE-1")
    await world.settle()
    world.sandbox.shop.trade.product_book.trash(int(product_id))
    await world.settle()
    assert [row["productcode"] for row in listed(world)] == ["PLATE-1"]

    await world.set_policy(module=Module.PRODUCTS)
    world.sandbox.shop.trade.product_book.trash(int(kept))
    await world.settle()
    world.later()
    world.sandbox.shop.admin.restore_product(int(kept))
    edit(world, kept, name="Dish", status="publish")
    await world.settle()
    assert [row["productname"] for row in listed(world)] == ["Dish"]
    link = next(each for each in await links_of(world, Module.PRODUCTS) if each.woo_id == kept)
    assert link.woo_deleted_at is None


async def test_a_deleted_vtiger_product_goes_to_the_trash_where_set(world: World) -> None:
    await world.set_policy(module=Module.PRODUCTS, delete_policy="propagate")
    product_id = product(world, name="Mug", sku="MUG-1")
    await world.settle()
    [link] = await links_of(world, Module.PRODUCTS)
    world.sandbox.crm.ui_delete(link.vtiger_id)
    world.later()
    edit(world, product_id, name="Cup")
    await world.settle()

    assert shelf(world, product_id)["status"] == "trash"


async def test_a_trashed_product_is_inactive_where_set_until_it_is_restored(world: World) -> None:
    await world.set_policy(module=Module.PRODUCTS, delete_policy="deactivate")
    product_id = product(world, name="Mug", sku="MUG-1")
    await world.settle()
    await world.forget_log()
    world.sandbox.shop.trade.product_book.trash(int(product_id))
    await world.settle()
    assert [row["discontinued"] for row in listed(world)] == ["0"]
    assert ("vtiger", "updated", None) in await told_of(world, Module.PRODUCTS)

    world.later()
    world.sandbox.shop.admin.restore_product(int(product_id))
    await world.settle()
    assert [row["discontinued"] for row in listed(world)] == ["1"]
    assert shelf(world, product_id)["status"] == "publish"


async def test_a_product_deleted_in_vtiger_is_private_where_set(world: World) -> None:
    await world.set_policy(module=Module.PRODUCTS, delete_policy="deactivate")
    product_id = product(world, name="Mug", sku="MUG-1")
    await world.settle()
    [link] = await links_of(world, Module.PRODUCTS)
    world.sandbox.crm.ui_delete(link.vtiger_id)
    world.later()
    edit(world, product_id, name="Cup")
    await world.settle()

    assert shelf(world, product_id)["status"] == "private"
    world.later()
    edit(world, product_id, status="publish")
    await world.settle()
    assert shelf(world, product_id)["status"] == "publish"


async def test_a_product_typed_into_vtiger_just_now_is_no_news_for_the_shop(world: World) -> None:
    """It has the SKU of a product that the shop sells, and a price of somebody's guess."""
    product_id = product(world, name="Mug", sku="MUG-1", regular_price="10.00")
    await world.sandbox.shop.webhooks.flush()
    await world.forget_hints()
    world.later(60)
    fields = {"productname": "mug", "productcode": "MUG-1", "unit_price": "-1"}
    vtiger_id = await world.sandbox.crm.ui_create("Products", fields)
    world.later()
    await world.edit_contact(vtiger_id, unit_price="1")
    await world.settle()

    assert [(link.woo_id, link.vtiger_id) for link in await links_of(world, Module.PRODUCTS)] == [
        (product_id, vtiger_id)
    ]
    assert (shelf(world, product_id)["name"], shelf(world, product_id)["regular_price"]) == (
        "Mug",
        "10.00",
    )
    [row] = listed(world)
    assert (row["productname"], row["unit_price"]) == ("Mug", "10.00000000")
    assert "conflict_lost" in [reason for *_, reason in await told_of(world, Module.PRODUCTS)]
