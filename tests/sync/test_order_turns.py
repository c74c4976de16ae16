"""Two processes that write orders the ordinary way, to a Vtiger that loses lines of parallel writes
(contract page Vtiger add-on writes, F1)."""

import pytest

from app.runtime import VTIGER, open_gates, open_vtiger
from app.tasks import run_together
from app.vtiger.client import VtigerClient
from tests.trade import lines, sales
from tests.world import World

pytestmark = pytest.mark.anyio


def process(world: World) -> VtigerClient:
    """The CRM's client as another process has it: with a session and a gate of its own."""
    settings = world.runtime.settings
    return open_vtiger(settings, {VTIGER: open_gates(settings, world.runtime.sessions)[VTIGER]})


async def test_no_order_loses_a_line_to_another_process(world: World) -> None:
    crm = world.sandbox.crm
    mug = await crm.ui_create("Products", {"productname": "Mug", "unit_price": "10"})
    account = await crm.ui_create("Accounts", {"accountname": "ACME"})
    line = {"productid": mug, "quantity": "1", "listprice": "10"}
    crm.lose_lines()

    async def write(client: VtigerClient, subject: str) -> None:
        fields = {"subject": subject, "sostatus": "Created", "invoicestatus": "Created"}
        place = {"account_id": account, "bill_street": "1", "ship_street": "1"}
        both = {"productid": mug, "LineItems": [line, line], "hdnTaxType": "group"}
        made = await client.create("SalesOrder", {**fields, **place, **both})
        both["LineItems"] = [line, line, line]
        await client.revise(made.id, {**both, "conversion_rate": "1"}, module="SalesOrder")

    async with process(world) as one, process(world) as two:
        writes = [write(each, f"{n}") for n in range(3) for each in (one, two)]
        await run_together(writes)

    assert [len(lines(order)) for order in sales(world)] == [3] * 6
