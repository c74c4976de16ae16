"""A month of a real shop: what it sent, in order, and the state it ended in."""

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import orjson

from sandbox.woocommerce.shopdata import ShopData, check_shop_data

FOLDER = Path(__file__).parent.parent / "recordings" / "woocommerce"


@dataclass(frozen=True, slots=True)
class Sent:
    """One webhook as it was posted."""

    number: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def resource(self) -> str:
        return dict(self.headers).get("X-WC-Webhook-Resource", "")

    @property
    def order_id(self) -> str | None:
        return str(orjson.loads(self.body).get("id")) if self.resource == "order" else None


@cache
def month_deliveries() -> tuple[Sent, ...]:
    lines = gzip.decompress((FOLDER / "month-deliveries.jsonl.gz").read_bytes()).splitlines()
    return tuple(_sent(orjson.loads(line)) for line in lines)


def _sent(row: dict[str, Any]) -> Sent:
    headers = tuple((name, value) for name, value in row["headers"] if name != "Host")
    return Sent(row["n"], headers, row["body"].encode())


def month_end(*, every: int = 1) -> ShopData:
    """The shop as it was when all had been sent, with all its orders or each so manieth."""
    data = orjson.loads(gzip.decompress((FOLDER / "month-final-state.json.gz").read_bytes()))
    data["orders"] = data["orders"][::every]
    kept = {str(order["id"]) for order in data["orders"]}
    data["refunds"] = {key: rows for key, rows in data["refunds"].items() if key in kept}
    return check_shop_data({name: part for name, part in data.items() if name != "older"})


def stream(*, seed: int | None = None, doubled: bool = False, every: int = 1) -> list[Sent]:
    """The deliveries in order, shuffled or doubled; with `every` those of so many orders, and of
    all else as few."""
    kept = {str(order["id"]) for order in month_end(every=every).orders}
    few = [
        sent
        for sent in month_deliveries()
        if (sent.order_id in kept if sent.order_id else sent.number % every == 0)
    ]
    chosen = [sent for sent in few for _ in range(2 if doubled else 1)]
    if seed is not None:
        Random(seed).shuffle(chosen)
    return chosen
