"""/sync-runs: asked for, listed, shown with what was found, cancelled."""

from typing import Any

import httpx
import pytest

from app.api.examples import RUN, RUN_DETAIL
from app.db.session import transaction
from app.domain import Module, Scope, System
from app.policies.access import create_token
from app.runs.models import Consent, RunState
from app.runs.repository import RunFilter, add_differences, finish_run, request_consent, resume_run
from app.runtime import Runtime
from app.sync.runs.forecast import Forecast
from app.sync.runs.requests import search
from tests.api.calls import problem

pytestmark = pytest.mark.anyio

FOUND: dict[str, Any] = {
    "module": "contacts",
    "plan": "create",
    "label": "zoe@shop.example",
    "woo_id": "7",
    "vtiger_id": None,
    "reason": None,
    "message": "",
    "fields": [],
}


async def start(client: httpx.AsyncClient, **wanted: Any) -> dict[str, Any]:
    answer = await client.post("/sync-runs", json={"store": "main", **wanted})
    assert answer.status_code == 202, answer.text
    started: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/sync-runs/{started['id']}"
    return started


async def compared(runtime: Runtime, run_id: str, count: int) -> None:
    """The run has ended and found so many records."""
    rows = [{**FOUND, "record_key": f"main:contacts:woocommerce:{each}"} for each in range(count)]
    async with transaction(runtime.sessions) as session:
        await resume_run(session, int(run_id))
        await add_differences(session, int(run_id), rows)
        await finish_run(session, int(run_id), RunState.DONE, totals={})


async def test_a_run_is_asked_for_and_shown(client: httpx.AsyncClient) -> None:
    started = await start(client, module="contacts", dry_run=True, direction="woo_to_vtiger")
    shown = (await client.get(f"/sync-runs/{started['id']}")).json()

    assert shown == started
    assert shown.keys() == RUN_DETAIL.keys()
    assert (shown["state"], shown["modules"], shown["dry_run"]) == ("queued", ["contacts"], True)
    assert (shown["direction"], shown["started_by"]) == ("woo_to_vtiger", "API_TOKENS")
    assert shown["outcomes"] == dict.fromkeys(RUN_DETAIL["outcomes"], 0)


async def test_runs_are_listed_newest_first_in_pages(client: httpx.AsyncClient) -> None:
    ids = [(await start(client))["id"] for _ in range(3)]
    first = (await client.get("/sync-runs", params={"limit": 2, "state": "queued"})).json()
    rest = (await client.get("/sync-runs", params={"cursor": first["next_cursor"]})).json()

    assert [each["id"] for each in first["items"] + rest["items"]] == ids[::-1]
    assert first["items"][0].keys() == RUN.keys()
    assert (await client.get("/sync-runs", params={"dry_run": "true"})).json()["items"] == []


async def test_what_a_comparison_found_is_shown_in_pages(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    started = await start(client, dry_run=True)
    await compared(runtime, started["id"], 3)
    path = f"/sync-runs/{started['id']}"
    first = (await client.get(path, params={"limit": 2})).json()
    cursor = first["differences"]["next_cursor"]
    rest = (await client.get(path, params={"cursor": cursor})).json()

    assert (first["state"], first["difference_count"], first["next_attempt_at"]) == (
        "done",
        3,
        None,
    )
    items = first["differences"]["items"] + rest["differences"]["items"]
    assert len({each["id"] for each in items}) == 3
    assert items[0].keys() == RUN_DETAIL["differences"]["items"][0].keys()


async def test_a_repair_takes_the_place_of_its_comparison(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    started = await start(client, dry_run=True, module=["contacts", "taxes"])
    early = await client.post("/sync-runs", json={"repair_of": int(started["id"])})
    await compared(runtime, started["id"], 1)
    answer = await client.post("/sync-runs", json={"repair_of": int(started["id"])})

    assert problem(early) == (422, "invalid_request")
    assert answer.status_code == 202
    mending = answer.json()
    assert (mending["repair_of"], mending["store"]) == (started["id"], "main")
    assert (mending["modules"], mending["dry_run"]) == (["contacts", "taxes"], False)


async def test_a_run_that_asks_says_what_and_goes_on_when_somebody_agrees(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    started, agreed = await start(client), await start(client, confirm=True)
    path = f"/sync-runs/{started['id']}"
    early = await client.post(f"{path}/confirm")
    created = {System.WOOCOMMERCE: {Module.CONTACTS: 3}, System.VTIGER: {Module.CONTACTS: 5}}
    async with transaction(runtime.sessions) as session:
        await request_consent(session, int(started["id"]), Forecast(created, mailed=3).as_json())
    asks = (await client.get(path)).json()
    confirmed = await client.post(f"{path}/confirm")

    assert problem(early) == (409, "overtaken")
    assert (asks["state"], asks["expected"]["accounts"], asks["expected"]["mailed"]) == (
        "asking", 3, 3,
    )  # fmt: skip
    assert "3 people mailed" in asks["question"]
    assert (confirmed.status_code, confirmed.json()["state"]) == (202, "queued")
    consents = {run.id: run.consent for run in (await search(runtime, RunFilter())).items}
    assert set(consents.values()) == {Consent.GIVEN}
    assert consents[int(agreed["id"])] == Consent.GIVEN
    assert problem(await client.post("/sync-runs/99/confirm")) == (404, "not_found")


async def test_a_run_is_cancelled_and_stays_so(client: httpx.AsyncClient, runtime: Runtime) -> None:
    started = await start(client)
    path = f"/sync-runs/{started['id']}"
    cancelled, again = await client.delete(path), await client.delete(path)

    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert again.json() == cancelled.json()
    async with transaction(runtime.sessions) as session:
        assert await resume_run(session, int(started["id"])) is None


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"store": "nowhere"},
        {"store": "main", "module": "invoices"},
        {"store": "main", "direction": "off"},
        {"store": "main", "dryrun": True},
        {"repair_of": 99},
    ],
)
async def test_what_cannot_be_run_is_refused(
    client: httpx.AsyncClient, wanted: dict[str, Any]
) -> None:
    assert problem(await client.post("/sync-runs", json=wanted)) == (422, "invalid_request")


async def test_a_module_that_is_off_is_refused(client: httpx.AsyncClient) -> None:
    await client.patch("/settings/main/taxes", json={"enabled": False})
    answer = await client.post("/sync-runs", json={"store": "main", "module": "taxes"})

    assert problem(answer) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"] == "module"


async def test_runs_that_are_not_there(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/sync-runs/99")) == (404, "not_found")
    assert problem(await client.delete("/sync-runs/99")) == (404, "not_found")


async def test_readers_look_and_admins_act(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    started = await start(client)
    async with transaction(runtime.sessions) as session:
        _, secret = await create_token(session, "grafana", scope=Scope.READ)
    reader = {"Authorization": f"Bearer {secret}"}
    path = f"/sync-runs/{started['id']}"

    assert problem(await stranger.get(path)) == (401, "unauthorized")
    assert (await stranger.get(path, headers=reader)).status_code == 200
    refused = [
        await stranger.delete(path, headers=reader),
        await stranger.post("/sync-runs", json={"store": "main"}, headers=reader),
    ]
    assert [problem(answer) for answer in refused] == [(403, "forbidden")] * 2


async def test_findings_are_filtered_and_counted(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    started = await start(client, module="contacts", dry_run=True)
    await compared(runtime, started["id"], 3)
    path = f"/sync-runs/{started['id']}"
    for query, count in (
        ("plan=create", 3),
        ("plan=skip", 0),
        ("module=products", 0),
        ("q=ZOE", 3),
    ):
        shown = (await client.get(f"{path}?{query}")).json()
        assert len(shown["differences"]["items"]) == count, query
    assert problem(await client.get(f"{path}?plan=explode"))[0] == 422
