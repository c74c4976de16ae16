"""What the add-on sends and when: after a save, from the cron task, and not at all to the dead."""

import hashlib
import hmac
import time

import pytest

from tests.vtiger_addon.crm import Crm
from tests.vtiger_addon.receiver import Receiver

SECRET = "secret & of the tests"
FIVE = ["Contacts", "Accounts", "Products", "Services", "SalesOrder"]
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def told(crm: Crm, receiver: Receiver) -> Crm:
    """A CRM whose add-on tells the receiver."""
    crm.save("Save", url=receiver.url, secret=SECRET, modules=FIVE)
    return crm


def contact(number: int, deed: str = "save") -> list[object]:
    return ["act", number, "Contacts", 1, deed]


def waiting(crm: Crm) -> int:
    return sum(row["sent_at"] is None for row in crm.outbox())


def test_a_save_is_told_after_it(told: Crm, receiver: Receiver) -> None:
    told.request(["user", "authenticatedUserId", 5], contact(2559))
    [request] = receiver.received
    assert request.path == "/callbacks/vtiger"
    [change] = request.changes
    assert (change["sequence"], change["id"], change["module"]) == (1, "12x2559", "Contacts")
    assert (change["event"], change["user_id"]) == ("created", "19x5")
    assert waiting(told) == 0


def test_requests_are_signed_over_time_and_body(told: Crm, receiver: Receiver) -> None:
    told.request(contact(5))
    [request] = receiver.received
    stamp = request.headers["x-woosync-timestamp"]
    digest = hmac.new(SECRET.encode(), f"{stamp}.".encode() + request.body, hashlib.sha256)
    assert request.headers["x-woosync-signature"] == f"sha256={digest.hexdigest()}"
    assert abs(int(stamp) - time.time()) < 60
    assert request.headers["content-type"] == "application/json"


def test_what_one_request_saves_is_one_request(told: Crm, receiver: Receiver) -> None:
    """A mass edit."""
    told.request(*[contact(number) for number in range(1, 31)])
    assert [len(request.changes) for request in receiver.received] == [30]


def test_without_address_or_secret_nothing_is_sent(crm: Crm) -> None:
    crm.request(contact(5))
    assert waiting(crm) == 1
    assert "last_error" not in crm.config()


def test_the_first_address_is_not_sent_what_happened_before(crm: Crm, receiver: Receiver) -> None:
    crm.request(contact(5))
    crm.save("Save", url=receiver.url, secret=SECRET, modules=FIVE)
    crm.request(["cron"])
    assert receiver.received == []


def test_a_dead_service_is_left_alone_after_the_first_failure(crm: Crm) -> None:
    crm.save("Save", url=NOWHERE, secret=SECRET, modules=FIVE)
    crm.request(contact(5))
    first = crm.config()
    crm.request(contact(6))
    assert first["failures"] == "1"
    assert int(first["down_until"]) > time.time() + 50
    assert crm.config() == first
    assert waiting(crm) == 2


def test_a_hanging_service_slows_one_save_by_a_second_and_no_other(
    told: Crm, receiver: Receiver
) -> None:
    receiver.hangs = True
    told.request(contact(5))
    assert len(receiver.received) == 1
    told.request(contact(6))
    told.request(contact(7))
    assert len(receiver.received) == 1
    assert "no answer" in told.config()["last_error"]


def test_when_the_pause_is_over_one_save_tries(told: Crm, receiver: Receiver) -> None:
    told.configure(down_until=int(time.time()) - 1, failures=3)
    told.request(contact(5))
    assert len(receiver.received) == 1
    assert told.config()["failures"] == "0"


def test_the_cron_task_delivers_what_an_outage_left(told: Crm, receiver: Receiver) -> None:
    receiver.status = 503
    for number in range(1, 4):
        told.request(contact(number))
    assert waiting(told) == 3
    receiver.status = 202
    told.request(["cron"])
    assert waiting(told) == 0
    assert [change["sequence"] for change in receiver.received[-1].changes] == [1, 2, 3]
    assert told.config()["down_until"] == "0"


def test_who_reads_changes_is_told_what_waits(told: Crm, receiver: Receiver) -> None:
    """Without a cron task the service's own poll is what ends a pause."""
    receiver.status = 503
    told.request(contact(5))
    receiver.status = 202
    told.changes()
    assert waiting(told) == 0


def test_a_refusal_is_explained_and_tried_again_later(told: Crm, receiver: Receiver) -> None:
    receiver.status, receiver.body = 401, b'{"detail": "Enter the secret anew."}'
    told.request(contact(5))
    [row] = told.outbox()
    assert row["attempts"] == 1
    assert 20 < row["next_try"] - time.time() <= 30
    assert told.config()["last_error"].endswith("HTTP 401: Enter the secret anew.")
    told.request(["cron"])
    assert len(receiver.received) == 1


def test_saving_the_settings_lets_what_was_refused_go_at_once(
    told: Crm, receiver: Receiver
) -> None:
    receiver.status = 401
    told.request(contact(5))
    receiver.status = 202
    told.save("Save", url=receiver.url, secret=SECRET, modules=FIVE)
    told.request(["cron"])
    assert waiting(told) == 0


def test_rows_that_another_process_has_in_hand_are_left_to_it(
    told: Crm, receiver: Receiver
) -> None:
    told.configure(down_until=2**31 - 1)
    told.request(contact(5))
    told.sql("UPDATE vtiger_woosync_outbox SET claimed_at = ?, claim = 'other'", int(time.time()))
    told.request(["cron"])
    assert receiver.received == []
    told.sql("UPDATE vtiger_woosync_outbox SET claimed_at = claimed_at - 61")
    told.request(["cron"])
    assert waiting(told) == 0


def test_many_rows_go_in_batches(told: Crm, receiver: Receiver) -> None:
    told.configure(down_until=2**31 - 1)
    told.request(*[contact(number) for number in range(1, 602)])
    told.request(["cron"])
    assert [len(request.changes) for request in receiver.received] == [500, 101]


def test_the_test_button_says_what_is_wrong(told: Crm, receiver: Receiver) -> None:
    assert told.save("Test")["success"]
    assert receiver.received[-1].changes == []
    receiver.status, receiver.body = 401, b'{"detail": "The clock is wrong."}'
    assert "The clock is wrong." in told.save("Test")["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Welcome</html>", b"{}", b"[]", b'"woo-vtiger"', b'{"service": "another"}'],
)
def test_any_other_server_that_answers_200_has_taken_nothing(
    told: Crm, receiver: Receiver, body: bytes
) -> None:
    receiver.status, receiver.body = 200, body
    assert "is not woo-vtiger" in told.save("Test")["error"]["message"]
    told.save("Save", url=receiver.url, secret=SECRET, modules=FIVE)
    told.request(contact(5))
    [row] = told.outbox()
    assert (row["sent_at"], row["attempts"]) == (None, 1)


def test_redirects_are_not_followed(told: Crm, receiver: Receiver) -> None:
    receiver.status = 307
    told.request(contact(5))
    assert "redirects" in told.config()["last_error"]
