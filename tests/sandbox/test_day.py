"""The day's steps against both sandboxes, with a stand-in for the sync between them."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from sandbox.app import SHOP_PATH, Sandbox, create_sandbox_app, new_sandbox
from sandbox.cast import Cast, StoryStuck
from sandbox.day import DAY, count_steps, play
from sandbox.goods import publish, restore_item
from sandbox.people import change, change_both, register, type_in
from sandbox.sales import check_out, edit_cart
from sandbox.shop_calls import CallRefused, ShopCalls
from sandbox.story import Scene, Step
from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.orders import DRAFTS, Order
from tests.sandbox.mirror import Mirror

pytestmark = pytest.mark.anyio

GUEST = {"first_name": "Zoë", "email": "zoe@shop.example", "country": "FR"}


@pytest.fixture
def sandbox() -> Sandbox:
    return new_sandbox(cron_interval_s=None)


@pytest.fixture
def mirror(sandbox: Sandbox) -> Mirror:
    return Mirror(sandbox)


@pytest.fixture
async def cast(sandbox: Sandbox) -> AsyncIterator[Cast]:
    known = sandbox.credentials
    key = ApiKey(known.consumer_key, known.consumer_secret)
    transport = httpx.ASGITransport(create_sandbox_app(sandbox))
    async with ShopCalls(f"http://shop.example{SHOP_PATH}", key, transport=transport) as shop:
        yield Cast(sandbox, shop, patience_s=0.05)


@pytest.fixture
async def evening(cast: Cast, mirror: Mirror) -> Cast:
    """The day is over, each of its steps synced."""
    for scene in DAY:
        for step in scene.steps:
            await play([Scene("", (step,))], cast, report=_hear, pause=mirror.sync)
    return cast


def _hear(_: Step) -> None:
    """The story is not told."""


def _orders(cast: Cast) -> list[Order]:
    return list(cast.sandbox.shop.trade.orders)


async def test_the_steps_are_told_in_order_and_of_either_system(cast: Cast, mirror: Mirror) -> None:
    told: list[Step] = []
    for step in DAY[0].steps:
        await play([Scene("", (step,))], cast, report=told.append, pause=mirror.sync)

    assert told == list(DAY[0].steps)
    assert {step.where for scene in DAY for step in scene.steps} == {"shop", "CRM", "both"}


async def test_the_story_has_people_whom_a_sync_finds_hard(evening: Cast) -> None:
    contacts = evening.sandbox.crm.records("Contacts")
    users = list(evening.sandbox.shop.users)
    emails = {user.email for user in users}
    assert "" in {contact["email"] for contact in contacts}
    assert "subscriber" in {user.role for user in users}
    assert "kjaer@nyadresse.example" in emails
    assert "old.account@mail.example" not in emails
    assert {"山田", "O'Brien", "García Peña"} <= {user.last_name for user in users}
    assert any("🌻" in user.first_name for user in users)


async def test_the_shop_takes_42_orders_that_a_crm_can_have_and_the_crm_one(evening: Cast) -> None:
    placed = [row for row in _orders(evening) if row.status not in DRAFTS]
    sold = [row for row in placed if row.currency != "CHF" and row.lines]
    typed = [
        row
        for row in evening.sandbox.crm.records("SalesOrder")
        if not row["subject"].startswith("WooCommerce order")
    ]
    assert (len(sold), len(typed)) == (42, 1)


async def test_the_orders_are_of_every_shape_that_a_sync_finds_hard(evening: Cast) -> None:
    orders = _orders(evening)
    assert {"checkout-draft", "pending", "on-hold", "processing", "refunded", "trash"} <= {
        row.status for row in orders
    }
    assert {"store-api", "admin", "rest-api"} == {row.texts["created_via"] for row in orders}
    assert {"EUR", "USD", "CHF"} == {row.currency for row in orders}
    assert any(row.customer_id for row in orders)
    assert any(not row.customer_id and not row.billing["email"] for row in orders)
    assert max(len(row.coupons) for row in orders) == 2
    assert {float(fee.total) > 0 for row in orders for fee in row.fees} == {True, False}
    assert any(line.variation_id for row in orders for line in row.lines)
    assert any(not line.product_id for row in orders for line in row.lines)
    assert {tax.label for row in orders for tax in row.tax_lines} >= {"GST", "QST", "VAT", "MwSt"}
    assert any(row.refunds for row in orders)


async def test_the_catalogue_is_changed_on_both_sides(evening: Cast) -> None:
    catalog = evening.sandbox.shop.trade.catalog
    kinds = {row["type"] for row in catalog}
    names = {catalog.title(row) for row in catalog}
    codes = [row["productcode"] for row in evening.sandbox.crm.records("Products")]
    assert {"simple", "variable", "variation"} == kinds
    assert "Sailor's shirt - Red, S" in names
    assert codes.count("COFFEE-250") == 2
    assert "CALENDAR-2026" not in {row["sku"] for row in catalog}
    assert await evening.item("TOUR-1")


async def test_who_is_typed_in_with_a_company_shares_its_account(cast: Cast) -> None:
    steps = (
        type_in("one", "Northgate", lastname="Brown"),
        type_in("two", "Northgate", lastname="Conti"),
    )
    await play([Scene("", steps)], cast, report=_hear)

    accounts = {contact["account_id"] for contact in cast.sandbox.crm.records("Contacts")}
    assert len(accounts) == len(cast.sandbox.crm.records("Accounts")) == 1


async def test_a_step_waits_for_the_record_that_it_is_about(cast: Cast, mirror: Mirror) -> None:
    patient = Cast(cast.sandbox, cast.shop, patience_s=5)
    customer = register("", "zoe@shop.example", first="Zoë", last="M", billing={})
    edit = change("CRM", "", whose="zoe@shop.example", phone="1")
    editing = asyncio.create_task(play([Scene("", (edit,))], patient, report=_hear))
    await play([Scene("", (customer,))], patient, report=_hear, pause=mirror.sync)
    await editing

    [contact] = [c for c in cast.sandbox.crm.records("Contacts") if c["phone"] == "1"]
    assert contact["email"] == "zoe@shop.example"


async def test_a_story_without_a_sync_gets_stuck(cast: Cast) -> None:
    step = change("CRM", "", whose="nobody@shop.example", phone="1")
    with pytest.raises(StoryStuck, match=r"Contacts nobody@shop\.example"):
        await play([Scene("", (step,))], cast, report=_hear)


async def test_what_the_shop_refuses_ends_the_story(cast: Cast) -> None:
    twice = (publish("", "A", "Mug", "1"), publish("", "A", "Cup", "1"))
    with pytest.raises(CallRefused, match=r"POST products: 400 .*product_invalid_sku"):
        await play([Scene("", twice)], cast, report=_hear)


async def test_both_sides_of_a_pair_are_edited_before_either_is_told(
    cast: Cast, mirror: Mirror
) -> None:
    steps = (
        register("", "zoe@shop.example", first="Zoë", last="M", billing={}),
        change_both(
            "", "zoe@shop.example", shop={"billing": {"city": "Lyon"}}, crm={"mobile": "7"}
        ),
    )
    await play([Scene("", (step,)) for step in steps], cast, report=_hear, pause=mirror.sync)

    user = cast.sandbox.shop.users.find_by_email("zoe@shop.example")
    assert user is not None
    assert user.billing["city"] == "Lyon"
    [contact] = [c for c in cast.sandbox.crm.records("Contacts") if c["mobile"] == "7"]
    assert contact["email"] == "zoe@shop.example"


async def test_a_cart_is_changed_line_by_line(cast: Cast, mirror: Mirror) -> None:
    steps = (
        publish("", "A", "Mug", "10"),
        publish("", "B", "Cup", "4"),
        publish("", "C", "Jar", "3"),
        check_out("", GUEST, {"A": 2, "B": 1}, order="hers"),
        edit_cart("", "hers", {"A": 3, "B": 0, "C": 1}),
    )
    await play([Scene("", (step,)) for step in steps], cast, report=_hear, pause=mirror.sync)

    [order] = _orders(cast)
    lines = [(line.name, line.quantity, float(line.total)) for line in order.lines]
    assert lines == [("Mug", 3, 30.0), ("Jar", 1, 3.0)]


async def test_only_what_is_in_the_trash_is_taken_out_of_it(cast: Cast) -> None:
    steps = (publish("", "A", "Mug", "10"), restore_item("", "A"))
    with pytest.raises(StoryStuck, match="trashed A"):
        await play([Scene("", steps)], cast, report=_hear)


async def test_the_steps_are_spread_over_the_time_given(cast: Cast) -> None:
    loop, told_at = asyncio.get_running_loop(), []
    steps = tuple(type_in(name, lastname=name) for name in ("one", "two", "three"))
    began_at = loop.time()
    await play([Scene("", steps)], cast, seconds=0.3, report=lambda _: told_at.append(loop.time()))

    assert count_steps([Scene("", steps)]) == 3
    assert all(at >= began_at + 0.1 * number for number, at in enumerate(told_at))
