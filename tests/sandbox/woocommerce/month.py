"""Living through a recorded month: every call in its order, and what the real shop sent of it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from sandbox.woocommerce.orders import Order
from sandbox.woocommerce.shopdata import ShopData, check_shop_data
from sandbox.woocommerce.storefront import Purchase
from tests.sandbox.woocommerce.shopfront import Front, read_month, read_recordings

BASE = "https://127.0.0.1:8082/"
TOPICS = (
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "product.created",
    "product.updated",
    "product.deleted",
    "order.created",
    "order.updated",
    "order.deleted",
    "product.restored",
    "order.restored",
    "coupon.created",
    "action.woocommerce_tax_rate_added",
    "action.woocommerce_tax_rate_updated",
    "action.woocommerce_tax_rate_deleted",
)
# Ids that the recorded shop had used up before its month.
USED_IDS = {"posts": 405, "rates": 14, "users": 207}
PARKED_RATE = 2
CRON_GAP_S = 30.0
PAYMENT_TITLES = {"bacs": "Virement", "cod": "COD"}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    topic: str
    body: Row

    @property
    def key(self) -> tuple[str, Any]:
        body = self.body
        return self.topic, body.get("id", body.get("arg", body.get("code")))


@dataclass(slots=True)
class Flush:
    """One run of the shop's queue: what the recording and what the sandbox sent."""

    recorded: list[Delivery]
    sent: list[Delivery]


@dataclass(slots=True)
class Outcome:
    flushes: list[Flush] = field(default_factory=list)
    statuses: list[tuple[int, int, int]] = field(default_factory=list)

    def pairs(self) -> Iterator[tuple[Delivery, Delivery]]:
        """Each recorded delivery with the sandbox's of the same topic and id."""
        for flush in self.flushes:
            sent = {delivery.key: delivery for delivery in flush.sent}
            for recorded in flush.recorded:
                if recorded.key in sent:
                    yield recorded, sent[recorded.key]


def first_state() -> ShopData:
    """The shop before its month: the rates it had, and nothing else."""
    month = read_month()
    rates = [rate for rate in month["taxes"] if rate["id"] <= USED_IDS["rates"]]
    for rate in rates:
        if rate["id"] == PARKED_RATE:
            rate["country"] = "MQ"
    kept = {"taxes": rates, "tax_classes": month["tax_classes"], "settings": month["settings"]}
    return check_shop_data(kept)


def recorded_deliveries() -> list[tuple[float, Delivery]]:
    rows = (row for row in read_recordings("month-deliveries.jsonl.gz") if row["n"] > 1)
    return [
        (
            row["received_at"],
            Delivery(dict(row["headers"])["X-WC-Webhook-Topic"], json.loads(row["body"])),
        )
        for row in rows
    ]


def _events() -> list[Row]:
    """Operations and runs of the queue; WP-Cron also ran before wp-admin pages and in pauses."""
    rows = list(read_recordings("month-operations.jsonl.gz"))
    events: list[Row] = []
    for row, following in pairwise([*rows, {"t": rows[-1]["t"]}]):
        events.append(row)
        has_run = "method" not in row
        paused = following["t"] - row["t"] > CRON_GAP_S and not has_run
        if paused or following.get("method") == "ADMIN":
            events.append({"flush": "by itself", "t": row["t"] + 0.01})
    return events


class Month:
    """The replay on one shop; `run` goes through all of it."""

    def __init__(self, front: Front | None = None) -> None:
        self.front = front or Front(first_state())
        self._trade = self.front.shop.trade
        self._deliveries = recorded_deliveries()
        self._cart: list[tuple[int, int]] = []
        self._checkout: Order | None = None

    async def run(self) -> Outcome:
        await self.front.subscribe(*TOPICS)
        self._skip_used_ids()
        outcome, events = Outcome(), _events()
        ends = [event["t"] for event in events if "method" not in event]
        ends = [*ends[1:], float("inf")]
        for event in events:
            self.front.clock.now = datetime.fromtimestamp(event["t"], UTC)
            if "method" in event:
                await self._do(event, outcome)
            else:
                outcome.flushes.append(await self._flush(ends.pop(0)))
        return outcome

    def _skip_used_ids(self) -> None:
        self._trade.post_ids.skip(USED_IDS["posts"])
        while self._trade.taxes.new_id() < USED_IDS["rates"]:
            pass
        self.front.shop.users.ids.skip(USED_IDS["users"])
        orders = [d.body for _, d in self._deliveries if "line_items" in d.body]
        first = min(line["id"] for order in orders for line in order["line_items"])
        self._trade.orders.item_ids.skip(first - 1)

    async def _flush(self, until: float) -> Flush:
        recorded = []
        while self._deliveries and self._deliveries[0][0] < until:
            recorded.append(self._deliveries.pop(0)[1])
        await self.front.flushed()
        requests = self.front.receiver.requests
        return Flush(
            recorded, [_delivery(request.headers, request.content) for request in requests]
        )

    async def _do(self, event: Row, outcome: Outcome) -> None:
        method, path = event["method"], event["path"]
        if method == "PHP":
            self._restore_or_trash(path)
        elif method == "ADMIN":
            self._add_order(event)
        elif path.startswith("store/"):
            self._shop(event)
        elif not path.startswith("/webhooks"):
            await self._call(event, outcome)

    async def _call(self, event: Row, outcome: Outcome) -> None:
        if event["method"] == "POST" and event["path"] in ("/orders", "/products"):
            self._trade.post_ids.skip(event["id"] - 1)
        answer = await self.front.api.request(
            event["method"], event["path"], json=event.get("request")
        )
        outcome.statuses.append((event["seq"], event["status"], answer.status_code))

    def _restore_or_trash(self, code: str) -> None:
        admin, number = self.front.shop.admin, re.search(r"\((\d+)\)", code)
        if "untrash()" in code and number:
            admin.restore_order(int(number[1]))
        elif number:
            admin.restore_product(int(number[1]))
        else:
            admin.trash_page()

    def _add_order(self, event: Row) -> None:
        order = next(d.body for _, d in self._deliveries if d.key == ("order.created", event["id"]))
        self.front.shop.admin.create_order(
            customer_id=order["customer_id"], billing=order["billing"], status="processing"
        )

    def _shop(self, event: Row) -> None:
        storefront, form = self.front.shop.storefront, event["request"]
        if event["path"].endswith("v1/cart"):
            self._cart = []
        elif event["path"].endswith("add-item"):
            if event["status"] == 201:
                self._cart.append((form["id"], form["quantity"]))
        elif event["method"] == "GET":
            self._checkout = storefront.open_checkout(self._cart)
        elif self._checkout is not None:
            storefront.place(
                self._checkout, _purchase(form), create_account=form.get("create_account", False)
            )


def _purchase(form: Row) -> Purchase:
    return Purchase(
        billing=form["billing_address"],
        shipping=form["shipping_address"],
        payment_method=form["payment_method"],
        payment_method_title=PAYMENT_TITLES[form["payment_method"]],
        customer_note=form["customer_note"],
    )


def _delivery(headers: Any, content: bytes) -> Delivery:
    text = content.decode().replace("https:\\/\\/shop.example\\/", BASE.replace("/", "\\/"))
    return Delivery(headers["X-WC-Webhook-Topic"], json.loads(text))
