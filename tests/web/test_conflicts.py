"""Conflicts side by side, and a person's word on them."""

import pytest

from app.db.session import transaction
from app.domain import Module, Origin, System
from app.links.conflicts import Report, find_conflict, note
from app.links.models import Link
from app.links.repository import save_link
from app.runtime import Runtime
from tests.api.rows import stored
from tests.api.test_conflicts import dispute
from tests.web.browsing import Browser

pytestmark = pytest.mark.anyio

PAGE = "/ui/conflicts"


def seen_at(page: str) -> str:
    return page.partition('name="seen_at" value="')[2].partition('"')[0]


async def test_both_values_stand_side_by_side_with_where_they_are_found(
    admin: Browser, runtime: Runtime
) -> None:
    async with transaction(runtime.sessions) as session:
        pair = Link(store="main", module=Module.CONTACTS, woo_id="7", vtiger_id="12x7", base={})
        link = await save_link(session, pair)
        both = {"phone": ("+49 30", "+49 40"), "billing_city": ("Ulm", None)}
        await note(session, link, Report("Ada Lovelace <ada@shop.example>", open=both))
    page = await admin.text(PAGE)
    assert page.count('class="versus"') == 2
    assert page.count("<h2") == 1
    for text in ("Ada Lovelace", "+49 30", "+49 40", "Ulm", "empty", "Billing city", "Phone"):
        assert text in page
    assert "wp-admin/user-edit.php?user_id=7" in page
    assert "module=Contacts&amp;view=Detail&amp;record=7" in page


async def test_a_decision_is_kept_and_brought_to_the_pair(admin: Browser, runtime: Runtime) -> None:
    conflict_id = await dispute(runtime)
    stamp = seen_at(await admin.text(PAGE))
    form = {"keep": "vtiger", "seen_at": stamp}
    answer = await admin.post(f"{PAGE}/{conflict_id}/resolve", on=PAGE, **form)
    [hint] = await stored(runtime)
    async with runtime.sessions() as session:
        conflict = await find_conflict(session, int(conflict_id))
    waiting, decided = await admin.text(PAGE), await admin.text(f"{PAGE}?state=resolved")

    assert answer.headers["location"] == f"{PAGE}?decided={hint.id}"
    assert conflict is not None
    assert (conflict.resolution, conflict.resolved_by) == (System.VTIGER, "API_TOKENS")
    assert (hint.origin, hint.system, hint.record_id) == (Origin.MANUAL, System.VTIGER, "12x7")
    assert "No open conflicts." in waiting
    assert "Vtiger CRM was kept by API_TOKENS" in decided
    assert "It is still to be written." in decided


async def test_a_decision_on_values_that_changed_is_refused(
    admin: Browser, runtime: Runtime
) -> None:
    conflict_id = await dispute(runtime)
    form = {"keep": "vtiger", "seen_at": "2020-01-01T00:00:00+00:00"}
    answer = await admin.post(f"{PAGE}/{conflict_id}/resolve", on=PAGE, **form)
    assert answer.status_code == 409
    assert "A side has changed in the meantime" in answer.text
    assert 'class="versus"' in answer.text
    assert await stored(runtime) == []


async def test_a_decision_that_says_nothing_is_refused(admin: Browser, runtime: Runtime) -> None:
    conflict_id = await dispute(runtime)
    stamp = seen_at(await admin.text(PAGE))
    for form in ({"keep": "both", "seen_at": stamp}, {"keep": "vtiger", "seen_at": "x"}):
        answer = await admin.post(f"{PAGE}/{conflict_id}/resolve", on=PAGE, **form)
        assert answer.status_code == 422
    gone = await admin.post(f"{PAGE}/999/resolve", on=PAGE, keep="vtiger", seen_at=stamp)
    assert gone.status_code == 404


async def test_readers_see_conflicts_and_decide_nothing(reader: Browser, runtime: Runtime) -> None:
    conflict_id = await dispute(runtime)
    page = await reader.text(PAGE)
    form = {"keep": "vtiger", "seen_at": "2020-01-01T00:00:00+00:00"}
    refused = await reader.post(f"{PAGE}/{conflict_id}/resolve", on="/", **form)
    assert 'class="versus"' in page
    assert "Keep WooCommerce" not in page
    assert refused.status_code == 403


async def test_the_front_page_counts_what_waits(admin: Browser, runtime: Runtime) -> None:
    await dispute(runtime)
    assert "<b>1</b> conflict to decide" in await admin.text("/")
    assert "<b>0</b> conflicts to decide" in await admin.text("/?store=shop-fr")


async def _hold(runtime: Runtime, woo_id: str) -> None:
    """A pair whose deletion waits for a person."""
    now = runtime.clock()
    async with transaction(runtime.sessions) as session:
        pair = Link(store="main", module=Module.CONTACTS, woo_id=woo_id, vtiger_id=f"12x{woo_id}")
        pair.base, pair.woo_deleted_at, pair.delete_held_at = {}, now, now
        await save_link(session, pair)


async def test_deletions_that_the_brake_holds_go_on_when_they_are_meant(
    admin: Browser, reader: Browser, runtime: Runtime
) -> None:
    for woo_id in ("7", "8"):
        await _hold(runtime, woo_id)
    front, page, seen = await admin.text("/"), await admin.text(PAGE), await reader.text(PAGE)
    path = f"{PAGE}/deletions/main/contacts"
    refused = await reader.post(path, on="/")
    answer = await admin.post(path, on=PAGE)
    hints = await stored(runtime)

    assert "<b>2</b> deletions to confirm" in front
    assert "<b>2</b> of Contacts of main" in page
    assert "Confirm<span" in page
    assert "Confirm<span" not in seen
    assert refused.status_code == 403
    assert answer.headers["location"] == f"{PAGE}?confirmed=2"
    assert [hint.record_key for hint in hints] == [
        "main:contacts:woocommerce:7",
        "main:contacts:woocommerce:8",
    ]
    assert "2 deletions were confirmed." in await admin.text(answer.headers["location"])
    assert (await admin.post(f"{PAGE}/deletions/x/contacts", on=PAGE)).status_code == 404
