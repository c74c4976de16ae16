"""Status tables over HTTP: current, previewed, confirmed, refused with the part to correct."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain import Module
from app.modules.context import ensure_setup
from tests.api.calls import problem
from tests.custom import call
from tests.goods import product, told_of
from tests.trade import edit, kept, order, sale
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

TABLE = "/statuses/main"
DEFAULT_ROWS = [
    {"shop": "pending", "vtiger": "Created", "direction": "woo_to_vtiger"},
    {"shop": "on-hold", "vtiger": "Created", "direction": "both"},
    {"shop": "processing", "vtiger": "Approved", "direction": "both"},
    {"shop": "completed", "vtiger": "Delivered", "direction": "both"},
    {"shop": "cancelled", "vtiger": "Cancelled", "direction": "both"},
    {"shop": "refunded", "vtiger": "Cancelled", "direction": "woo_to_vtiger"},
    {"shop": "failed", "vtiger": "Cancelled", "direction": "woo_to_vtiger"},
]
PACKED = {"shop": "packed", "vtiger": "Packed", "direction": "both"}
SHIPPED = {"shop": "completed", "vtiger": "Shipped", "direction": "vtiger_to_woo"}


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    """A shop whose plug-in has a status, a CRM whose picklist has two more values."""
    async with open_world(emptied_database_url) as opened:
        opened.sandbox.shop.trade.orders.statuses["packed"] = "Packed &amp; ready"
        for value in ("Packed", "Shipped"):
            opened.sandbox.crm.ui_add_choice("SalesOrder", "sostatus", value)
        await ensure_setup(opened.runtime)
        yield opened


async def with_orders(world: World, *statuses: str) -> list[str]:
    mug = product(world, name="Mug", sku="MUG", regular_price="10.00")
    found = [order(world, (mug, 1), status=status) for status in statuses]
    await world.settle()
    world.later()
    return found


async def set_crm(world: World, order_id: str, status: str) -> None:
    await world.sandbox.crm.ui_edit(sale(world, order_id)["id"], {"sostatus": status})
    await world.settle()
    world.later()


def mails(world: World) -> int:
    return len(world.sandbox.shop.mailbox.to_people())


async def test_the_default_table_is_current_and_shows_what_it_lacks(world: World) -> None:
    table = (await call(world, "GET", TABLE)).json()
    assert (table["version"], table["origin"], table["new_order"]) == (0, "default", "Created")
    assert table["rows"] == DEFAULT_ROWS
    lacking = [each for each in table["shop_statuses"] if not each["mapped"]]
    assert lacking == [{"slug": "packed", "name": "Packed & ready", "orders": 0, "mapped": False}]
    values = {each["value"]: each["mapped"] for each in table["vtiger_statuses"]}
    assert (values["Approved"], values["Packed"], values["Shipped"]) == (True, False, False)


async def test_a_status_without_a_row_is_told_once_with_the_page_that_adds_it(
    world: World,
) -> None:
    [order_id] = await with_orders(world, "processing")
    edit(world, order_id, status="packed")
    for _ in range(2):
        await world.settle()
        world.later()
        edit(world, order_id, customer_note="Ring")
    await world.settle()

    assert sale(world, order_id)["sostatus"] == "Approved"
    log = (await call(world, "GET", "/sync-log?reason=status_not_mapped")).json()["items"]
    assert len(log) == 1
    assert "packed" in log[0]["message"]
    assert "/ui/statuses/main" in log[0]["message"]


async def test_a_table_counts_once_its_preview_is_confirmed(world: World) -> None:
    """One order goes to the CRM, one to the shop, which mails its customer."""
    packed, shipped, other = await with_orders(world, "processing", "processing", "processing")
    edit(world, packed, status="packed")
    await world.settle()
    await set_crm(world, shipped, "Shipped")
    mailed = mails(world)
    body: dict[str, Any] = {"rows": [*DEFAULT_ROWS, PACKED, SHIPPED]}

    preview = (await call(world, "POST", f"{TABLE}/preview", body=body)).json()
    refused = await call(world, "PUT", TABLE, body=body)
    less = await call(world, "PUT", TABLE, body=body | {"confirm": {"orders": 2, "mails": 0}})
    await world.settle()
    assert (preview["orders"], preview["open_orders"], preview["mails"]) == (2, 2, 1)
    assert {(c["target"], c["before"], c["after"], c["mail"]) for c in preview["changes"]} == {
        ("vtiger", "Approved", "Packed", None),
        ("woocommerce", "processing", "completed", "customer_completed_order"),
    }
    assert problem(refused) == (409, "not_confirmed")
    assert refused.json()["preview"]["mails"] == 1
    assert problem(less) == (409, "not_confirmed")
    assert (mails(world), kept(world, shipped).status) == (mailed, "processing")

    saved = await call(world, "PUT", TABLE, body=body | {"confirm": {"orders": 2, "mails": 1}})
    await world.settle()
    assert (saved.status_code, saved.json()["version"], saved.json()["origin"]) == (200, 1, "own")
    assert sale(world, packed)["sostatus"] == "Packed"
    assert (kept(world, shipped).status, mails(world)) == ("completed", mailed + 1)
    assert (sale(world, other)["sostatus"], kept(world, other).status) == (
        "Approved", "processing",
    )  # fmt: skip
    await world.forget_log()
    world.traffic.reset()
    for each in (packed, shipped, other):
        edit(world, each)
    await world.settle()
    assert world.traffic.writes == {}


async def test_mails_that_the_shop_does_not_send_do_not_count(world: World) -> None:
    [shipped] = await with_orders(world, "processing")
    await set_crm(world, shipped, "Shipped")
    world.sandbox.shop.settings["email_customer_completed_order/enabled"] = "no"
    body = {"rows": [*DEFAULT_ROWS, SHIPPED]}
    preview = (await call(world, "POST", f"{TABLE}/preview", body=body)).json()
    assert (preview["orders"], preview["mails"], preview["mails_known"]) == (1, 0, True)


async def test_a_bad_row_is_refused_with_all_others_and_says_how_to_correct_it(
    world: World,
) -> None:
    rows = [
        *DEFAULT_ROWS,
        {"shop": "processing", "vtiger": "Delivered", "direction": "woo_to_vtiger"},
        {"shop": "packed", "vtiger": "Pakced"},
        {"shop": "checkout-draft", "vtiger": "Shipped"},
    ]
    refused = await call(world, "PUT", TABLE, body={"rows": rows})
    errors = {each["field"]: each["message"] for each in refused.json()["errors"]}
    assert problem(refused) == (422, "invalid_request")
    assert errors["rows.7.vtiger"].startswith(
        "processing leads to Approved in row 3 and to Delivered in row 8"
    )
    assert "no order status Pakced" in errors["rows.8.vtiger"]
    assert "Packed" in errors["rows.8.vtiger"]
    assert "not synced" in errors["rows.9.shop"]
    assert (await call(world, "GET", TABLE)).json()["version"] == 0


async def test_a_status_that_the_shop_does_not_list_is_a_warning(world: World) -> None:
    late = {"shop": "wc-late", "vtiger": "Packed"}
    body = {"rows": [*DEFAULT_ROWS, late]}
    preview = (await call(world, "POST", f"{TABLE}/preview", body=body)).json()
    saved = await call(world, "PUT", TABLE, body=body)
    assert [each["field"] for each in preview["warnings"]] == ["rows.7.shop"]
    assert saved.status_code == 200
    assert saved.json()["rows"][-1] == {"shop": "late", "vtiger": "Packed", "direction": "both"}


async def test_versions_are_kept_and_restored(world: World) -> None:
    await call(world, "PUT", TABLE, body={"rows": [*DEFAULT_ROWS, PACKED]})
    old = await call(world, "PUT", f"{TABLE}?version=0", body={"rows": []})
    await call(world, "PUT", f"{TABLE}?version=1", body={"rows": []})
    back = await call(world, "POST", f"{TABLE}/history/1/restore")
    missing = await call(world, "POST", f"{TABLE}/history/9/restore")
    history = (await call(world, "GET", f"{TABLE}/history?limit=2")).json()

    assert problem(old) == (409, "mapping_changed")
    assert (back.json()["version"], PACKED in back.json()["rows"]) == (3, True)
    assert problem(missing) == (404, "not_found")
    assert [each["version"] for each in history["items"]] == [3, 2]
    assert (history["items"][1]["rows"], history["next_before"]) == ([], 2)


async def test_a_finer_status_of_the_crm_is_kept_while_the_shops_does_not_change(
    world: World,
) -> None:
    [order_id] = await with_orders(world, "processing")
    rows = [*DEFAULT_ROWS, {"shop": "processing", "vtiger": "Packed", "direction": "vtiger_to_woo"}]
    await call(world, "PUT", TABLE, body={"rows": rows})
    await set_crm(world, order_id, "Packed")
    edit(world, order_id, customer_note="Ring")
    await world.settle()
    assert sale(world, order_id)["sostatus"] == "Packed"
    edit(world, order_id, status="completed")
    await world.settle()
    assert sale(world, order_id)["sostatus"] == "Delivered"


async def test_a_new_order_of_a_status_without_a_row_is_created_and_left_alone(
    world: World,
) -> None:
    """Vtiger's first status is no edit: the shop keeps its own, and no customer is mailed."""
    [order_id] = await with_orders(world, "packed")
    mailed = mails(world)
    edit(world, order_id, customer_note="Ring")
    await world.settle()
    assert (sale(world, order_id)["sostatus"], kept(world, order_id).status) == (
        "Created", "packed",
    )  # fmt: skip
    assert mails(world) == mailed
    assert ("vtiger", "created", None) in await told_of(world, Module.SALES_ORDERS)
