"""The shop as an ASGI application: WordPress around the REST server."""

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.faults import FaultMiddleware, Faults
from sandbox.woocommerce.auth import Authenticator, Call, check_permission
from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.phpjson import encode_json
from sandbox.woocommerce.rest import RestRequest, RestResponse, RestServer
from sandbox.woocommerce.shop import Shop

_API: Final = "/wp-json"
_FIXED_HEADERS: Final = {
    "Content-Type": "application/json; charset=UTF-8",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Expose-Headers": "X-WP-Total, X-WP-TotalPages, Link",
    "Access-Control-Allow-Headers": (
        "Authorization, X-WP-Nonce, Content-Disposition, Content-MD5, Content-Type"
    ),
}
_KNOWN_CALLER_HEADERS: Final = {
    "Expires": "Wed, 11 Jan 1984 05:00:00 GMT",
    "Cache-Control": "no-cache, must-revalidate, max-age=0, no-store, private",
}


def create_shop_app(
    shop: Shop,
    *,
    credentials: Iterable[ApiKey],
    tls: bool | None = None,
    faults: Faults | None = None,
) -> ASGIApp:
    """The application of one shop; mount it under any root path.

    `tls` says whether WordPress takes requests for https (Basic authentication needs it); None
    goes by the scheme and X-Forwarded-Proto. `faults` makes chosen requests fail.
    """
    app = _ShopApp(shop, credentials, tls)
    return app if faults is None else FaultMiddleware(app, faults)


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A request with what WordPress makes of its address."""

    request: Request
    path: str
    base_url: str
    query: dict[str, Any]
    is_tls: bool


class _ShopApp:
    def __init__(self, shop: Shop, credentials: Iterable[ApiKey], tls: bool | None) -> None:
        self._shop = shop
        self._server = RestServer(shop.routes())
        self._authenticator = Authenticator(credentials, shop.site.wall_time)
        self._tls = tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        arrival = self._arrival(Request(scope, receive))
        self._shop.site.base_url = arrival.base_url
        if arrival.path == "/wp-cron.php":
            await self._shop.webhooks.flush()
            await _send(send, 200, {"Content-Type": "text/html; charset=UTF-8"}, b"")
        elif arrival.path == _API or arrival.path.startswith(f"{_API}/"):
            await self._answer(arrival, send)
        else:
            await _send(send, 404, {"Content-Type": "text/html; charset=UTF-8"}, b"Not Found")

    def _arrival(self, request: Request) -> _Arrival:
        root = request.scope.get("root_path", "")
        is_tls = self._tls if self._tls is not None else _is_tls(request)
        host = request.headers.get("host", "localhost")
        query = parse_query(request.url.query)
        path = request.scope["path"].removeprefix(root)
        if "rest_route" in query:
            path = f"{_API}{query.pop('rest_route')}"
        base_url = f"{'https' if is_tls else 'http'}://{host}{root}"
        return _Arrival(request, path, base_url, query, is_tls)

    async def _answer(self, arrival: _Arrival, send: Send) -> None:
        body = await arrival.request.body()
        key: ApiKey | None = None
        try:
            key = self._authenticator.authenticate(_call(arrival))
            if key is not None:
                check_permission(key, arrival.request.method)
        except RestError as error:
            response = RestResponse(error.envelope(), error.status)
        else:
            response = await self._dispatch(arrival, body, key)
        headers = {
            **_FIXED_HEADERS,
            "Link": f'<{arrival.base_url}{_API}/>; rel="https://api.w.org/"',
            **response.headers,
            **(_KNOWN_CALLER_HEADERS if key else {"Vary": "Origin"}),
        }
        content = encode_json(_chosen_fields(response.body, arrival.query))
        is_head = arrival.request.method == "HEAD"
        await _send(send, response.status, headers, b"" if is_head else content)

    async def _dispatch(self, arrival: _Arrival, body: bytes, key: ApiKey | None) -> RestResponse:
        path = arrival.path.removeprefix(_API).rstrip("/")
        index = self._index(path)
        if index is not None:
            return RestResponse(index)
        content_type = arrival.request.headers.get("content-type", "")
        return await self._server.dispatch(
            RestRequest(
                method=arrival.request.method,
                path=path,
                base_url=arrival.base_url,
                query=arrival.query,
                body=body,
                is_json="json" in content_type.lower(),
                key=key,
            )
        )

    def _index(self, path: str) -> dict[str, Any] | None:
        site = self._shop.site
        if path == "":
            return {
                "name": "Sandbox shop",
                "description": "",
                "url": site.base_url,
                "home": site.base_url,
                "timezone_string": str(site.timezone),
                "namespaces": ["oembed/1.0", "wc/v3", "wp/v2"],
                "authentication": {},
                "routes": self._server.paths(site.base_url),
            }
        if path == "/wc/v3":
            routes = self._server.paths(site.base_url)
            up = [{"href": f"{site.base_url}{_API}/"}]
            return {"namespace": "wc/v3", "routes": routes, "_links": {"up": up}}
        return None


def _is_tls(request: Request) -> bool:
    forwarded = request.headers.get("x-forwarded-proto", "")
    return (forwarded or request.url.scheme) == "https"


def _call(arrival: _Arrival) -> Call:
    return Call(
        method=arrival.request.method,
        url=f"{arrival.base_url}{arrival.path}",
        query=arrival.query,
        authorization=arrival.request.headers.get("authorization", ""),
        is_tls=arrival.is_tls,
    )


def parse_query(text: str) -> dict[str, Any]:
    """A query as PHP reads it: `a[]=1&a[]=2` is a list, `a[x]=1` an object."""
    query: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        base, bracket, rest = name.partition("[")
        if not bracket:
            query[base] = value
            continue
        group = query.get(base)
        items: MutableMapping[str, Any] = group if isinstance(group, dict) else {}
        key = rest.rstrip("]")
        items[key or str(len(items))] = value
        query[base] = items
    return {name: _listed(value) for name, value in query.items()}


def _listed(value: Any) -> Any:
    if isinstance(value, dict) and list(value) == [str(index) for index in range(len(value))]:
        return list(value.values())
    return value


def _chosen_fields(body: Any, query: dict[str, Any]) -> Any:
    fields = query.get("_fields")
    if not fields:
        return body
    names = {name.strip() for name in (fields.split(",") if isinstance(fields, str) else fields)}
    if isinstance(body, list):
        return [{k: v for k, v in item.items() if k in names} for item in body]
    return {key: value for key, value in body.items() if key in names}


async def _send(send: Send, status: int, headers: dict[str, str], content: bytes) -> None:
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    raw.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})
