"""The doctor finds statuses without a row, and rows whose values no system has."""

import pytest

from app.db.session import transaction
from app.doctor.findings import Finding, Verdict
from app.doctor.shop import check_statuses
from app.domain import Module
from app.policies.repository import StatusChoice, StatusTable, save_status_table
from tests.setting import STORE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


async def found_in(world: World) -> Finding:
    [finding] = await check_statuses(world.runtime, STORE)
    return finding


async def save(world: World, *rows: tuple[str, str]) -> None:
    choices = tuple(StatusChoice(shop=shop, vtiger=vtiger) for shop, vtiger in rows)
    async with transaction(world.runtime.sessions) as session:
        await save_status_table(
            session, STORE, table=StatusTable(0, choices, created_by="test", message="")
        )


async def test_the_status_table_is_checked_against_both_systems(
    emptied_database_url: str,
) -> None:
    async with open_world(emptied_database_url, hooks=False) as world:
        assert (await found_in(world)).verdict is Verdict.OK
        world.sandbox.shop.trade.orders.statuses["packed"] = "Packed"
        world.sandbox.crm.ui_add_choice("SalesOrder", "sostatus", "Shipped")
        noted = await found_in(world)
        assert (noted.verdict, "packed (0)" in noted.message) == (Verdict.NOTE, True)
        assert "Shipped" in noted.message
        assert "/ui/statuses/main" in noted.remedy

        await save(world, ("processing", "Pakced"), ("late", "Approved"))
        wrong = await found_in(world)
        assert wrong.verdict is Verdict.WARNING
        assert "Row 1: Vtiger has no order status Pakced" in wrong.message
        assert "Row 2: The shop does not list a status late" in wrong.message

        await world.set_policy(module=Module.SALES_ORDERS, enabled=False)
        assert await check_statuses(world.runtime, STORE) == []
