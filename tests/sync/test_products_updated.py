"""Changes of products travel, and no write wipes what Vtiger holds beside them."""

from decimal import Decimal

import pytest

from app.domain import Module
from tests.goods import (
    currency,
    edit,
    edit_rate,
    forget_books,
    links_of,
    listed,
    product,
    rate,
    rows_of,
    shelf,
    told_of,
    variable,
    variation,
)
from tests.world import World

pytestmark = pytest.mark.anyio


async def _pair(world: World, **fields: object) -> tuple[str, str]:
    product_id = product(world, **{"name": "Mug", "sku": "MUG-1", **fields})
    await world.settle()
    await world.forget_log()
    world.later()
    link = next(
        each for each in await links_of(world, Module.PRODUCTS) if each.woo_id == product_id
    )
    return product_id, link.vtiger_id


async def test_a_changed_name_leaves_taxes_and_prices_in_vtiger_alone(world: World) -> None:
    """The trap: a product write wipes the taxes and prices that it does not send."""
    dollar = currency(world, "USD")
    rate(world, "VAT 20", "20.0000")
    product_id, vtiger_id = await _pair(world)
    price = {"currency" + dollar.partition("x")[2]: "12.34", "tax1": "4.5"}
    await world.edit_contact(vtiger_id, **price)
    await world.settle()
    world.later()
    edit(world, product_id, name="Big mug")
    await world.settle()

    record = world.sandbox.crm.record(vtiger_id)
    assert record["productname"] == "Big mug"
    assert (record["tax4"], record["unit_price"]) == ("20.000", "10.00000000")
    assert Decimal(str(record[next(iter(price))])) == Decimal("12.34")
    assert record["currency_id"] == "21x1"


async def test_an_id_that_is_left_in_vtiger_wipes_nothing(world: World) -> None:
    found = await world.sandbox.crm.ui_create(
        "Products",
        {"productname": "Mug", "productcode": "MUG-1", "unit_price": "9.5", "tax2": "10"},
    )
    await world.settle()

    record = world.sandbox.crm.record(found)
    assert record["cf_855"]
    assert (record["unit_price"], record["tax2"]) == ("9.50000000", "10.000")


async def test_changes_of_both_sides_meet(world: World) -> None:
    product_id, vtiger_id = await _pair(world)
    edit(world, product_id, regular_price="11.50")
    await world.edit_contact(vtiger_id, productname="Blue mug")
    await world.settle()

    assert shelf(world, product_id)["name"] == "Blue mug"
    record = world.sandbox.crm.record(vtiger_id)
    assert (record["productname"], record["unit_price"]) == ("Blue mug", "11.50000000")
    assert (await told_of(world, Module.PRODUCTS))[-1][1] in ("updated", "unchanged")


async def test_an_update_costs_two_calls_of_vtiger(world: World) -> None:
    product_id, _ = await _pair(world)
    world.sandbox.crm.workflows.callbacks.clear()
    world.traffic.reset()
    edit(world, product_id, regular_price="12")
    await world.settle()

    assert world.traffic.writes == {"vtiger revise": 1}
    assert world.traffic.reads["vtiger retrieve"] == 1
    assert world.traffic.reads["GET products"] == 1


async def test_an_echo_costs_one_look_at_the_shop(world: World) -> None:
    product_id, vtiger_id = await _pair(world)
    await world.edit_contact(vtiger_id, unit_price="12")
    await world.settle()

    assert Decimal(shelf(world, product_id)["regular_price"]) == 12
    told = await told_of(world, Module.PRODUCTS)
    assert told == [("woocommerce", "updated", None), ("vtiger", "unchanged", "echo")]


async def test_a_price_is_never_emptied_or_given_away(world: World) -> None:
    product_id, vtiger_id = await _pair(world)
    edit(world, product_id, regular_price="")
    await world.settle()
    assert world.sandbox.crm.record(vtiger_id)["unit_price"] == "10.00000000"
    [row] = await rows_of(world, Module.PRODUCTS)
    assert (row.outcome, row.reason) == ("skipped", "unsafe_in_vtiger")

    edit(world, product_id, regular_price="10")
    await world.settle()
    world.later()
    await world.edit_contact(vtiger_id, unit_price="0")
    await world.settle()
    assert shelf(world, product_id)["regular_price"] == "10"


async def test_a_fraction_of_stock_stays_in_vtiger(world: World) -> None:
    product_id, vtiger_id = await _pair(world, manage_stock=True, stock_quantity=3)
    await world.edit_contact(vtiger_id, qtyinstock="2.5", productname="Mugs")
    await world.settle()

    row = shelf(world, product_id)
    assert (row["name"], row["stock_quantity"]) == ("Mugs", 3)
    [entry] = [each for each in await rows_of(world, Module.PRODUCTS) if each.notes]
    assert [(note["field"], note["reason"]) for note in entry.notes] == [("stock", "not_integer")]


async def test_what_is_sold_lowers_the_stock_in_vtiger(world: World) -> None:
    product_id, vtiger_id = await _pair(world, manage_stock=True, stock_quantity=3)
    edit(world, product_id, stock_quantity=1)
    await world.settle()

    assert world.sandbox.crm.record(vtiger_id)["qtyinstock"] == "1.000"


async def test_status_goes_both_ways(world: World) -> None:
    product_id, vtiger_id = await _pair(world)
    edit(world, product_id, status="draft")
    await world.settle()
    assert world.sandbox.crm.record(vtiger_id)["discontinued"] == "0"
    world.later()
    await world.edit_contact(vtiger_id, discontinued="1")
    await world.settle()
    assert shelf(world, product_id)["status"] == "publish"


async def test_a_renamed_parent_renames_its_variations(world: World) -> None:
    shirt = variable(world, "T-shirt")
    variation(world, shirt, "Red", "L", sku="R-L", description="<p>Warm</p>")
    variation(world, shirt, "Blue", "S", sku="B-S")
    await world.settle()
    world.later()
    edit(world, shirt, name="Shirt")
    await world.settle()

    names = {row["productname"] for row in listed(world)}
    assert names == {"Shirt – Red, L", "Shirt – Blue, S"}


async def test_a_saved_parent_that_changes_nothing_hints_no_variation(world: World) -> None:
    shirt = variable(world, "T-shirt")
    variation(world, shirt, "Red", "L", sku="R-L", description="<p>Warm</p>")
    await world.settle()
    await world.forget_log()
    edit(world, shirt)
    await world.settle()

    assert await told_of(world, Module.PRODUCTS) == [("vtiger", "skipped", "filtered")]


async def test_a_variations_name_is_its_parents_to_give(world: World) -> None:
    shirt = variable(world, "T-shirt")
    red = variation(world, shirt, "Red", "L", sku="R-L")
    await world.settle()
    [link] = await links_of(world, Module.PRODUCTS)
    world.later()
    await world.edit_contact(link.vtiger_id, productname="Red shirt", unit_price="15")
    await world.settle()

    assert Decimal(shelf(world, red)["regular_price"]) == 15
    notes = [note for row in await rows_of(world, Module.PRODUCTS) for note in row.notes]
    assert [(each["field"], each["reason"]) for each in notes] == [
        ("name", "unsafe_in_woocommerce")
    ]


async def test_a_variation_keeps_its_description_when_it_is_written(world: World) -> None:
    shirt = variable(world, "T-shirt")
    red = variation(world, shirt, "Red", "L", sku="R-L", description="Very <b>warm</b>")
    await world.settle()
    [link] = await links_of(world, Module.PRODUCTS)
    world.later()
    await world.edit_contact(link.vtiger_id, unit_price="15")
    await world.settle()
    world.traffic.reset()
    await world.settle_again()

    assert world.traffic.writes == {}
    assert world.sandbox.crm.record(link.vtiger_id)["description"] == "Very warm"
    assert Decimal(shelf(world, red)["regular_price"]) == 15


async def test_another_tax_class_changes_the_taxes_in_vtiger(world: World) -> None:
    rate(world, "VAT 20", "20.0000")
    rate(world, "VAT 5", "5.5000", **{"class": "reduced-rate"})
    product_id, vtiger_id = await _pair(world)
    edit(world, product_id, tax_class="reduced-rate")
    await world.settle()

    record = world.sandbox.crm.record(vtiger_id)
    assert {name: Decimal(record[name]) for name in ("tax4", "tax5")} == {
        "tax4": Decimal(0),
        "tax5": Decimal("5.5"),
    }


async def test_a_changed_percentage_reaches_products_at_their_next_hint(world: World) -> None:
    vat = rate(world, "VAT", "20.0000")
    product_id, vtiger_id = await _pair(world)
    edit_rate(world, vat, rate="21.0000")
    await world.settle()
    forget_books(world)
    edit(world, product_id)
    await world.settle()

    assert world.sandbox.crm.record(vtiger_id)["tax4"] == "21.000"


async def test_a_price_in_another_currency_is_left_alone(world: World) -> None:
    dollar = currency(world, "USD")
    product_id, vtiger_id = await _pair(world)
    await world.edit_contact(vtiger_id, unit_price="11", currency_id=dollar)
    await world.settle()
    world.later()
    edit(world, product_id, regular_price="12", name="Cup")
    await world.settle()

    record = world.sandbox.crm.record(vtiger_id)
    assert (record["productname"], record["unit_price"]) == ("Cup", "11.00000000")
    assert record["currency_id"] == dollar
    notes = [note for row in await rows_of(world, Module.PRODUCTS) for note in row.notes]
    assert [(each["field"], each["reason"]) for each in notes] == [
        ("price", "currency_unavailable")
    ]


async def test_random_related_ids_are_no_change(world: World) -> None:
    product_id, _ = await _pair(world)
    await world.sandbox.shop.webhooks.flush()
    world.traffic.reset()
    shelf(world, product_id)["related_ids"] = [4, 2]  # type: ignore[index]
    world.sandbox.shop.webhooks.emit("product.updated", int(product_id))
    await world.settle()

    assert world.traffic.writes == {}
    assert {each[1] for each in await told_of(world, Module.PRODUCTS)} == {"unchanged"}


async def test_a_variation_costs_one_read_more(world: World) -> None:
    shirt = variable(world, "T-shirt")
    red = variation(world, shirt, "Red", "L", sku="R-L")
    await world.settle()
    world.sandbox.crm.workflows.callbacks.clear()
    world.later()
    world.traffic.reset()
    edit(world, red, regular_price="12")
    await world.settle()

    assert world.traffic.reads["GET products"] == 2
    assert world.traffic.writes == {"vtiger revise": 1}


async def test_a_change_of_vtiger_costs_a_read_and_a_write_of_the_shop(world: World) -> None:
    _, vtiger_id = await _pair(world)
    for webhook in world.sandbox.shop.webhooks.all():
        world.sandbox.shop.webhooks.remove(webhook)
    world.traffic.reset()
    await world.edit_contact(vtiger_id, unit_price="12")
    await world.settle()

    assert world.traffic.reads["GET products"] == 1
    assert world.traffic.reads["vtiger retrieve"] == 1
    assert world.traffic.writes == {"PUT products": 1}
