"""GET /conflicts and a person's word on one."""

import httpx
import pytest

from app.db.session import transaction
from app.domain import Module, System
from app.links.conflicts import Report, note
from app.links.models import Link
from app.links.repository import save_link
from app.runtime import Runtime
from tests.api.calls import problem
from tests.api.rows import stored

pytestmark = pytest.mark.anyio


async def dispute(
    runtime: Runtime, woo_id: str = "7", store: str = "main", module: Module = Module.CONTACTS
) -> str:
    """A pair whose phone both sides changed; the conflict's id."""
    async with transaction(runtime.sessions) as session:
        pair = Link(store=store, module=module, woo_id=woo_id, vtiger_id=f"12x{woo_id}", base={})
        link = await save_link(session, pair)
        await note(session, link, Report("Ada", open={"phone": ("1", "2")}))
    return str((await newest(runtime)) or "")


async def newest(runtime: Runtime) -> int | None:
    from_all = "SELECT max(id) FROM conflicts"
    async with runtime.engine.connect() as connection:
        found: int | None = (await connection.exec_driver_sql(from_all)).scalar()
    return found


async def ids(client: httpx.AsyncClient, query: str) -> list[str]:
    return [item["id"] for item in (await client.get(f"/conflicts?{query}")).json()["items"]]


async def test_both_values_are_shown(client: httpx.AsyncClient, runtime: Runtime) -> None:
    conflict_id = await dispute(runtime)
    shown = (await client.get(f"/conflicts/{conflict_id}")).json()
    assert (shown["field"], shown["woocommerce"], shown["vtiger"]) == ("phone", "1", "2")
    assert (shown["woocommerce_id"], shown["vtiger_id"], shown["state"]) == ("7", "12x7", "open")
    example = described(await client.get("/openapi.json"))
    assert example.keys() <= shown.keys()


def described(answer: httpx.Response) -> dict[str, object]:
    """The example that the documentation gives."""
    operation = answer.json()["paths"]["/conflicts/{conflict_id}"]["get"]
    content = operation["responses"]["200"]["content"]
    found: dict[str, object] = content["application/json"]["example"]
    return found


async def test_each_filter_narrows(client: httpx.AsyncClient, runtime: Runtime) -> None:
    first = await dispute(runtime)
    away = await dispute(runtime, "8", store="shop-fr", module=Module.PRODUCTS)
    done = await dispute(runtime, "9")
    await client.post(f"/conflicts/{done}/resolve", json={"keep": "vtiger"})
    link_id = (await client.get(f"/conflicts/{away}")).json()["link_id"]
    for query, wanted in {
        "": [done, away, first],
        "state=open": [away, first],
        "state=resolved": [done],
        "store=shop-fr": [away],
        "module=products": [away],
        f"link_id={link_id}": [away],
        "field=email": [],
        "limit=1": [done],
    }.items():
        assert await ids(client, query) == wanted, query


async def test_pages_lead_through_all(client: httpx.AsyncClient, runtime: Runtime) -> None:
    wanted = [await dispute(runtime, str(number)) for number in range(5)]
    seen, url = [], "/conflicts?limit=2"
    while url:
        response = await client.get(url)
        seen += [item["id"] for item in response.json()["items"]]
        url = response.links.get("next", {}).get("url", "")
    assert seen == wanted[::-1]


@pytest.mark.parametrize("keep", System)
async def test_a_decision_is_kept_and_hinted(
    client: httpx.AsyncClient, runtime: Runtime, keep: System
) -> None:
    conflict_id = await dispute(runtime)
    answer = await client.post(f"/conflicts/{conflict_id}/resolve", json={"keep": keep})
    assert answer.status_code == 202
    decided = answer.json()
    assert (decided["state"], decided["resolution"]) == ("resolved", keep)
    assert decided["resolved_by"] == "API_TOKENS"
    assert (decided["resolved_at"] is not None, decided["applied_at"]) == (True, None)
    [hint] = await stored(runtime)
    assert (str(hint.id), hint.system, hint.origin) == (decided["delivery_id"], keep, "manual")
    assert hint.record_id == ("7" if keep is System.WOOCOMMERCE else "12x7")


async def test_a_person_may_think_again_before_it_is_written(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    conflict_id = await dispute(runtime)
    for keep in ("vtiger", "woocommerce", "woocommerce"):
        answer = await client.post(f"/conflicts/{conflict_id}/resolve", json={"keep": keep})
        assert (answer.status_code, answer.json()["resolution"]) == (202, keep)
    assert len(await stored(runtime)) == 2, "the same wish waits once"


async def test_values_that_changed_since_they_were_seen_refuse_the_decision(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    conflict_id = await dispute(runtime)
    seen_at = (await client.get(f"/conflicts/{conflict_id}")).json()["updated_at"]
    async with transaction(runtime.sessions) as session:
        link = await session.get(Link, 1)
        assert link is not None
        await note(session, link, Report("Ada", open={"phone": ("1", "3")}))
    late = {"keep": "vtiger", "updated_at": seen_at}
    answer = await client.post(f"/conflicts/{conflict_id}/resolve", json=late)
    assert problem(answer) == (409, "overtaken")

    seen_at = (await client.get(f"/conflicts/{conflict_id}")).json()["updated_at"]
    again = {"keep": "vtiger", "updated_at": seen_at}
    answer = await client.post(f"/conflicts/{conflict_id}/resolve", json=again)
    assert answer.status_code == 202


async def test_a_settled_conflict_is_history(client: httpx.AsyncClient, runtime: Runtime) -> None:
    conflict_id = await dispute(runtime)
    async with transaction(runtime.sessions) as session:
        link = await session.get(Link, 1)
        assert link is not None
        await note(session, link, Report())
    answer = await client.post(f"/conflicts/{conflict_id}/resolve", json={"keep": "vtiger"})
    assert problem(answer) == (409, "overtaken")
    shown = (await client.get(f"/conflicts/{conflict_id}")).json()
    assert (shown["state"], shown["resolution"]) == ("resolved", "vanished")


async def test_what_cannot_be_understood_is_refused(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    conflict_id = await dispute(runtime)
    for body in ({}, {"keep": "both"}, {"keep": "vtiger", "value": "x"}):
        answer = await client.post(f"/conflicts/{conflict_id}/resolve", json=body)
        assert problem(answer) == (422, "invalid_request"), body
    assert problem(await client.get("/conflicts?stat=open")) == (422, "invalid_request")


async def test_unknown_conflicts_are_not_found(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/conflicts/17")) == (404, "not_found")
    answer = await client.post("/conflicts/17/resolve", json={"keep": "vtiger"})
    assert problem(answer) == (404, "not_found")
