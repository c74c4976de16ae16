"""The lab the order recordings were made in, rebuilt record by record so that every id is the same.

Recordings: order-exchanges (one exchange a line), sales-orders and sales-orders-setup.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sandbox.vtiger.crm import Crm, CustomFields
from sandbox.vtiger.schema import CustomField
from tests.sandbox.vtiger.webservice import (
    RECORDINGS,
    Clock,
    Exchange,
    Refused,
    WebService,
    exchange_of,
)

ORDER_FIELDS: CustomFields = {"SalesOrder": [CustomField("cf_857", "Woo Order Id")]}
NO_FIELDS: CustomFields = {}
ORDER = {
    "subject": "S",
    "sostatus": "Created",
    "account_id": "11x2",
    "bill_street": "b",
    "ship_street": "s",
    "invoicestatus": "Created",
    "productid": "14x3",
    "currency_id": "21x1",
    "conversion_rate": "1",
}
ITEM = {"productid": "14x3", "quantity": "2", "listprice": "10", "tax1": "20"}
OTHER = {"productid": "26x4", "quantity": "1", "listprice": "5", "tax1": "20"}
_VOLATILE = ("createdtime", "modifiedtime", "salesorder_no", "product_no", "hdnProductcode")
_IDS = ("id", "hdnProductId")


@dataclass(frozen=True)
class Case:
    """One of the 250 random orders; `create` and `retrieve` are the recorded bodies."""

    number: int
    user: str
    element: dict[str, Any]
    create: dict[str, Any]
    retrieve: dict[str, Any] | None


def random_orders() -> list[Case]:
    return [
        Case(raw["case"], raw["user"], raw["element"], raw["create"], raw["retrieve"])
        for raw in _lines("sales-orders")
    ]


def setup_data() -> dict[str, Any]:
    path = RECORDINGS / "sales-orders-setup.json"
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


@cache
def exchanges() -> dict[str, Exchange]:
    return {raw["name"]: exchange_of(raw["name"], raw) for raw in _lines("order-exchanges")}


def _lines(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(RECORDINGS / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def steady(value: Any, *, ids: bool = True) -> Any:
    """An answer without its times and numbers and, unless `ids`, without the ids of records."""
    if isinstance(value, dict):
        return {
            key: steady(item, ids=ids)
            for key, item in value.items()
            if not key.startswith(_VOLATILE) and (ids or not key.startswith(_IDS))
        }
    return [steady(item, ids=ids) for item in value] if isinstance(value, list) else value


class Lab:
    """A CRM with a client for each of its two users: 2 decimals for admin, 5 for apiuser."""

    def __init__(self, custom_fields: CustomFields = NO_FIELDS) -> None:
        self.crm = Crm(custom_fields=custom_fields, clock=Clock())
        self.admin = WebService(self.crm)
        self.api = WebService(self.crm)

    async def open(self) -> "Lab":
        await self.admin.login("admin")
        await self.api.login("apiuser")
        return self

    async def until(self, number: int) -> None:
        """Records nobody asks for, until the next one has this number."""
        last = 0
        while last < number - 1:
            ws_id = await self.crm.ui_create("Contacts", {"lastname": "filling"})
            last = int(ws_id.partition("x")[2])

    async def taxes(self, **rates: str) -> None:
        """TVA 5.5% is tax4, TVA 7% tax5."""
        for label, rate in {"TVA 5.5%": "5.6", "TVA 7%": "7"}.items():
            await self.admin.create("Tax", taxlabel=label, percentage=rates.get(label, rate))

    async def replay(self, exchange: Exchange, service: WebService | None = None) -> Any:
        """The answer to the recorded request: its JSON, or its text where that is none."""
        answer = await (service or self.admin).replay(exchange)
        assert answer.status_code == exchange.status, exchange.name
        return answer.json() if exchange.body else answer.text

    async def check(self, name: str, *, ids: bool = True, service: WebService | None = None) -> Any:
        """Sends a recorded request and compares the whole answer with the recorded one."""
        exchange = exchanges()[name]
        answer = await self.replay(exchange, service)
        expected = exchange.body or exchange.text
        assert steady(answer, ids=ids) == steady(expected, ids=ids), name
        return answer


async def outcome(service: WebService, module: str, element: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a create, in the shape of the random orders' recordings."""
    try:
        return {"success": True, "result": await service.create(module, **element)}
    except Refused as refused:
        return {"success": None, "http_status": refused.status, "body_text": refused.text}


def renamed(exchange: Exchange, old: str, new: str) -> Exchange:
    """The same request for another record."""
    form = {key: value.replace(old, new) for key, value in exchange.form.items()}
    url = {key: value.replace(old, new) for key, value in exchange.url.items()}
    return replace(exchange, form=form, url=url)


def order(*lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An element for what the fixture `seller` sells."""
    return {**ORDER, "LineItems": list(lines or (ITEM, OTHER)), **fields}


async def stored(seller: WebService, **fields: Any) -> str:
    """The id of such an order, created."""
    ws_id: str = (await seller.create("SalesOrder", **order(**fields)))["id"]
    return ws_id


async def read(service: WebService, ws_id: str) -> Any:
    return await service.get("retrieve", id=ws_id)
