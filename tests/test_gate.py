"""What each failure says of the remote: an outage, a record's own fault, or nothing."""

import pytest

from app.domain import (
    AuthRejected,
    CallsPaused,
    CircuitOpen,
    Duplicate,
    NotFound,
    RateLimited,
    Rejected,
    RemoteError,
    RemoteTimeout,
    RemoteUnavailable,
    ResponseUnreadable,
    System,
    utc_now,
)
from app.http.client import Answer, Verdict, calling_for, cause, is_overloaded, judge
from app.vtiger.webservice import read_result

CRM, SHOP = System.VTIGER, System.WOOCOMMERCE
SOON = utc_now()


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (RemoteUnavailable(CRM, "refused, reset, TLS, DNS"), Verdict.DOWN),
        (RemoteUnavailable(SHOP, "bad gateway", status=502), Verdict.DOWN),
        (RemoteUnavailable(SHOP, "unavailable", status=503), Verdict.DOWN),
        (RemoteUnavailable(SHOP, "a redirect", status=301), Verdict.DOWN),
        (RemoteTimeout(CRM, "silence"), Verdict.DOWN),
        (RemoteUnavailable(CRM, "an empty 500", status=500), Verdict.SUSPECT),
        (RemoteUnavailable(SHOP, "fatal", code="internal_server_error", status=500), "suspect"),
        (RemoteUnavailable(SHOP, "no route", code="rest_no_route", status=404), "suspect"),
        (ResponseUnreadable(CRM, "HTML"), Verdict.SUSPECT),
        (RateLimited(SHOP, "slow down"), Verdict.THROTTLED),
        (AuthRejected(SHOP, "unknown key", code="cannot_view", status=401), Verdict.REJECTED),
        (AuthRejected(CRM, "wrong key", code="INVALID_USER_CREDENTIALS"), Verdict.REJECTED),
        (AuthRejected(CRM, "a firewall", status=403), Verdict.REJECTED),
        (AuthRejected(SHOP, "not this user", code="cannot_edit", status=403), Verdict.ANSWERED),
        (RemoteUnavailable(CRM, "of a record", code="INTERNAL_SERVER_ERROR"), Verdict.ANSWERED),
        (Rejected(CRM, "no"), Verdict.ANSWERED),
        (NotFound(CRM, "gone"), Verdict.ANSWERED),
        (Duplicate(CRM, "taken"), Verdict.ANSWERED),
        (CircuitOpen(CRM, "left alone", until=SOON, seconds=1), Verdict.NOTHING),
        (CallsPaused(CRM, "paused", until=SOON, seconds=1), Verdict.NOTHING),
    ],
)
def test_a_failure_is_judged_by_what_can_cause_it(error: RemoteError, verdict: Verdict) -> None:
    assert judge(error) == verdict


def test_what_vtiger_tells_of_a_record_is_an_answer() -> None:
    """Recording 53-query-dblquoted."""
    body = b'{"success":false,"error":{"code":"INTERNAL_SERVER_ERROR","message":"Unknown"}}'
    with pytest.raises(RemoteUnavailable) as caught:
        read_result(Answer(200, {}, body), "query", write=False)  # type: ignore[arg-type]
    assert judge(caught.value) is Verdict.ANSWERED


def test_only_a_503_says_too_much() -> None:
    assert is_overloaded(RemoteUnavailable(SHOP, "busy", status=503))
    assert not is_overloaded(RemoteUnavailable(SHOP, "broken", status=500))


def test_calls_know_for_whom_they_are_made() -> None:
    with calling_for("main:contacts:vtiger:12x1"):
        assert cause() == "main:contacts:vtiger:12x1"
    assert cause() == ""
