"""What the shop would mail for what is written to it, and the settings that switch it."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.woocommerce.mailbox import OWNER
from tests.sandbox.woocommerce.shopfront import Front

pytestmark = pytest.mark.anyio

RECORDED = Path(__file__).parents[2] / "recordings" / "woocommerce" / "email-settings.jsonl.gz"
BUYER = "b@example.com"


@pytest.fixture
def front() -> Front:
    return Front()


def recorded() -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in gzip.decompress(RECORDED.read_bytes()).splitlines()]


def unlinked(body: Any) -> Any:
    """Without the links, whose addresses are another shop's."""
    if isinstance(body, list):
        return [unlinked(row) for row in body]
    return {name: value for name, value in body.items() if name != "_links"}


async def test_the_settings_of_mails_are_as_recorded(front: Front) -> None:
    for row in recorded():
        answer = await front.api.get(f"/{row['path']}")
        assert answer.status_code == row["status"], row["path"]
        shown, wanted = unlinked(answer.json()), unlinked(row["body"])
        if row["path"] == "settings":
            known = {group["id"] for group in shown}
            wanted = [group for group in wanted if group["id"] in known]
        assert shown == wanted, row["path"]


async def test_each_write_mails_whom_the_recording_tells(front: Front) -> None:
    """Recording mails_by_write."""
    box = front.shop.mailbox

    async def mails(method: str, path: str, **body: Any) -> list[tuple[str, str]]:
        before = len(box.sent)
        answer = await front.api.request(method, path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return [(mail.kind, mail.to) for mail in box.sent[before:]]

    to_owner, received = ("new_order", OWNER), ("customer_processing_order", BUYER)
    billing = {"email": BUYER, "first_name": "B"}
    made = await mails("POST", "/customers", email="m@example.com")
    customer = front.shop.users.find_by_email("m@example.com")
    assert customer is not None
    account = f"/customers/{customer.id}"
    assert made == [("customer_new_account", "m@example.com")]
    assert await mails("PUT", account, email="n@example.com") == [
        ("email_changed", "m@example.com")
    ]
    assert await mails("PUT", account, password="new") == [("password_changed", "n@example.com")]
    assert await mails("PUT", account, first_name="N") == []

    fee = [{"name": "Fee", "total": "10"}]
    assert await mails("POST", "/orders", status="pending", billing=billing, fee_lines=fee) == []
    [order] = list(front.shop.trade.orders)
    path = f"/orders/{order.id}"
    assert await mails("PUT", path, status="processing") == [to_owner, received]
    assert await mails("PUT", path, status="on-hold") == []
    assert await mails("PUT", path, status="completed") == [("customer_completed_order", BUYER)]
    assert await mails("POST", f"{path}/notes", note="Hi", customer_note=True) == [
        ("customer_note", BUYER)
    ]
    refunded = [("customer_refunded_order", BUYER)]
    assert await mails("POST", f"{path}/refunds", amount="4", api_refund=False) == refunded
    assert await mails("POST", f"{path}/refunds", amount="6", api_refund=False) == refunded

    assert await mails("POST", "/orders", billing=billing, status="on-hold") == [
        to_owner,
        ("customer_on_hold_order", BUYER),
    ]
    path = f"/orders/{max(each.id for each in front.shop.trade.orders)}"
    assert await mails("PUT", path, status="failed") == [
        ("customer_failed_order", BUYER),
        ("failed_order", OWNER),
    ]
    assert await mails("PUT", path, status="processing") == [received]
    assert await mails("PUT", path, status="cancelled") == [("cancelled_order", OWNER)]


async def test_a_mail_that_is_switched_off_is_not_sent(front: Front) -> None:
    path = "/settings/email_customer_new_account/enabled"
    await front.api.put(path, json={"value": "no"})
    await front.api.post("/customers", json={"email": "m@example.com"})

    assert front.shop.mailbox.sent == []
