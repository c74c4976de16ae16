"""A field that both sides changed, where the settings leave it to a person."""

import pytest

from app.domain import Module, StaleState, System
from app.sync.conflicts import resolve
from app.sync.polling import poll
from tests.disputes import conflicts, decide, ends
from tests.goods import product
from tests.trade import edit, item, kept, lines, order, sale
from tests.world import World

pytestmark = pytest.mark.anyio

WOO, VTIGER = System.WOOCOMMERCE, System.VTIGER


@pytest.fixture
async def dispute(world: World) -> tuple[str, str]:
    """A synced person whose city both sides changed since; its ids."""
    await world.set_policy(conflict_policy="ask")
    customer_id = await world.customer("zoe@shop.example", last_name="M", billing={"city": "Paris"})
    await world.settle()
    [link] = await world.links()
    world.later()
    world.edit_customer(customer_id, billing={"city": "SHOP"})
    await world.edit_contact(link.vtiger_id, mailingcity="CRM")
    await world.settle()
    await world.forget_log()
    world.traffic.reset()
    world.later()
    return customer_id, link.vtiger_id


async def cities(world: World, pair: tuple[str, str]) -> tuple[str, str]:
    customer = await world.get_customer(pair[0])
    return customer["billing"]["city"], world.get_contact(pair[1])["mailingcity"]


async def test_both_values_wait_for_a_person(world: World, dispute: tuple[str, str]) -> None:
    [row] = await conflicts(world)
    assert (row.field, row.woo, row.vtiger) == ("mailing_city", "SHOP", "CRM")
    assert (row.woo_id, row.vtiger_id, row.state) == (*dispute, "open")
    assert (row.woo_modified_at, row.vtiger_modified_at) != (None, None)
    assert await cities(world, dispute) == ("SHOP", "CRM")


@pytest.mark.parametrize(("keep", "city"), [(WOO, "SHOP"), (VTIGER, "CRM")])
async def test_a_decision_is_written_to_the_other_side(
    world: World, dispute: tuple[str, str], keep: System, city: str
) -> None:
    await decide(world, keep)
    await world.settle()

    assert await cities(world, dispute) == (city, city)
    assert await ends(world) == [("mailing_city", "resolved", keep, "Ada")]
    rows = [row for row in await world.log() if row.outcome == "updated"]
    assert [(row.target, row.reason) for row in rows] == [(keep.other, "conflict_lost")]
    [told] = rows[0].conflicts
    assert (told["woocommerce"], told["vtiger"], told["winner"]) == ("SHOP", "CRM", keep)


async def test_a_decision_does_not_touch_what_the_person_has_not_seen(
    world: World, dispute: tuple[str, str]
) -> None:
    """A side changed again between the decision and its writing: it opens with the new values."""
    await decide(world, WOO)
    await world.edit_contact(dispute[1], mailingcity="NEWER")
    await world.settle()

    assert await cities(world, dispute) == ("SHOP", "NEWER")
    [row] = await conflicts(world)
    assert (row.state, row.woo, row.vtiger, row.resolution) == ("open", "SHOP", "NEWER", None)
    await decide(world, WOO)
    await world.settle()
    assert await cities(world, dispute) == ("SHOP", "SHOP")


async def test_a_decision_on_values_that_are_shown_no_more_is_refused(
    world: World, dispute: tuple[str, str]
) -> None:
    [seen] = await conflicts(world)
    await world.edit_contact(dispute[1], mailingcity="NEWER")
    await world.settle()

    with pytest.raises(StaleState):
        await resolve(world.runtime, seen.id, keep=WOO, by="Ada", seen_at=seen.updated_at)
    assert [state for _, state, *_ in await ends(world)] == ["open"]


async def test_a_settled_conflict_is_not_decided_again(
    world: World, dispute: tuple[str, str]
) -> None:
    [row] = await conflicts(world)
    await decide(world, WOO)
    await world.settle()

    with pytest.raises(StaleState):
        await resolve(world.runtime, row.id, keep=VTIGER, by="Bob")
    assert await cities(world, dispute) == ("SHOP", "SHOP")


async def test_the_rest_of_the_record_syncs_meanwhile(
    world: World, dispute: tuple[str, str]
) -> None:
    world.edit_customer(dispute[0], first_name="Zoë")
    await world.edit_contact(dispute[1], phone="5")
    await world.settle()

    assert world.get_contact(dispute[1])["firstname"] == "Zoë"
    assert (await world.get_customer(dispute[0]))["billing"]["phone"] == "5"
    assert await cities(world, dispute) == ("SHOP", "CRM")
    assert len(await conflicts(world)) == 1
    told = {(outcome, reason) for _, outcome, reason in await world.told()}
    assert ("updated", "conflict_open") in told
    assert ("unchanged", "echo") in told, "the echo of our own write is no conflict"


async def test_a_conflict_closes_when_both_sides_say_the_same(
    world: World, dispute: tuple[str, str]
) -> None:
    await world.edit_contact(dispute[1], mailingcity="SHOP")
    await world.settle()

    assert await ends(world) == [("mailing_city", "resolved", "vanished", None)]
    assert world.traffic.writes == {}


async def test_an_edit_that_is_taken_back_lets_the_other_through(
    world: World, dispute: tuple[str, str]
) -> None:
    """The shop tells that its side is what was agreed; the other's edit is looked for then."""
    world.edit_customer(dispute[0], billing={"city": "Paris"})
    await world.settle()

    assert await cities(world, dispute) == ("CRM", "CRM")
    assert await ends(world) == [("mailing_city", "resolved", "vanished", None)]


async def test_another_policy_settles_what_is_open(world: World, dispute: tuple[str, str]) -> None:
    await world.set_policy(conflict_policy="vtiger_wins")
    world.edit_customer(dispute[0])
    await world.settle()

    assert await cities(world, dispute) == ("CRM", "CRM")
    assert await ends(world) == [("mailing_city", "resolved", VTIGER, "vtiger_wins")]


async def test_a_deleted_record_has_nothing_to_decide(
    world: World, dispute: tuple[str, str]
) -> None:
    world.delete_customer(dispute[0])
    await world.settle()

    assert await ends(world) == [("mailing_city", "resolved", "vanished", None)]


async def test_a_decision_outlives_a_crash_and_is_written_once(
    world: World, dispute: tuple[str, str]
) -> None:
    world.sandbox.crm_faults.drop("POST", "operation=revise", after_write=True)
    await decide(world, WOO)
    await world.settle()

    assert await cities(world, dispute) == ("SHOP", "SHOP")
    assert await ends(world) == [("mailing_city", "resolved", WOO, "Ada")]
    assert world.traffic.writes == {"vtiger revise": 1}


async def test_a_decision_that_a_system_does_not_take_now_is_kept(
    world: World, dispute: tuple[str, str]
) -> None:
    world.sandbox.crm_faults.fail("POST", "operation=revise", status=503, times=1)
    await decide(world, WOO)
    await world.step()
    [row] = await conflicts(world)
    assert (row.state, row.applied_at) == ("resolved", None)

    await world.settle()
    assert await cities(world, dispute) == ("SHOP", "SHOP")


@pytest.mark.usefixtures("dispute")
async def test_an_open_conflict_is_brought_up_once_by_polls(world: World) -> None:
    await poll(world.runtime)
    await world.settle()
    await world.forget_log()
    for _ in range(2):
        await poll(world.runtime)
        await world.settle()

    assert await world.told() == []


@pytest.mark.parametrize("keep", [WOO, VTIGER])
async def test_lines_of_an_order_are_one_field_to_decide(market: World, keep: System) -> None:
    await market.set_policy(module=Module.SALES_ORDERS, conflict_policy="ask")
    mug = product(market, name="Mug", sku="MUG", regular_price="10.00")
    order_id = order(market, (mug, 1))
    await market.settle()
    market.later()
    [line] = kept(market, order_id).lines
    edit(market, order_id, line_items=[{"id": line.id, "quantity": 2}])
    found = sale(market, order_id)
    there = item(lines(found)[0]["productid"], "5", "10", comment="Mug")
    changed = {"LineItems": [there], "hdnTaxType": "individual"}
    await market.sandbox.crm.ui_edit(found["id"], changed)
    await market.settle()

    quantities = {row["quantity"] for row in lines(sale(market, order_id))}
    assert (kept(market, order_id).lines[0].quantity, quantities) == (2, {"5.000"})
    assert [field for field, *_ in await ends(market)] == ["lines"]
    await decide(market, keep)
    await market.settle()

    wanted = 2 if keep is WOO else 5
    assert kept(market, order_id).lines[0].quantity == wanted
    assert [row["quantity"] for row in lines(sale(market, order_id))] == [f"{wanted}.000"]
    assert await ends(market) == [("lines", "resolved", keep, "Ada")]
