"""POST /webhooks/woocommerce/{store} and /callbacks/vtiger/{module}: credentials checked on the raw
body, hints stored, then answered 202."""

import base64
import binascii
import hmac
import logging
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
from fastapi import Request, Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.deps import refused
from app.api.errors import Problem
from app.config.settings import StoreSettings
from app.db.session import OUTAGES, driver_message, store_rows
from app.domain import Event, InvalidInput, Module, Origin, Record, System
from app.inbox.repository import Accepted, NewDelivery, callback_key, webhook_key
from app.module_facts import FACTS, OF_VTIGER
from app.observability import IGNORED
from app.parsing import decoded, read_fields
from app.policies.access import Door, Refusal, count_refusal
from app.runtime import Runtime
from app.vtiger.callbacks import WINDOW_SECONDS, SignatureFault, find_fault, parse_callback
from app.woocommerce.webhook import (
    LONGEST_PING,
    HookKind,
    SignatureCheck,
    WooHook,
    find_ping,
    may_be_ping,
    parse_hook,
)

# The way of a webhook or callback to its endpoint, past the layers that pages and the API need.

Endpoint = Callable[[Request], Awaitable[Response]]


class Receivers:
    """The ASGI layer: requests that a receiver takes are its own, all others the application's.

    `routes` are paths as routes have them, with their endpoints and methods. Typed with a slash at
    the end a path means the same; a redirect would lose the sender.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[tuple[str, Endpoint, Sequence[str]]]) -> None:
        self._app = app
        self._routes = [
            (compile_path(each)[0], endpoint, frozenset(methods))
            for path, endpoint, methods in routes
            for each in (path, f"{path}/")
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path, method = scope["path"], scope["method"]
            for pattern, endpoint, methods in self._routes:
                if method in methods and (found := pattern.match(path)):
                    scope["path_params"] = found.groupdict()
                    await self._answer(endpoint, scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await endpoint(Request(scope, receive))
        except Problem as problem:
            response = problem.response()
        await response(scope, receive, send)


MOST_TOGETHER = 20
"""Hints that are handed to the acceptor at once: it joins those of many requests in one insert."""

LONGEST_LENGTH = 20
"""Digits of a Content-Length."""
TOO_LARGE = 413
HEAD_BYTES = 64 * 1024
"""As much of a body as is kept of one that is too large."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Body:
    """A body whole, or the first bytes of one that is too large to be kept."""

    raw: bytes
    is_whole: bool


async def read_watched(
    request: Request, watch: Callable[[bytes], None] | None, *, keep: int, most: int
) -> Body:
    """A body that is shown to `watch`, if any, part by part; more than `keep` bytes are not kept,
    more than `most` are answered 413, as soon as that is known."""
    if _announced(request) > most:
        raise _too_large(most)
    kept, size = bytearray(), 0
    with _freed_if_refused(kept):
        async for part in _parts(request):
            if watch is not None:
                watch(part)
            size += len(part)
            if size > most:
                raise _too_large(most)
            if size <= keep or len(kept) < HEAD_BYTES:
                kept += part
            if size > keep:
                del kept[HEAD_BYTES:]
    return Body(bytes(kept), is_whole=size <= keep)


def fields_of(request: Request) -> dict[str, str]:
    """The header fields by their names in lower case; of a repeated one the first."""
    raw = reversed(request.scope["headers"])
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}


async def read_body(request: Request, most: int) -> bytes:
    """The raw body; 413 as soon as it is known to be too large."""
    body = await read_watched(request, None, keep=most, most=most)
    return body.raw


async def read_small(request: Request, most: int) -> bytes | None:
    """The raw body, None for one that is larger; of that no more is read."""
    try:
        return await read_body(request, most)
    except Problem as problem:
        if problem.status != TOO_LARGE:
            raise
        return None


@contextmanager
def _freed_if_refused(body: bytearray) -> Iterator[None]:
    """An error keeps the frames that it came through, and them the bodies, until they are collected
    as garbage: too late where many are refused because they fill the memory."""
    try:
        yield
    except BaseException:
        body.clear()
        raise


def _announced(request: Request) -> int:
    """Bytes of the body by its Content-Length, 0 where there is none that can be read."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < LONGEST_LENGTH else 0


def _too_large(most: int) -> Problem:
    return Problem(TOO_LARGE, "too_large", f"The body may have {most} bytes at most.")


async def _parts(request: Request) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "incomplete", "The connection was closed in mid-body.")
        if part := message.get("body", b""):
            yield part
        more = message.get("more_body", False)


async def store_hints(runtime: Runtime, hints: Sequence[NewDelivery]) -> list[Accepted]:
    """Committed when it returns; 503 if that could not be done, so that the sender tries again.

    Of several hints, those that the database refuses are logged, and the others stored: sent
    again, they would be refused again.
    """
    accepted: list[Accepted] = []
    try:
        for start in range(0, len(hints), MOST_TOGETHER):
            accepted += await _accept(runtime, hints[start : start + MOST_TOGETHER])
    except Exception as error:
        if isinstance(error, OUTAGES):
            log.error("Hints could not be stored: %s", driver_message(error))
        else:
            log.exception("Hints could not be stored")
        detail = "The delivery could not be stored; send it again."
        raise Problem(503, "not_stored", detail, headers={"Retry-After": "5"}) from error
    return accepted


async def _accept(runtime: Runtime, hints: Sequence[NewDelivery]) -> list[Accepted]:
    """Those that are stored. Raises what the database raised if none is."""
    accepted: list[Accepted] = []

    async def store(some: Sequence[NewDelivery]) -> None:
        accepted.extend(await runtime.acceptor.accept(some))

    refused = await store_rows(hints, store)
    if refused and not accepted:
        raise refused[0][1]
    for hint, error in refused:
        log.error("The hint of %s is refused", hint.record.key, exc_info=error)
    return accepted


# What the add-on sends is signed with the callback secret; nothing else is read.

TIMESTAMP = "x-woosync-timestamp"
SIGNATURE = "x-woosync-signature"
DETAILS = {
    SignatureFault.MISSING: "Send X-WooSync-Timestamp and X-WooSync-Signature: this address is for"
    " the WooSync add-on. Callbacks with a token go to /callbacks/vtiger/{module}.",
    SignatureFault.WRONG: "The signature is not made with this service's VTIGER__CALLBACK_SECRET:"
    " enter that secret in the add-on's settings.",
    SignatureFault.STALE: f"The request is more than {WINDOW_SECONDS // 60} minutes off by this"
    " service's clock: have both servers set their clocks (NTP).",
}


async def read_signed_body(request: Request, most: int) -> bytes:
    """The body, of `most` bytes at most, once its signature is known to be right.

    The headers are asked for before the first byte of the body.
    """
    runtime: Runtime = request.app.state.runtime
    if not all(request.headers.get(name) for name in (TIMESTAMP, SIGNATURE)):
        raise _refused(SignatureFault.MISSING)
    body = await read_body(request, most)
    settings = runtime.settings.vtiger
    fault = find_fault(
        settings.callback_secret.get_secret_value() if settings else "",
        body,
        timestamp=request.headers[TIMESTAMP],
        signature=request.headers[SIGNATURE],
        now=runtime.clock().timestamp(),
    )
    if fault is SignatureFault.WRONG:
        problem = Problem(401, f"signature_{fault}", DETAILS[fault])
        raise refused(runtime.attempts, request, Door.ADDON, problem)
    if fault is not None:
        raise _refused(fault)
    return body


def _refused(fault: SignatureFault) -> Problem:
    """For what is no guess."""
    count_refusal(Door.ADDON, Refusal(fault))
    log.warning("A request of Vtiger's add-on was refused: %s signature", fault)
    return Problem(401, f"signature_{fault}", DETAILS[fault])


# POST /callbacks/vtiger/{module}: Vtiger says which record changed; nothing else is believed.

CALLBACK_PATH = "/callbacks/vtiger/{module}"
CALLBACK_METHODS = ("POST", "PUT", "GET")
MOST_QUERY_FIELDS = 100
MODULES = {name.casefold(): module for name, module in OF_VTIGER.items()} | {
    module.value: module for module in Module
}


async def receive_callback(request: Request) -> Response:
    """One delivery a record and store, for the shops share Vtiger's records."""
    runtime: Runtime = request.app.state.runtime
    module = _get_module(request.path_params["module"])
    query = _read_query(request)
    _authenticate(request, query, runtime)
    body = await read_body(request, runtime.settings.receiver.max_body_bytes)
    hints = _read_callback(request, query, body)
    accepted = await store_hints(runtime, _deliveries(runtime, module, hints))
    answer = {"delivery_ids": [str(each.id) for each in accepted]}
    return Response(orjson.dumps(answer), 202, media_type="application/json")


def _get_module(name: str) -> Module:
    module = MODULES.get(name.casefold())
    if module is None:
        known = ", ".join(OF_VTIGER)
        raise Problem(404, "unknown_module", f"There is no module of this name; known: {known}.")
    return module


def _read_query(request: Request) -> dict[str, str]:
    """What the address says beside its path: the sender is not known yet, so only so much."""
    raw: bytes = request.scope["query_string"]
    try:
        fields = read_fields(raw, most=MOST_QUERY_FIELDS, longest=len(raw))
    except InvalidInput as error:
        raise Problem(400, "unreadable", f"The address cannot be read: {error}") from error
    return {name: decoded(value) for name, value in fields}


def _authenticate(request: Request, query: Mapping[str, str], runtime: Runtime) -> None:
    settings = runtime.settings.vtiger
    secret = settings.callback_secret.get_secret_value() if settings else ""
    given = list(_given_secrets(request, query))
    matches = [hmac.compare_digest(each, secret.encode()) for each in given]
    if secret and any(matches):
        return
    problem = Problem(
        401,
        "bad_callback_secret",
        "Send the callback secret as X-Callback-Token, ?token= or the Basic password.",
        headers={"WWW-Authenticate": "Basic"},
    )
    if given:
        raise refused(runtime.attempts, request, Door.CALLBACK, problem)
    count_refusal(Door.CALLBACK, Refusal.MISSING)
    log.warning("A callback without a secret was refused")
    raise problem


def _given_secrets(request: Request, query: Mapping[str, str]) -> Iterator[bytes]:
    if token := request.headers.get("x-callback-token"):
        yield token.encode("latin-1")  # as header bytes come decoded
    if token := query.get("token"):
        yield token.encode()
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() == "basic":
        yield _basic_password(encoded)


def _basic_password(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded.strip(), validate=True).partition(b":")[2]
    except (ValueError, binascii.Error):
        return b""


def _read_callback(request: Request, query: Mapping[str, str], body: bytes) -> list[str]:
    kind = request.headers.get("content-type", "")
    try:
        record_ids = parse_callback(kind, body, query)
    except InvalidInput as error:
        raise Problem(400, "unreadable", str(error)) from error
    if not all(record_id.isprintable() for record_id in record_ids):
        raise Problem(400, "unreadable", "A record's id holds control characters.")
    return record_ids


def _deliveries(runtime: Runtime, module: Module, record_ids: Sequence[str]) -> list[NewDelivery]:
    return [
        _delivery(Record(store, System.VTIGER, module, record_id, FACTS[module].vtiger_name))
        for record_id in record_ids
        for store in runtime.settings.stores
    ]


def _delivery(record: Record) -> NewDelivery:
    return NewDelivery(
        record=record,
        origin=Origin.CALLBACK,
        event=Event.CHANGED,
        dedupe_key=callback_key(record),
    )


# POST /webhooks/woocommerce/{store}: a plain endpoint, for the shop's queue waits for the answer.
#
# The order of the checks keeps strangers from learning anything but which stores exist.

WEBHOOK_PATH = "/webhooks/woocommerce/{store}"
COUNTED_APART = frozenset({"coupon", "action"})
"""Resources without a module that have a label of their own; the topic is not signed, so that
labels made of it could be any number."""


async def receive_webhook(request: Request) -> Response:
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
        log.warning("A webhook for store %s was refused: it has no signature", store)
        raise _bad_signature()
    check = SignatureCheck(_secrets(settings))
    most = max(limits.max_body_bytes, limits.max_hint_bytes)
    body = await read_watched(request, check.update, keep=limits.max_body_bytes, most=most)
    if not check.verifies(signature):
        raise refused(runtime.attempts, request, Door.WEBHOOK, _bad_signature())
    hook = _read_webhook(headers, body)
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
    log.info("Store %s: no module syncs %s; its webhook may be removed", store, hook.topic)
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


def _read_webhook(headers: Mapping[str, str], body: Body) -> WooHook:
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
