"""Status tables in a whole world: hints late, twice and shuffled; bases of an earlier version."""

import random

import pytest
from sqlalchemy import select

from app.db.session import transaction
from app.domain import DeletePolicy, Direction, Module
from app.links.models import Link
from app.policies.repository import StatusChoice, StatusTable, save_status_table
from tests.goods import product, rows_of
from tests.setting import STORE
from tests.statements import counted
from tests.trade import edit, kept, order, restore, sale, trash
from tests.world import World

pytestmark = pytest.mark.anyio

Row = tuple[str, str, Direction]
BOTH, TO_VTIGER, TO_WOO = Direction.BOTH, Direction.WOO_TO_VTIGER, Direction.VTIGER_TO_WOO
COARSE: tuple[Row, ...] = (
    ("pending", "Created", BOTH),
    ("on-hold", "Created", TO_VTIGER),
    ("processing", "Approved", BOTH),
    ("completed", "Approved", TO_VTIGER),
    ("cancelled", "Withdrawn", BOTH),
)


async def save(world: World, *rows: Row, after: int = 0) -> None:
    """As another process does, so that only the database tells of it."""
    choices = tuple(
        StatusChoice.model_validate({"shop": shop, "vtiger": vtiger, "direction": way})
        for shop, vtiger, way in rows
    )
    async with transaction(world.runtime.sessions) as session:
        await save_status_table(
            session, STORE, table=StatusTable(after, choices, created_by="test", message="")
        )


async def placed(world: World, **fields: object) -> str:
    mug = product(world, name="Mug", sku="MUG", regular_price="10.00")
    order_id = order(world, (mug, 1), **fields)
    await world.settle()
    world.later()
    return order_id


async def set_crm(world: World, order_id: str, status: str) -> None:
    await world.sandbox.crm.ui_edit(sale(world, order_id)["id"], {"sostatus": status})


def statuses(world: World, order_id: str) -> tuple[str, str]:
    return kept(world, order_id).status, sale(world, order_id)["sostatus"]


async def test_a_table_is_read_once_and_counts_with_the_next_hint(market: World) -> None:
    order_id = await placed(market)
    edit(market, order_id, status="on-hold")
    with counted() as statements:
        await market.settle()
    assert statuses(market, order_id) == ("on-hold", "Created")
    assert not [each for each in statements.sent if "FROM status_tables" in each]

    for version, sent in enumerate(("Shipped", "Delivered")):
        await save(market, ("processing", "Approved", BOTH), ("on-hold", sent, BOTH), after=version)
        market.later()
        edit(market, order_id)
        await market.settle()
        assert statuses(market, order_id) == ("on-hold", sent)


async def test_old_hints_shuffled_and_doubled_change_nothing(market: World) -> None:
    await save(market, *COARSE)
    order_id = await placed(market, status="pending")
    for status in ("on-hold", "processing", "completed"):
        edit(market, order_id, status=status)
        await market.settle()
        market.later()
    assert statuses(market, order_id) == ("completed", "Approved")
    mailed = len(market.sandbox.shop.mailbox.to_people())
    market.traffic.reset()

    old = [each for each in market.sent() if each.body] * 2
    random.Random(17).shuffle(old)
    for outbound in old:
        await market.send(outbound)
        market.later()
    await market.settle()
    assert statuses(market, order_id) == ("completed", "Approved")
    assert market.traffic.writes == {}
    assert len(market.sandbox.shop.mailbox.to_people()) == mailed


async def test_an_edit_of_the_crm_that_is_older_does_not_set_an_order_back(
    market: World,
) -> None:
    """Its hint comes after the shop has completed the order, which is Approved as before."""
    await save(market, *COARSE)
    order_id = await placed(market)
    await set_crm(market, order_id, "Created")
    market.later()
    edit(market, order_id, status="completed")
    await market.settle()
    assert statuses(market, order_id) == ("completed", "Approved")


async def test_a_base_of_an_earlier_version_learns_the_shops_own_status(market: World) -> None:
    order_id = await placed(market)
    async with transaction(market.runtime.sessions) as session:
        link = await session.scalar(select(Link).where(Link.module == Module.SALES_ORDERS))
        assert link is not None
        assert link.base["status"] == ["Approved", "Approved", "processing", "Approved"]
        link.base = {**link.base, "status": ["Approved", "Approved"]}
    edit(market, order_id)
    await market.settle()
    async with market.runtime.sessions() as session:
        link = await session.scalar(select(Link).where(Link.module == Module.SALES_ORDERS))
    assert link is not None
    assert link.base["status"] == ["Approved", "Approved", "processing", None]


async def test_a_deleted_order_is_cancelled_as_the_table_says(market: World) -> None:
    await save(market, *COARSE)
    deactivate = DeletePolicy.DEACTIVATE
    await market.set_policy(module=Module.SALES_ORDERS, delete_policy=deactivate)
    order_id = await placed(market)
    trash(market, order_id)
    await market.settle()
    assert sale(market, order_id)["sostatus"] == "Withdrawn"
    market.later()
    restore(market, order_id)
    await market.settle()
    assert statuses(market, order_id) == ("processing", "Approved")


async def test_a_row_of_one_way_leaves_the_other_alone_without_a_word(market: World) -> None:
    await save(market, ("processing", "Approved", BOTH), ("completed", "Shipped", TO_WOO))
    order_id = await placed(market)
    await market.forget_log()
    edit(market, order_id, status="completed")
    await market.settle()
    assert statuses(market, order_id) == ("completed", "Approved")
    log = await rows_of(market, Module.SALES_ORDERS)
    assert [(row.outcome, row.reason, row.notes) for row in log] == [
        ("unchanged", "no_difference", [])
    ]
