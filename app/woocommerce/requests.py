"""Requests to a shop: addresses, authentication, JSON bodies, paging, and answers parsed into JSON
or errors."""

import asyncio
import hashlib
import hmac
import logging
import secrets
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Self, TypeVar

import httpx
import orjson
from authlib.oauth1.rfc5849.signature import construct_base_string
from authlib.oauth1.rfc5849.util import escape

from app.domain import (
    AuthRejected,
    ConfigError,
    Duplicate,
    InvalidInput,
    NotFound,
    Rejected,
    RemoteError,
    RemoteUnavailable,
    ResponseUnreadable,
    System,
)
from app.http.client import (
    FREE_GATE,
    Answer,
    Channel,
    ClientLimits,
    Gate,
    Request,
    Sleep,
    explain_code,
    refuse_status,
)
from app.parsing import NotJson, find_list, parse_json
from app.woocommerce.schemas import WooPage, WooRecord, find_id

# Answers: parsed into JSON, or into the error tree by WooCommerce's error codes.

WOO = System.WOOCOMMERCE

GONE_CODES = frozenset(
    {
        "wc_user_invalid_id",
        "woocommerce_rest_product_invalid_id",
        "woocommerce_rest_product_variation_invalid_id",
        "woocommerce_rest_shop_order_invalid_id",
        "woocommerce_rest_shop_webhook_invalid_id",
        "woocommerce_rest_invalid_id",
        "woocommerce_rest_already_trashed",
        "rest_setting_setting_invalid",
        "rest_setting_setting_group_invalid",
    }
)
DUPLICATE_CODES = frozenset(
    {
        "registration-error-email-exists",
        "registration-error-username-exists",
        "woocommerce_rest_customer_invalid_email",
        "product_invalid_sku",
        "woocommerce_rest_product_not_created",
        "woocommerce_rest_tax_class_exists",
    }
)
AUTH_STATUSES = frozenset({401, 403})


def read_json(answer: Answer, *, write: bool) -> Any:
    """The JSON of a 2xx answer. Raises from the error tree for any other answer.

    Contract page WooCommerce §2 (Errors). RemoteUnavailable and ResponseUnreadable are
    ambiguous for a write that may have been carried out; a 4xx never is.
    """
    if 200 <= answer.status < 300:
        return _read_success(answer, write=write)
    data = _find_json(answer.body)
    if answer.status not in {429, 503} and isinstance(data, Mapping) and "code" in data:
        raise read_error(data, status=answer.status, write=write)
    refuse_status(WOO, answer, write=write)
    raise _refuse_unexplained(answer)


def read_error(data: Mapping[str, Any], *, status: int, write: bool) -> RemoteError:
    """The error for an error object `{"code", "message", "data"}`, also that of a batch item.

    Recordings err_*, customers_batch_mixed_errors. The code takes precedence over the status:
    a missing record is recognised by its code only, so that a disabled plugin
    (`rest_no_route`, also 404) is not mistaken for a deletion.
    """
    code, message = str(data.get("code", "")), _explain(data)
    summary = explain_code(code, status)
    if code in GONE_CODES:
        return NotFound(WOO, message, code=code, status=status, summary=summary)
    if code in DUPLICATE_CODES:
        holder_id = _find_holder(data)
        return Duplicate(WOO, message, code=code, holder_id=holder_id, summary=summary)
    if code == "rest_no_route":
        text = f"the WooCommerce REST API is not available: {message}"
        return RemoteUnavailable(
            WOO, text, code=code, status=status, ambiguous=False, summary=summary
        )
    if status in AUTH_STATUSES:
        return AuthRejected(WOO, message, code=code, status=status, summary=summary)
    if status >= 500 and code != "woocommerce_rest_trash_not_supported":
        return RemoteUnavailable(
            WOO, message, code=code, status=status, ambiguous=write, summary=summary
        )
    return Rejected(WOO, message, code=code, status=status, summary=summary)


def _read_success(answer: Answer, *, write: bool) -> Any:
    try:
        data = parse_json(answer.body)
    except NotJson as error:
        message, summary = f"{_unreadable(answer)}: {error}", _unreadable(answer)
        raise ResponseUnreadable(WOO, message, ambiguous=write, summary=summary) from error
    if data is None:
        raise ResponseUnreadable(WOO, _unreadable(answer), ambiguous=write)
    return data


def _find_json(body: bytes) -> Any:
    """The JSON of a body; None if it is not JSON."""
    try:
        return parse_json(body)
    except NotJson:
        return None


def _explain(data: Mapping[str, Any]) -> str:
    """The message with the details of each parameter (recording err_customer_bad_billing)."""
    message = str(data.get("message", "")) or "no message"
    details = data.get("data")
    params = details.get("params") if isinstance(details, Mapping) else None
    if not isinstance(params, Mapping):
        return message
    return f"{message}: " + "; ".join(f"{name}: {text}" for name, text in params.items())


def _find_holder(data: Mapping[str, Any]) -> str | None:
    """The id of the product that has the SKU (recording err_product_duplicate_sku).

    None for e-mails and for a SKU in the trash (product_sku_of_trashed).
    """
    details = data.get("data")
    return find_id(details.get("resource_id")) if isinstance(details, Mapping) else None


def _refuse_unexplained(answer: Answer) -> RemoteError:
    """The error for a 4xx without WooCommerce's error object: that of a proxy or firewall."""
    if answer.status in AUTH_STATUSES:
        message = f"a proxy or firewall of the shop refused the request (HTTP {answer.status})"
        return AuthRejected(WOO, message, status=answer.status)
    if answer.status == 413:
        message = "a proxy or firewall of the shop found the request too large (HTTP 413)"
        return Rejected(WOO, message, status=answer.status)
    return ResponseUnreadable(WOO, _unreadable(answer), status=answer.status, ambiguous=False)


def _unreadable(answer: Answer) -> str:
    kind = answer.headers.get("content-type", "no content type")
    return f"expected JSON, got {kind}, {len(answer.body)} bytes (HTTP {answer.status})"


# Authentication: Basic over https, OAuth 1.0a over http.
#
# WooCommerce accepts Basic only for requests that it considers https (contract page WooCommerce §2,
# recordings auth_basic_plain_http and auth_oauth1_plain_http).


def choose_auth(url: httpx.URL, consumer_key: str, consumer_secret: str) -> httpx.Auth:
    """Basic for https, OAuth 1.0a for http (recordings auth_basic_https, auth_oauth1_*)."""
    if url.scheme == "https":
        return httpx.BasicAuth(consumer_key, consumer_secret)
    return OAuth1QueryAuth(consumer_key, consumer_secret)


class OAuth1QueryAuth(httpx.Auth):
    """One-legged OAuth 1.0a (HMAC-SHA256) in the query; the JSON body is not signed.

    Recordings auth_oauth1_plain_http, auth_oauth1_post_plain_http. Every attempt has its own
    nonce: a used one is refused (auth_oauth1_nonce_replay). The base string is authlib's, whose
    own client refuses plain http, supports SHA-1 only and drops JSON bodies.
    """

    def __init__(
        self,
        consumer_key: str,
        consumer_secret: str,
        *,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = secrets.token_hex,
    ) -> None:
        self._key = consumer_key
        self._signing_key = f"{escape(consumer_secret)}&".encode()
        self._clock = clock
        self._nonce = nonce

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        oauth = {
            "oauth_consumer_key": self._key,
            "oauth_nonce": self._nonce(),
            "oauth_signature_method": "HMAC-SHA256",
            "oauth_timestamp": str(int(self._clock())),
        }
        signature = self._sign(request, oauth)
        request.url = request.url.copy_merge_params(oauth | {"oauth_signature": signature})
        yield request

    def _sign(self, request: httpx.Request, oauth: dict[str, str]) -> str:
        address = str(request.url.copy_with(query=None))
        params = [*request.url.params.multi_items(), *oauth.items()]
        base = construct_base_string(request.method, address, params)
        return b64encode(hmac.digest(self._signing_key, base.encode(), hashlib.sha256)).decode()


API = "wp-json/wc/v3"
PER_PAGE = 100
R = TypeVar("R", bound=WooRecord)

log = logging.getLogger(__name__)


class ShopRequests:
    """Requests to one shop through one connection pool. An async context manager, or call
    `aclose`."""

    def __init__(
        self,
        url: str,
        *,
        consumer_key: str,
        consumer_secret: str,
        limits: ClientLimits | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
        gate: Gate = FREE_GATE,
    ) -> None:
        self._base = read_shop_url(url)
        self._channel = Channel(
            System.WOOCOMMERCE,
            limits or ClientLimits(),
            auth=choose_auth(self._base, consumer_key, consumer_secret),
            transport=transport,
            sleep=sleep,
            gate=gate,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._channel.aclose()

    @property
    def clock_skew(self) -> float | None:
        """Seconds by which the shop's clock is ahead of ours, by its last answer; None before."""
        return self._channel.clock_skew

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        request = Request("GET", self._address(path), query or {})
        return await self._channel.send(
            request, lambda answer: read_json(answer, write=False), write=False
        )

    async def _page(self, kind: type[R], path: str, query: Mapping[str, str]) -> WooPage[R]:
        def read(answer: Answer) -> WooPage[R]:
            rows = _rows(read_json(answer, write=False))
            total, pages = (_header_count(answer, f"x-wp-total{what}") for what in ("", "pages"))
            return WooPage(tuple(_parse_each(kind, path, rows)), total, pages, len(rows))

        return await self._channel.send(
            Request("GET", self._address(path), query), read, write=False
        )

    async def _count(self, path: str, query: Mapping[str, str]) -> int:
        return (await self._page(WooRecord, path, {**query, **paging(1, 1)})).total

    async def _each(
        self, kind: type[R], path: str, query: Mapping[str, str], *, per_page: int = PER_PAGE
    ) -> AsyncIterator[R]:
        """Yield each record of a listing once, by id; rows without an id are logged and skipped.

        A deletion meanwhile moves later rows towards the first page, so a smaller total makes the
        iteration return by as many pages as may have been missed. No page past the end is
        requested: that of orders reports a total of 0 (contract page WooCommerce §2, Paging).
        """
        ordered = {**query, "orderby": "id", "order": "asc"}
        page, last_id, total = 1, 0, 0
        while True:
            found = await self._page(kind, path, ordered | paging(page, per_page))
            removed, total = total - found.total, found.total
            if removed > 0:
                page = max(1, page - 1 - removed // per_page)
                continue
            for record in found.items:
                if int(record.id) > last_id:
                    last_id = int(record.id)
                    yield record
            if found.rows < per_page or page >= found.pages:
                return
            page += 1

    async def _find_last_change(self, path: str) -> datetime | None:
        """When a product or an order was last changed; None if there is none.

        Recording orders_list_modified_after_gmt; customers cannot be sorted by that."""
        latest = {"status": "any", "orderby": "modified", "order": "desc", **paging(1, 1)}
        found = list(_parse_each(WooRecord, path, _rows(await self._get(path, latest))))
        return found[0].modified_at if found else None

    async def _write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        json = None if body is None else orjson.dumps(body)
        request = Request(method, self._address(path), query or {}, json=json)
        return await self._channel.send(
            request, lambda answer: read_json(answer, write=True), write=True
        )

    def _address(self, path: str) -> httpx.URL:
        prefix = self._base.path.rstrip("/")
        return self._base.copy_with(path=f"{prefix}/{API}/{path}".rstrip("/"))


def read_shop_url(url: str) -> httpx.URL:
    """The shop's base address, from one with or without trailing slash, folder or API path.

    Raises ConfigError."""
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise ConfigError(f"The shop's address cannot be read: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigError("The shop's address must start with https:// (or http://) and a host.")
    path = parsed.path.split("/wp-json", 1)[0].rstrip("/") + "/"
    return parsed.copy_with(path=path, query=None, fragment=None, username=None, password=None)


def record_path(collection: str, record_id: str) -> str:
    """The path of a record, such as `customers/12`. Raises InvalidInput for an id that is not a
    number, since it could lead to another address."""
    if find_id(record_id) is None:
        raise InvalidInput(f"“{record_id}” is no id of WooCommerce: give a whole number.", "id")
    return f"{collection}/{record_id}"


def paging(page: int, per_page: int) -> dict[str, str]:
    """The query of a page of 1 to 100 rows (contract page WooCommerce §2, recording
    err_invalid_param)."""
    return {"page": str(page), "per_page": str(per_page)}


def parse_all(kind: type[R], data: object) -> list[R]:
    """Every record of a search; ResponseUnreadable if the data is no list, or a row no record.

    No row is skipped, since the search for a twin must not miss one.
    """
    return [kind.parse(row) for row in _rows(data)]


def _rows(data: object) -> list[Any]:
    rows = find_list(data)
    if rows is None:
        raise ResponseUnreadable(WOO, f"expected a list, got {type(data).__name__}")
    return rows


def _parse_each(kind: type[R], path: str, rows: Sequence[object]) -> Iterator[R]:
    """The records among the rows of a page; rows that cannot be parsed are logged and skipped."""
    for place, row in enumerate(rows, start=1):
        try:
            yield kind.parse(row)
        except ResponseUnreadable as error:
            log.warning("row %s of a page of %s is skipped: %s", place, path, error)


def _header_count(answer: Answer, header: str) -> int:
    text = answer.headers.get(header, "")
    if not text.isdigit():
        raise ResponseUnreadable(WOO, f"a listing came without its {header} header")
    return int(text)
