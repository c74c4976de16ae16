"""What a shop sells and Vtiger lists, in a scenario's hands."""

from collections.abc import Mapping
from typing import Any

from app.domain import Module
from app.links.models import Link
from app.synclog.models import Entry
from tests.setting import STORE
from tests.world import World


def product(world: World, **fields: Any) -> str:
    """The shop gets a product; by default a simple one with a price."""
    row = world.sandbox.shop.trade.product_book.create({"regular_price": "10.00", **fields})
    return str(row["id"])


def variation(world: World, parent_id: str, *options: str, **fields: Any) -> str:
    """A variation of a product made by `variable`, one option per attribute."""
    attributes = [
        {"name": name, "option": option}
        for name, option in zip(("Colour", "Size"), options, strict=False)
    ]
    chosen = {"regular_price": "10.00", "attributes": attributes, **fields}
    row = world.sandbox.shop.trade.product_book.create_variation(int(parent_id), chosen)
    return str(row["id"])


def variable(world: World, name: str, **fields: Any) -> str:
    attributes = [
        {"name": "Colour", "options": ["Red", "Blue"], "variation": True},
        {"name": "Size", "options": ["S", "L"], "variation": True},
    ]
    fields = {"name": name, "type": "variable", "attributes": attributes, **fields}
    return str(world.sandbox.shop.trade.product_book.create(fields)["id"])


def edit(world: World, product_id: str, **fields: Any) -> None:
    world.sandbox.shop.admin.edit_product(int(product_id), fields)


def shelf(world: World, product_id: str) -> Mapping[str, Any]:
    """A product as the shop keeps it."""
    return world.sandbox.shop.trade.product_book.get(int(product_id))


def meta(world: World, product_id: str, key: str) -> str | None:
    rows = shelf(world, product_id)["meta_data"]
    return next((row["value"] for row in rows if row["key"] == key), None)


def rate(world: World, name: str, percent: str, **fields: Any) -> str:
    """The shop gets a tax rate of France."""
    chosen = {"country": "FR", "name": name, "rate": percent, **fields}
    return str(world.sandbox.shop.trade.tax_book.create(chosen)["id"])


def edit_rate(world: World, rate_id: str, **fields: Any) -> None:
    world.sandbox.shop.trade.tax_book.update(int(rate_id), fields)


def taxes(world: World) -> dict[str, tuple[str, str]]:
    """Vtiger's taxes: label and percentage by column."""
    rows = world.sandbox.crm.database.live("Tax")
    return {
        row.values["taxname"]: (row.values["taxlabel"], row.values["percentage"]) for row in rows
    }


def listed(world: World) -> list[dict[str, Any]]:
    """Vtiger's products, oldest first."""
    return world.sandbox.crm.records("Products")


async def links_of(world: World, module: Module) -> list[Link]:
    return [link for link in await world.links(STORE) if link.module == module]


async def rows_of(world: World, module: Module) -> list[Entry]:
    return [row for row in await world.log() if row.module == module]


async def told_of(world: World, module: Module) -> list[tuple[str, str, str | None]]:
    """The module's part of the log in short: target, outcome, reason."""
    return [(row.target, row.outcome, row.reason) for row in await rows_of(world, module)]


def forget_books(world: World) -> None:
    """A minute passes: what was read of rates, taxes and currencies is read again."""
    world.runtime.memory.forget("shop:main", "crm:taxes", "crm:currencies")


def currency(world: World, code: str) -> str:
    """Vtiger gets another active currency; its id."""
    crm = world.sandbox.crm
    names = ("currency_name", "currency_code", "currency_symbol")
    fields = {
        **dict.fromkeys(names, code),
        "conversion_rate": "1.1",
        "defaultid": "0",
        "deleted": "0",
    }
    user = crm.users.all()[0]
    written = crm.actors["Currency"].create({**fields, "currency_status": "Active"}, user)
    return str(written.answer["id"])
