"""GET /metrics: what was counted here, and the state that all processes share."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.runtime import Runtime
from tests.api.calls import problem, send_hook
from tests.api.rows import hint, settled_hint

pytestmark = pytest.mark.anyio

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def figures(client: httpx.AsyncClient) -> Figures:
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_strangers_are_told_nothing(stranger: httpx.AsyncClient) -> None:
    assert problem(await stranger.get("/metrics")) == (401, "unauthorized")


async def test_a_webhook_is_counted_once_it_is_stored(client: httpx.AsyncClient) -> None:
    labels = {"store": "main", "source": "woocommerce", "origin": "webhook", "module": "contacts"}
    keys = [
        ("woo_vtiger_deliveries_accepted_total", tuple(sorted((labels | {"duplicate": d}).items())))
        for d in ("false", "true")
    ]
    before = await figures(client)
    for _ in range(2):
        await send_hook(client, {"id": 5})
    after = await figures(client)
    assert [after.get(key, 0) - before.get(key, 0) for key in keys] == [1, 1]


async def test_the_inbox_is_told_whoever_counted_it(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    await settled_hint(runtime, "1")
    await hint(runtime, "2")
    told = await figures(client)
    states = {labels[0][1]: v for (n, labels), v in told.items() if n == "woo_vtiger_deliveries"}
    assert states == {"pending": 1, "processing": 0, "dead": 0}
    assert told["woo_vtiger_queue_oldest_seconds", ()] >= 0
    assert told["woo_vtiger_workers", ()] == 0
