"""Tax rates and Vtiger's taxes: matched by label and percentage, made where needed, unharmed."""

from decimal import Decimal

import pytest

from app.domain import Event, Module, Origin, Record, System
from app.inbox.repository import NewDelivery
from tests.cases import case
from tests.goods import (
    edit_rate,
    forget_books,
    links_of,
    listed,
    product,
    rate,
    rows_of,
    taxes,
    told_of,
)
from tests.setting import STORE
from tests.trade import ADDRESS, lines, order, sale, total
from tests.world import World

pytestmark = pytest.mark.anyio

INSTALLED = {"tax1": ("VAT", "4.500"), "tax2": ("Sales", "10.000"), "tax3": ("Service", "12.500")}


def _crm_tax(world: World, label: str, percentage: str) -> str:
    """An admin adds a tax in Vtiger, which tells nobody."""
    crm = world.sandbox.crm
    fields = {"taxlabel": label, "percentage": percentage}
    forget_books(world)
    return str(crm.actors["Tax"].create(fields, crm.users.all()[0]).answer["id"])


def _percent_in_crm(world: World, tax_id: str, percentage: str) -> None:
    crm = world.sandbox.crm
    crm.actors["Tax"].get(tax_id).values["percentage"] = percentage


async def _hint(world: World, system: System, record_id: str) -> None:
    """What a poll does that finds a change."""
    record = Record(STORE, system, Module.TAXES, record_id)
    hint = NewDelivery(record, Origin.POLL, Event.CHANGED, f"{record.key}{world.clock.ahead}")
    await world.runtime.acceptor.accept([hint])
    await world.settle()


async def test_a_rate_that_nobody_uses_stays_in_the_shop(world: World) -> None:
    rate(world, "VAT", "20.0000")
    await world.settle()

    assert await told_of(world, Module.TAXES) == [("vtiger", "skipped", "filtered")]
    assert taxes(world) == INSTALLED


async def test_a_shop_with_a_rate_for_each_postcode_makes_no_tax_for_each(world: World) -> None:
    for number in range(120):
        rate(world, "City", f"{number % 9}.5000", postcode=f"75{number:03}")
    product(world, name="Mug", sku="MUG-1")
    await world.settle()

    assert taxes(world) == INSTALLED
    assert {each[2] for each in await told_of(world, Module.TAXES)} == {"filtered"}
    assert world.traffic.reads["vtiger query"] < 20
    assert world.traffic.writes.keys() <= {"vtiger create", "PUT products"}


async def test_all_rates_are_brought_where_the_setting_says_so(world: World) -> None:
    await world.set_policy(module=Module.TAXES, tax_scope="all")
    rate(world, "VAT", "20.0000")
    rate(world, "VAT", "5.5000", **{"class": "reduced-rate"})
    rate(world, "VAT", "19.0000", country="DE")
    await world.settle()

    made = [each for each in taxes(world).values() if each not in INSTALLED.values()]
    assert len(made) == len({label for label, _ in made}) == 3
    assert {percent for _, percent in made} == {"20.000", "5.500", "19.000"}


async def test_a_tax_of_that_label_and_percentage_is_taken(world: World) -> None:
    tax_id = _crm_tax(world, "Tva", "20")
    rate_id = rate(world, "TVA", "20.0000")
    await world.settle()

    [link] = await links_of(world, Module.TAXES)
    assert (link.woo_id, link.vtiger_id) == (rate_id, tax_id)
    assert world.traffic.writes == {}
    assert [each[1] for each in await told_of(world, Module.TAXES)] == ["unchanged"]


async def test_the_bare_name_is_enough_where_one_rate_has_it(world: World) -> None:
    """Two rates are called VAT, so each has a longer label; Vtiger's VAT of 20 % is one of them."""
    tax_id = _crm_tax(world, "TVA", "20")
    normal = rate(world, "TVA", "20.0000")
    rate(world, "TVA", "5.5000", **{"class": "reduced-rate"})
    await world.settle()
    await world.settle_again()

    [link] = await links_of(world, Module.TAXES)
    assert (link.woo_id, link.vtiger_id) == (normal, tax_id)
    assert world.traffic.writes == {}
    assert all(not row.notes for row in await rows_of(world, Module.TAXES))


async def test_labels_that_vtiger_has_twice_are_ambiguous(world: World) -> None:
    for _ in range(2):
        _crm_tax(world, "TVA", "20")
    rate(world, "TVA", "20.0000")
    await world.settle()

    assert await told_of(world, Module.TAXES) == [("vtiger", "skipped", "ambiguous_match")]


async def test_a_label_that_vtiger_has_for_another_percentage_gets_longer(world: World) -> None:
    """Vtiger comes with a VAT of 4.5 %; two of one label would take each other's column."""
    rate(world, "VAT", "20.0000")
    product(world, name="Mug", sku="MUG-1")
    await world.settle()

    assert taxes(world)["tax4"] == ("VAT FR", "20.000")
    created = [row for row in await rows_of(world, Module.TAXES) if row.outcome == "created"]
    assert [note["field"] for row in created for note in row.notes] == ["label"]
    await world.settle_again()
    assert len(taxes(world)) == 4
    assert {each[1] for each in (await told_of(world, Module.TAXES))[-2:]} == {"unchanged"}


async def test_a_changed_percentage_is_written_and_nothing_else(world: World) -> None:
    rate_id = rate(world, "TVA", "20.0000")
    product(world, name="Mug", sku="MUG-1")
    await world.settle()
    world.traffic.reset()
    edit_rate(world, rate_id, rate="21.5000")
    await world.settle()

    assert taxes(world) == {**INSTALLED, "tax4": ("TVA", "21.500")}
    assert world.traffic.writes == {"vtiger revise": 1}


async def test_a_changed_label_is_told_and_not_written(world: World) -> None:
    rate_id = rate(world, "TVA", "20.0000")
    product(world, name="Mug", sku="MUG-1")
    await world.settle()
    await world.forget_log()
    edit_rate(world, rate_id, name="VAT normal", rate="21.0000")
    await world.settle()

    assert taxes(world)["tax4"] == ("TVA", "21.000")
    [row] = await rows_of(world, Module.TAXES)
    assert [(note["field"], note["reason"]) for note in row.notes] == [
        ("label", "unsafe_in_vtiger")
    ]
    assert "VAT normal" in row.notes[0]["message"]


async def test_a_deleted_rate_leaves_the_tax(world: World) -> None:
    await world.set_policy(module=Module.TAXES, delete_policy="propagate")
    rate_id = rate(world, "TVA", "20.0000")
    product(world, name="Mug", sku="MUG-1")
    await world.settle()
    await world.forget_log()
    world.sandbox.shop.trade.tax_book.delete(int(rate_id))
    await world.settle()

    assert taxes(world)["tax4"] == ("TVA", "20.000")
    [row] = await rows_of(world, Module.TAXES)
    assert (row.outcome, row.reason) == ("skipped", "unsafe_in_vtiger")


async def test_a_percentage_of_vtiger_goes_to_the_shop(world: World) -> None:
    rate(world, "TVA", "20.0000")
    product(world, name="Mug", sku="MUG-1")
    await world.settle()
    [link] = await links_of(world, Module.TAXES)
    _percent_in_crm(world, link.vtiger_id, "19.600")
    await _hint(world, System.VTIGER, link.vtiger_id)

    row = world.sandbox.shop.trade.taxes.get(int(link.woo_id))
    assert (row["rate"], row["name"]) == ("19.6000", "TVA")


async def test_a_new_tax_of_vtiger_needs_a_country(world: World) -> None:
    tax_id = _crm_tax(world, "TVA", "20")
    await _hint(world, System.VTIGER, tax_id)

    [row] = await rows_of(world, Module.TAXES)
    assert (row.outcome, row.reason) == ("skipped", "missing_required_field")
    assert "tax_country" in row.message

    await world.set_policy(module=Module.TAXES, tax_country="FR")
    world.later()
    await _hint(world, System.VTIGER, tax_id)
    [made] = list(world.sandbox.shop.trade.taxes)
    assert (made["name"], made["rate"], made["country"]) == ("TVA", "20.0000", "FR")
    assert made["class"] == "standard"
    assert len(await links_of(world, Module.TAXES)) == 1


async def test_taxes_that_are_off_leave_products_untaxed(world: World) -> None:
    await world.set_policy(module=Module.TAXES, enabled=False)
    rate(world, "TVA", "20.0000")
    product(world, name="Mug", sku="MUG-1")
    await world.settle()

    assert taxes(world) == INSTALLED
    assert (await told_of(world, Module.PRODUCTS))[0] == ("vtiger", "created", None)


async def test_two_taxes_of_one_label_are_not_revised(world: World) -> None:
    """A revise would move one to the other's column."""
    rate_id = rate(world, "TVA", "20.0000")
    product(world, name="Mug", sku="MUG-1")
    await world.settle()
    await world.forget_log()
    _crm_tax(world, "TVA", "7")
    edit_rate(world, rate_id, rate="21.0000")
    await world.settle()

    assert taxes(world)["tax4"] == ("TVA", "20.000")
    [row] = await rows_of(world, Module.TAXES)
    assert (row.outcome, row.reason) == ("skipped", "unsafe_in_vtiger")


async def test_many_products_that_need_one_new_tax_make_one(world: World) -> None:
    rate(world, "TVA", "20.0000")
    for number in range(12):
        product(world, name=f"Mug {number}", sku=f"MUG-{number}")
    await world.settle()

    assert taxes(world) == {**INSTALLED, "tax4": ("TVA", "20.000")}
    assert [row["tax4"] for row in listed(world)] == ["20.000"] * 12
    assert "failed" not in {each[1] for each in await world.told()}


async def test_a_rate_for_each_postcode_is_one_tax(market: World) -> None:
    """As automated taxes make them: one label and one percentage."""
    known = case("tax-for-each-postcode").feed["rates"]
    ids = [
        rate(market, name, percent, country=country, state=state, postcode=postcode)
        for country, state, postcode, percent, name in known
    ]
    mug = product(market, name="Mug", sku="MUG-1", regular_price="100.00")
    orders = []
    for country, state, postcode, *_ in known:
        address = {**ADDRESS, "country": country, "state": state, "postcode": postcode}
        orders.append(order(market, (mug, 1), billing=address, shipping=address))
        await market.settle()

    assert taxes(market) == {**INSTALLED, "tax4": ("CA Tax", "7.000")}
    for order_id in orders:
        [line] = lines(sale(market, order_id))
        assert (line["tax4"], total(sale(market, order_id))) == ("7.000", Decimal("107"))
    assert [link.woo_id for link in await links_of(market, Module.TAXES)] == ids[:1]
    assert {row.outcome for row in await rows_of(market, Module.TAXES)} <= {"created", "skipped"}
    market.traffic.reset()
    await market.settle_again()
    assert market.traffic.writes == {}
    assert not [row for row in listed(market) if row.get("tax5")]


async def test_the_next_rate_takes_over_the_tax_of_one_that_is_deleted(market: World) -> None:
    first, second = (rate(market, "CA Tax", "7", country="FR", postcode=code) for code in "12")
    address = {**ADDRESS, "postcode": "2"}
    mug = product(market, name="Mug", sku="MUG-1", regular_price="100.00")
    order(market, (mug, 1), billing=address, shipping=address)
    await market.settle()
    [link] = await links_of(market, Module.TAXES)
    assert link.woo_id == first

    market.sandbox.shop.trade.tax_book.delete(int(first))
    await market.settle()
    forget_books(market)
    market.later()
    order_id = order(market, (mug, 2), billing=address, shipping=address)
    await market.settle()
    assert taxes(market) == {**INSTALLED, "tax4": ("CA Tax", "7.000")}
    assert total(sale(market, order_id)) == Decimal("214")
    assert second in {link.woo_id for link in await links_of(market, Module.TAXES)}
