"""GET /links: the pairs, page by page."""

import httpx
import pytest

from app.runtime import Runtime
from tests.api.rows import link

pytestmark = pytest.mark.anyio


async def pairs(client: httpx.AsyncClient, query: str) -> list[tuple[str, str]]:
    items = (await client.get(f"/links?{query}")).json()["items"]
    return [(item["woocommerce_id"], item["vtiger_id"]) for item in items]


async def test_pairs_are_found_by_either_side(client: httpx.AsyncClient, runtime: Runtime) -> None:
    await link(runtime, "7", "12x34")
    await link(runtime, "8", "12x35")
    await link(runtime, "7", "12x34", store="shop-fr")
    assert await pairs(client, "woocommerce_id=7&store=main") == [("7", "12x34")]
    assert await pairs(client, "vtiger_id=12x35") == [("8", "12x35")]
    assert await pairs(client, "store=shop-fr&store=main&limit=2") == [
        ("7", "12x34"),
        ("8", "12x35"),
    ]
    assert await pairs(client, "module=taxes") == []


async def test_a_pair_has_ids_as_text_and_times_in_utc(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    await link(runtime, "7", "12x34")
    body = (await client.get("/links")).json()
    [item] = body["items"]
    assert isinstance(item["id"], str)
    assert item["created_at"].endswith("Z")
    assert item["vtiger_deleted_at"] is None
    assert body["next_cursor"] is None
