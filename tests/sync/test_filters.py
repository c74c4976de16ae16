"""Filters of the settings: what they leave out is told as filtered, and followed once it passes."""

import pytest

from app.domain import Module
from tests import goods
from tests.world import World

pytestmark = pytest.mark.anyio

PRODUCTS = Module.PRODUCTS


def codes(world: World) -> set[str]:
    return {row["productcode"] for row in goods.listed(world)} - {"WC-PLACEHOLDER"}


async def test_products_of_other_statuses_are_left_out_until_they_have_one(world: World) -> None:
    await world.set_policy(module=PRODUCTS, product_statuses=("publish",))
    draft = goods.product(world, name="Kettle", sku="K1", status="draft")
    goods.product(world, name="Pot", sku="P1", status="publish")
    await world.settle()
    assert codes(world) == {"P1"}
    left_out = [row for row in await world.log() if row.reason == "filtered"]
    assert "product_statuses" in left_out[0].message

    world.later()
    goods.edit(world, draft, status="publish")
    await world.settle()
    assert codes(world) == {"K1", "P1"}


async def test_products_of_the_named_categories_are_synced_with_their_variations(
    world: World,
) -> None:
    """All products of the sandbox are uncategorised."""
    await world.set_policy(module=PRODUCTS, product_categories=("uncategorized",))
    goods.product(world, name="Kettle", sku="K1")
    parent = goods.variable(world, "Apron")
    goods.variation(world, parent, "Red", "S", sku="A-RED-S")
    await world.settle()
    assert codes(world) == {"K1", "A-RED-S"}


async def test_products_of_other_categories_are_left_out(world: World) -> None:
    await world.set_policy(module=PRODUCTS, product_categories=("Garden",))
    goods.product(world, name="Kettle", sku="K1")
    await world.settle()
    assert codes(world) == set()
    assert {(row.outcome, row.reason) for row in await world.log()} == {("skipped", "filtered")}
    assert "product_categories" in (await world.log())[0].message
