"""GET /incidents: what broke, since when, and how it was mended."""

import httpx
import pytest

from app.domain import System
from app.remotes.incidents import Trouble, report, report_resolved
from app.remotes.models import IncidentKind
from app.runtime import Runtime
from tests.api.calls import problem

pytestmark = pytest.mark.anyio

CRM = Trouble(IncidentKind.REMOTE_DOWN, System.VTIGER)
HOOK = Trouble(IncidentKind.WEBHOOK_BROKEN, System.WOOCOMMERCE, "main", "order.updated")


async def test_an_incident_tells_what_broke_and_how_it_was_mended(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    await report(runtime.sessions, HOOK, "The shop disabled the webhook.")
    await report_resolved(runtime.sessions, HOOK, "It was replaced.")
    await report(runtime.sessions, CRM, "Vtiger gave no answer in time.")
    crm, hook = (await client.get("/incidents")).json()["items"]

    assert (crm["kind"], crm["system"], crm["store"]) == ("remote_down", "vtiger", None)
    assert (crm["subject"], crm["ended_at"], crm["mended"]) == (None, None, None)
    assert (hook["store"], hook["subject"]) == ("main", "order.updated")
    assert hook["mended"] == "It was replaced."
    assert hook["began_at"] < hook["ended_at"]
    assert hook["ended_at"].endswith("Z")


async def test_incidents_come_in_pages_and_by_filter(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    for number in range(3):
        await report(runtime.sessions, CRM, f"down {number}")
        await report_resolved(runtime.sessions, CRM, "It answers.")
    await report(runtime.sessions, HOOK, "The webhook is missing.")
    page = (await client.get("/incidents?limit=3")).json()
    rest = (await client.get(f"/incidents?limit=3&cursor={page['next_cursor']}")).json()
    assert [len(page["items"]), len(rest["items"]), rest["next_cursor"]] == [3, 1, None]

    for query, count in (("lasting=true", 1), ("kind=remote_down", 3), ("store=main", 1)):
        assert len((await client.get(f"/incidents?{query}")).json()["items"]) == count, query


async def test_a_mistyped_filter_and_a_stranger_are_refused(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    assert problem(await client.get("/incidents?knd=remote_down"))[0] == 422
    assert problem(await stranger.get("/incidents")) == (401, "unauthorized")
