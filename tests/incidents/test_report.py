"""Each incident gives two lines of the log: when it begins and when it ends."""

import logging

import pytest

from app.db.session import Sessions
from app.domain import System
from app.remotes.incidents import Trouble, report, report_resolved
from app.remotes.models import IncidentKind

pytestmark = pytest.mark.anyio

HOOK = Trouble(IncidentKind.WEBHOOK_BROKEN, System.WOOCOMMERCE, "main", "order.updated")


async def test_it_is_logged_when_it_begins_and_when_it_ends(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await report(sessions, HOOK, "The shop disabled the webhook.")
        for _ in range(3):
            await report_resolved(sessions, HOOK, "It was replaced.")

    assert [record.message for record in caplog.records] == [
        "incident began: The shop disabled the webhook.",
        "incident ended: It was replaced.",
    ]
    fields = vars(caplog.records[0])
    told = ("webhook_broken", "woocommerce", "main", "order.updated")
    assert tuple(fields[name] for name in ("incident", "system", "store", "subject")) == told
