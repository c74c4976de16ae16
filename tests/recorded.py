"""The recorded exchanges and deliveries of the real systems that the clients are held to."""

import base64
import gzip
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.setting import WEBHOOK_SECRET

FOLDER = Path(__file__).parent / "recordings" / "clients"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it was sent, and the answer as it came."""

    name: str
    method: str
    url: httpx.URL
    sent: Any
    status: int
    headers: list[tuple[str, str]]
    content: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.content)

    def answer(self) -> httpx.Response:
        return httpx.Response(self.status, headers=self.headers, content=self.content)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook or callback as it arrived."""

    name: str
    headers: Mapping[str, str]
    body: bytes
    secret: str = ""


def signed(name: str, body: Mapping[str, Any], *, topic: str) -> Delivery:
    """A body as the shop would send it, with the secret that the recorded deliveries have."""
    raw = orjson.dumps(body)
    digest = hmac.new(WEBHOOK_SECRET.encode(), raw, hashlib.sha256).digest()
    headers = {
        "content-type": "application/json",
        "x-wc-webhook-topic": topic,
        "x-wc-webhook-id": "2",
        "x-wc-webhook-signature": base64.b64encode(digest).decode(),
    }
    return Delivery(name, headers, raw)


@cache
def exchanges(system: str) -> Mapping[str, Exchange]:
    rows = map(_exchange, _rows(f"{system}-exchanges"))
    return {exchange.name: exchange for exchange in rows}


@cache
def deliveries(file: str) -> Mapping[str, Delivery]:
    rows = map(_delivery, _rows(file))
    return {delivery.name: delivery for delivery in rows}


def _rows(name: str) -> list[dict[str, Any]]:
    lines = gzip.decompress((FOLDER / f"{name}.jsonl.gz").read_bytes()).splitlines()
    return [orjson.loads(line) for line in lines]


def _exchange(row: dict[str, Any]) -> Exchange:
    request, response = row["request"], row["response"]
    body, text = response["body"], response.get("text")
    return Exchange(
        name=row["name"],
        method=request["method"],
        url=httpx.URL(request["url"]),
        sent=request.get("form") or request.get("body"),
        status=response["status"],
        headers=[(name, value) for name, value in response["headers"]],
        content=orjson.dumps(body) if body is not None else (text or "").encode(),
    )


def _delivery(row: dict[str, Any]) -> Delivery:
    headers = row["headers"]
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Delivery(
        name=row["name"],
        headers={name.lower(): value for name, value in pairs},
        body=row["body"].encode(),
        secret=row.get("webhook_secret", ""),
    )
