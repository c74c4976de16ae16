"""Contacts that people merge or delete in Vtiger: whose later orders go to whom."""

import pytest

from app.domain import DeletePolicy, Module, Record, System
from app.sync.work import external_id_hint
from tests.goods import links_of, product, rows_of
from tests.setting import STORE
from tests.trade import ADDRESS, edit, order, sale
from tests.world import World

pytestmark = pytest.mark.anyio

CONTACTS, ORDERS = Module.CONTACTS, Module.SALES_ORDERS
ANNA, BOB = "anna@shop.example", "bob@shop.example"


async def ordered(world: World, *emails: str, **fields: object) -> list[str]:
    """An order of each, that is synced."""
    mug = product(world, name="Mug", sku="MUG")
    ids = [order(world, (mug, 1), billing={**ADDRESS, "email": email}, **fields)
           for email in emails]  # fmt: skip
    await world.settle()
    await world.forget_log()
    world.later(60)
    return ids


def again(world: World, email: str, **fields: object) -> str:
    """One more order of the same product."""
    [found] = [row for row in world.sandbox.shop.trade.catalog if row["sku"] == "MUG"]
    return order(world, (str(found["id"]), 1), billing={**ADDRESS, "email": email}, **fields)


def by_email(world: World, email: str) -> str:
    [found] = [row["id"] for row in world.contacts() if row["email"] == email]
    return str(found)


async def reasons(world: World, module: Module) -> set[str | None]:
    return {row.reason for row in await rows_of(world, module)}


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("second", [BOB, ""])
async def test_after_a_merge_orders_of_both_name_the_contact_that_stayed(
    market: World, second: str, *, told: bool
) -> None:
    """Found by the second e-mail that the merge kept, or by the orders that it moved; whether the
    add-on told of the deletion or nobody did."""
    first = await ordered(market, ANNA, BOB)
    anna, bob = by_email(market, ANNA), by_email(market, BOB)
    await market.sandbox.crm.ui_merge(anna, bob, {"secondaryemail": second})
    if told:
        await market.hint_contact(bob)
    await market.settle()
    later = [again(market, ANNA), again(market, BOB)]
    await market.settle()

    assert [row["id"] for row in market.contacts()] == [anna]
    assert {sale(market, each)["contact_id"] for each in (*first, *later)} == {anna}
    assert "replaced" in await reasons(market, CONTACTS)
    third = again(market, BOB)
    await market.settle()
    assert sale(market, third)["contact_id"] == anna
    await market.settle_again()
    assert await market.waiting() == []


async def test_the_pair_goes_over_to_a_contact_without_one(market: World) -> None:
    """Somebody typed the same person into Vtiger, without an e-mail of the shop's, and keeps that
    one: what was chosen in the merge goes to the shop, but for the e-mail to log in by."""
    customer = await market.customer(BOB, first_name="Bob", last_name="Berg")
    await market.settle()
    [old] = [row["id"] for row in market.contacts()]
    typed = await market.contact(lastname="Berg", firstname="Robert")
    await market.settle()
    values = {"email": "boss@shop.example", "secondaryemail": BOB}
    market.sandbox.crm.workflows.callbacks.clear()
    await market.sandbox.crm.ui_merge(typed, old, values)
    market.later()
    [order_id] = await ordered(market, BOB, customer_id=int(customer))

    assert sale(market, order_id)["contact_id"] == typed
    kept = await market.get_customer(customer)
    assert (kept["email"], kept["first_name"]) == (BOB, "Robert")
    [link] = [link for link in await links_of(market, CONTACTS) if link.woo_id == customer]
    assert (link.vtiger_id, link.vtiger_deleted_at) == (typed, None)


@pytest.mark.parametrize("account", [True, False])
@pytest.mark.parametrize("told", [True, False])
async def test_a_contact_that_a_person_deleted_is_made_again_for_a_later_order(
    market: World, *, account: bool, told: bool
) -> None:
    fields = {"customer_id": int(await market.customer(BOB, last_name="B"))} if account else {}
    await ordered(market, BOB, **fields)
    bob = by_email(market, BOB)
    market.sandbox.crm.ui_delete(bob)
    if told:
        await market.hint_contact(bob)
        await market.settle()
        assert market.contacts() == [], "not made again by surprise"
    order_id = again(market, BOB, **fields)
    await market.settle()

    assert by_email(market, BOB) != bob
    assert sale(market, order_id)["contact_id"] == by_email(market, BOB)
    assert "replaced" in await reasons(market, CONTACTS)
    if not told:
        assert "missing_reference" in await reasons(market, ORDERS)


async def test_a_merge_deletes_nobody_in_the_shop(market: World) -> None:
    await market.set_policy(module=CONTACTS, delete_policy=DeletePolicy.PROPAGATE)
    people = [await market.customer(email, last_name="B") for email in (ANNA, BOB)]
    await market.settle()
    anna, bob = by_email(market, ANNA), by_email(market, BOB)
    await market.sandbox.crm.ui_merge(anna, bob, {"secondaryemail": BOB})
    await market.hint_contact(bob)
    await market.settle()

    for each in people:
        assert (await market.get_customer(each))["id"] == int(each)


async def test_an_order_whose_contact_is_gone_keeps_what_it_has(market: World) -> None:
    """Its status is changed; nobody is made for that."""
    [order_id] = await ordered(market, BOB)
    market.sandbox.crm.ui_delete(by_email(market, BOB))
    edit(market, order_id, status="completed")
    await market.settle()

    assert sale(market, order_id)["sostatus"] == "Delivered"
    assert await market.waiting() == []


async def test_an_id_that_is_still_to_be_left_makes_nobody_again(world: World) -> None:
    """No order asks for the contact that a person deleted meanwhile."""
    customer = await world.customer(BOB, last_name="B")
    await world.settle()
    world.sandbox.crm.ui_delete(by_email(world, BOB))
    record = Record(STORE, System.WOOCOMMERCE, CONTACTS, customer)
    await world.runtime.acceptor.accept([external_id_hint(record)])
    await world.settle()

    assert world.contacts() == []
