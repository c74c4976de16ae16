"""What a real shop sent, posted as it came: answered as the contract says, stored or duplicate.

Recordings: hook_* (signed deliveries and a ping), and the 1,221 of a shop's month.
"""

import gzip
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import httpx
import orjson
import pytest
from sqlalchemy import text

from app.runtime import Runtime
from app.woocommerce.webhook_delivery import ACTIONS, MODULES
from tests.api.calls import HOOKS
from tests.recorded import Delivery
from tests.recorded import deliveries as recorded

pytestmark = pytest.mark.anyio

MONTH = Path(__file__).parents[1] / "recordings" / "woocommerce" / "month-deliveries.jsonl.gz"
HOP_BY_HOP = frozenset({"host", "connection", "content-length"})


def month() -> list[Delivery]:
    rows = map(orjson.loads, gzip.decompress(MONTH.read_bytes()).splitlines())
    return [
        Delivery(
            name=str(row["n"]),
            headers={name.lower(): value for name, value in row["headers"]},
            body=row["body"].encode(),
        )
        for row in rows
    ]


async def post(client: httpx.AsyncClient, delivery: Delivery) -> httpx.Response:
    headers = {name: v for name, v in delivery.headers.items() if name not in HOP_BY_HOP}
    return await client.post(HOOKS, content=delivery.body, headers=headers)


def is_envelope(delivery: Delivery) -> bool:
    body = orjson.loads(delivery.body)
    return "id" not in body and "code" in body


def is_synced(delivery: Delivery) -> bool:
    resource, _, action = delivery.headers.get("x-wc-webhook-topic", "").partition(".")
    return resource in MODULES or (resource == "action" and action in ACTIONS)


def wanted(delivery: Delivery, seen: Mapping[str, int]) -> int:
    if not is_synced(delivery):  # the ping among them
        return 200
    return 200 if is_envelope(delivery) or seen.get(key(delivery)) else 202


def key(delivery: Delivery) -> str:
    headers = delivery.headers
    named = headers.get("x-wc-webhook-id", ""), headers.get("x-wc-webhook-topic", "")
    return "\n".join((*named, delivery.body.decode()))


async def stored(runtime: Runtime) -> Counter[str]:
    found = text("SELECT coalesce(module, 'none'), 1 + duplicates FROM deliveries")
    async with runtime.sessions() as session:
        rows = (await session.execute(found)).all()
    counts: Counter[str] = Counter()
    for module, number in rows:
        counts[module] += number
    return counts


STREAMS = {
    "hooks": (list(recorded("woocommerce-hooks").values()), 42),
    "month": (month(), 1221),
}


@pytest.mark.parametrize("stream", list(STREAMS))
async def test_a_real_shops_deliveries_are_taken_in_whole(
    stranger: httpx.AsyncClient, runtime: Runtime, stream: str
) -> None:
    deliveries, number = STREAMS[stream]
    assert len(deliveries) == number
    seen: Counter[str] = Counter()
    for delivery in deliveries:
        response = await post(stranger, delivery)
        assert response.status_code == wanted(delivery, seen), delivery.name
        duplicate = response.json().get("duplicate", False)
        assert duplicate == (is_synced(delivery) and seen[key(delivery)] > 0), delivery.name
        seen[key(delivery)] += 1
    counts = await stored(runtime)
    assert counts.total() == sum(map(is_synced, deliveries))
    assert {"contacts", "products", "sales_orders", "taxes"} == set(counts)
