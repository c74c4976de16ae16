"""Names and texts of both systems are strangers' words: shown as they are, never run."""

from dataclasses import replace

import pytest

from app.db.session import transaction
from app.domain import DeliveryState, Event, Module, Origin, Outcome, Record, Scope, System
from app.inbox.repository import NewDelivery, Postponement, accept, claim, postpone, settle
from app.remotes.incidents import Trouble, report
from app.remotes.models import IncidentKind
from app.runtime import Runtime
from app.synclog.repository import append
from tests.api.rows import ENTRY
from tests.web.browsing import Browser, new_token

pytestmark = pytest.mark.anyio

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
HARMLESS = "&lt;script&gt;alert(1)&lt;/script&gt;"


async def _evil_rows(runtime: Runtime) -> tuple[int, int]:
    """A delivery and its entry, hostile in every text that comes from outside."""
    record = Record("main", System.WOOCOMMERCE, Module.CONTACTS, EVIL, EVIL)
    hint = NewDelivery(
        record, Origin.WEBHOOK, Event.UPDATED, "evil", body=EVIL.encode(), remote_note=EVIL
    )
    entry = replace(
        ENTRY,
        source_id=EVIL,
        target_id=EVIL,
        outcome=Outcome.SKIPPED,
        reason="filtered",
        message=EVIL,
        label=EVIL,
        changes=[{"field": EVIL, "old": EVIL, "new": EVIL, "source": EVIL}],
        notes=[{"field": EVIL, "reason": EVIL, "message": EVIL, "value": EVIL}],
        conflicts=[{"field": EVIL, "woocommerce": EVIL, "vtiger": EVIL, "winner": EVIL}],
    )
    async with transaction(runtime.sessions) as session:
        [accepted] = await accept(session, [hint])
        await claim(session, record.key)
        await postpone(session, [accepted.id], Postponement(0, "timeout", EVIL))
        await claim(session, record.key)
        entry_id = await append(session, entry, [accepted.id])
        await settle(session, [accepted.id], entry_id, state=DeliveryState.DEAD)
    await report(runtime.sessions, Trouble(IncidentKind.POLL_FAILED, System.VTIGER, EVIL), EVIL)
    return accepted.id, entry_id


async def test_hostile_names_are_shown_and_never_run(admin: Browser, runtime: Runtime) -> None:
    delivery, entry = await _evil_rows(runtime)
    for path in (
        "/",
        "/ui/records",
        f"/ui/records/{entry}",
        "/ui/deliveries",
        f"/ui/deliveries/{delivery}",
        "/ui/status",
    ):
        page = await admin.text(path)
        assert HARMLESS in page, path
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page, path


async def test_what_an_address_says_is_shown_and_never_run(admin: Browser) -> None:
    for path in ("/ui/records", "/ui/deliveries", "/", "/sign-in"):
        names = ("q", "since", "outcome", "record_id", "store", "period", "next", "link_id", "run")
        answer = await admin.client.get(path, params=dict.fromkeys(names, EVIL))
        assert "<script>alert" not in answer.text, path
        assert "<img src=x" not in answer.text, path


async def test_a_hostile_token_name_is_shown_and_never_run(
    stranger: Browser, runtime: Runtime
) -> None:
    _, secret = await new_token(runtime, Scope.ADMIN, EVIL)
    await stranger.sign_in(secret)
    await stranger.post("/ui/settings/main/contacts", on="/ui/settings/main/contacts", **CHOICES)
    for path in ("/", "/ui/settings", "/ui/settings/main/contacts"):
        page = await stranger.text(path)
        assert HARMLESS in page
        assert "<script>alert" not in page


CHOICES = {
    "enabled": "on",
    "direction": "woo_to_vtiger",
    "conflict_policy": "latest_wins",
    "delete_policy": "ignore",
    "ambiguous_match": "skip",
    "too_long": "cut",
    "roles": "customer",
}
