"""GET /deliveries: where every hint stands; replay: the record is brought up again."""

import httpx
import pytest

from app.domain import DeliveryState
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


async def dead(runtime: Runtime, *record_ids: str) -> None:
    for record_id in record_ids:
        await settled_hint(runtime, record_id, DeliveryState.DEAD)


@pytest.mark.parametrize("asked", [{"params": {"state": "dead"}}, {"json": {"state": "dead"}}])
async def test_all_dead_letters_are_replayed_by_one_call(
    client: httpx.AsyncClient, runtime: Runtime, asked: dict[str, dict[str, str]]
) -> None:
    await dead(runtime, "7", "8")
    await settled_hint(runtime, "9")
    answer = await client.post("/deliveries/replay", **asked)  # type: ignore[arg-type]
    assert answer.status_code == 202
    assert answer.json() == {"matched": 2, "replayed": 2, "duplicates": 0}
    shown = (await client.get("/deliveries?source=replay")).json()["items"]
    assert sorted(item["record_id"] for item in shown) == ["7", "8"]


async def test_a_replay_by_filter_and_a_replay_of_one_are_the_same_hint(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    delivery_id, _ = await settled_hint(runtime, "7", DeliveryState.DEAD)
    one = (await client.post(f"/deliveries/{delivery_id}/replay")).json()
    many = (await client.post("/deliveries/replay", json={"record_id": ["7", "8"]})).json()
    assert many == {"matched": 2, "replayed": 0, "duplicates": 1}
    assert (await client.get(f"/deliveries/{one['delivery_id']}")).json()["duplicates"] == 1


async def test_filters_of_a_replay_narrow_together(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    await dead(runtime, "7", "8")
    for body, matched in (
        ({"state": ["dead"], "record_id": "7"}, 1),
        ({"state": "dead", "store": "shop-fr"}, 0),
        ({"state": "dead", "module": ["contacts", "taxes"], "source": "woocommerce"}, 2),
        ({"outcome": "updated", "reason": "echo"}, 0),
        ({"state": "dead", "since": "2000-01-01", "until": "2001-01-01T00:00:00Z"}, 0),
    ):
        answer = await client.post("/deliveries/replay", json=body)
        assert answer.json()["matched"] == matched, body


async def test_a_replay_of_everything_is_not_meant(client: httpx.AsyncClient) -> None:
    assert problem(await client.post("/deliveries/replay")) == (422, "invalid_request")
    bodies: list[object] = [{}, {"state": []}, {"stat": "dead"}, {"state": "gone"}, ["dead"]]
    for body in bodies:
        answer = await client.post("/deliveries/replay", json=body)
        assert problem(answer) == (422, "invalid_request"), body
