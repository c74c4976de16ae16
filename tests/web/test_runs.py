"""Runs: asked for, watched, cancelled; a comparison's report and its repair."""

import csv

import pytest

from app.db.session import transaction
from app.domain import Direction, Module, System
from app.runs.models import Consent, RunState
from app.runs.repository import (
    add_counts,
    add_differences,
    enter_step,
    finish_run,
    request_consent,
    resume_run,
)
from app.runtime import Runtime
from app.sync.runs.forecast import Forecast
from app.sync.runs.requests import get_progress
from tests.web.browsing import Browser

pytestmark = pytest.mark.anyio

PAGE = "/ui/runs"
DIFFERENT = {
    "record_key": "main:contacts:woocommerce:7",
    "module": "contacts",
    "plan": "update",
    "label": "Ada <ada@shop.example>",
    "woo_id": "7",
    "vtiger_id": "12x7",
    "reason": None,
    "message": "",
    "fields": [{"field": "phone", "woocommerce": "1", "vtiger": "2", "act": "to_vtiger"}],
}
MISSING = {
    **DIFFERENT,
    "record_key": "main:contacts:vtiger:12x8",
    "plan": "skip",
    "label": "Walter",
    "woo_id": None,
    "vtiger_id": "12x8",
    "reason": "missing_required_field",
    "message": "WooCommerce needs an e-mail.",
    "fields": [],
}


async def start(browser: Browser, **wanted: str) -> int:
    answer = await browser.post(PAGE, on=PAGE, **({"store": "main"} | wanted))
    assert answer.status_code == 303, answer.text
    return int(answer.headers["location"].removeprefix(f"{PAGE}/"))


async def test_a_run_is_asked_for_as_the_form_says(admin: Browser, runtime: Runtime) -> None:
    wanted = {"module": "contacts", "direction": "woo_to_vtiger", "since": "2026-11-24"}
    run_id = await start(admin, dry_run="1", **wanted)
    run = (await get_progress(runtime, run_id)).run
    page, listed = await admin.text(f"{PAGE}/{run_id}"), await admin.text(PAGE)

    assert (run.store, run.modules, run.direction) == ("main", ["contacts"], "woo_to_vtiger")
    assert (run.dry_run, run.started_by) == (True, "API_TOKENS")
    assert run.since is not None
    assert "<h1>Comparison of Contacts</h1>" in page
    assert f'href="{PAGE}/{run_id}">Comparison {run_id}</a>' in listed


async def test_sync_now_asks_for_all_modules_of_a_store(admin: Browser, runtime: Runtime) -> None:
    answer = await admin.post(PAGE, on="/?store=main", store="main")
    run = (await get_progress(runtime, int(answer.headers["location"].rpartition("/")[2]))).run
    assert (run.modules, run.direction, run.dry_run) == ([], Direction.BOTH, False)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"store": "nowhere"}, "There is no store nowhere"),
        ({"store": "main", "module": "coupons"}, "Choose modules from the list"),
        ({"store": "main", "direction": "sideways"}, "Choose a direction from the list"),
        ({"store": "main", "since": "yesterday"}, "Enter a time such as"),
        ({"repair_of": "999"}, "Run 999 is not a finished comparison"),
        ({"repair_of": "x"}, "Open a comparison below"),
    ],
)
async def test_a_run_that_cannot_be_is_refused_on_the_form(
    admin: Browser, wanted: dict[str, str], told: str
) -> None:
    answer = await admin.post(PAGE, on=PAGE, **wanted)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert told in answer.text


async def test_progress_is_told_until_the_end(admin: Browser, runtime: Runtime) -> None:
    run_id = await start(admin)
    async with transaction(runtime.sessions) as session:
        await resume_run(session, run_id)
        await add_counts(session, run_id, done=30)
    running = await admin.text(f"{PAGE}/{run_id}")
    async with transaction(runtime.sessions) as session:
        await finish_run(session, run_id, RunState.FAILED, totals={}, message="No answer.")
    ended = await admin.text(f"{PAGE}/{run_id}")

    assert "30 of about 30 records processed" in running
    assert 'data-live="1"' in running
    assert "Cancel the run" in running
    assert 'value="100"' in ended
    assert "No answer." in ended
    assert "data-live" not in ended
    assert "Cancel the run" not in ended


async def test_a_run_is_cancelled(admin: Browser, runtime: Runtime) -> None:
    run_id = await start(admin)
    path = f"{PAGE}/{run_id}"
    answer = await admin.post(f"{path}/cancel", on=path)
    assert answer.headers["location"] == path
    assert (await get_progress(runtime, run_id)).run.state == RunState.CANCELLED
    assert (await admin.post(f"{PAGE}/999/cancel", on=path)).status_code == 404


async def test_a_comparison_tells_each_difference_and_is_repaired(
    admin: Browser, runtime: Runtime
) -> None:
    run_id = await start(admin, dry_run="1", module="contacts")
    async with transaction(runtime.sessions) as session:
        await resume_run(session, run_id)
        await add_differences(session, run_id, [DIFFERENT, MISSING])
        await finish_run(session, run_id, RunState.DONE, totals={})
    path = f"{PAGE}/{run_id}"
    page = await admin.text(path)
    answer = await admin.post(PAGE, on=path, repair_of=str(run_id), store="main")
    repair = (await get_progress(runtime, int(answer.headers["location"].rpartition("/")[2]))).run

    for text in ("Ada", "Would be updated", "Phone", "Vtiger gets WooCommerce&#39;s"):
        assert text in page
    for text in ("Walter", "Would be skipped", "WooCommerce needs an e-mail."):
        assert text in page
    assert (repair.repair_of, repair.modules, repair.dry_run) == (run_id, ["contacts"], False)


async def test_a_run_that_asks_shows_the_numbers_and_goes_on_when_told(
    admin: Browser, reader: Browser, runtime: Runtime
) -> None:
    run_id = await start(admin)
    path = f"{PAGE}/{run_id}"
    created = {System.WOOCOMMERCE: {Module.CONTACTS: 12}, System.VTIGER: {Module.PRODUCTS: 1}}
    told = Forecast(created, mailed=12).as_json()
    async with transaction(runtime.sessions) as session:
        await request_consent(session, run_id, told)
    page, seen = await admin.text(path), await reader.text(path)
    assert "Waits for confirmation" in await admin.text(PAGE)
    answer = await admin.post(f"{path}/confirm", on=path)
    again = await admin.post(f"{path}/confirm", on=path)
    run = (await get_progress(runtime, run_id)).run

    for text in (page, seen):
        assert "12 accounts will be created in the shop, 12 people mailed by it." in text
    assert ("Confirm</button>" in page, "Confirm</button>" in seen) == (True, False)
    assert (answer.headers["location"], again.status_code) == (path, 303)
    assert (run.state, run.consent) == (RunState.QUEUED, Consent.GIVEN)


async def test_runs_of_the_pages_ask_before_they_make_very_many_records(
    admin: Browser, runtime: Runtime
) -> None:
    run = (await get_progress(runtime, await start(admin))).run
    assert run.consent == Consent.NEEDED_IF_MANY


async def compared(admin: Browser, runtime: Runtime) -> str:
    """A comparison of five contacts that found two; its address."""
    run_id = await start(admin, dry_run="1", module="contacts")
    cursor = {"steps": [["contacts", "compare"]], "step": 0, "done": 0, "agreed": 0}
    async with transaction(runtime.sessions) as session:
        await resume_run(session, run_id)
        await enter_step(session, run_id, cursor, total=5, agreed_in={"contacts": 3})
        await add_counts(session, run_id, done=5, agreed=3)
        await add_differences(session, run_id, [DIFFERENT, MISSING])
    return f"{PAGE}/{run_id}"


async def test_a_comparison_has_totals_that_add_up_and_lead_to_what_was_found(
    admin: Browser, runtime: Runtime
) -> None:
    path = await compared(admin, runtime)
    page = await admin.text(path)
    row = page.partition('<th scope="row">Contacts</th>')[2].partition("</tr>")[0]
    cells = [cell.partition("</td>")[0] for cell in row.split("<td>")[1:]]
    numbers = [int(cell.rpartition("</a>")[0].rpartition(">")[2] or cell) for cell in cells]
    led_to = await admin.text(f"{path}?module=contacts&plan=skip")

    assert numbers == [5, 3, 0, 1, 0, 0, 1]
    assert numbers[0] == sum(numbers[1:])
    assert f'href="{path}?module=contacts&amp;plan=skip">1</a>' in row
    assert ("Walter" in led_to, "Ada" in led_to) == (True, False)
    assert "No findings match." in await admin.text(f"{path}?q=nobody")
    assert (await admin.get(f"{path}?plan=explode")).status_code == 422


async def test_what_a_comparison_found_is_saved_as_a_table(
    admin: Browser, runtime: Runtime
) -> None:
    path = await compared(admin, runtime)
    answer = await admin.get(f"{path}/export.csv?plan=update")
    [heads, line] = csv.reader(answer.text.splitlines())
    found = dict(zip(heads, line, strict=True))

    assert answer.headers["content-type"].startswith("text/csv")
    assert (found["Record"], found["A sync would"]) == (DIFFERENT["label"], "Would be updated")
    assert (found["Field"], found["In WooCommerce"], found["In Vtiger"]) == ("phone", "1", "2")
    assert found["Vtiger address"].endswith("record=7")
    assert len((await admin.get(f"{path}/export.csv")).text.splitlines()) == 3
    assert (await admin.get(f"{path}/export.csv?plan=explode")).status_code == 422
    assert (await admin.get(f"{PAGE}/999/export.csv")).status_code == 404


async def test_a_run_that_is_under_way_shows_on_the_first_page(
    admin: Browser, runtime: Runtime
) -> None:
    assert "under way" not in await admin.text("/")
    path = await compared(admin, runtime)
    page = await admin.text("/")
    assert f'href="{path}"><b>Comparison' in page
    assert "5 of about 5 processed" in page
    assert "under way" not in await admin.text("/?store=shop-fr")
    await admin.post(f"{path}/cancel", on=path)
    assert "under way" not in await admin.text("/")


async def test_an_agreement_is_told_as_one(admin: Browser, runtime: Runtime) -> None:
    run_id = await start(admin, dry_run="1")
    async with transaction(runtime.sessions) as session:
        await finish_run(session, run_id, RunState.DONE, totals={})
    page = await admin.text(f"{PAGE}/{run_id}")
    assert "Both systems agree." in page
    assert "Repair what it found" not in page


async def test_readers_watch_and_start_nothing(
    admin: Browser, reader: Browser, runtime: Runtime
) -> None:
    run_id = await start(admin)
    for path in (PAGE, f"{PAGE}/{run_id}", "/"):
        page = await reader.text(path)
        assert "Start a run" not in page
        assert "Cancel the run" not in page
        assert "Sync now" not in page
    assert (await reader.post(PAGE, on="/", store="main")).status_code == 403
    assert (await reader.post(f"{PAGE}/{run_id}/cancel", on="/")).status_code == 403
    assert (await get_progress(runtime, run_id)).run.state == RunState.QUEUED
