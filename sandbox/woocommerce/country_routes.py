"""/data/countries: the countries and states that WooCommerce knows (recording data_countries).

The facts are those of `countries.json`, the copy that the service ships; no code is shared.
"""

import json
from pathlib import Path
from typing import Any, Final

import app
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.links import item_links
from sandbox.woocommerce.permissions import known_caller
from sandbox.woocommerce.rest import Endpoint, RestRequest, RestResponse, Route
from sandbox.woocommerce.site import Site

_FILE: Final = Path(app.__file__).parent / "woocommerce" / "countries.json"
_COUNTRIES: Final[dict[str, dict[str, Any]]] = json.loads(_FILE.read_text(encoding="utf-8"))[
    "countries"
]


class CountryRoutes:
    """The whole list, or one country by its code in any case."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [
            Route("/wc/v3/data/countries", Endpoint(["GET"], self._list, known_caller("list"))),
            Route(
                "/wc/v3/data/countries/{code:slug}",
                Endpoint(["GET"], self._get, known_caller("list")),
            ),
        ]

    async def _list(self, _: RestRequest) -> RestResponse:
        return RestResponse([self._render(code) for code in _COUNTRIES])

    async def _get(self, request: RestRequest) -> RestResponse:
        code = str(request.params["code"]).upper()
        if code not in _COUNTRIES:
            message = "There are no locations matching these parameters."
            raise RestError("woocommerce_rest_data_invalid_location", message, 404)
        return RestResponse(self._render(code))

    def _render(self, code: str) -> dict[str, Any]:
        country, collection = _COUNTRIES[code], self._site.rest_url("data/countries")
        states = [{"code": _php_key(k), "name": name} for k, name in country["states"].items()]
        links = item_links(f"{collection}/{code.lower()}", collection, ("GET",))
        return {"code": code, "name": country["name"], "states": states, "_links": links}


def _php_key(key: str) -> str | int:
    """PHP makes a number of an array's key that looks like one."""
    return int(key) if key.isdigit() and str(int(key)) == key else key
