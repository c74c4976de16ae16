"""A create that was carried out, though nobody heard so: looked up and reused, never doubled.

Contacts and customers: test_faults.py. Contract page Vtiger §10 (a 500 leaves a live order).
"""

from collections.abc import AsyncIterator, Callable

import pytest

from app.domain import Module
from app.modules.context import ensure_setup
from sandbox.faults import Faults
from tests.goods import listed, product, rate, rows_of
from tests.trade import item, off, order, sale, sales, total, typed
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

READ_TIMEOUT = 1.0
Lose = Callable[[Faults, str, str], None]


def _empty_error(faults: Faults, method: str, text: str) -> None:
    faults.fail(method, text, status=500, after_write=True)


def _drop(faults: Faults, method: str, text: str) -> None:
    faults.drop(method, text, after_write=True)


def _hang(faults: Faults, method: str, text: str) -> None:
    faults.hang(method, text, seconds=2 * READ_TIMEOUT, after_write=True)


LOST = pytest.mark.parametrize("lose", [_empty_error, _drop, _hang])
SLOW = [pytest.param(lose, marks=pytest.mark.faults) for lose in (_drop, _hang)]
MOSTLY_SLOW = pytest.mark.parametrize("lose", [_empty_error, *SLOW])


@pytest.fixture
async def market(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url, http={"read_timeout": READ_TIMEOUT}) as world:
        await ensure_setup(world.runtime)
        await world.settle()
        await world.forget_log()
        yield world


async def created(world: World, module: Module) -> list[tuple[str, str | None]]:
    rows = await rows_of(world, module)
    return [(row.target, row.target_id) for row in rows if row.outcome == "created"]


@LOST
async def test_a_sales_order_in_vtiger(market: World, lose: Lose) -> None:
    rate(market, "VAT 20", "20.0000")
    mug = product(market, name="Mug", sku="MUG", regular_price="10.00")
    order_id = order(market, (mug, 2))
    lose(market.sandbox.crm_faults, "POST", "elementType=SalesOrder")
    await market.settle()

    found = sale(market, order_id)
    assert total(found) == 24
    assert await off(market) == []
    assert await created(market, Module.SALES_ORDERS) == [("vtiger", found["id"])]
    assert market.sandbox.crm_faults.hits == 1


@LOST
async def test_an_order_in_the_shop(market: World, lose: Lose) -> None:
    product(market, name="Mug", sku="MUG", regular_price="10.00")
    await market.settle()
    mug = next(row["id"] for row in listed(market) if row["productcode"] == "MUG")
    await typed(market, item(mug, "2", "9.50"))
    lose(market.sandbox.shop_faults, "POST", "/orders")
    await market.settle()

    [made] = market.sandbox.shop.trade.orders
    [found] = sales(market)
    assert found["vtiger_purchaseorder"] == f"WC-main-{made.id}"
    assert await created(market, Module.SALES_ORDERS) == [("woocommerce", str(made.id))]
    assert market.sandbox.shop_faults.hits == 1


@LOST
@pytest.mark.parametrize("sku", ["MUG", ""])
async def test_a_product_in_vtiger(market: World, lose: Lose, sku: str) -> None:
    """Without a SKU only our id field can tell that it is there."""
    lose(market.sandbox.crm_faults, "POST", "elementType=Products")
    product(market, name="Mug", sku=sku, regular_price="10.00")
    await market.settle()

    [mug] = [row for row in listed(market) if row["productname"] == "Mug"]
    assert await created(market, Module.PRODUCTS) == [("vtiger", mug["id"])]
    assert market.sandbox.crm_faults.hits == 1


@LOST
@pytest.mark.parametrize("sku", ["MUG", ""])
async def test_a_product_in_the_shop(market: World, lose: Lose, sku: str) -> None:
    lose(market.sandbox.shop_faults, "POST", "/products")
    await market.sandbox.crm.ui_create(
        "Products", {"productname": "Mug", "productcode": sku, "unit_price": "10"}
    )
    await market.settle()

    [mug] = market.sandbox.shop.trade.products
    assert await created(market, Module.PRODUCTS) == [("woocommerce", str(mug["id"]))]
    assert market.sandbox.shop_faults.hits == 1


@MOSTLY_SLOW
async def test_a_tax_in_vtiger(market: World, lose: Lose) -> None:
    """Vtiger takes a label twice (70-tax-create-dup-label)."""
    rate(market, "VAT 20", "20.0000")
    lose(market.sandbox.crm_faults, "POST", "elementType=Tax")
    product(market, name="Mug", sku="MUG", regular_price="10.00")
    await market.settle()

    labels = [row.values["taxlabel"] for row in market.sandbox.crm.database.live("Tax")]
    assert labels.count("VAT 20") == 1
    assert len(await created(market, Module.TAXES)) == 1
    assert market.sandbox.crm_faults.hits == 1


@MOSTLY_SLOW
async def test_an_account_in_vtiger(market: World, lose: Lose) -> None:
    lose(market.sandbox.crm_faults, "POST", "elementType=Accounts")
    await market.customer("zoe@shop.example", last_name="Müller", billing={"company": "Acme"})
    await market.settle()

    assert market.accounts().count("Acme") == 1
    assert [target for target, _ in await created(market, Module.CONTACTS)] == ["vtiger"]
    assert market.sandbox.crm_faults.hits == 1
