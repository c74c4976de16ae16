"""What a person sees who opens the simulated systems in a browser: what they are, and records.

The addresses are those at which the real systems show a record to their own users, so that links
to them lead somewhere. No page of either system is imitated: the values are shown as the API has
them. Only this machine is answered, for a sandbox may hold a shop that somebody loaded.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sandbox.vtiger.crm import Crm
from sandbox.vtiger.refusals import Refusal
from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.rest import RestRequest, RestServer
from sandbox.woocommerce.shop import Shop

_NEAR: Final = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{border-bottom:1px solid #8886;padding:.3rem .6rem;text-align:left;vertical-align:top}"
    "th{width:14rem;font-weight:600}pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}"
)
_CRM_COUNTED: Final = {
    "Contacts": "Contacts",
    "Accounts": "Organizations",
    "Products": "Products",
    "Services": "Services",
    "SalesOrder": "Sales Orders",
}


@dataclass(frozen=True, slots=True)
class _Page:
    title: str
    lead: str
    tables: tuple[Mapping[str, Any], ...] = ()
    status: int = 200

    def response(self) -> Response:
        body = "".join(_table(rows) for rows in self.tables)
        text = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style></head>"
            f"<body><h1>{escape(self.title)}</h1><p>{escape(self.lead)}</p>{body}</body></html>"
        )
        return HTMLResponse(text, self.status, _HEADERS)


def _table(rows: Mapping[str, Any]) -> str:
    cells = (
        f"<tr><th>{escape(name)}</th><td>{_cell(value)}</td></tr>" for name, value in rows.items()
    )
    return f"<table>{''.join(cells)}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, list | dict):
        return f"<pre>{escape(json.dumps(value, indent=1, ensure_ascii=False, default=str))}</pre>"
    return escape("" if value is None else str(value))


_GONE: Final = _Page(
    "There is no such record",
    "It is not there any more, or never was.",
    status=HTTPStatus.NOT_FOUND,
)

Find = Callable[[Mapping[str, str]], Awaitable[_Page]]


class Pages:
    """The pages of one shop and one CRM, below their paths."""

    def __init__(self, shop: Shop, crm: Crm, *, shop_path: str, crm_path: str) -> None:
        self._shop = shop
        self._crm = crm
        self._key = ApiKey("", "", "read")
        self._pages: Mapping[str, Find] = {
            "/": self._index,
            shop_path: self._shop_front,
            f"{shop_path}/": self._shop_front,
            f"{shop_path}/wp-admin/": self._shop_front,
            f"{shop_path}/wp-admin/user-edit.php": self._customer,
            f"{shop_path}/wp-admin/post.php": self._post,
            f"{shop_path}/wp-admin/edit.php": self._orders_of,
            f"{shop_path}/wp-admin/admin.php": self._tax_rates,
            crm_path: self._crm_front,
            f"{crm_path}/": self._crm_front,
            f"{crm_path}/index.php": self._crm_page,
        }

    @cached_property
    def _rest(self) -> RestServer:
        return RestServer(self._shop.routes())

    async def find(self, request: Request) -> Response | None:
        """None for what is not a page, and for whoever does not call from this machine."""
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        page = self._pages.get(path)
        is_near = (request.url.hostname or "") in _NEAR
        if page is None or request.method not in {"GET", "HEAD"} or not is_near:
            return None
        if "rest_route" in request.query_params:
            return None
        return (await page(request.query_params)).response()

    async def _index(self, _query: Mapping[str, str]) -> _Page:
        lead = "A WooCommerce shop under /shop and a Vtiger CRM under /crm, simulated in memory."
        return _Page("woo-vtiger's sandbox", lead)

    async def _shop_front(self, _query: Mapping[str, str]) -> _Page:
        lead = (
            "This stands in for a shop: woo-vtiger speaks to its REST API, at wp-json/wc/v3, as to"
            " a real one. All of it is gone when the command ends."
        )
        counts = {
            "Users": len(list(self._shop.users)),
            "Products": len(list(self._shop.trade.products)),
            "Orders": len(list(self._shop.trade.orders)),
        }
        return _Page("A simulated WooCommerce shop", lead, (counts,))

    async def _crm_front(self, _query: Mapping[str, str]) -> _Page:
        lead = (
            "This stands in for a CRM: woo-vtiger speaks to its web service as to a real one. All"
            " of it is gone when the command ends."
        )
        counts = {label: len(self._crm.records(name)) for name, label in _CRM_COUNTED.items()}
        return _Page("A simulated Vtiger CRM", lead, (counts,))

    async def _customer(self, query: Mapping[str, str]) -> _Page:
        number = query.get("user_id", "")
        return await self._first(f"Customer {number}", [f"customers/{number}"])

    async def _post(self, query: Mapping[str, str]) -> _Page:
        number = query.get("post", "")
        above = [
            f"products/{row['parent_id']}/variations/{number}"
            for row in self._shop.trade.variations
            if str(row["id"]) == number
        ]
        return await self._first(
            f"Post {number}", [f"orders/{number}", *above, f"products/{number}"]
        )

    async def _orders_of(self, query: Mapping[str, str]) -> _Page:
        """A guest's orders, by the billing address."""
        email = query.get("s", "")
        ids = [str(o.id) for o in self._shop.trade.orders if o.billing["email"] == email]
        found = [row for number in ids if (row := await self._read(f"orders/{number}"))]
        return _shown(f"Orders of {email}", found)

    async def _tax_rates(self, _query: Mapping[str, str]) -> _Page:
        return _shown("Tax rates", await self._read("taxes") or [])

    async def _crm_page(self, query: Mapping[str, str]) -> _Page:
        module = query.get("module", "")
        if query.get("view") == "TaxIndex":
            return _shown("Taxes", self._crm.records("Tax"))
        if "record" not in query:
            return await self._crm_front(query)
        found = self._crm.database.modules.get(module)
        if found is None:
            return _GONE
        try:
            record = self._crm.record(f"{found.prefix}x{query['record']}")
        except Refusal:
            return _GONE
        return _shown(f"{_CRM_COUNTED.get(module, module)} {query['record']}", [record])

    async def _first(self, title: str, paths: Iterable[str]) -> _Page:
        for path in paths:
            if record := await self._read(path):
                return _shown(title, [record])
        return _GONE

    async def _read(self, path: str) -> Any:
        """What the REST API has there; None where it has nothing."""
        request = RestRequest("GET", f"/wc/v3/{path}", self._shop.site.base_url, {}, key=self._key)
        answer = await self._rest.dispatch(request)
        return answer.body if answer.status == HTTPStatus.OK else None


def _shown(title: str, records: Iterable[Mapping[str, Any]]) -> _Page:
    tables = tuple({k: v for k, v in record.items() if k != "_links"} for record in records)
    return _Page(title, "As the simulated system's API has it.", tables) if tables else _GONE
