"""POST /webhooks/woocommerce/{store}: a plain endpoint, for the shop's queue waits for the answer.

The order of the checks keeps strangers from learning anything but which stores exist.
"""

import logging
from collections.abc import Mapping

import orjson
from fastapi import Request, Response

from app.api.doors import refused
from app.api.errors import Problem
from app.api.intake import Body, fields_of, read_small, read_watched, store_hints
from app.attempts import Door, Refusal, count_refusal
from app.errors import InvalidInput, System
from app.inbox.dedupe import webhook_key
from app.inbox.repository import NewDelivery
from app.metrics import IGNORED
from app.records import Origin, Record
from app.runtime import Runtime
from app.setting_systems import StoreSettings
from app.woocommerce.signature import SignatureCheck
from app.woocommerce.topics import (
    LONGEST_PING,
    HookKind,
    WooHook,
    find_ping,
    may_be_ping,
    parse_hook,
)

PATH = "/webhooks/woocommerce/{store}"
COUNTED_APART = frozenset({"coupon", "action"})
"""Resources without a module that have a label of their own; the topic is not signed, so that
labels made of it could be any number."""

logger = logging.getLogger(__name__)


async def receive(request: Request) -> Response:
    """The ping is answered 200, as are duplicates, what names no record and what no module syncs,
    for a shop gives up a webhook whose deliveries are refused seven times; new hints 202."""
    runtime: Runtime = request.app.state.runtime
    store = request.path_params["store"]
    settings, limits = _get_store(runtime, store), runtime.settings.receiver
    headers = fields_of(request)
    signature = headers.get("x-wc-webhook-signature", "")
    if not signature:
        if await _is_ping(request):
            return _answer(200, {"ping": True})
        count_refusal(Door.WEBHOOK, Refusal.MISSING)
        logger.warning("A webhook for store %s was refused: it has no signature", store)
        raise _bad_signature()
    check = SignatureCheck(_secrets(settings))
    most = max(limits.max_body_bytes, limits.max_hint_bytes)
    body = await read_watched(request, check.update, keep=limits.max_body_bytes, most=most)
    if not check.is_made_by(signature):
        raise refused(runtime.attempts, request, Door.WEBHOOK, _bad_signature())
    hook = _read(headers, body)
    if hook.kind is HookKind.UNSYNCED:
        return _ignore(store, hook)
    [accepted] = await store_hints(runtime, [_hint(store, hook, body, signature)])
    answer = {"delivery_id": str(accepted.id)}
    if accepted.duplicate:
        return _answer(200, answer | {"duplicate": True})
    return _answer(202 if hook.kind is HookKind.RECORD else 200, answer)


def _get_store(runtime: Runtime, store: str) -> StoreSettings:
    settings = runtime.settings.stores.get(store)
    if settings is None:
        raise Problem(404, "unknown_store", "There is no store of this key.")
    return settings


async def _is_ping(request: Request) -> bool:
    """Nobody has proven anything yet, so that no more is read than a ping has."""
    if not may_be_ping(request.headers):
        return False
    body = await read_small(request, LONGEST_PING)
    return body is not None and find_ping(request.headers, body) is not None


def _ignore(store: str, hook: WooHook) -> Response:
    """Counted and not stored: nothing could come of it."""
    resource = hook.resource if hook.resource in COUNTED_APART else "other"
    IGNORED.labels(store, resource).inc()
    logger.info("Store %s: no module syncs %s; its webhook may be removed", store, hook.topic)
    return _answer(200, {"ignored": True})


def _secrets(settings: StoreSettings) -> list[str]:
    kept = (settings.webhook_secret, settings.webhook_secret_previous)
    return [secret.get_secret_value() for secret in kept if secret is not None]


def _bad_signature() -> Problem:
    return Problem(
        401,
        "bad_signature",
        "The signature is missing or not made with this store's secret.",
    )


def _read(headers: Mapping[str, str], body: Body) -> WooHook:
    try:
        hook = parse_hook(headers, body.raw, is_whole=body.is_whole)
    except InvalidInput as error:
        raise Problem(400, "unreadable", f"The delivery cannot be read: {error}.") from error
    if hook.kind is HookKind.PING:
        raise Problem(400, "unreadable", "A signed delivery is not a ping.")
    return hook


def _hint(store: str, hook: WooHook, body: Body, signature: str) -> NewDelivery:
    """A body that is not kept whole is told from others by its signature, which was verified."""
    notes = {
        HookKind.ENVELOPE: f"{hook.code}: {hook.message}",
        HookKind.NOTHING: hook.message,
    }
    note = notes.get(hook.kind, hook.topic)
    told_apart = body.raw if body.is_whole else signature.strip()
    return NewDelivery(
        record=Record(
            store=store,
            system=System.WOOCOMMERCE,
            module=hook.module,
            id=hook.record_id or "",
            kind=hook.resource,
        ),
        origin=Origin.WEBHOOK,
        event=hook.event,
        dedupe_key=webhook_key(store, hook.webhook_id, hook.topic, told_apart),
        body=body.raw if body.is_whole else None,
        remote_note=note,
    )


def _answer(status: int, body: Mapping[str, object]) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
