"""/products/{id}/variations over REST. Recordings variation_*, variations_list."""

from dataclasses import replace

from sandbox.woocommerce.batch import BatchOperations, run_batch
from sandbox.woocommerce.catalog import Catalog, Row
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.paging import chosen, page_response
from sandbox.woocommerce.permissions import known_caller
from sandbox.woocommerce.phpnumber import whole_number
from sandbox.woocommerce.posts import PostQuery
from sandbox.woocommerce.product_routes import fits
from sandbox.woocommerce.productbook import ProductBook
from sandbox.woocommerce.productparams import (
    DELETE_PARAMS,
    ITEM_PARAMS,
    LIST_PARAMS,
    VARIATION_PARAMS,
)
from sandbox.woocommerce.productviews import ProductView
from sandbox.woocommerce.rest import EDIT_METHODS, Endpoint, RestRequest, RestResponse, Route
from sandbox.woocommerce.site import Site

_PATH = "/wc/v3/products/{product_id}/variations"


class VariationRoutes:
    """The endpoints of variations, each below its parent."""

    def __init__(
        self, site: Site, catalog: Catalog, products: ProductBook, view: ProductView
    ) -> None:
        self._site = site
        self._catalog = catalog
        self._products = products
        self._view = view

    def routes(self) -> list[Route]:
        update_params = {**ITEM_PARAMS, **VARIATION_PARAMS}
        return [
            Route(
                _PATH,
                Endpoint(["GET"], self._list, known_caller("list"), LIST_PARAMS),
                Endpoint(["POST"], self._create, known_caller("create"), VARIATION_PARAMS),
            ),
            Route(
                f"{_PATH}/{{id}}",
                Endpoint(["GET"], self._get, known_caller("view"), ITEM_PARAMS),
                Endpoint(EDIT_METHODS, self._update, known_caller("edit"), update_params),
                Endpoint(["DELETE"], self._delete, known_caller("delete"), DELETE_PARAMS),
            ),
            Route(f"{_PATH}/batch", Endpoint(EDIT_METHODS, self._batch, known_caller("batch"))),
        ]

    async def _batch(self, request: RestRequest) -> RestResponse:
        """Items do not name the product: the path does."""
        product_id = request.params["product_id"]

        def below(item: RestRequest) -> RestRequest:
            return replace(item, params={**item.params, "product_id": product_id})

        operations = BatchOperations(
            lambda item: self._create(below(item)),
            lambda item: self._update(below(item)),
            lambda item: self._delete(below(item)),
        )
        return await run_batch(request, operations)

    async def _list(self, request: RestRequest) -> RestResponse:
        params = request.params
        parent = self._catalog.products.get(whole_number(params["product_id"]))
        rows = self._catalog.children(parent["id"])
        found = PostQuery(params, self._site).run(rows, lambda row: fits(row, params))
        body = [
            self._view.variation(dict(row), context=params["context"])
            for row in chosen(found, request)
        ]
        return page_response(request, body, len(found))

    async def _get(self, request: RestRequest) -> RestResponse:
        row = self._known(request)
        return RestResponse(self._view.variation(row, context=request.params["context"]))

    async def _create(self, request: RestRequest) -> RestResponse:
        parent_id = whole_number(request.params["product_id"])
        row = self._products.create_variation(parent_id, request.params)
        # The pattern in it is WooCommerce's own mistake (recording variation_create).
        path = f"products/(?P<product_id>[\\d]+)/variations/{row['id']}"
        location = {"Location": self._site.rest_url(path)}
        return RestResponse(self._view.variation(row, context="edit"), 201, location)

    async def _update(self, request: RestRequest) -> RestResponse:
        row = self._known(request)
        row = self._products.update(row["id"], request.params)
        return RestResponse(self._view.variation(row, context="edit"))

    async def _delete(self, request: RestRequest) -> RestResponse:
        row = self._known(request)
        body = self._view.variation(row, context="edit")
        if request.params.get("force"):
            self._products.delete(row["id"])
        else:
            self._products.trash(row["id"])
        return RestResponse(body)

    def _known(self, request: RestRequest) -> Row:
        row = self._catalog.variations.get(request.id)
        if row["parent_id"] != whole_number(request.params["product_id"]):
            message = "Parent product does not match current variation."
            raise RestError("woocommerce_rest_invalid_variation_parent", message, 404)
        return row
