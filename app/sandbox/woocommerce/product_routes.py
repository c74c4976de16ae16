"""/products and their variations, readable. A variation is found by id and by SKU, never listed.

Contract page WooCommerce §2 (modified_after, Search); recordings product_get_*, variations_list.
"""

from collections.abc import Mapping
from typing import Any, Final

from app.sandbox.woocommerce.errors import RestError
from app.sandbox.woocommerce.links import ALL_METHODS, item_links
from app.sandbox.woocommerce.objects import ObjectTable
from app.sandbox.woocommerce.paging import chosen, page_response
from app.sandbox.woocommerce.permissions import known_caller
from app.sandbox.woocommerce.posts import POST_PARAMS, PostQuery
from app.sandbox.woocommerce.rest import Endpoint, RestRequest, RestResponse, Route
from app.sandbox.woocommerce.schema import Param
from app.sandbox.woocommerce.site import Site

_LIST_PARAMS: Final = {
    **POST_PARAMS,
    "sku": Param({"type": "string"}),
    "slug": Param({"type": "string"}),
    "type": Param({"type": "string"}),
}


class ProductRoutes:
    """GET of products and variations over one shop's tables."""

    def __init__(self, site: Site, products: ObjectTable, variations: ObjectTable) -> None:
        self._site = site
        self._products = products
        self._variations = variations

    def routes(self) -> list[Route]:
        listing, view = known_caller("list"), known_caller("view")
        path = "/wc/v3/products/{product_id}/variations"
        return [
            Route("/wc/v3/products", Endpoint(["GET"], self._list, listing, _LIST_PARAMS)),
            Route("/wc/v3/products/{id}", Endpoint(["GET"], self._get, view)),
            Route(path, Endpoint(["GET"], self._list_variations, listing, _LIST_PARAMS)),
            Route(f"{path}/{{id}}", Endpoint(["GET"], self._get_variation, view)),
        ]

    def view(self, product_id: int) -> dict[str, Any]:
        """The product, or the variation in a product's shape; raises the 404 of products."""
        variation = self._variations.find(product_id)
        if variation is not None:
            return self._as_product(variation)
        return self._products.render(self._products.get(product_id))

    async def _list(self, request: RestRequest) -> RestResponse:
        params = request.params
        rows = list(self._products)
        if params.get("sku"):
            rows += [self._as_product(variation) for variation in self._variations]
        found = PostQuery(params, self._site).run(rows, lambda row: _fits(row, params))
        body = [self._products.render(dict(row)) for row in chosen(found, request)]
        return page_response(request, body, len(found))

    async def _get(self, request: RestRequest) -> RestResponse:
        return RestResponse(self.view(request.id))

    async def _list_variations(self, request: RestRequest) -> RestResponse:
        params = request.params
        parent = self._products.get(int(params["product_id"]))
        rows = [row for row in self._variations if row["parent_id"] == parent["id"]]
        found = PostQuery(params, self._site).run(rows, lambda row: _fits(row, params))
        body = [self._variations.render(dict(row)) for row in chosen(found, request)]
        return page_response(request, body, len(found))

    async def _get_variation(self, request: RestRequest) -> RestResponse:
        variation = self._variations.get(request.id)
        if variation["parent_id"] != int(request.params["product_id"]):
            message = "Parent product does not match current variation."
            raise RestError("woocommerce_rest_invalid_variation_parent", message, 404)
        return RestResponse(self._variations.render(variation))

    def _as_product(self, variation: dict[str, Any]) -> dict[str, Any]:
        parent = self._products.find(variation["parent_id"]) or {}
        own = {key: variation[key] for key in variation if key in parent and key != "_links"}
        options = ", ".join(item["option"] for item in variation["attributes"])
        return {
            **parent,
            **own,
            "name": f"{parent.get('name', '')} - {options}",
            "type": "variation",
            "variations": [],
            "_links": self._product_links(variation),
        }

    def _product_links(self, variation: Mapping[str, Any]) -> dict[str, Any]:
        base = self._site.rest_url("products")
        links = item_links(f"{base}/{variation['id']}", base, ALL_METHODS)
        return {**links, "up": [{"href": f"{base}/{variation['parent_id']}"}]}


def _fits(row: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    skus = [sku.strip().lower() for sku in (params.get("sku") or "").split(",") if sku.strip()]
    if skus and str(row.get("sku", "")).lower() not in skus:
        return False
    return all(not params.get(key) or row.get(key) == params[key] for key in ("slug", "type"))
