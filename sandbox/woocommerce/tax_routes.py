"""/taxes and /taxes/classes over REST. Recordings tax_*, tax_class_*, err_tax_*."""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.woocommerce.batch import BatchOperations, run_batch
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.objects import ObjectTable
from sandbox.woocommerce.paging import chosen, page_params, page_response
from sandbox.woocommerce.permissions import known_caller
from sandbox.woocommerce.rest import EDIT_METHODS, Endpoint, RestRequest, RestResponse, Route
from sandbox.woocommerce.schema import Param, accept_params
from sandbox.woocommerce.site import Site
from sandbox.woocommerce.taxbook import TaxBook

_TEXT: Final = {"type": "string"}
_INTEGER: Final = {"type": "integer"}
_BOOLEAN: Final = {"type": "boolean"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_LIST_PARAMS: Final = {
    **page_params(orderby=["id", "order", "priority"], default="order", order="asc"),
    "class": Param(_TEXT),
}
_ITEM: Final = {"id": Param(_INTEGER)}
_DELETE_PARAMS: Final = {**_ITEM, "force": Param(_BOOLEAN, default=False)}
_BODY_PARAMS: Final = {
    "country": Param(_TEXT),
    "state": Param(_TEXT),
    "postcode": Param(_TEXT),
    "city": Param(_TEXT),
    "postcodes": Param(_TEXTS),
    "cities": Param(_TEXTS),
    "rate": Param(_TEXT),
    "name": Param(_TEXT),
    "priority": Param(_INTEGER),
    "compound": Param(_BOOLEAN),
    "shipping": Param(_BOOLEAN),
    "order": Param(_INTEGER),
}
_FORCE: Final = {"force": Param(_BOOLEAN, default=False)}


class TaxRoutes:
    """The endpoints of rates and classes; classes are slug -> name."""

    def __init__(
        self, site: Site, taxes: ObjectTable, classes: Mapping[str, str], book: TaxBook
    ) -> None:
        self._site = site
        self._taxes = taxes
        self._classes = classes
        self._book = book

    def routes(self) -> list[Route]:
        listing, view, create = (known_caller(name) for name in ("list", "view", "create"))
        edit, delete = known_caller("edit"), known_caller("delete")
        operations = BatchOperations(self._create, self._update, self._delete)
        batch = Endpoint(EDIT_METHODS, lambda r: run_batch(r, operations), known_caller("batch"))
        return [
            Route(
                "/wc/v3/taxes",
                Endpoint(["GET"], self._list, listing, _LIST_PARAMS),
                Endpoint(["POST"], self._create, create, _BODY_PARAMS),
            ),
            Route(
                "/wc/v3/taxes/{id}",
                Endpoint(["GET"], self._get, view, _ITEM),
                Endpoint(EDIT_METHODS, self._update, edit, {**_ITEM, **_BODY_PARAMS}),
                Endpoint(["DELETE"], self._delete, delete, _DELETE_PARAMS),
            ),
            Route("/wc/v3/taxes/batch", batch),
            Route(
                "/wc/v3/taxes/classes",
                Endpoint(["GET"], self._list_classes, listing),
                Endpoint(
                    ["POST"], self._create_class, create, {"name": Param(_TEXT, required=True)}
                ),
            ),
            Route(
                "/wc/v3/taxes/classes/{slug:slug}",
                Endpoint(["GET"], self._get_class, view),
                Endpoint(["DELETE"], self._delete_class, delete, _FORCE),
            ),
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

    async def _create(self, request: RestRequest) -> RestResponse:
        row = self._book.create(self._with_class(request.params))
        location = {"Location": self._site.rest_url(f"taxes/{row['id']}")}
        return RestResponse(self._taxes.render(row), 201, location)

    async def _update(self, request: RestRequest) -> RestResponse:
        params = self._with_class(request.params)
        return RestResponse(self._taxes.render(self._book.update(request.id, params)))

    def _with_class(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The class must be one that the shop has at this moment."""
        known = {"class": Param({"type": "string", "enum": list(self._classes)})}
        return accept_params(params, known)

    async def _delete(self, request: RestRequest) -> RestResponse:
        if not request.params.get("force"):
            message = "Taxes do not support trashing."
            raise RestError("woocommerce_rest_trash_not_supported", message, 501)
        row = self._taxes.find(request.id)
        if row is None:
            raise RestError("woocommerce_rest_invalid_id", "Invalid resource ID.", 400)
        self._book.delete(request.id)
        return RestResponse(self._taxes.render(row))

    async def _list_classes(self, _: RestRequest) -> RestResponse:
        body = [self._render(slug, self._classes[slug]) for slug in self._classes]
        headers = {"X-WP-Total": str(len(body)), "X-WP-TotalPages": "1"}
        return RestResponse(body, headers=headers)

    async def _get_class(self, request: RestRequest) -> RestResponse:
        slug = self._known_slug(request)
        return RestResponse([self._render(slug, self._classes[slug])])

    async def _create_class(self, request: RestRequest) -> RestResponse:
        name = request.params["name"]
        slug = self._book.create_class(name)
        body = self._render(slug, name)
        location = {"Location": self._site.rest_url(f"taxes/classes/{slug}")}
        return RestResponse(_named_first(body), 201, location)

    async def _delete_class(self, request: RestRequest) -> RestResponse:
        if not request.params.get("force"):
            message = "Taxes do not support trashing."
            raise RestError("woocommerce_rest_trash_not_supported", message, 501)
        slug = self._known_slug(request)
        name = self._book.delete_class(slug)
        return RestResponse(_named_first(self._render(slug, name)))

    def _known_slug(self, request: RestRequest) -> str:
        slug = str(request.params["slug"])
        if slug not in self._classes:
            raise RestError("woocommerce_rest_tax_class_invalid_slug", "Invalid slug.", 404)
        return slug

    def _render(self, slug: str, name: str) -> dict[str, Any]:
        links = {"collection": [{"href": self._site.rest_url("taxes/classes")}]}
        return {"slug": slug, "name": name, "_links": links}


def _named_first(body: dict[str, Any]) -> dict[str, Any]:
    """Writes answer with the keys in another order than reads."""
    return {"name": body["name"], "slug": body["slug"], "_links": body["_links"]}
