"""A month of a real shop: what it sent, in order, and the state it ended in."""

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from app.sandbox.woocommerce import ShopData
from app.sandbox.woocommerce.shopdata import check_shop_data

FOLDER = Path(__file__).parent.parent / "recordings" / "woocommerce"


@dataclass(frozen=True, slots=True)
class Sent:
    """One webhook as it was posted."""

    number: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@cache
def month_deliveries() -> tuple[Sent, ...]:
    lines = gzip.decompress((FOLDER / "month-deliveries.jsonl.gz").read_bytes()).splitlines()
    return tuple(_sent(orjson.loads(line)) for line in lines)


def _sent(row: dict[str, Any]) -> Sent:
    headers = tuple((name, value) for name, value in row["headers"] if name != "Host")
    return Sent(row["n"], headers, row["body"].encode())


def month_end() -> ShopData:
    """The shop as it was when all had been sent."""
    data = orjson.loads(gzip.decompress((FOLDER / "month-final-state.json.gz").read_bytes()))
    return check_shop_data({name: part for name, part in data.items() if name != "older"})
