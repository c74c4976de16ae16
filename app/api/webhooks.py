"""POST /webhooks/woocommerce/{store}: a plain endpoint, for the shop's queue waits for the answer.

The order of the checks keeps strangers from learning anything but which stores exist.
"""

import logging
from collections.abc import Mapping

import orjson
from fastapi import Request, Response

from app.api.errors import Problem
from app.api.intake import dedupe_key, read_body, store_hints
from app.errors import InvalidInput, System
from app.inbox.repository import NewDelivery
from app.records import Origin, Record
from app.runtime import Runtime
from app.setting_systems import StoreSettings
from app.woocommerce.signature import verify
from app.woocommerce.topics import HookKind, WooHook, find_ping, parse_hook

PATH = "/webhooks/woocommerce/{store}"
LONGEST_NOTE = 500

logger = logging.getLogger(__name__)


async def receive(request: Request) -> Response:
    """The ping and error envelopes are answered 200, as are duplicates; new hints 202."""
    runtime: Runtime = request.app.state.runtime
    store = request.path_params["store"]
    settings = _get_store(runtime, store)
    body = await read_body(request, runtime.settings.receiver.max_body_bytes)
    signature = request.headers.get("x-wc-webhook-signature", "")
    if not signature and find_ping(request.headers, body):
        return _answer(200, {"ping": True})
    if not verify(body, signature, _secrets(settings)):
        raise _refused(store)
    hook = _read(request.headers, body)
    [accepted] = await store_hints(runtime, [_hint(store, hook, body)])
    answer = {"delivery_id": str(accepted.id)}
    if accepted.duplicate:
        return _answer(200, answer | {"duplicate": True})
    return _answer(200 if hook.kind is HookKind.ENVELOPE else 202, answer)


def _get_store(runtime: Runtime, store: str) -> StoreSettings:
    settings = runtime.settings.stores.get(store)
    if settings is None:
        raise Problem(404, "unknown_store", "There is no store of this key.")
    return settings


def _secrets(settings: StoreSettings) -> list[str]:
    kept = (settings.webhook_secret, settings.webhook_secret_previous)
    return [secret.get_secret_value() for secret in kept if secret is not None]


def _refused(store: str) -> Problem:
    logger.warning("A webhook for store %s was refused: its signature does not match", store)
    return Problem(
        401,
        "bad_signature",
        "The signature is missing or not made with this store's secret.",
    )


def _read(headers: Mapping[str, str], body: bytes) -> WooHook:
    try:
        hook = parse_hook(headers, body)
    except InvalidInput as error:
        raise Problem(400, "unreadable", f"The delivery cannot be read: {error}.") from error
    if hook.kind is HookKind.PING:
        raise Problem(400, "unreadable", "A signed delivery is not a ping.")
    return hook


def _hint(store: str, hook: WooHook, body: bytes) -> NewDelivery:
    note = f"{hook.code}: {hook.message}" if hook.kind is HookKind.ENVELOPE else hook.topic
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
        dedupe_key=dedupe_key("webhook", store, hook.webhook_id, hook.topic, body),
        body=body,
        remote_note=note.replace("\x00", "")[:LONGEST_NOTE],
    )


def _answer(status: int, body: Mapping[str, object]) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
