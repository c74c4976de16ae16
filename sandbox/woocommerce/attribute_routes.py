"""/products/attributes: the attributes that a shop's products share. Recording
product_attribute_create."""

from typing import Any, Final

from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.links import ALL_METHODS, item_links
from sandbox.woocommerce.permissions import known_caller
from sandbox.woocommerce.rest import Endpoint, RestRequest, RestResponse, Route
from sandbox.woocommerce.schema import Param
from sandbox.woocommerce.site import Site
from sandbox.woocommerce.slugs import slug_of

_PATH: Final = "/wc/v3/products/attributes"
_TEXT: Final = {"type": "string"}
_CREATE_PARAMS: Final = {
    "name": Param(_TEXT, required=True, parsed=True),
    "slug": Param(_TEXT),
}


class AttributeRoutes:
    """List, read and create; `attributes` are id -> name and slug."""

    def __init__(self, site: Site, attributes: dict[int, tuple[str, str]]) -> None:
        self._site = site
        self._attributes = attributes

    def routes(self) -> list[Route]:
        return [
            Route(
                _PATH,
                Endpoint(["GET"], self._list, known_caller("list")),
                Endpoint(["POST"], self._create, known_caller("create"), _CREATE_PARAMS),
            ),
            Route(f"{_PATH}/{{id}}", Endpoint(["GET"], self._get, known_caller("view"))),
        ]

    async def _list(self, _: RestRequest) -> RestResponse:
        return RestResponse([self._render(key) for key in self._attributes])

    async def _get(self, request: RestRequest) -> RestResponse:
        if request.id not in self._attributes:
            message = "Resource does not exist."
            raise RestError("woocommerce_rest_taxonomy_invalid", message, 404)
        return RestResponse(self._render(request.id))

    async def _create(self, request: RestRequest) -> RestResponse:
        name = request.params["name"]
        slug = (request.params.get("slug") or slug_of(name)).removeprefix("pa_")
        attribute_id = max(self._attributes, default=0) + 1
        self._attributes[attribute_id] = name, f"pa_{slug}"
        location = {"Location": self._site.rest_url(f"products/attributes/{attribute_id}")}
        return RestResponse(self._render(attribute_id), 201, location)

    def _render(self, attribute_id: int) -> dict[str, Any]:
        name, slug = self._attributes[attribute_id]
        url = self._site.rest_url("products/attributes")
        return {
            "id": attribute_id,
            "name": name,
            "slug": slug,
            "type": "select",
            "order_by": "menu_order",
            "has_archives": False,
            "_links": item_links(f"{url}/{attribute_id}", url, ALL_METHODS),
        }
