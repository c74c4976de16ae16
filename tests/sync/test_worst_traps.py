"""The traps that contract page readback calls "Worst of all": no write of ours trips one.

The sandbox has them all, so each test would see the damage. Lines that Vtiger loses: see
test_order_repairs.
"""

from uuid import uuid4

import pytest

from app.domain import Module, Outcome
from app.sync.pipeline import drain
from tests.goods import edit, links_of, listed, product, shelf
from tests.running import run
from tests.trade import edit as edit_order
from tests.trade import item, kept, lines, off, order, sale, sales, total, typed
from tests.world import World

pytestmark = pytest.mark.anyio

SIGNS = "Tom & Jerry <3 “Été” R&amp;D"


async def quiet(world: World) -> bool:
    """Nothing is left to be written, however often it is looked at."""
    await world.settle()
    world.traffic.reset()
    await world.settle_again()
    return dict(world.traffic.writes) == {}


async def test_signs_are_the_same_after_a_create_and_after_a_revise(market: World) -> None:
    """Vtiger decodes entities on each revise, and not on a create."""
    mug = product(market, name="Tom & Jerry", sku="MUG", description="<p>5 &lt; 7 &amp;c.</p>")
    customer_id = await market.customer("zoe@shop.example", last_name="Müller & Co")
    order_id = order(market, (mug, 1), customer_note=SIGNS)
    await market.settle()
    made = [sale(market, order_id)["description"], listed(market)[-1]["description"]]
    for city in ("Lyon", "Nice"):
        market.later()
        market.edit_customer(customer_id, billing={"city": city})
        edit(market, mug, regular_price=f"1{len(city)}.00")
        edit_order(market, order_id, shipping={"city": city})
        await market.settle()

    assert [sale(market, order_id)["description"], listed(market)[-1]["description"]] == made
    assert listed(market)[-1]["productname"] == "Tom & Jerry"
    assert listed(market)[-1]["description"] == "5 < 7 &c."
    assert {row["lastname"] for row in market.contacts()} >= {"Müller & Co"}
    assert await quiet(market)


async def test_lines_without_quantity_or_amount_cost_no_order_its_lines(market: World) -> None:
    """A quantity or price that is no number is a 500 in Vtiger, and the order's lines are gone."""
    mug = product(market, name="Mug", sku="MUG", regular_price="")
    order_id = order(market, (mug, 1), fee_lines=[{"name": "Wrapping", "total": "2.00"}])
    refunded = order(market, (mug, -1))
    for each in (order_id, refunded):
        kept(market, each).lines[0].quantity = 0 if each == order_id else -1
        edit_order(market, each, customer_note="x")
    await market.settle()

    assert total(sale(market, order_id)) == 2
    assert [line["comment"] for line in lines(sale(market, order_id))] == [
        "WooCommerce fee: Wrapping"
    ]
    assert len(lines(sale(market, refunded))) == 1
    assert await off(market) == []
    assert await market.log(Outcome.FAILED) == []


@pytest.mark.parametrize("quantity", ["0", "0.5", "0.0004"])
async def test_no_quantity_of_vtigers_removes_a_line_of_the_shop(
    market: World, quantity: str
) -> None:
    """In WooCommerce quantity 0 removes the line."""
    mug, tea = (product(market, name=name, sku=name.upper()) for name in ("Mug", "Tea"))
    order_id = order(market, (mug, 1), (tea, 2))
    await market.settle()
    market.later()
    first, second = lines(sale(market, order_id))
    changed = [
        item(first["productid"], quantity, "10.00"),
        item(second["productid"], "3", "10.00", comment=""),
    ]
    await market.sandbox.crm.ui_edit(sale(market, order_id)["id"], {"LineItems": changed})
    await market.settle()

    assert [line.quantity for line in kept(market, order_id).lines] == [1, 2]
    assert "not_integer" in {row.reason for row in await market.log(Outcome.SKIPPED)}


async def test_a_line_whose_comment_is_emptied_stays_in_the_shop(market: World) -> None:
    """In WooCommerce a name of null removes the line."""
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1))
    await market.settle()
    market.later()
    [line] = lines(sale(market, order_id))
    changed = [item(line["productid"], "2", "10.00", comment="")]
    await market.sandbox.crm.ui_edit(sale(market, order_id)["id"], {"LineItems": changed})
    await market.settle()

    [row] = kept(market, order_id).lines
    assert (row.name, row.quantity) == ("Mug", 2)


@pytest.mark.parametrize("email", ["", "a&b@crm.example", "zoë@crm.example", "no address"])
async def test_no_edit_in_vtiger_erases_a_customers_address(world: World, email: str) -> None:
    """WooCommerce answers 200 to null or `&`, and the address is gone."""
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()
    [contact] = world.contacts()
    world.later()
    await world.edit_contact(contact["id"], email=email, phone="7")
    await world.settle()

    customer = await world.get_customer(customer_id)
    assert (customer["email"], customer["billing"]["phone"]) == ("zoe@shop.example", "7")


async def test_what_is_not_for_sale_is_never_free(world: World) -> None:
    """An empty price is 0 in Vtiger, which would come back as a price of 0."""
    product_id = product(world, name="Mug", sku="MUG", regular_price="")
    await world.settle()
    [mug] = listed(world)
    world.later()
    await world.sandbox.crm.ui_edit(mug["id"], {"productname": "Cup", "unit_price": "0"})
    await world.settle()

    assert (shelf(world, product_id)["name"], shelf(world, product_id)["regular_price"]) == (
        "Cup",
        "",
    )
    assert await quiet(world)


async def test_a_batch_has_nothing_in_it_that_the_shop_would_not_check(world: World) -> None:
    """Items of a batch are stored as they come: null, numbers, lists, an address that erases."""
    world.sandbox.crm.workflows.callbacks.clear()
    long = f"{'x' * 50}@{'y' * 60}.example"
    emails = ["", "a&b@crm.example", "zoë@crm.example", long, "ok@crm.example"]
    for email in emails:
        await world.contact(lastname="C", email=email, firstname="=\\x <b>B</b>")
    for code, fields in {"OK": {"qtyinstock": "1.5"}, "NO": {"unit_price": "0"}}.items():
        typed_in = {"productname": code, "productcode": code, "unit_price": "5", **fields}
        await world.sandbox.crm.ui_create("Products", {**typed_in, "discontinued": "1"})
    await run(world, Module.CONTACTS, Module.PRODUCTS)
    await world.settle()

    [made] = [one async for one in world.runtime.stores["main"].each_customer(role="customer")]
    assert (made.email, made.data["first_name"], made.data["last_name"]) == (
        "ok@crm.example",
        "",
        "C",
    )
    shelves = {row["sku"]: row for row in world.sandbox.shop.trade.products}
    assert {sku: row["regular_price"] for sku, row in shelves.items()} == {"OK": "5", "NO": ""}
    assert [row["stock_quantity"] for row in shelves.values()] == [None, None]
    skipped = [row.reason for row in await world.log(Outcome.SKIPPED) if row.module == "contacts"]
    assert skipped == ["missing_required_field"] * 4


async def test_rendered_text_is_nobodys_edit(world: World) -> None:
    """Webhooks carry a product's text as the page shows it: curly quotes, paragraphs."""
    text = 'He said "it\'s 5 < 7" -- [gallery]\n\nTwice...'
    product(world, name="Mug", sku="MUG", description=text, short_description=text)
    await world.settle()

    [mug] = listed(world)
    assert mug["description"].startswith('He said "it\'s 5 < 7" --')
    assert await quiet(world)


async def test_backslashes_of_a_product_survive_what_is_written_beside_them(world: World) -> None:
    """A change of one text strips a level of backslashes from the others."""
    path = "C:\\\\new\\\\mug"
    product_id = product(world, name="Mug", sku="MUG", description=path)
    await world.settle()
    before = shelf(world, product_id)["description"]
    [mug] = listed(world)
    world.later()
    await world.sandbox.crm.ui_edit(mug["id"], {"productname": "A\\B", "unit_price": "12"})
    await world.settle()

    row = shelf(world, product_id)
    assert (row["description"], row["regular_price"], row["name"]) == (before, "12", "Mug")
    assert "unsafe_in_woocommerce" in {
        note["reason"] for entry in await world.log(Outcome.UPDATED) for note in entry.notes
    }


async def test_a_record_is_written_by_one_worker_at_a_time(world: World) -> None:
    """Two PUTs of one product lose one of the changes."""
    product_id = product(world, name="Mug", sku="MUG")
    await world.settle()
    [link] = await links_of(world, Module.PRODUCTS)
    world.later()

    async def intrude() -> None:
        edit(world, product_id, description="new")
        await world.sandbox.shop.webhooks.flush()
        writes = world.traffic.writes.total()
        for system, record_id in (("woocommerce", link.woo_id), ("vtiger", link.vtiger_id)):
            key = f"main:products:{system}:{record_id}"
            await drain(world.runtime, key, owner=uuid4().hex)
        assert world.traffic.writes.total() == writes

    world.traffic.before["PUT products"] = intrude
    await world.sandbox.crm.ui_edit(link.vtiger_id, {"unit_price": "12", "productname": "Cup"})
    await world.settle()

    row = shelf(world, product_id)
    assert (row["name"], row["regular_price"], row["description"]) == ("Cup", "12", "new")
    assert listed(world)[0]["description"] == "new"


async def test_an_order_typed_without_a_number_is_no_order_of_the_shop(market: World) -> None:
    """What people can type into Vtiger, and a shop would take for a removed line."""
    mug = product(market, name="Mug", sku="MUG")
    await market.settle()
    [link] = await links_of(market, Module.PRODUCTS)
    await typed(market, item(link.vtiger_id, "0", "10"))
    await market.settle()

    assert mug == link.woo_id
    assert len(sales(market)) == 1
    assert list(market.sandbox.shop.trade.orders) == []
    assert "not_integer" in {row.reason for row in await market.log(Outcome.SKIPPED)}
