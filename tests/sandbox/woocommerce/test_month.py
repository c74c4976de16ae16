"""A month of a real shop lived again: the same calls must send the same webhooks.

It holds 181 orders made over REST with all that may happen to them, under every tax setting; each
delivery shows the whole object, so this is the proof of order arithmetic too.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.woocommerce.likeness import Difference, differences
from tests.sandbox.woocommerce.month import Delivery, Month, Outcome
from tests.sandbox.woocommerce.shopfront import read_month

pytestmark = pytest.mark.anyio

AMOUNT = re.compile(r"\.(\w*total\w*|\w*tax|subtotal|price|amount|discount|quantity|rate_percent)$")
# Plugins and sessions keep notes of their own beside a checkout's order and on a user.
OTHERS_META = re.compile(r"^\.meta_data(\[\d\]\.(key|value))?$")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def month(anyio_backend: str) -> tuple[Month, Outcome]:
    del anyio_backend
    replay = Month()
    return replay, await replay.run()


@pytest.fixture
def outcome(month: tuple[Month, Outcome]) -> Outcome:
    return month[1]


def found(recorded: Delivery, sent: Delivery) -> list[Difference]:
    return list(differences(sent.body, recorded.body))


def test_every_call_is_answered_with_the_recorded_status(outcome: Outcome) -> None:
    assert len(outcome.statuses) > 650
    assert [answer for answer in outcome.statuses if answer[1] != answer[2]] == []


def test_every_run_of_the_queue_sends_the_recorded_events_in_order(outcome: Outcome) -> None:
    assert sum(len(flush.recorded) for flush in outcome.flushes) == 1220
    wrong = [
        ([d.key for d in flush.recorded], [d.key for d in flush.sent])
        for flush in outcome.flushes
        if [d.key for d in flush.recorded] != [d.key for d in flush.sent]
    ]
    assert wrong == []


def test_every_amount_of_every_delivered_order_is_the_recorded_one(outcome: Outcome) -> None:
    orders = [pair for pair in outcome.pairs() if pair[0].topic.startswith("order.")]
    wrong = [
        (recorded.key, difference)
        for recorded, sent in orders
        for difference in found(recorded, sent)
        if AMOUNT.search(difference[0])
    ]
    assert len(orders) > 580
    assert wrong == []


@pytest.mark.parametrize("resource", ["product", "coupon", "action", "order", "customer"])
def test_every_delivered_object_equals_the_recorded_one(resource: str, outcome: Outcome) -> None:
    pairs = [pair for pair in outcome.pairs() if pair[0].topic.startswith(f"{resource}.")]
    wrong = [
        (recorded.key, difference)
        for recorded, sent in pairs
        for difference in found(recorded, sent)
        if resource in ("product", "coupon", "action") or not OTHERS_META.search(difference[0])
    ]
    assert pairs
    assert wrong == []


async def test_in_the_end_the_shop_holds_what_the_real_one_held(
    month: tuple[Month, Outcome],
) -> None:
    front, final = month[0].front, read_month()
    for path, recorded in kept(final):
        answer = (await front.api.get(path)).json()
        wrong = [
            difference
            for difference in differences(rebased(answer), recorded)
            if not OTHERS_META.search(difference[0])
        ]
        assert wrong == [], path


def kept(final: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each object of the final state is to be read, and what it was."""
    for name in ("products", "orders", "taxes"):
        for row in final[name]:
            yield f"/{name}/{row['id']}", row
    for name, below in (("variations", "products"), ("refunds", "orders")):
        for parent, rows in final[name].items():
            for row in rows:
                yield f"/{below}/{parent}/{name}/{row['id']}", row


def rebased(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rebased(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rebased(item) for item in value]
    if isinstance(value, str):
        return value.replace("https://shop.example/", "https://127.0.0.1:8082/")
    return value
