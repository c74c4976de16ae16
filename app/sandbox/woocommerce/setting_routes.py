"""/settings: the options that decide about currency, rounding and taxes, readable.

Recordings settings_*; the definitions beside this file are those, values are the shop's.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from app.sandbox.woocommerce.errors import RestError
from app.sandbox.woocommerce.links import item_links
from app.sandbox.woocommerce.permissions import known_caller
from app.sandbox.woocommerce.rest import Endpoint, RestRequest, RestResponse, Route
from app.sandbox.woocommerce.site import Site

DEFINITIONS: Final[dict[str, dict[str, Any]]] = json.loads(
    Path(__file__).with_name("settings.json").read_text(encoding="utf-8")
)
_METHODS: Final = ("GET", "POST", "PUT", "PATCH")


class SettingRoutes:
    """GET of settings; `values` maps "group/id" to the value in force."""

    def __init__(self, site: Site, values: Mapping[str, Any]) -> None:
        self._site = site
        self._values = values

    def routes(self) -> list[Route]:
        listing, view = known_caller("list"), known_caller("view")
        return [
            Route("/wc/v3/settings/{group:slug}", Endpoint(["GET"], self._list, listing)),
            Route("/wc/v3/settings/{group:slug}/{name:slug}", Endpoint(["GET"], self._get, view)),
        ]

    async def _list(self, request: RestRequest) -> RestResponse:
        group = request.params["group"]
        body = [self._render(key) for key in self._values if key.startswith(f"{group}/")]
        if not body:
            message = "Invalid setting group."
            raise RestError("rest_setting_setting_group_invalid", message, 404)
        return RestResponse(body)

    async def _get(self, request: RestRequest) -> RestResponse:
        key = f"{request.params['group']}/{request.params['name']}"
        if key not in self._values:
            raise RestError("rest_setting_setting_invalid", "Invalid setting.", 404)
        return RestResponse(self._render(key))

    def _render(self, key: str) -> dict[str, Any]:
        group, _, name = key.partition("/")
        collection = self._site.rest_url(f"settings/{group}")
        return {
            "id": name,
            **DEFINITIONS.get(key, {"label": "", "description": "", "type": "text", "default": ""}),
            "value": self._values[key],
            "group_id": group,
            "_links": item_links(f"{collection}/{name}", collection, _METHODS),
        }
