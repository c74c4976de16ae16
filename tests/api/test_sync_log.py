"""GET /sync-log and below: the shape that readers rely on, filters, pages, numbers, files."""

import csv
import io
import re
from dataclasses import replace

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.domain import Outcome, System
from app.escaping import harmless
from app.runtime import Runtime
from tests.api.calls import problem
from tests.api.rows import ENTRY, hint, log, log_many, settled_hint

pytestmark = pytest.mark.anyio

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


async def test_an_item_has_the_promised_parts(client: httpx.AsyncClient, runtime: Runtime) -> None:
    [entry_id] = await log(runtime, ENTRY)
    body = (await client.get("/sync-log")).json()
    [item] = body["items"]
    assert TIME.fullmatch(item.pop("occurred_at"))
    assert item == {
        "id": str(entry_id),
        "store": "main",
        "module": "contacts",
        "target": "vtiger",
        "source_id": "7",
        "target_id": "12x34",
        "link_id": "5",
        "event": "updated",
        "outcome": "updated",
        "reason": None,
        "message": "Updated 1 field.",
        "label": "Ada Lovelace",
        "attempts": 1,
        "duration_ms": 12,
        "delivery_count": 0,
        "run_id": None,
    }
    assert body["next_cursor"] is None
    assert set(body) == {"items", "next_cursor"}


async def test_the_total_is_given_only_if_asked_for(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    await log_many(runtime, 3)
    body = (await client.get("/sync-log?count=true&limit=1&source_id=1&source_id=2")).json()
    assert (body["total"], len(body["items"])) == (2, 1)


async def test_the_link_header_leads_through_all_pages(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    ids = await log_many(runtime, 7)
    seen, url = [], "/sync-log?limit=3&store=main&store=shop-fr"
    while url:
        response = await client.get(url)
        seen += [int(item["id"]) for item in response.json()["items"]]
        assert ("next" in response.links) == (response.json()["next_cursor"] is not None)
        url = response.links.get("next", {}).get("url", "")
        await log(runtime, ENTRY)
    assert seen == ids[::-1]


async def test_filters_narrow_and_repeated_ones_widen(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    failed = replace(ENTRY, outcome=Outcome.FAILED, reason="timeout", run_id=4)
    away = replace(ENTRY, store="shop-fr", module=None, target=System.WOOCOMMERCE)
    plain, broken, other = map(str, await log(runtime, ENTRY, failed, away))
    for query, wanted in {
        "outcome=failed": [broken],
        "outcome=failed&outcome=updated&store=main": [broken, plain],
        "reason=timeout&outcome=updated": [],
        "store=shop-fr": [other],
        "module=none": [other],
        "module=none&module=contacts": [other, broken, plain],
        "target=woocommerce": [other],
        "run_id=4": [broken],
        "link_id=5&source_id=7&target_id=12x34&q=lovelace": [other, broken, plain],
        "delivery_id=1": [],
        "since=2000-01-01": [other, broken, plain],
        "since=2000-01-01T00:00:00%2B01:00&until=2001-01-01T00:00:00Z": [],
        "until=2199-12-31T23:59:59Z&since=1970-01-01T00:00:00Z": [other, broken, plain],
    }.items():
        items = (await client.get(f"/sync-log?{query}")).json()["items"]
        assert [item["id"] for item in items] == wanted, query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("outcom=failed", "outcom"),
        ("outcome=fialed", "outcome"),
        ("module=contact", "module"),
        ("limit=501", "limit"),
        ("limit=0", "limit"),
        ("cursor=nonsense", "cursor"),
        ("link_id=9223372036854775808", "link_id"),
        ("since=0001-01-01T00:00:00%2B14:00", "since"),
        ("until=9999-12-31T23:59:59Z", "until"),
        ("link_id=x", "link_id"),
        ("q=%00", "q"),
        ("since=yesterday", "since"),
        ("count=perhaps", "count"),
    ],
)
async def test_a_mistaken_parameter_is_refused_by_its_name(
    client: httpx.AsyncClient, query: str, field: str
) -> None:
    response = await client.get(f"/sync-log?{query}")
    assert problem(response) == (422, "invalid_request")
    [error] = response.json()["errors"]
    assert error["field"] == field


@given(
    st.dictionaries(
        st.sampled_from(
            ["store", "module", "target", "source_id", "link_id", "since", "until", "q", "cursor"]
        ),
        st.text(max_size=30) | st.integers().map(str) | st.datetimes().map(str),
        max_size=3,
    )
)
@examples(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_whatever_is_asked_is_answered_or_refused(
    client: httpx.AsyncClient, query: dict[str, str]
) -> None:
    for path in ("/sync-log", "/sync-log/summary", "/deliveries", "/links"):
        assert (await client.get(path, params=query)).status_code in (200, 422)


async def test_an_entry_tells_changes_and_the_deliveries_it_settled(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    delivery_id, entry_id = await settled_hint(runtime)
    body = (await client.get(f"/sync-log/{entry_id}")).json()
    assert body["changes"] == [{"field": "phone", "old": "1", "new": "2", "source": "woocommerce"}]
    [delivery] = body["deliveries"]
    assert (delivery["id"], delivery["state"]) == (str(delivery_id), "done")
    assert delivery["sync_log_id"] == body["id"] == str(entry_id)
    assert body["delivery_count"] == 1


async def test_an_entry_without_deliveries_lists_none(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    await hint(runtime)
    [entry_id] = await log(runtime, ENTRY)
    assert (await client.get(f"/sync-log/{entry_id}")).json()["deliveries"] == []


async def test_an_unknown_entry_is_not_found(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/sync-log/17")) == (404, "not_found")
    assert problem(await client.get("/sync-log/x")) == (422, "invalid_request")


async def test_the_summary_is_two_tables_of_all_modules_and_outcomes(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    created = replace(ENTRY, outcome=Outcome.CREATED)
    back = replace(created, target=System.WOOCOMMERCE, store="shop-fr")
    await log(runtime, created, created, back)
    tables = (await client.get("/sync-log/summary")).json()
    row = {"created": 2, "updated": 0, "deleted": 0, "unchanged": 0, "skipped": 0, "failed": 0}
    assert tables["vtiger"]["contacts"] == row
    assert tables["woocommerce"]["contacts"] == row | {"created": 1}
    assert set(tables["vtiger"]) == {"contacts", "products", "sales_orders", "taxes"}
    narrowed = (await client.get("/sync-log/summary?store=main&until=2000-01-01")).json()
    assert narrowed["vtiger"]["contacts"] == row | {"created": 0}


async def test_a_csv_export_has_a_row_an_entry(client: httpx.AsyncClient, runtime: Runtime) -> None:
    await log(runtime, ENTRY, replace(ENTRY, message='=cmd|"/C calc"!A1', label="a\nb, c"))
    response = await client.get("/sync-log/export?format=csv&store=main")
    first, second = csv.DictReader(io.StringIO(response.text))
    assert response.headers["content-type"].startswith("text/csv")
    assert response.headers["content-disposition"] == 'attachment; filename="sync-log.csv"'
    assert (first["message"], first["label"]) == ('\'=cmd|"/C calc"!A1', "a\nb, c")
    assert (second["message"], second["reason"]) == ("Updated 1 field.", "")
    assert TIME.fullmatch(second["occurred_at"])


@given(st.text())
def test_no_cell_starts_a_formula(text: str) -> None:
    cell = harmless(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell.removeprefix("'") == text.removeprefix("'")


async def test_an_ndjson_export_has_an_object_a_line_with_details(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    ids = await log_many(runtime, 3)
    response = await client.get("/sync-log/export?format=ndjson")
    rows = [orjson.loads(line) for line in response.content.splitlines()]
    assert [row["id"] for row in rows] == [str(each) for each in ids[::-1]]
    assert rows[0]["changes"] == list(ENTRY.changes)


async def test_an_export_refuses_what_it_does_not_know(client: httpx.AsyncClient) -> None:
    for query in ("format=xlsx", "formt=csv", "limit=5"):
        response = await client.get(f"/sync-log/export?{query}")
        assert problem(response) == (422, "invalid_request")
