"""Many orders of customers, guests and products that Vtiger does not know, all at once."""

import random
from collections import Counter
from uuid import uuid4

import pytest

from app.errors import System
from app.inbox.repository import NewDelivery
from app.records import Event, Module, Origin, Record
from tests.goods import listed, product, rate
from tests.trade import ADDRESS, lines, off, order, sales
from tests.world import World

pytestmark = pytest.mark.anyio

ORDERS, PRODUCTS, GUESTS, CUSTOMERS = 60, 12, 10, 10


async def filled(world: World, chance: random.Random) -> None:
    """A shop whose webhooks are paused."""
    for webhook in world.sandbox.shop.webhooks.all():
        webhook.status = "paused"
    rate(world, "VAT 20", "20.0000")
    rate(world, "Eco", "2.5000", priority=2, compound=True)
    goods = [
        product(world, name=f"P{n}", sku=f"SKU-{n}", regular_price=f"{n}.99")
        for n in range(PRODUCTS)
    ]
    people = [await world.customer(f"c{n}@x.example", last_name=f"C{n}") for n in range(CUSTOMERS)]
    for _ in range(ORDERS):
        wanted = [
            (each, chance.randint(1, 5)) for each in chance.sample(goods, chance.randint(1, 4))
        ]
        guest = {**ADDRESS, "email": f"g{chance.randrange(GUESTS)}@x.example"}
        if chance.random() < 0.5:
            order(world, *wanted, customer_id=int(chance.choice(people)))
        else:
            order(world, *wanted, billing=guest)


async def test_orders_before_anything_else_in_any_order_and_doubled(market: World) -> None:
    chance = random.Random(7)
    await filled(market, chance)
    records = [
        Record("main", System.WOOCOMMERCE, Module.SALES_ORDERS, str(each.id))
        for each in market.sandbox.shop.trade.orders
    ] * 2
    chance.shuffle(records)
    for record in records:
        hint = NewDelivery(record, Origin.WEBHOOK, Event.UPDATED, uuid4().hex)
        await market.runtime.acceptor.accept([hint])
    await market.settle()

    assert len(sales(market)) == ORDERS
    assert await off(market) == []
    emails = Counter(contact["email"] for contact in market.contacts())
    assert set(emails.values()) == {1}
    skus = Counter(row["productcode"] for row in listed(market))
    assert set(skus.values()) == {1}
    assert all(row["contact_id"] and lines(row) for row in sales(market))
