"""Webhook deliveries: signature and record. The rest of the body is not trusted.

Contract page WooCommerce §1. A delivery is a hint: the topic names the record, but the body may
be older, newer, an error, or of another kind than the topic says."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from app.domain import Event, InvalidInput, Module
from app.module_facts import FACTS
from app.parsing import NotJson, leading_members, parse_json, without_marks
from app.woocommerce.schemas import find_id

# Signatures, verified on the raw bytes of the body.


def sign(raw_body: bytes, secret: str) -> str:
    """base64(HMAC-SHA256(secret, body)), as in `X-WC-Webhook-Signature`.

    Contract page WooCommerce §1, recording hook_customer_created_oncreate.
    """
    digest = hmac.digest(secret.encode(), raw_body, hashlib.sha256)
    return base64.b64encode(digest).decode()


class SignatureCheck:
    """Verifies the signature of a body that is received in parts, with one of several secrets, as
    there are while a secret is rotated.

    All secrets are compared, each in constant time. An empty secret verifies nothing: anyone could
    sign with it. Contract page WooCommerce §1.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._macs = [hmac.new(one.encode(), digestmod=hashlib.sha256) for one in secrets if one]

    def update(self, part: bytes) -> None:
        for mac in self._macs:
            mac.update(part)

    def verifies(self, signature: str) -> bool:
        given = signature.strip().encode()
        wanted = [base64.b64encode(mac.digest()) for mac in self._macs]
        matches = [hmac.compare_digest(each, given) for each in wanted]
        return any(matches)


MODULES = {facts.woo_resource: module for module, facts in FACTS.items() if facts.woo_events}
ACTIONS = {
    action: (module, facts.woo_resource, event)
    for module, facts in FACTS.items()
    for action, event in facts.woo_actions.items()
}
TOPICS = (
    *(f"{facts.woo_resource}.{event}" for facts in FACTS.values() for event in facts.woo_events),
    *(f"action.{name}" for name in ACTIONS),
)
"""The topics that `webhooks install` installs: only actions report tax rates and permanent
deletions."""

TOPIC_SHAPE = re.compile(r"(?=.{1,100}$)[a-z_]+\.[a-z_]+")
"""The signature does not cover the topic, so that it is untrusted."""
NO_TOPIC = "the delivery names no topic, such as order.updated, in X-WC-Webhook-Topic"
NO_RECORD = "The delivery names no record"
CUT = "its body is large, and its id is not at its beginning"
LONGEST_SHOWN = 80
LARGEST_PARSED = 256 * 1024
"""Bytes of a body that is parsed completely, since parsing blocks the event loop. A record's id is
its first member, so that the beginning of a larger body suffices."""
HEAD_BYTES = 64 * 1024
"""The part of a large body that is read."""
PING = re.compile(rb"webhook_id=([0-9]{1,20})")
LONGEST_PING = 64
"""Bytes; longer than any match of PING."""


class HookKind(StrEnum):
    """The kinds of deliveries: a creation ping, a topic that no module syncs (coupons, other
    actions), an error envelope, a body that names no record, or a hint about a record."""

    PING = "ping"
    UNSYNCED = "unsynced"
    ENVELOPE = "envelope"
    NOTHING = "nothing"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class WooHook:
    """One delivery. `module` is None for pings and for topics that no module syncs, whose body is
    not read.

    `record_id` is set for hints about a record only. `code` and `message` are those of an envelope;
    `message` also says why no record is named.
    """

    kind: HookKind
    topic: str = ""
    resource: str = ""
    event: Event = Event.CHANGED
    module: Module | None = None
    record_id: str | None = None
    webhook_id: str = ""
    code: str = ""
    message: str = ""


def parse_hook(headers: Mapping[str, str], body: bytes, *, is_whole: bool = True) -> WooHook:
    """Parse a delivery; header names are in lower case.

    Recordings hook_*. Raises InvalidInput if the topic is missing, or the body is not JSON. Of a
    body that is larger than LARGEST_PARSED or incomplete only the beginning is read.
    """
    if webhook_id := find_ping(headers, body):
        return WooHook(HookKind.PING, webhook_id=webhook_id)
    topic = headers.get("x-wc-webhook-topic", "")
    if not TOPIC_SHAPE.fullmatch(topic):
        raise InvalidInput(NO_TOPIC, "x-wc-webhook-topic")
    resource, _, name = topic.partition(".")
    common: dict[str, Any] = {
        "topic": topic,
        "webhook_id": headers.get("x-wc-webhook-id", ""),
        "resource": resource,
    }
    is_action = resource == "action"
    if name not in ACTIONS if is_action else resource not in MODULES:
        return WooHook(HookKind.UNSYNCED, **common)
    data, fault = _read_object(body, is_whole=is_whole)
    if is_action:
        return _read_action(name, data, common, fault)
    common |= {"module": MODULES[resource], "event": Event.named(name)}
    if _is_envelope(data):
        code, message = str(data["code"]), str(data["message"])
        return WooHook(HookKind.ENVELOPE, code=code, message=message, **common)
    return _hint(find_id(data.get("id")), common, fault)


def find_ping(headers: Mapping[str, str], body: bytes) -> str | None:
    """The webhook's id, if this is the unsigned `webhook_id=N` that the shop sends when a webhook
    is created; else None.

    Recording hook_ping. It has no content to protect by a signature, and must be answered 200.
    """
    found = PING.fullmatch(body) if may_be_ping(headers) else None
    return find_id(found[1].decode()) if found else None


def may_be_ping(headers: Mapping[str, str]) -> bool:
    """Whether a request with these headers is a creation ping if its body matches PING."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/x-www-form-urlencoded" and "x-wc-webhook-topic" not in headers


def _read_object(body: bytes, *, is_whole: bool) -> tuple[Mapping[str, Any], str]:
    """The object, and what is wrong if it names no record. A shop that cannot encode a record signs
    and sends an empty body (wp_json_encode returns false)."""
    if not is_whole or len(body) > LARGEST_PARSED:
        if is_whole and without_marks(body[:HEAD_BYTES])[:1] not in (b"{", b"["):
            raise InvalidInput("the body is not JSON: it does not begin with an object", "body")
        return leading_members(body[:HEAD_BYTES]), CUT
    if not without_marks(body):
        return {}, "its body is empty"
    try:
        data = parse_json(body)
    except NotJson as error:
        raise InvalidInput(f"the body is not JSON: {error}", "body") from error
    if not isinstance(data, dict):
        return {}, f"its body is {orjson.dumps(data)[:LONGEST_SHOWN].decode('utf-8', 'replace')}"
    return data, "its body has no id"


def _is_envelope(data: Mapping[str, Any]) -> bool:
    """A REST error in place of the record (hook_customer_created_after_object_gone)."""
    return "id" not in data and isinstance(data.get("code"), str) and "message" in data


def _read_action(
    name: str, data: Mapping[str, Any], common: Mapping[str, Any], fault: str
) -> WooHook:
    """The hint of a body `{"action", "arg"}`: the arg is an id, or `[]` for objects
    (hook_action_*)."""
    module, resource, event = ACTIONS[name]
    named = {**common, "resource": resource, "module": module, "event": event}
    return _hint(find_id(data.get("arg")), named, fault)


def _hint(record_id: str | None, common: Mapping[str, Any], fault: str) -> WooHook:
    if record_id is None:
        message = f"{NO_RECORD} ({common['topic']}): {fault}"
        return WooHook(HookKind.NOTHING, message=message, **common)
    return WooHook(HookKind.RECORD, record_id=record_id, **common)
