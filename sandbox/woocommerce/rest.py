"""The WordPress REST server: requests, routes, and the order in which a request is refused."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final
from urllib.parse import quote_plus

from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.php import integer
from sandbox.woocommerce.phpjson import JsonRefused, decode_json
from sandbox.woocommerce.schema import Param, accept_params

EDIT_METHODS: Final = ("POST", "PUT", "PATCH")


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One call. `params` are the arguments merged as WordPress does: body, query, URL, defaults."""

    method: str
    path: str
    base_url: str
    query: Mapping[str, Any]
    body: bytes = b""
    is_json: bool = False
    key: ApiKey | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> int:
        return integer(self.params.get("id"))

    @property
    def caller(self) -> ApiKey:
        """The key behind the request, which a permission check has seen."""
        if self.key is None:
            raise RestError("rest_not_logged_in", "You are not currently logged in.", 401)
        return self.key

    @property
    def denied_status(self) -> int:
        """403 for a caller that is known, 401 for one that is not."""
        return 403 if self.key else 401


@dataclass(frozen=True, slots=True)
class RestResponse:
    """What a handler answers; headers in the order they are sent."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[RestRequest], Awaitable[RestResponse]]
Permission = Callable[[RestRequest], None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What some methods of a route do; `permission` raises RestError to refuse."""

    methods: Sequence[str]
    handler: Handler
    permission: Permission
    params: Mapping[str, Param] = field(default_factory=dict)


class Route:
    """A path below /wp-json with its endpoints; `{name}` is a number, `{name:slug}` a slug."""

    def __init__(self, path: str, *endpoints: Endpoint) -> None:
        self.pattern = _pattern(path)
        self.endpoints = endpoints

    def match(self, path: str) -> Mapping[str, str] | None:
        found = re.fullmatch(self.pattern, path)
        return found.groupdict() if found else None

    def endpoint(self, method: str) -> Endpoint | None:
        return next((end for end in self.endpoints if method in end.methods), None)

    def allowed(self, request: RestRequest) -> str:
        """The Allow header: the methods whose permission check lets this request pass."""
        allowed = [m for end in self.endpoints if _permits(end, request) for m in end.methods]
        return ", ".join(allowed)


@cache
def _pattern(path: str) -> str:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[\\d]+)", path)
    return re.sub(r"\{(\w+):slug\}", r"(?P<\1>[\\w-]+)", pattern)


def _permits(endpoint: Endpoint, request: RestRequest) -> bool:
    try:
        endpoint.permission(request)
    except RestError:
        return False
    return True


class RestServer:
    """Dispatches a request to the route that fits; errors become envelopes with their status."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes

    async def dispatch(self, request: RestRequest) -> RestResponse:
        found = self._find(request)
        if found is None:
            return _error_response(_no_route())
        route, endpoint, url_params = found
        request = replace(request, params={**url_params, **request.query})
        try:
            request = replace(request, params=_accepted(request, endpoint))
            endpoint.permission(request)
            response = await endpoint.handler(request)
        except RestError as error:
            response = _error_response(error)
        allow = route.allowed(request)
        return _with_headers(response, {"Allow": allow} if allow else {})

    def paths(self, base_url: str) -> dict[str, Any]:
        """The routes of the index: path, methods and address."""
        return {
            route.pattern: {
                "namespace": "wc/v3",
                "methods": [method for end in route.endpoints for method in end.methods],
                "_links": {"self": [{"href": f"{base_url}/wp-json{route.pattern}"}]},
            }
            for route in self._routes
        }

    def _find(self, request: RestRequest) -> tuple[Route, Endpoint, Mapping[str, str]] | None:
        method = "GET" if request.method == "HEAD" else request.method
        for route in self._routes:
            url_params = route.match(request.path)
            endpoint = route.endpoint(method) if url_params is not None else None
            if url_params is not None and endpoint is not None:
                return route, endpoint, url_params
        return None


def _accepted(request: RestRequest, endpoint: Endpoint) -> Mapping[str, Any]:
    body = _json_params(request) if request.method in (*EDIT_METHODS, "DELETE") else {}
    return accept_params({**request.params, **body}, endpoint.params)


def _json_params(request: RestRequest) -> Mapping[str, Any]:
    if not request.is_json or not request.body:
        return {}
    try:
        decoded = decode_json(request.body)
    except JsonRefused as refusal:
        raise RestError(
            "rest_invalid_json",
            "Invalid JSON body passed.",
            400,
            json_error_code=refusal.code,
            json_error_message=str(refusal),
        ) from refusal
    return decoded if isinstance(decoded, dict) else {}


def _no_route() -> RestError:
    message = "No route was found matching the URL and request method."
    return RestError("rest_no_route", message, 404)


def _error_response(error: RestError) -> RestResponse:
    return RestResponse(error.envelope(), error.status)


def _with_headers(response: RestResponse, headers: Mapping[str, str]) -> RestResponse:
    return replace(response, headers={**response.headers, **headers})


def link(base: str, query: Mapping[str, Any], page: int) -> str:
    """A page's URL with the query as WordPress rebuilds it: values encoded, `page` in its place."""
    parts = {**query, "page": page}
    text = "&".join(f"{quote_plus(str(k))}={quote_plus(str(v))}" for k, v in parts.items())
    return f"{base}?{text}"
