"""/products over REST. A variation is found by id and by SKU, never listed.

Contract page WooCommerce §2 (modified_after, Search, Errors); recordings product_*, products_*.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.woocommerce.batch import BatchOperations, run_batch
from sandbox.woocommerce.catalog import Catalog, Row
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.paging import chosen, page_response
from sandbox.woocommerce.permissions import known_caller
from sandbox.woocommerce.posts import PostQuery
from sandbox.woocommerce.productbook import ProductBook
from sandbox.woocommerce.productparams import (
    DELETE_PARAMS,
    ITEM_PARAMS,
    LIST_PARAMS,
    PRODUCT_PARAMS,
)
from sandbox.woocommerce.productviews import ProductView
from sandbox.woocommerce.rest import EDIT_METHODS, Endpoint, RestRequest, RestResponse, Route
from sandbox.woocommerce.site import Site


class ProductRoutes:
    """The endpoints of /products over one shop's catalogue."""

    def __init__(
        self, site: Site, catalog: Catalog, products: ProductBook, view: ProductView
    ) -> None:
        self._site = site
        self._catalog = catalog
        self._products = products
        self._view = view

    def routes(self) -> list[Route]:
        update_params = {**ITEM_PARAMS, **PRODUCT_PARAMS}
        operations = BatchOperations(self._create, self._update, self._delete)
        return [
            Route(
                "/wc/v3/products",
                Endpoint(["GET"], self._list, known_caller("list"), LIST_PARAMS),
                Endpoint(["POST"], self._create, known_caller("create"), PRODUCT_PARAMS),
            ),
            Route(
                "/wc/v3/products/{id}",
                Endpoint(["GET"], self._get, known_caller("view"), ITEM_PARAMS),
                Endpoint(EDIT_METHODS, self._update, known_caller("edit"), update_params),
                Endpoint(["DELETE"], self._delete, known_caller("delete"), DELETE_PARAMS),
            ),
            Route(
                "/wc/v3/products/batch",
                Endpoint(
                    EDIT_METHODS,
                    lambda request: run_batch(request, operations),
                    known_caller("batch"),
                ),
            ),
        ]

    async def _list(self, request: RestRequest) -> RestResponse:
        params = request.params
        rows = list(self._catalog if params.get("sku") else self._catalog.products)
        found = PostQuery(params, self._site).run(rows, lambda row: fits(row, params))
        body = [
            self._view.product(dict(row), context=params["context"])
            for row in chosen(found, request)
        ]
        return page_response(request, body, len(found))

    async def _get(self, request: RestRequest) -> RestResponse:
        row = self._products.get(request.id)
        return RestResponse(self._view.product(row, context=request.params["context"]))

    async def _create(self, request: RestRequest) -> RestResponse:
        if request.params.get("id"):
            message = "Cannot create existing product."
            raise RestError("woocommerce_rest_product_exists", message, 400)
        row = self._products.create(request.params)
        location = {"Location": self._site.rest_url(f"products/{row['id']}")}
        return RestResponse(self._view.product(row, context="edit"), 201, location)

    async def _update(self, request: RestRequest) -> RestResponse:
        self._known(request, 400)
        row = self._products.update(request.id, request.params)
        return RestResponse(self._view.product(row, context="edit"))

    async def _delete(self, request: RestRequest) -> RestResponse:
        row = self._known(request, 404)
        body = self._view.product(row, context="edit")
        if request.params.get("force"):
            self._products.delete(request.id)
        else:
            self._products.trash(request.id)
        return RestResponse(body)

    def _known(self, request: RestRequest, status: int) -> Row:
        """Writing to an unknown product is answered 400, reading and deleting 404."""
        row = self._catalog.find(request.id)
        if row is None:
            raise RestError("woocommerce_rest_product_invalid_id", "Invalid ID.", status)
        return row


def fits(row: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Whether a product is one that the list's own arguments ask for."""
    skus = [sku.strip().lower() for sku in (params.get("sku") or "").split(",") if sku.strip()]
    if skus and str(row.get("sku", "")).lower() not in skus:
        return False
    return all(not params.get(key) or row.get(key) == params[key] for key in ("slug", "type"))
