"""Steps about what is sold: products of both systems, tax rates, currencies."""

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.cast import Cast
from sandbox.story import Step

Fields = Mapping[str, Any]


def add_rate(name: str, label: str, percent: str, country: str, **more: Any) -> Step:
    """POST /taxes (recording tax_create)."""
    rate = {"name": label, "rate": percent, "country": country, **more}
    return Step("shop", name, lambda cast: cast.shop.post("taxes", rate))


def change_rate(name: str, label: str, country: str, **fields: Any) -> Step:
    return Step("shop", name, lambda cast: _change_rate(cast, label, country, fields))


async def _change_rate(cast: Cast, label: str, country: str, fields: Fields) -> None:
    """PUT /taxes/{id} (recording tax_update)."""
    await cast.shop.put(f"taxes/{await cast.rate(label, country)}", fields)


def add_currency(name: str, code: str, rate: str, *, active: bool, **more: str) -> Step:
    """On the CRM's settings page."""
    fields = {"currency_code": code, "conversion_rate": rate, **more}
    fields["currency_status"] = "Active" if active else "Inactive"
    return Step("CRM", name, lambda cast: _add_currency(cast, fields))


async def _add_currency(cast: Cast, fields: Fields) -> None:
    cast.sandbox.crm.ui_add_currency(fields)


def publish(name: str, sku: str, title: str, price: str, **more: Any) -> Step:
    """POST /products (recording product_create_simple)."""
    product = {"sku": sku, "name": title, "regular_price": price, **more}
    return Step("shop", name, lambda cast: cast.shop.post("products", product))


def publish_variable(name: str, title: str, variations: Sequence[Fields], **more: Any) -> Step:
    """A variable product and what can be chosen of it; each variation has `attributes`."""
    return Step("shop", name, lambda cast: _publish_variable(cast, title, variations, more))


async def _publish_variable(
    cast: Cast, title: str, variations: Sequence[Fields], more: Fields
) -> None:
    """Recordings product_create_variable, variation_create."""
    parent = {"name": title, "type": "variable", "attributes": _choices(variations), **more}
    created = await cast.shop.post("products", parent)
    for variation in variations:
        await cast.shop.post(f"products/{created['id']}/variations", variation)


def _choices(variations: Sequence[Fields]) -> list[dict[str, Any]]:
    options: dict[str, list[str]] = {}
    for variation in variations:
        for chosen in variation["attributes"]:
            options.setdefault(chosen["name"], []).append(chosen["option"])
    return [
        {"name": name, "options": list(dict.fromkeys(found)), "variation": True, "visible": True}
        for name, found in options.items()
    ]


def choice(sku: str, price: str, *, colour: str, size: str, **more: Any) -> dict[str, Any]:
    """A variation of a garment."""
    chosen = [{"name": "Colour", "option": colour}, {"name": "Size", "option": size}]
    return {"sku": sku, "regular_price": price, "attributes": chosen, **more}


def edit_item(name: str, sku: str, **fields: Any) -> Step:
    """A product or variation is changed in the shop."""
    return Step("shop", name, lambda cast: _edit_item(cast, sku, fields))


async def _edit_item(cast: Cast, sku: str, fields: Fields) -> None:
    """PUT below its parent, if it has one (recordings product_update_price, variation_update)."""
    item_id = await cast.item(sku)
    parent_id = _parent_of(cast, item_id)
    path = f"products/{parent_id}/variations" if parent_id else "products"
    await cast.shop.put(f"{path}/{item_id}", fields)


def _parent_of(cast: Cast, item_id: int) -> int:
    row = cast.sandbox.shop.trade.catalog.find(item_id)
    return int(row["parent_id"]) if row else 0


def rename_parent(name: str, sku: str, title: str) -> Step:
    """The product that a variation belongs to gets another name."""
    return Step("shop", name, lambda cast: _rename_parent(cast, sku, title))


async def _rename_parent(cast: Cast, sku: str, title: str) -> None:
    parent_id = _parent_of(cast, await cast.item(sku))
    await cast.shop.put(f"products/{parent_id}", {"name": title})


def trash_item(name: str, sku: str) -> Step:
    """A product that the CRM knows is put into the trash (recording product_trash)."""
    return Step("shop", name, lambda cast: _remove_item(cast, sku, force=False))


def delete_item(name: str, sku: str) -> Step:
    """A product that the CRM knows goes for good (recording product_force_delete)."""
    return Step("shop", name, lambda cast: _remove_item(cast, sku, force=True))


async def _remove_item(cast: Cast, sku: str, *, force: bool) -> None:
    await cast.product(sku)
    await cast.shop.delete(f"products/{await cast.item(sku)}", force=force)


def restore_item(name: str, sku: str) -> Step:
    """Taken out of the trash, in wp-admin."""
    return Step("shop", name, lambda cast: _restore_item(cast, sku))


async def _restore_item(cast: Cast, sku: str) -> None:
    cast.sandbox.shop.admin.restore_product(await cast.trashed_item(sku))


def trash_page(name: str) -> Step:
    """No product at all, but told as if it were one."""
    return Step("shop", name, _trash_page)


async def _trash_page(cast: Cast) -> None:
    cast.sandbox.shop.admin.trash_page()


def list_product(name: str, **product: str) -> Step:
    """A product typed into the CRM, in Vtiger field names."""
    return Step("CRM", name, lambda cast: cast.sandbox.crm.ui_create("Products", product))


def appear_in_both(name: str, *, shop: Fields, crm: Fields) -> Step:
    """One product is published and listed at the same moment: nothing comes in between."""
    return Step("both", name, lambda cast: _appear_in_both(cast, shop, crm))


async def _appear_in_both(cast: Cast, shop: Fields, crm: Fields) -> None:
    cast.sandbox.shop.trade.product_book.create(shop)
    await cast.sandbox.crm.ui_create("Products", crm)


def edit_product(name: str, code: str, **fields: str) -> Step:
    """A product is changed in the CRM."""
    return Step("CRM", name, lambda cast: _edit_product(cast, code, fields))


async def _edit_product(cast: Cast, code: str, fields: Fields) -> None:
    await cast.sandbox.crm.ui_edit(await cast.product(code), fields)
