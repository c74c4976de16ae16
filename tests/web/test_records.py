"""The records and an entry: filters, pages, why, what changed, what is behind it, replay."""

from dataclasses import replace

import pytest

from app.domain import DeliveryState, Origin, Outcome, System
from app.runtime import Runtime
from tests.api.rows import ENTRY, log, log_many, settled_hint, stored
from tests.web.browsing import Browser

pytestmark = pytest.mark.anyio


def rows(page: str) -> int:
    return page.count('<td class="when"')


async def test_filters_narrow_the_list(admin: Browser, runtime: Runtime) -> None:
    skipped = replace(
        ENTRY, outcome=Outcome.SKIPPED, reason="filtered", message="Role is editor.", run_id=9
    )
    no_module = replace(ENTRY, module=None, target=System.WOOCOMMERCE, source_id="c-1")
    await log(runtime, ENTRY, skipped, no_module, replace(ENTRY, store="shop-fr", link_id=6))
    for query, count in {
        "": 4,
        "outcome=skipped": 1,
        "outcome=skipped&outcome=updated": 4,
        "module=contacts": 3,
        "module=none": 1,
        "target=woocommerce": 1,
        "reason=filtered": 1,
        "store=shop-fr": 1,
        "q=editor": 1,
        "q=lovelace": 4,
        "source_id=c-1": 1,
        "target_id=12x34": 4,
        "link_id=6": 1,
        "run_id=9": 1,
        "delivery_id=1": 0,
        "since=2020-01-01": 4,
        "until=2020-01-01": 0,
        "outcome=&q=": 4,
    }.items():
        assert rows(await admin.text(f"/ui/records?{query}")) == count, query


async def test_a_wrong_filter_is_told_at_its_field(admin: Browser, runtime: Runtime) -> None:
    await log(runtime, ENTRY)
    answer = await admin.get("/ui/records?since=yesterday&run_id=x")
    assert answer.status_code == 422
    assert 'aria-describedby="e-since"' in answer.text
    assert "Enter a time such as 2026-11-24T08:00:00Z." in answer.text
    assert '<details class="more" id="more-filters" open>' in answer.text


async def test_pages_follow_each_other(admin: Browser, runtime: Runtime) -> None:
    await log_many(runtime, 120)
    page, sizes = await admin.text("/ui/records?module=contacts"), []
    for _ in range(3):
        sizes.append(rows(page))
        older = page.rpartition('">Older')[0].rpartition('href="')[2].replace("&amp;", "&")
        if not older:
            break
        assert older.startswith("/ui/records?module=contacts&cursor=")
        page = await admin.text(older)
    assert sizes == [50, 50, 20]
    assert "Newest" in page


async def test_an_entry_says_why_and_what_to_do(admin: Browser, runtime: Runtime) -> None:
    skipped = replace(
        ENTRY,
        outcome=Outcome.SKIPPED,
        reason="currency_unavailable",
        message="Vtiger has no active currency CHF.",
        changes=[],
    )
    [entry] = await log(runtime, skipped)
    page = await admin.text(f"/ui/records/{entry}")
    assert "Vtiger has no active currency CHF." in page
    assert "Add or activate the currency in Vtiger" in page
    assert '<a href="/ui/records?reason=currency_unavailable">' in page


async def test_an_entry_shows_what_changed_on_which_side(admin: Browser, runtime: Runtime) -> None:
    entry = replace(
        ENTRY,
        notes=[{"field": "mobile", "reason": "value_too_long", "message": "Cut.", "value": "x"}],
        conflicts=[{"field": "city", "woocommerce": "Lyon", "vtiger": "Ulm", "winner": "vtiger"}],
    )
    [entry_id] = await log(runtime, entry)
    page = await admin.text(f"/ui/records/{entry_id}")
    for text in ("Phone", "Mobile", "City", "Lyon", "Ulm", "value_too_long"):
        assert text in page
    assert '<span class="line">1</span>' in page
    assert '<span class="line">2</span>' in page
    assert "wp-admin/user-edit.php?user_id=7" in page
    assert "index.php?module=Contacts&amp;view=Detail&amp;record=34" in page


async def test_replay_brings_the_record_up_again_once(admin: Browser, runtime: Runtime) -> None:
    delivery, entry = await settled_hint(runtime, state=DeliveryState.DEAD)
    path = f"/ui/records/{entry}"
    for _ in range(2):
        answer = await admin.post(f"{path}/replay", on=path)
        assert answer.headers["location"] == f"{path}?replayed=1"
    first, replay = await stored(runtime)

    assert "The record is replayed." in await admin.text(f"{path}?replayed=1")
    assert (first.id, first.state) == (delivery, DeliveryState.DEAD)
    assert (replay.origin, replay.record_key, replay.duplicates) == (
        Origin.REPLAY,
        first.record_key,
        1,
    )


async def test_an_entry_without_deliveries_brings_up_where_it_came_from(
    admin: Browser, runtime: Runtime
) -> None:
    [entry] = await log(runtime, ENTRY)
    path = f"/ui/records/{entry}"
    await admin.post(f"{path}/replay", on=path)
    [replay] = await stored(runtime)
    assert replay.record_key == "main:contacts:woocommerce:7"


@pytest.mark.parametrize("link_id", [5, None])
async def test_what_comes_of_a_replay_is_one_click_away(
    admin: Browser, runtime: Runtime, link_id: int | None
) -> None:
    [entry, _] = await log(runtime, replace(ENTRY, link_id=link_id), replace(ENTRY, source_id="8"))
    page = await admin.text(f"/ui/records/{entry}?replayed=1")
    address = page.partition('">Show the result')[0].rpartition('href="')[2]
    shown = await admin.text(address.replace("&amp;", "&"))
    assert rows(shown) == (2 if link_id else 1)


async def test_what_no_module_syncs_cannot_be_replayed_from_nothing(
    admin: Browser, runtime: Runtime
) -> None:
    [entry] = await log(runtime, replace(ENTRY, module=None))
    assert "Replay" not in await admin.text(f"/ui/records/{entry}")
    answer = await admin.post(f"/ui/records/{entry}/replay", on="/")
    assert answer.headers["location"] == f"/ui/records/{entry}?replayed=0"
    assert await stored(runtime) == []


async def test_a_form_sends_every_value_of_a_filter_in_force(admin: Browser) -> None:
    page = await admin.text("/ui/records?outcome=created&outcome=failed")
    assert '<option value="created" selected>' in page
    assert '<input type="hidden" name="outcome" value="failed">' in page
