"""Every recorded order, signed and delivered, ends in the right sales order or a documented skip.

The shop holds, one after another, what each recording shows; what Vtiger then has is compared
field by field with the mapping table, as `tests.expected_orders` reads it.
"""

import gzip
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.domain import Module
from app.modules.context import ensure_setup
from sandbox.woocommerce.orderload import load_order
from sandbox.woocommerce.shopdata import check_shop_data
from tests.expected_orders import account, faults
from tests.goods import currency, listed, rows_of
from tests.recorded import Delivery, deliveries, signed
from tests.setting import SERVICE
from tests.trade import sale, sales
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent.parent / "recordings" / "woocommerce"
HOOKS = {
    name: hook
    for name, hook in deliveries("woocommerce-hooks").items()
    if hook.headers.get("x-wc-webhook-topic", "").startswith(
        ("order.", "action.woocommerce_delete_order")
    )
}


ASKED_OTHERWISE = {"order_get_dp4"}
"""With four decimals, as no webhook carries an order."""
CURRENCY_OFF = {"order_create_guest_usd"}


def _rows(file: str) -> Mapping[str, Any]:
    lines = gzip.decompress((FOLDER / f"{file}.jsonl.gz").read_bytes()).splitlines()
    return {row["name"]: row["body"] for row in map(orjson.loads, lines)}


def _bodies() -> list[tuple[str, dict[str, Any]]]:
    """The orders that the recorded answers show, each once."""
    found: dict[bytes, tuple[str, dict[str, Any]]] = {}
    for name, body in _rows("orders").items():
        if name in ASKED_OTHERWISE:
            continue
        for each in body if isinstance(body, list) else [body]:
            if isinstance(each, dict) and "line_items" in each and "number" in each:
                found.setdefault(orjson.dumps(each, option=orjson.OPT_SORT_KEYS), (name, each))
    return list(found.values())


BODIES = _bodies()


def _shop() -> dict[str, Any]:
    """What the orders name: the lab's products, customer and tax rates."""
    products, taxes = _rows("products"), _rows("taxes")
    customer = orjson.loads((FOLDER / "customer_get.json").read_bytes())["response"]["body"]
    return {
        "products": [products["product_get_simple"], products["product_get_variable"]],
        "variations": {"17": products["variations_list"]},
        "customers": [customer],
        "taxes": [taxes["tax_create"], taxes["tax_create_compound"], taxes["tax_create_reduced"]],
    }


@asynccontextmanager
async def lab(database_url: str, **settings: Any) -> AsyncIterator[World]:
    data = check_shop_data(_shop())
    async with open_world(database_url, data, hooks=False, **settings) as world:
        await ensure_setup(world.runtime)
        yield world


def _hold(world: World, body: Mapping[str, Any]) -> None:
    """The shop has this order, as it is shown."""
    trade = world.sandbox.shop.trade
    trade.orders.add(load_order(body, "recording", world.sandbox.shop.site))


async def _deliver(world: World, delivery: Delivery) -> tuple[str, str | None]:
    """Outcome and reason of the row that settles it."""
    before = len(await world.log())
    async with httpx.AsyncClient(transport=world.doorway) as client:
        url = f"{SERVICE}/webhooks/woocommerce/main"
        answer = await client.post(url, content=delivery.body, headers=dict(delivery.headers))
    assert answer.status_code < 300
    await world.settle()
    rows = [row for row in await world.log() if row.module == Module.SALES_ORDERS]
    assert len(await world.log()) > before
    return rows[-1].outcome, rows[-1].reason


def _wrong(world: World, body: Mapping[str, Any]) -> list[str]:
    codes = {row["id"]: row["productcode"] for row in listed(world)}
    found = sale(world, str(body["id"]))
    crm = world.sandbox.crm
    company = crm.record(found["account_id"])["accountname"]
    email = crm.record(found["contact_id"])["email"] if found["contact_id"] else ""
    wrong = faults(body, found, codes)
    if company != account(body):
        wrong.append(f"account: {company!r} is not {account(body)!r}")
    if email != body["billing"]["email"]:
        wrong.append(f"contact: {email!r} is not {body['billing']['email']!r}")
    return wrong


async def test_every_recorded_order_becomes_the_right_sales_order(
    emptied_database_url: str,
) -> None:
    """As the shop's life had it: of 36 bodies some are later states of one order."""
    wrong: dict[str, list[str]] = {}
    async with lab(emptied_database_url) as world:
        for name, body in BODIES:
            _hold(world, body)
            told = await _deliver(world, signed(name, body, topic="order.updated"))
            if body["status"] == "trash":
                assert told == ("skipped", "delete_ignored"), name
            elif name in CURRENCY_OFF:
                assert told == ("skipped", "currency_unavailable"), name
            else:
                assert told[0] in ("created", "updated", "unchanged"), (name, told)
                wrong[name] = _wrong(world, body)
        assert {name: found for name, found in wrong.items() if found} == {}
        assert len(wrong) == len(BODIES) - 2 == 34


async def test_a_recorded_order_in_dollars_needs_them_in_vtiger(emptied_database_url: str) -> None:
    [body] = [body for name, body in BODIES if name in CURRENCY_OFF]
    async with lab(emptied_database_url) as world:
        dollars = currency(world, "USD")
        _hold(world, body)
        told = await _deliver(world, signed("dollars", body, topic="order.updated"))
        assert told == ("created", None)
        assert _wrong(world, body) == []
        assert sale(world, str(body["id"]))["currency_id"] == dollars


@pytest.mark.parametrize("name", sorted(HOOKS))
async def test_a_recorded_delivery_ends_as_documented(emptied_database_url: str, name: str) -> None:
    """The raw bytes with their own signature."""
    body = orjson.loads(HOOKS[name].body)
    async with lab(emptied_database_url) as world:
        if "line_items" not in body:
            assert await _deliver(world, HOOKS[name]) == ("skipped", "not_found")
            assert sales(world) == []
            return
        _hold(world, body)
        assert await _deliver(world, HOOKS[name]) == ("created", None)
        assert _wrong(world, body) == []
        again = await rows_of(world, Module.SALES_ORDERS)
        assert [row.outcome for row in again] == ["created"]
