"""What a first import costs, counted in calls: the formula of docs/performance.md."""

from dataclasses import dataclass
from math import ceil

import pytest

from app.domain import Module, Outcome
from app.modules.context import ensure_setup
from tests import goods, trade
from tests.running import run
from tests.world import World

pytestmark = pytest.mark.anyio

ALLOWED = 1.10
AROUND = 16
"""Logins, descriptions of modules, taxes, currencies, settings: whatever the shop's size."""


@dataclass(frozen=True, slots=True)
class Shop:
    """How many records a shop has; `accounts` are the organizations that come of them."""

    customers: int
    products: int
    orders: int
    accounts: int

    @property
    def minimum(self) -> int:
        """The calls of an import into an empty Vtiger, both systems together."""
        pages = sum(ceil(each / 100) for each in (self.customers, self.products, self.orders))
        creates = self.customers + self.products + self.orders + self.accounts
        read = 2 * pages + 10  # both systems listed, counted before, Vtiger's again meanwhile
        looked_for = pages + ceil(self.orders / 100) + ceil(self.customers / 100)
        return read + looked_for + creates + pages + AROUND


async def fill(world: World, shop: Shop) -> None:
    goods.rate(world, "VAT 20", "20.0000")
    products = [goods.product(world, name=f"P{n}", sku=f"P{n}") for n in range(shop.products)]
    for number in range(shop.customers):
        await world.customer(f"c{number}@shop.example", last_name=f"C{number}")
    people = [user async for user in world.runtime.stores["main"].each_customer(role="customer")]
    for number in range(shop.orders):
        person = people[number % len(people)]
        billing = {**trade.ADDRESS, "last_name": f"A{number % shop.accounts}"}
        line = (products[number % len(products)], 1)
        trade.order(world, line, customer_id=int(person.id), billing=billing)
    world.sandbox.shop.webhooks.pending.clear()


def calls(world: World) -> int:
    return world.traffic.reads.total() + world.traffic.writes.total()


async def test_a_first_import_costs_what_the_formula_says(world: World) -> None:
    shop = Shop(customers=101, products=6, orders=24, accounts=12)
    await fill(world, shop)
    await ensure_setup(world.runtime)
    world.sandbox.crm.workflows.callbacks.clear()
    world.traffic.reset()
    done = await run(world)

    assert done.outcomes[Outcome.CREATED] == 101 + 6 + 24 + 1
    assert shop.minimum * 0.9 <= calls(world) <= shop.minimum * ALLOWED
    assert await trade.off(world) == []


async def test_an_import_into_the_shop_takes_a_call_for_a_hundred(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    for number in range(101):
        await world.contact(lastname=f"C{number}", email=f"c{number}@crm.example")
    world.traffic.reset()
    done = await run(world, Module.CONTACTS)

    assert done.outcomes[Outcome.CREATED] == 101
    of_shop = [
        count
        for name, count in (world.traffic.reads + world.traffic.writes).items()
        if not name.startswith("vtiger")
    ]
    assert sum(of_shop) <= 8
