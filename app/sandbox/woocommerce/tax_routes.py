"""/taxes and /taxes/classes, readable. Recordings tax_get, tax_list_*, tax_classes_list."""

from collections.abc import Mapping
from typing import Any, Final

from app.sandbox.woocommerce.errors import RestError
from app.sandbox.woocommerce.objects import ObjectTable
from app.sandbox.woocommerce.paging import chosen, page_params, page_response
from app.sandbox.woocommerce.permissions import known_caller
from app.sandbox.woocommerce.rest import Endpoint, RestRequest, RestResponse, Route
from app.sandbox.woocommerce.schema import Param
from app.sandbox.woocommerce.site import Site

_LIST_PARAMS: Final = {
    **page_params(orderby=["id", "order", "priority"], default="order", order="asc"),
    "class": Param({"type": "string"}),
}


class TaxRoutes:
    """GET of tax rates and classes over one shop's tables; classes are slug -> name."""

    def __init__(self, site: Site, taxes: ObjectTable, classes: Mapping[str, str]) -> None:
        self._site = site
        self._taxes = taxes
        self._classes = classes

    def routes(self) -> list[Route]:
        listing, view = known_caller("list"), known_caller("view")
        return [
            Route("/wc/v3/taxes", Endpoint(["GET"], self._list, listing, _LIST_PARAMS)),
            Route("/wc/v3/taxes/{id}", Endpoint(["GET"], self._get, view)),
            Route("/wc/v3/taxes/classes", Endpoint(["GET"], self._list_classes, listing)),
            Route("/wc/v3/taxes/classes/{slug:slug}", Endpoint(["GET"], self._get_class, view)),
        ]

    async def _list(self, request: RestRequest) -> RestResponse:
        wanted, orderby = request.params.get("class"), request.params["orderby"]
        found = [row for row in self._taxes if wanted is None or row["class"] == wanted]
        found.sort(
            key=lambda row: (row[orderby], row["id"]), reverse=request.params["order"] == "desc"
        )
        body = [self._taxes.render(row) for row in chosen(found, request)]
        return page_response(request, body, len(found))

    async def _get(self, request: RestRequest) -> RestResponse:
        return RestResponse(self._taxes.render(self._taxes.get(request.id)))

    async def _list_classes(self, _: RestRequest) -> RestResponse:
        body = [self._render(slug) for slug in self._classes]
        headers = {"X-WP-Total": str(len(body)), "X-WP-TotalPages": "1"}
        return RestResponse(body, headers=headers)

    async def _get_class(self, request: RestRequest) -> RestResponse:
        if request.params["slug"] not in self._classes:
            raise RestError("woocommerce_rest_tax_class_invalid_slug", "Invalid slug.", 404)
        return RestResponse([self._render(request.params["slug"])])

    def _render(self, slug: str) -> dict[str, Any]:
        links = {"collection": [{"href": self._site.rest_url("taxes/classes")}]}
        return {"slug": slug, "name": self._classes[slug], "_links": links}
