"""Orders that Vtiger wrote in part only are repaired; the shop loses no line to that."""

from decimal import Decimal

import pytest

from app.domain import Module
from sandbox.vtiger.order_state import Mishap
from tests.goods import product, rate, rows_of, told_of
from tests.trade import edit, kept, lines, off, order, sale, sales, total
from tests.world import World

pytestmark = pytest.mark.anyio

ORDERS = Module.SALES_ORDERS
BROKEN = [(0, True), (1, True), (2, True), (0, False)]


def shopped(world: World) -> str:
    """Mugs and teas, 20 and 15 with 20 % on top."""
    rate(world, "VAT 20", "20.0000")
    goods = [
        product(world, name=name, sku=name.upper(), regular_price=price)
        for name, price in (("Mug", "10.00"), ("Tea", "5.00"))
    ]
    return order(world, (goods[0], 2), (goods[1], 3))


def more_mugs(world: World, order_id: str) -> None:
    line = kept(world, order_id).lines[0].id
    edit(world, order_id, line_items=[{"id": line, "quantity": 4, "subtotal": "40.00",
        "total": "40.00"}])  # fmt: skip


async def agreed(world: World, order_id: str, wanted: str) -> bool:
    """Both lines are in both systems, with this total, and nothing is left to be done."""
    found = sale(world, order_id)
    assert [Decimal(line["quantity"]) for line in lines(found)][1:] == [3]
    assert len(kept(world, order_id).lines) == 2
    await world.settle_again()
    return (total(found), await off(world)) == (Decimal(wanted), [])


@pytest.mark.parametrize("left", [0, 1])
async def test_an_order_made_without_all_lines_gets_them_at_once(market: World, left: int) -> None:
    order_id = shopped(market)
    market.sandbox.crm.mishaps.append(Mishap(left, dies=False))
    await market.settle()

    assert await agreed(market, order_id, "42")
    told = await told_of(market, ORDERS)
    assert [row for row in told if row[1] in ("created", "updated")] == [
        ("vtiger", "created", None)
    ]


@pytest.mark.parametrize(("left", "dies"), BROKEN)
async def test_an_order_that_is_made_in_part_again_and_again_is_made_whole(
    market: World, left: int, *, dies: bool
) -> None:
    order_id = shopped(market)
    market.sandbox.crm.mishaps += [Mishap(left, dies=dies)] * 3
    await market.settle()

    assert len(sales(market)) == 1
    assert await agreed(market, order_id, "42")
    told = await told_of(market, ORDERS)
    assert [row[1] for row in told].count("created") == 1


@pytest.mark.parametrize(
    "policy", ["latest_wins", pytest.param("vtiger_wins", marks=pytest.mark.faults)]
)
@pytest.mark.parametrize(("left", "dies"), BROKEN)
async def test_an_edit_that_vtiger_writes_in_part_does_not_come_back_as_its_own(
    market: World, left: int, policy: str, *, dies: bool
) -> None:
    """Else the shop's order would lose the lines that Vtiger's lost."""
    await market.set_policy(module=ORDERS, conflict_policy=policy)
    order_id = shopped(market)
    await market.settle()
    market.later()
    more_mugs(market, order_id)
    market.sandbox.crm.mishaps += [Mishap(left, dies=dies)] * 2
    await market.settle()

    assert await agreed(market, order_id, "66")
    assert [row.conflicts for row in await rows_of(market, ORDERS) if row.conflicts] == []


async def test_a_sale_found_half_written_is_repaired_though_only_vtiger_tells_of_it(
    market: World,
) -> None:
    """The shop's own hint is lost; somebody touches the order in Vtiger, whose lines are gone."""
    order_id = shopped(market)
    await market.settle()
    market.later()
    more_mugs(market, order_id)
    market.sandbox.crm.mishaps += [Mishap(0, dies=True)]
    await market.sandbox.shop.webhooks.flush()
    await market.step()
    await market.forget_hints()
    await market.sandbox.crm.ui_edit(sale(market, order_id)["id"], {"ship_city": "Nice"})
    await market.settle()

    assert await agreed(market, order_id, "66")


async def test_a_ghost_that_vtiger_tells_of_first_takes_no_line_from_the_shop(
    market: World,
) -> None:
    order_id = shopped(market)
    market.sandbox.crm.mishaps += [Mishap(1, dies=True)]
    await market.sandbox.shop.webhooks.flush()
    await market.step()
    await market.forget_hints()
    [ghost] = sales(market)
    await market.sandbox.crm.ui_edit(ghost["id"], {"ship_city": "Nice"})
    await market.settle()

    assert await agreed(market, order_id, "42")


async def test_a_total_that_cannot_be_reached_is_told(market: World) -> None:
    """Somebody takes the tax from the products, again and again: Vtiger does not count it."""
    order_id = shopped(market)
    await market.settle()
    await market.set_policy(module=Module.PRODUCTS, enabled=False)

    async def takes() -> None:
        market.traffic.before["vtiger revise"] = takes
        for line in lines(sale(market, order_id)):
            await market.sandbox.crm.ui_edit(line["productid"], {"tax4": ""})

    await takes()
    more_mugs(market, order_id)
    await market.sandbox.shop.webhooks.flush()
    await market.step()
    market.traffic.before.clear()

    [row] = [row for row in await rows_of(market, ORDERS) if row.outcome == "updated"]
    assert {note["reason"] for note in row.notes} == {"adjustment"}
    assert "55 for an order of 66" in row.notes[0]["message"]
