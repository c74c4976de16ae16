"""GET /deliveries: where every hint stands; replay: the record is brought up again."""

import httpx
import pytest

from app.inbox.models import DeliveryState
from app.runtime import Runtime
from tests.api.calls import problem
from tests.api.rows import hint, settled_hint

pytestmark = pytest.mark.anyio


async def ids(client: httpx.AsyncClient, query: str) -> list[int]:
    response = await client.get(f"/deliveries?{query}")
    assert response.status_code == 200, response.text
    return [int(item["id"]) for item in response.json()["items"]]


async def test_a_waiting_delivery_tells_its_next_attempt(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    delivery_id = await hint(runtime)
    item = (await client.get(f"/deliveries/{delivery_id}")).json()
    assert item["next_attempt_at"].endswith("Z")
    assert item["sync_log_id"] is None
    told = {name: item[name] for name in ("id", "state", "source", "origin", "record_id", "kind")}
    assert told == {
        "id": str(delivery_id),
        "state": "pending",
        "source": "woocommerce",
        "origin": "webhook",
        "record_id": "7",
        "kind": "customer",
    }
    assert "body" not in item


async def test_a_settled_delivery_names_its_entry_and_no_next_attempt(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    delivery_id, entry_id = await settled_hint(runtime)
    item = (await client.get(f"/deliveries/{delivery_id}")).json()
    assert (item["state"], item["sync_log_id"]) == ("done", str(entry_id))
    assert (item["attempts"], item["next_attempt_at"]) == (1, None)


async def test_filters_narrow_and_repeated_ones_widen(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    done, _ = await settled_hint(runtime, "1")
    dead, _ = await settled_hint(runtime, "2", DeliveryState.DEAD)
    waiting = await hint(runtime, "3")
    away = await hint(runtime, "3", store="shop-fr")
    for query, wanted in {
        "": [away, waiting, dead, done],
        "state=dead": [dead],
        "state=dead&state=done": [dead, done],
        "store=shop-fr": [away],
        "record_id=3&store=main": [waiting],
        "module=taxes": [],
        "source=woocommerce&source=webhook": [away, waiting, dead, done],
        "source=vtiger": [],
        "source=callback": [],
        "since=2000-01-01&until=2001-01-01": [],
    }.items():
        assert await ids(client, query) == wanted, query


async def test_pages_lead_through_all(client: httpx.AsyncClient, runtime: Runtime) -> None:
    wanted = [await hint(runtime, str(number)) for number in range(5)]
    seen, url = [], "/deliveries?limit=2"
    while url:
        response = await client.get(url)
        seen += [int(item["id"]) for item in response.json()["items"]]
        url = response.links.get("next", {}).get("url", "")
    assert seen == wanted[::-1]


async def test_a_replay_is_a_new_delivery_of_the_same_record(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    delivery_id, _ = await settled_hint(runtime, state=DeliveryState.DEAD)
    response = await client.post(f"/deliveries/{delivery_id}/replay")
    assert response.status_code == 202
    replayed = (await client.get(f"/deliveries/{response.json()['delivery_id']}")).json()
    assert (replayed["origin"], replayed["record_id"]) == ("replay", "7")
    assert (replayed["state"], replayed["attempts"]) == ("pending", 0)
    assert (await client.get(f"/deliveries/{delivery_id}")).json()["state"] == "dead"


async def test_a_second_replay_joins_the_one_that_waits(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    delivery_id = await hint(runtime)
    first = await client.post(f"/deliveries/{delivery_id}/replay")
    second = await client.post(f"/deliveries/{delivery_id}/replay")
    assert (first.status_code, second.status_code) == (202, 200)
    assert second.json() == first.json() | {"duplicate": True}


async def test_unknown_deliveries_are_not_found(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/deliveries/17")) == (404, "not_found")
    assert problem(await client.post("/deliveries/17/replay")) == (404, "not_found")
