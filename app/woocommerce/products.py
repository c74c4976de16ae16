"""The calls about products and their variations."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from app.woocommerce.requests import ShopRequests, parse_all, record_path
from app.woocommerce.schemas import WooProduct, modified_after

EDIT = {"context": "edit"}
"""Plain text: the default view, like webhooks, carries rendered HTML (contract page readback)."""


class ProductCalls(ShopRequests):
    """wc/v3/products and their variations, always in the editing view."""

    async def get_product(self, product_id: str) -> WooProduct:
        """A product of any type, a variation too (product_get_variation_by_id).

        NotFound if there is none (err_product_404); a trashed one comes with status `trash`
        (product_get_trashed).
        """
        return WooProduct.parse(await self._get(record_path("products", product_id), EDIT))

    async def search_products_by_sku(self, sku: str) -> list[WooProduct]:
        """Products and variations with exactly this SKU, whatever its case (product_search_sku).

        Trashed ones are not found (contract page WooCommerce §2, Search). The parameter takes a
        list, so a SKU with a comma is looked for by its parts and compared here.
        """
        wanted = sku.strip().casefold()
        if not wanted:
            return []
        found = parse_all(WooProduct, await self._get("products", {"sku": sku.strip(), **EDIT}))
        return [one for one in found if one.sku.strip().casefold() == wanted]

    def each_product(self, changed_since: datetime | None = None) -> AsyncIterator[WooProduct]:
        """Products of every type but variations, changed after a moment or all, by id.

        `status=any` leaves the trash out (contract page WooCommerce §2, modified_after).
        """
        query = {"status": "any", **EDIT, **modified_after(changed_since)}
        return self._each(WooProduct, "products", query)

    def each_variation(self, parent_id: str) -> AsyncIterator[WooProduct]:
        """The variations of one product (contract page WooCommerce §2: not among products)."""
        path = f"{record_path('products', parent_id)}/variations"
        return self._each(WooProduct, path, {"status": "any", **EDIT})

    async def create_product(self, body: Mapping[str, Any]) -> WooProduct:
        """Duplicate, with the holder's id, if another product has the SKU (err_product_*)."""
        return WooProduct.parse(await self._write("POST", "products", body, query=EDIT))

    async def update_product(self, product: WooProduct, patch: Mapping[str, Any]) -> WooProduct:
        """A variation is written below its parent (variation_create, product_update_price).

        NotFound; Duplicate as for create.
        """
        path = _own_path(product)
        return WooProduct.parse(await self._write("PUT", path, patch, query=EDIT))

    async def trash_product(self, product: WooProduct) -> WooProduct:
        """Into the trash; a variation has none and goes for good (product_trash)."""
        query = {"force": "true"} if product.parent_id else {"force": "false"}
        return WooProduct.parse(await self._write("DELETE", _own_path(product), query=query))


def _own_path(product: WooProduct) -> str:
    path = record_path("products", product.id)
    if product.parent_id is None:
        return path
    parent = record_path("products", product.parent_id)
    return f"{parent}/variations/{product.id}"
