"""The Sync Log: both tables with their links, the period and store in view, live or not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest

from app.db.session import transaction
from app.domain import Module, Outcome, System
from app.runtime import Runtime
from app.synclog.totals import first_logged_at, series, summary
from tests.api.calls import ADMIN
from tests.api.rows import ENTRY, log
from tests.web.browsing import Browser

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
ORDER = replace(ENTRY, module=Module.SALES_ORDERS, outcome=Outcome.CREATED, label="#1")
FROM_CRM = replace(ORDER, target=System.WOOCOMMERCE)


async def test_one_order_of_the_crm_and_forty_two_of_the_shop(
    admin: Browser, runtime: Runtime
) -> None:
    await log(runtime, FROM_CRM, *[ORDER] * 42)
    page = await admin.text("/")
    assert 'aria-label="1 Sales Orders created in WooCommerce">1</a>' in page
    assert 'aria-label="42 Sales Orders created in Vtiger CRM">42</a>' in page
    assert 'aria-label="0 Taxes failed in Vtiger CRM">0</a>' in page


async def test_numbers_are_those_of_the_summary(admin: Browser, runtime: Runtime) -> None:
    entries = [
        replace(ENTRY, target=target, module=module, outcome=outcome)
        for n, target in enumerate(System)
        for module in Module
        for outcome in Outcome
        for _ in range(n + list(Outcome).index(outcome))
    ]
    await log(runtime, *entries)
    page = await admin.text("/?unchanged=1")
    headers = {"authorization": f"Bearer {ADMIN}"}
    told = (await admin.client.get("/sync-log/summary", headers=headers)).json()
    for target, title in (("woocommerce", "WooCommerce"), ("vtiger", "Vtiger CRM")):
        for module, name in (("contacts", "Contacts"), ("sales_orders", "Sales Orders")):
            for outcome in Outcome:
                count = told[target][module][outcome]
                assert f'aria-label="{count} {name} {outcome} in {title}"' in page


async def test_a_number_leads_to_its_records(admin: Browser, runtime: Runtime) -> None:
    await log(runtime, FROM_CRM, ORDER)
    page = await admin.text("/?period=day&store=main")
    link = page.partition('aria-label="1 Sales Orders created in WooCommerce"')[0]
    address = link.rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    params = httpx.URL(address).params
    records = await admin.text(address)

    assert params["target"] == "woocommerce"
    assert params["module"] == "sales_orders"
    assert params["outcome"] == "created"
    assert params["store"] == "main"
    assert "since" in params
    assert records.count('<td class="when"') == 1


async def test_the_store_and_the_period_narrow_the_numbers(
    admin: Browser, runtime: Runtime
) -> None:
    await log(runtime, ORDER, replace(ORDER, store="shop-fr"))
    assert "2 Sales Orders created in Vtiger CRM" in await admin.text("/")
    assert "1 Sales Orders created in Vtiger CRM" in await admin.text("/?store=shop-fr")
    assert "2 Sales Orders created in Vtiger CRM" in await admin.text("/?period=hour")
    assert "2 Sales Orders created in Vtiger CRM" in await admin.text("/?period=x&store=nowhere")


async def test_the_unchanged_are_shown_on_demand(admin: Browser, runtime: Runtime) -> None:
    await log(runtime, replace(ENTRY, outcome=Outcome.UNCHANGED))
    without, shown = await admin.text("/"), await admin.text("/?unchanged=1")
    assert "Contacts unchanged in" not in without
    assert "1 Contacts unchanged in Vtiger CRM" in shown
    assert "Hide unchanged" in shown


async def test_an_empty_log_says_what_will_come(admin: Browser) -> None:
    assert "No records have been synced yet." in await admin.text("/")


async def test_a_series_tells_the_same_as_the_summary(runtime: Runtime) -> None:
    await log(runtime, ORDER, ORDER, replace(ENTRY, outcome=Outcome.FAILED))
    now = datetime.now(UTC) + timedelta(seconds=1)
    async with runtime.sessions() as session:
        for step in (timedelta(seconds=10), HOUR, timedelta(days=1)):
            buckets = await series(session, since=now - 3 * HOUR, until=now, step=step)
            totals = {
                outcome: sum(bucket.counts[outcome] for bucket in buckets) for outcome in Outcome
            }
            assert totals[Outcome.CREATED] == 2
            assert totals[Outcome.FAILED] == 1
            starts = [bucket.starts_at for bucket in buckets]
            assert all(later - earlier == step for earlier, later in pairwise(starts))
            assert starts[0] <= now - 3 * HOUR < starts[0] + step


async def test_a_series_of_one_store_leaves_others_out(runtime: Runtime) -> None:
    await log(runtime, ORDER, replace(ORDER, store="shop-fr"))
    now = datetime.now(UTC) + timedelta(seconds=1)
    span = {"since": now - HOUR, "until": now}
    async with runtime.sessions() as session:
        for step in (timedelta(minutes=5), HOUR):
            buckets = await series(session, step=step, store=["shop-fr"], **span)
            assert sum(bucket.counts[Outcome.CREATED] for bucket in buckets) == 1
        assert await first_logged_at(session, ["nowhere"]) is None


async def test_counting_begins_with_the_first_entry(runtime: Runtime) -> None:
    async with runtime.sessions() as session:
        assert await first_logged_at(session) is None
    await log(runtime, ORDER)
    async with transaction(runtime.sessions) as session:
        first = await first_logged_at(session)
        counts = await summary(session, since=first)
    assert first is not None
    assert counts[System.VTIGER][Module.SALES_ORDERS][Outcome.CREATED] == 1


@pytest.mark.parametrize("period", ["hour", "all", "week"])
async def test_a_bar_leads_to_the_records_that_it_counts(
    admin: Browser, runtime: Runtime, period: str
) -> None:
    failed = replace(ORDER, outcome=Outcome.FAILED)
    unchanged = replace(ORDER, outcome=Outcome.UNCHANGED)
    no_module = replace(ORDER, module=None, outcome=Outcome.SKIPPED)
    await log(runtime, ORDER, ORDER, failed, unchanged, no_module)
    page = await admin.text(f"/?period={period}&store=main")
    bar = page.partition('class="bar" href="')[2].partition('"')[0].replace("&amp;", "&")
    row = page.partition('<table class="list numbers">')[2].partition("</table>")[0]
    cells = [cell.partition('"')[0].replace("&amp;", "&") for cell in row.split('href="')[1:]]

    counts = [(await admin.text(each)).count('<td class="when"') for each in (bar, *cells)]
    assert counts == [3, 3, 2, 1]
    assert "Outcomes per " in page
