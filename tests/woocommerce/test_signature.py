"""Signatures of every recorded delivery, and of what nobody signed."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.woocommerce.webhook_delivery import SignatureCheck, sign
from tests.recorded import Delivery, deliveries

RECORDED = [
    delivery
    for file in ("woocommerce-hooks", "woocommerce-month-sample")
    for delivery in deliveries(file).values()
]
SIGNED = [one for one in RECORDED if "x-wc-webhook-signature" in one.headers]


def verify(body: bytes, signature: str, secrets: Sequence[str]) -> bool:
    """As a receiver does, of a body that comes in two parts."""
    check = SignatureCheck(secrets)
    check.update(body[:5])
    check.update(body[5:])
    return check.verifies(signature)


def test_every_recorded_delivery_but_the_pings_is_signed() -> None:
    unsigned = {one.body[:11] for one in RECORDED if one not in SIGNED}
    assert len(SIGNED) > 100
    assert unsigned == {b"webhook_id="}


@pytest.mark.parametrize("delivery", SIGNED, ids=lambda one: one.name)
def test_a_recorded_signature_verifies(delivery: Delivery) -> None:
    signature = delivery.headers["x-wc-webhook-signature"]
    assert verify(delivery.body, signature, [delivery.secret])
    assert sign(delivery.body, delivery.secret) == signature
    assert not verify(delivery.body + b" ", signature, [delivery.secret])


def test_either_secret_verifies_while_one_replaces_the_other() -> None:
    assert verify(b"{}", sign(b"{}", "old"), ["new", "old"])
    assert verify(b"{}", sign(b"{}", "new"), ["new", "old"])
    assert not verify(b"{}", sign(b"{}", "other"), ["new", "old"])


def test_an_empty_secret_verifies_nothing() -> None:
    assert not verify(b"{}", sign(b"{}", ""), [""])
    assert not verify(b"{}", sign(b"{}", ""), [])


@pytest.mark.parametrize("signature", ["", " ", "=", "not base64 é", "\x00", "A" * 10_000])
def test_a_malformed_signature_is_no_signature(signature: str) -> None:
    assert not verify(b"{}", signature, ["secret"])


@given(body=st.binary(), secret=st.text(min_size=1), other=st.text(min_size=1))
def test_only_the_secret_that_signed_verifies(body: bytes, secret: str, other: str) -> None:
    signature = sign(body, secret)
    assert verify(body, signature, [secret])
    assert verify(body, signature, [other]) == (other == secret)
