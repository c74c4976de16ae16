"""How a call reaches the shop: addresses, JSON bodies and pages; the rooms below name the calls."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Self, TypeVar

import httpx
import orjson

from app.errors import ConfigError, InvalidInput, ResponseUnreadable, System
from app.gate import FREE_GATE, Gate
from app.json_shapes import find_list
from app.transport import Answer, Channel, ClientLimits, Request, Sleep
from app.woocommerce.answers import WOO, read_json
from app.woocommerce.auth import choose_auth
from app.woocommerce.schemas import WooPage, WooRecord, find_id

API = "wp-json/wc/v3"
PER_PAGE = 100
R = TypeVar("R", bound=WooRecord)

log = logging.getLogger(__name__)


class ShopRequests:
    """One shop behind one pool of connections. An async context manager, or call `aclose`."""

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
        """Seconds that the shop's clock is ahead of ours, by its last answer."""
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
        """Each record of a listing once, in the order of ids; rows without an id are passed over,
        for the log of the service to tell.

        A deletion meanwhile moves later rows a page up, so a smaller total sends the walk
        back by as many pages as may have moved past it. A page past the end is not asked for:
        that of orders tells a total of 0 (contract page WooCommerce §2, Paging).
        """
        ordered = {**query, "orderby": "id", "order": "asc"}
        page, last_id, total = 1, 0, 0
        while True:
            found = await self._page(kind, path, ordered | paging(page, per_page))
            gone, total = total - found.total, found.total
            if gone > 0:
                page = max(1, page - 1 - gone // per_page)
                continue
            for record in found.items:
                if int(record.id) > last_id:
                    last_id = int(record.id)
                    yield record
            if found.rows < per_page or page >= found.pages:
                return
            page += 1

    async def _find_last_change(self, path: str) -> datetime | None:
        """Of products or orders (recording orders_list_modified_after_gmt); customers have no such
        order."""
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
    """The shop's root, from an address with or without trailing slash, folder or API path."""
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise ConfigError(f"The shop's address cannot be read: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigError("The shop's address must start with https:// (or http://) and a host.")
    path = parsed.path.split("/wp-json", 1)[0].rstrip("/") + "/"
    return parsed.copy_with(path=path, query=None, fragment=None, username=None, password=None)


def record_path(collection: str, record_id: str) -> str:
    """`customers/12`; anything but a number could reach another address than was meant."""
    if find_id(record_id) is None:
        raise InvalidInput(f"“{record_id}” is no id of WooCommerce: give a whole number.", "id")
    return f"{collection}/{record_id}"


def paging(page: int, per_page: int) -> dict[str, str]:
    """1 to 100 rows a page (contract page WooCommerce §2, recording err_invalid_param)."""
    return {"page": str(page), "per_page": str(per_page)}


def parse_all(kind: type[R], data: object) -> list[R]:
    """Every record of a search; ResponseUnreadable if it is no list of records.

    Who looks for a twin must not miss one: a row that is no record spoils the answer.
    """
    return [kind.parse(row) for row in _rows(data)]


def _rows(data: object) -> list[Any]:
    rows = find_list(data)
    if rows is None:
        raise ResponseUnreadable(WOO, f"expected a list, got {type(data).__name__}")
    return rows


def _parse_each(kind: type[R], path: str, rows: Sequence[object]) -> Iterator[R]:
    """The records among the rows of a page: one that is none keeps no other from being looked
    at."""
    for place, row in enumerate(rows, start=1):
        try:
            yield kind.parse(row)
        except ResponseUnreadable as error:
            log.warning("row %s of a page of %s is passed over: %s", place, path, error)


def _header_count(answer: Answer, header: str) -> int:
    text = answer.headers.get(header, "")
    if not text.isdigit():
        raise ResponseUnreadable(WOO, f"a listing came without its {header} header")
    return int(text)
