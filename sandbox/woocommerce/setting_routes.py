"""/settings: the options that decide about currency, rounding, taxes and mails.

Recordings settings_* and email-settings; the definitions beside this file are those, values are the
shop's.
"""

import json
from pathlib import Path
from typing import Any, Final

from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.links import item_links
from sandbox.woocommerce.permissions import known_caller
from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.rest import EDIT_METHODS, Endpoint, RestRequest, RestResponse, Route
from sandbox.woocommerce.site import Site


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    return found


_EMAILS: Final = _read("email_settings.json")
GROUPS: Final[dict[str, dict[str, Any]]] = _EMAILS["groups"]
EMAIL_VALUES: Final[dict[str, Any]] = {key: row["value"] for key, row in _EMAILS["options"].items()}
DEFINITIONS: Final[dict[str, dict[str, Any]]] = _read("settings.json") | _EMAILS["options"]
_METHODS: Final = ("GET", "POST", "PUT", "PATCH")


class SettingRoutes:
    """Settings by group; `values` maps "group/id" to the value in force."""

    def __init__(self, site: Site, values: dict[str, Any]) -> None:
        self._site = site
        self._values = values

    def routes(self) -> list[Route]:
        listing, view = known_caller("list"), known_caller("view")
        return [
            Route("/wc/v3/settings", Endpoint(["GET"], self._groups, listing)),
            Route("/wc/v3/settings/{group:slug}", Endpoint(["GET"], self._list, listing)),
            Route(
                "/wc/v3/settings/{group:slug}/{name:slug}",
                Endpoint(["GET"], self._get, view),
                Endpoint(EDIT_METHODS, self._update, known_caller("edit")),
            ),
        ]

    async def _groups(self, request: RestRequest) -> RestResponse:
        del request
        known = {key.partition("/")[0] for key in self._values}
        return RestResponse([self._group(name) for name in GROUPS if name in known])

    def _group(self, name: str) -> dict[str, Any]:
        url = self._site.rest_url(f"settings/{name}")
        return {"id": name, **GROUPS[name], "_links": {"options": [{"href": url}]}}

    async def _list(self, request: RestRequest) -> RestResponse:
        group = request.params["group"]
        body = [self._render(key) for key in self._values if key.startswith(f"{group}/")]
        for row in body:
            del row["group_id"]
        if not body:
            message = "Invalid setting group."
            raise RestError("rest_setting_setting_group_invalid", message, 404)
        return RestResponse(body)

    async def _get(self, request: RestRequest) -> RestResponse:
        return RestResponse(self._render(self._known(request)))

    async def _update(self, request: RestRequest) -> RestResponse:
        key = self._known(request)
        value = request.params.get("value")
        choices = _choices(DEFINITIONS.get(key, {}))
        if choices and value not in choices:
            message = "An invalid setting value was passed."
            raise RestError("rest_setting_value_invalid", message, 400)
        self._values[key] = scalar_text(value)
        return RestResponse(self._render(key))

    def _known(self, request: RestRequest) -> str:
        key = f"{request.params['group']}/{request.params['name']}"
        if key not in self._values:
            raise RestError("rest_setting_setting_invalid", "Invalid setting.", 404)
        return key

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


def _choices(definition: dict[str, Any]) -> list[str]:
    """The values that a setting may have, none for free text."""
    if definition.get("type") == "checkbox":
        return ["yes", "no"]
    return list(definition.get("options", ()))
