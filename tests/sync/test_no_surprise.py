"""Nothing is imported by surprise: what was there before the service stays where it is, however
often everything is looked at, until it changes or somebody asks for a sync."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from app.db.session import transaction
from app.domain import Module
from app.links.repository import expire_passes
from app.modules.context import ensure_setup
from app.sync.polling import poll
from tests import goods, trade
from tests.setting import STORE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

DAY = 86_400


@dataclass(frozen=True)
class Old:
    """Records of either system that have no pair."""

    customer: str
    contact: str
    product: str
    variation: str
    listed: str
    order: str
    sale: str


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    """Neither system tells anything by itself; all taxes are synced."""
    async with open_world(emptied_database_url, hooks=False) as opened:
        await ensure_setup(opened.runtime)
        await opened.set_policy(module=Module.TAXES, tax_scope="all", tax_country="FR")
        yield opened


async def stocked(world: World, name: str) -> Old:
    """Something of everything in both systems."""
    goods.rate(world, f"VAT {name}", "20.0000")
    customer = await world.customer(f"{name}@shop.example", last_name=name)
    company = await world.sandbox.crm.ui_create("Accounts", {"accountname": f"{name} & Co"})
    contact = await world.contact(lastname=name, email=f"{name}@crm.example", account_id=company)
    product = goods.product(world, name=f"Mug {name}", sku=f"MUG-{name}")
    shirt = goods.variable(world, f"Shirt {name}")
    variation = goods.variation(world, shirt, "Red", "L", sku=f"RED-{name}")
    fields = {"productname": f"Cup {name}", "productcode": f"CUP-{name}", "unit_price": "5"}
    listed = await world.sandbox.crm.ui_create("Products", {**fields, "discontinued": "1"})
    billing = {**trade.ADDRESS, "email": f"guest-{name}@shop.example"}
    order = trade.order(world, (product, 1), billing=billing)
    sale = await trade.typed(world, trade.item(listed, "1", "5"), contact_id=contact)
    return Old(customer, contact, product, variation, listed, order, sale)


async def installed(world: World, *, subscriber: bool = False) -> Old:
    """A day passed between the oldest records and the latest, and the service has come."""
    world.later(-DAY)
    old = await stocked(world, "old")
    world.later(DAY - 3600)
    await stocked(world, "new")
    world.later(1800)
    if subscriber:
        world.sandbox.shop.customers.register("sub@shop.example", role="subscriber")
    world.later(1800)
    assert await looks(world) == 0
    world.traffic.reset()
    return old


async def looks(world: World) -> int:
    """A poll of everything; how many hints that gave, all of them settled."""
    goods.forget_books(world)
    hints = await poll(world.runtime)
    await world.settle()
    return hints


async def a_day_passes(world: World) -> None:
    """The daily look at everything is due, by the add-on's outbox or not."""
    await world.execute("UPDATE full_passes SET passed_at = passed_at - interval '2 days'")
    await world.execute("UPDATE outbox_marks SET looked_at = looked_at - interval '2 days'")


async def heal(world: World) -> None:
    """Webhooks were found broken, so hints may have been lost."""
    async with transaction(world.runtime.sessions) as session:
        await expire_passes(session, STORE)


@pytest.mark.parametrize("addon", [True, False], ids=["with the add-on", "without"])
async def test_looks_at_everything_import_nothing_that_was_there_before(
    world: World, *, addon: bool
) -> None:
    if addon:
        world.sandbox.crm.install_addon()
    await installed(world)
    for time_passes in (a_day_passes, heal, a_day_passes):
        await time_passes(world)
        assert await looks(world) == 0

    assert (world.traffic.writes, await world.links(), await world.log()) == ({}, [], [])


async def test_an_add_on_that_is_installed_anew_imports_nothing(world: World) -> None:
    world.sandbox.crm.install_addon()
    await installed(world)
    world.sandbox.crm.uninstall_addon()
    world.sandbox.crm.install_addon()

    assert [await looks(world), await looks(world)] == [0, 0]
    assert world.traffic.writes == {}


async def test_a_company_that_is_renamed_imports_none_of_its_people(world: World) -> None:
    """The add-on tells of the company, and its people are looked at."""
    world.sandbox.crm.install_addon()
    old = await installed(world)
    company = world.get_contact(old.contact)["account_id"]
    await world.sandbox.crm.ui_edit(company, {"accountname": "Renamed & Co"})
    world.later(5)

    assert await looks(world) == 0
    assert world.traffic.writes == {}


async def test_what_changes_after_the_service_has_come_is_brought_with_any_look(
    world: World,
) -> None:
    old = await installed(world)
    await world.edit_contact(old.contact, phone="1")
    world.edit_customer(old.customer, billing={"city": "Lyon"})
    goods.edit(world, old.product, regular_price="11.00")
    await world.sandbox.crm.ui_edit(old.listed, {"unit_price": "6"})
    trade.edit(world, old.order, status="completed")
    await world.sandbox.crm.ui_edit(old.sale, {"sostatus": "Delivered"})
    await a_day_passes(world)

    assert await looks(world) == 6
    pairs = {(link.module, link.woo_id) for link in await world.links()}
    assert {("contacts", old.customer), ("products", old.product)} < pairs
    assert ("sales_orders", old.order) in pairs
    pairs = {(link.module, link.vtiger_id) for link in await world.links()}
    assert {("contacts", old.contact), ("products", old.listed)} < pairs
    assert ("sales_orders", old.sale) in pairs


async def test_a_changed_parent_does_not_bring_its_old_variations(world: World) -> None:
    """A poll lists variations by their parent, each with a time of its own."""
    old = await installed(world)
    parent = goods.shelf(world, old.variation)["parent_id"]
    goods.edit(world, str(parent), name="Blouse")

    assert await looks(world) == 0


async def test_a_rate_that_gets_another_label_by_a_new_one_stays(world: World) -> None:
    """Labels tell rates apart, so a new rate may lengthen that of an old one."""
    await installed(world)
    goods.rate(world, "VAT old", "5.5000", **{"class": "reduced-rate"})

    assert await looks(world) == 1
    assert [link.module for link in await world.links()] == ["taxes"]


async def test_widening_the_roles_that_are_synced_imports_nobody(world: World) -> None:
    await installed(world, subscriber=True)
    await world.set_policy(roles=("customer", "subscriber"))

    assert await looks(world) == 0
