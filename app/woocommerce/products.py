"""The calls about products and their variations."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.errors import RemoteError
from app.woocommerce.batch import plan_batch
from app.woocommerce.batching import BatchRequests
from app.woocommerce.requests import parse_all, record_path
from app.woocommerce.schemas import WooProduct, modified_after

EDIT = {"context": "edit"}
"""Plain text: the default view, like webhooks, carries rendered HTML (contract page readback).

Answers to writes are in this view unasked (product_create_simple beside product_get_simple).
"""


class ProductCalls(BatchRequests):
    """wc/v3/products and their variations, always in the editing view.

    Below its parent a variation is called by its options alone, `Rouge, S`, and its description
    is rendered in every view (recording variations_list); only `get_product` gives it whole.
    """

    async def get_product(self, product_id: str) -> WooProduct:
        """A product of any type, a variation too (product_get_variation_by_id).

        NotFound if there is none (err_product_404); a trashed one comes with status `trash`
        (product_get_trashed).
        """
        answer = await self._get(record_path("products", product_id), EDIT)
        return WooProduct.parse(answer).answering(product_id)

    async def search_products_by_sku(self, sku: str) -> list[WooProduct]:
        """Products and variations with exactly this SKU, whatever its case (product_search_sku).

        Trashed ones are not found (contract page WooCommerce §2, Search). The parameter takes a
        list, so a SKU with a comma is looked for by its parts too and compared here.
        """
        wanted = sku.strip().casefold()
        if not wanted:
            return []
        query = {"sku": sku.strip(), "per_page": "100", **EDIT}
        found = parse_all(WooProduct, await self._get("products", query))
        return [one for one in found if one.sku.strip().casefold() == wanted]

    async def search_skus(self, skus: Sequence[str]) -> frozenset[str]:
        """Those of at most 100 SKUs that a product has, in one case (product_search_sku).

        None of them may have a comma: the parameter takes a list.
        """
        query = {"sku": ",".join(skus), "per_page": "100", **EDIT}
        found = parse_all(WooProduct, await self._get("products", query))
        return frozenset(one.sku.strip().casefold() for one in found)

    def each_product(self, changed_since: datetime | None = None) -> AsyncIterator[WooProduct]:
        """Products of every type but variations, changed after a moment or all, by id.

        `status=any` leaves the trash out (contract page WooCommerce §2, modified_after).
        """
        query = {"status": "any", **EDIT, **modified_after(changed_since)}
        return self._each(WooProduct, "products", query)

    async def count_products(self, changed_since: datetime | None = None) -> int:
        """How many `each_product` would show, told by one short page (contract page WooCommerce §2,
        Paging)."""
        return await self._count("products", {"status": "any", **modified_after(changed_since)})

    def each_trashed_product(self) -> AsyncIterator[WooProduct]:
        """Products in the trash, which no other listing shows (product_get_trashed)."""
        return self._each(WooProduct, "products", {"status": "trash", **EDIT})

    async def find_last_product_change(self) -> datetime | None:
        """When a product was last changed, by the shop's own clock; None if there is none."""
        return await self._find_last_change("products")

    def each_variation(self, parent_id: str) -> AsyncIterator[WooProduct]:
        """The variations of one product, by id (recording variations_list).

        NotFound if the product is gone.
        """
        path = f"{record_path('products', parent_id)}/variations"
        return self._each(WooProduct, path, {"status": "any", **EDIT})

    async def create_product(self, body: Mapping[str, Any]) -> WooProduct:
        """Duplicate if another product has the SKU (err_product_duplicate_sku).

        It names the holder, but not one in the trash, which keeps its SKU and is not found by
        it (product_sku_of_trashed).
        """
        return WooProduct.parse(await self._write("POST", "products", body))

    async def update_product(self, product: WooProduct, patch: Mapping[str, Any]) -> WooProduct:
        """A variation is written below its parent (variation_update, product_update_price).

        NotFound; Duplicate as for create.
        """
        answer = await self._write("PUT", _own_path(product), patch)
        return WooProduct.parse(answer).answering(product.id)

    async def trash_product(self, product: WooProduct) -> WooProduct:
        """Into the trash; the answer still has the status from before (product_trash).

        A variation goes for good, as on the shop's own screens: it would be taken into a trash
        (variation_delete_noforce) that no screen shows. NotFound, also for a product that is in
        the trash already (err_product_already_trashed).
        """
        query = {"force": "true"} if product.parent_id else {"force": "false"}
        answer = await self._write("DELETE", _own_path(product), query=query)
        return WooProduct.parse(answer).answering(product.id)

    async def batch_products(
        self,
        *,
        create: Sequence[Mapping[str, Any]] = (),
        update: Mapping[str, Mapping[str, Any]] | None = None,
        parent_id: str | None = None,
    ) -> list[WooProduct | RemoteError]:
        """As `batch_customers`, without deletes; of a parent's variations, where one is named
        (products_batch_dup_sku, variation_batch)."""
        path = f"{record_path('products', parent_id)}/variations" if parent_id else "products"
        return await self._batch(WooProduct, path, plan_batch(create, update or {}, ()))


def _own_path(product: WooProduct) -> str:
    path = record_path("products", product.id)
    if product.parent_id is None:
        return path
    parent = record_path("products", product.parent_id)
    return f"{parent}/variations/{product.id}"
