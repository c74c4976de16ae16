"""What the add-on sends is believed only if it is signed and fresh, and read change by change."""

import json
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import Event, InvalidInput
from app.vtiger.callbacks import (
    MOST_BATCH_VALUES,
    MOST_CHANGES,
    AddonChange,
    SignatureFault,
    find_fault,
    parse_batch,
    sign,
)

VECTORS = json.loads((Path(__file__).parent.parent / "vtiger_addon/signatures.json").read_text())
SECRET = "labsecret"
NOW = 1_795_575_780
CHANGE = {"sequence": 3, "id": "12x34", "module": "Contacts", "event": "updated"}


def fault(
    body: bytes = b"{}", *, at: str = str(NOW), secret: str = SECRET
) -> SignatureFault | None:
    return find_fault(secret, body, timestamp=at, signature=sign(SECRET, at, body), now=NOW)


@pytest.mark.parametrize("vector", VECTORS)
def test_signatures_are_those_that_php_makes(vector: dict[str, str]) -> None:
    """The add-on's own test reads the same file."""
    body = vector["body"].encode()
    assert sign(vector["secret"], vector["timestamp"], body) == vector["signature"]


@given(st.binary(), st.integers(-300, 300))
def test_what_the_secret_signed_lately_is_believed(body: bytes, seconds: int) -> None:
    assert fault(body, at=str(NOW + seconds)) is None


@pytest.mark.parametrize("seconds", [-301, 301, 10**6])
def test_what_is_too_old_or_too_new_is_not(seconds: int) -> None:
    assert fault(at=str(NOW + seconds)) is SignatureFault.STALE


@pytest.mark.parametrize("stamp", ["x", "-5", "1e9", "١٧٠٠٠٠٠٠٠٠", "9" * 5000, f" {NOW}"])
def test_a_time_that_is_none_is_too_old(stamp: str) -> None:
    assert fault(at=stamp) is SignatureFault.STALE


@given(st.binary(), st.binary(min_size=1))
def test_another_body_is_not_believed(body: bytes, more: bytes) -> None:
    signature = sign(SECRET, str(NOW), body)
    found = find_fault(SECRET, body + more, timestamp=str(NOW), signature=signature, now=NOW)
    assert found is SignatureFault.WRONG


def test_another_time_or_secret_is_not_believed() -> None:
    signature = sign(SECRET, str(NOW), b"{}")
    later = find_fault(SECRET, b"{}", timestamp=str(NOW + 1), signature=signature, now=NOW)
    assert later is SignatureFault.WRONG
    assert fault(secret="other") is SignatureFault.WRONG


def test_an_empty_secret_verifies_nothing() -> None:
    signature = sign("", str(NOW), b"{}")
    assert find_fault("", b"{}", timestamp=str(NOW), signature=signature, now=NOW) is (
        SignatureFault.MISSING
    )


@pytest.mark.parametrize("signature", ["", "sha256=", "Zoë", "sha256=" + "0" * 64])
def test_a_signature_that_is_none_is_refused(signature: str) -> None:
    found = find_fault(SECRET, b"{}", timestamp=str(NOW), signature=signature, now=NOW)
    assert found in {SignatureFault.MISSING, SignatureFault.WRONG}


def test_a_batch_is_read_in_order() -> None:
    rows = [CHANGE, CHANGE | {"sequence": 4, "module": "SalesOrder", "event": "deleted"}]
    batch = parse_batch(orjson.dumps({"installation": "abc", "changes": rows}))
    assert batch.installation == "abc"
    assert batch.changes == (
        AddonChange(3, "12x34", "Contacts", Event.UPDATED),
        AddonChange(4, "12x34", "SalesOrder", Event.DELETED),
    )


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        "12x34",
        {},
        CHANGE | {"sequence": "3"},
        CHANGE | {"sequence": True},
        CHANGE | {"sequence": 0},
        CHANGE | {"sequence": 2**63},
        CHANGE | {"id": "34"},
        CHANGE | {"id": "12x34; DROP"},
        CHANGE | {"id": "1" * 200 + "x1"},
        CHANGE | {"module": None},
    ],
)
def test_a_change_that_makes_no_sense_spoils_no_other(broken: object) -> None:
    batch = parse_batch(orjson.dumps({"changes": [broken, CHANGE]}))
    assert len(batch.changes) == 1
    assert batch.unreadable == 1


@pytest.mark.parametrize("event", ["merged", None, 7, ["updated"]])
def test_an_event_that_is_not_known_is_a_change(event: object) -> None:
    batch = parse_batch(orjson.dumps({"changes": [CHANGE | {"event": event}]}))
    assert [change.event for change in batch.changes] == [Event.CHANGED]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"changes": {}}', b"id=12x34"])
def test_what_is_no_batch_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_batch(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"changes":[' + b"{}," * MOST_BATCH_VALUES + b"{}]}",
        b'{"changes":{' + b'"1":1,' * MOST_BATCH_VALUES + b'"1":1}}',
        b'{"x":' + b"[" * 4_000_000,
    ],
)
def test_a_body_of_more_values_than_a_batch_has_is_not_parsed(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="more than 20000 values"):
        parse_batch(body)


def test_a_batch_has_an_end() -> None:
    parse_batch(orjson.dumps({"changes": [CHANGE] * MOST_CHANGES}))
    with pytest.raises(InvalidInput, match="1000"):
        parse_batch(orjson.dumps({"changes": [CHANGE] * (MOST_CHANGES + 1)}))
