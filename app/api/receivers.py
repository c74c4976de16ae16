"""POST /webhooks/woocommerce/{store} and /callbacks/vtiger/{module}.

Both check the credentials, with signatures over the raw body, store the hints, and answer 202."""

import base64
import binascii
import hmac
import logging
from collections.abc import (
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Request, Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.deps import refused
from app.api.errors import Problem
from app.config.settings import StoreSettings
from app.db.session import OUTAGES, driver_message, store_rows
from app.domain import Event, InvalidInput, Module, Origin, Record, System
from app.http.attempts import Door, Refusal, count_refusal
from app.inbox.repository import Accepted, NewDelivery, callback_key, webhook_key
from app.module_facts import FACTS, OF_VTIGER
from app.observability import IGNORED
from app.parsing import decoded, read_fields
from app.runtime import Runtime
from app.vtiger.callbacks import WINDOW_SECONDS, SignatureFault, find_fault, parse_callback
from app.woocommerce.webhook_delivery import (
    LONGEST_PING,
    HookKind,
    SignatureCheck,
    WooHook,
    find_ping,
    may_be_ping,
    parse_hook,
)

# Dispatch of receiver requests, without the middleware of the pages and the API

Endpoint = Callable[[Request], Awaitable[Response]]


class Receivers:
    """Middleware that calls the endpoints of the receivers; other requests go to the application.

    `routes` are path templates with their endpoints and methods. A trailing slash is accepted, for
    senders do not follow redirects. `handlers` are those of the application by class of exception:
    they answer a request that raised one, so that no other layer has to watch each request.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Iterable[tuple[str, Endpoint, Sequence[str]]],
        handlers: Mapping[Any, Callable[[Request, Any], Response | Awaitable[Response]]],
    ) -> None:
        self._app = app
        self._handlers = handlers
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
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except Exception as error:
            response = await self._answer_error(request, error)
        await response(scope, receive, send)

    async def _answer_error(self, request: Request, error: Exception) -> Response:
        """The answer of the first handler, from the exception's class upwards, that has one."""
        for kind in type(error).__mro__:
            if (handler := self._handlers.get(kind)) is not None and kind is not Exception:
                try:
                    return await _answered(handler(request, error))
                except Exception as left:  # a handler that leaves some errors to others
                    error = left
                    break
        log.error("Unhandled exception at %s", request.url.path, exc_info=error)
        return await _answered(self._handlers[Exception](request, error))


async def _answered(answer: Response | Awaitable[Response]) -> Response:
    return answer if isinstance(answer, Response) else await answer


ACCEPT_BATCH = 20
"""Hints passed to the acceptor at once. The acceptor inserts those of many requests together."""

MAX_LENGTH_DIGITS = 20
"""Digits of a Content-Length that is not parsed any more."""
TOO_LARGE = 413
HEAD_BYTES = 64 * 1024
"""Size of the beginning that is kept of a body that is too large to be kept whole."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Body:
    """A whole body, or the beginning of one that is too large to be kept."""

    raw: bytes
    is_whole: bool


async def read_watched(
    request: Request, watch: Callable[[bytes], None] | None, *, keep: int, most: int
) -> Body:
    """Read a body and pass each part to `watch`, if given. A body of more than `keep` bytes is not
    kept whole; one of more than `most` bytes is answered 413 as soon as its size is known."""
    if _content_length(request) > most:
        raise _too_large(most)
    part, more = await _part(request)
    if not more and len(part) <= keep:  # nearly all bodies arrive whole
        if watch is not None:
            watch(part)
        return Body(part, is_whole=True)
    kept, size = bytearray(), 0
    with _cleared_on_error(kept):
        while part or more:
            if watch is not None:
                watch(part)
            size += len(part)
            if size > most:
                raise _too_large(most)
            if size <= keep or len(kept) < HEAD_BYTES:
                kept += part
            if size > keep:
                del kept[HEAD_BYTES:]
            part, more = await _part(request) if more else (b"", False)
    return Body(bytes(kept), is_whole=size <= keep)


def fields_of(request: Request) -> dict[str, str]:
    """The headers by their lower-case names; the first value of a repeated one."""
    raw = reversed(request.scope["headers"])
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}


async def read_body(request: Request, most: int) -> bytes:
    """Read the raw body; 413 as soon as it is known to have more than `most` bytes."""
    body = await read_watched(request, None, keep=most, most=most)
    return body.raw


async def read_small(request: Request, most: int) -> bytes | None:
    """Read the raw body; None if it has more than `most` bytes, of which no more are read."""
    try:
        return await read_body(request, most)
    except Problem as problem:
        if problem.status != TOO_LARGE:
            raise
        return None


@contextmanager
def _cleared_on_error(body: bytearray) -> Iterator[None]:
    """Clear the body if an exception is raised. The exception's traceback refers to the body until
    it is garbage-collected, which is too late if bodies are refused because memory is short."""
    try:
        yield
    except BaseException:
        body.clear()
        raise


def _content_length(request: Request) -> int:
    """The Content-Length of the body; 0 if it is missing or invalid."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < MAX_LENGTH_DIGITS else 0


def _too_large(most: int) -> Problem:
    return Problem(TOO_LARGE, "too_large", f"The body may have {most} bytes at most.")


async def _part(request: Request) -> tuple[bytes, bool]:
    """The next part of the body, and whether more of it follows."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise Problem(400, "incomplete", "The connection was closed before the body was complete.")
    return message.get("body", b""), message.get("more_body", False)


async def store_hints(runtime: Runtime, hints: Sequence[NewDelivery]) -> list[Accepted]:
    """Store and commit hints; 503 if that fails, so that the sender retries.

    If the database refuses some of several hints, these are logged and the others stored: a retry
    would be refused again.
    """
    accepted: list[Accepted] = []
    try:
        for start in range(0, len(hints), ACCEPT_BATCH):
            accepted += await _accept(runtime, hints[start : start + ACCEPT_BATCH])
    except Exception as error:
        if isinstance(error, OUTAGES):
            log.error("Hints could not be stored: %s", driver_message(error))
        else:
            log.exception("Hints could not be stored")
        detail = "The delivery could not be stored; send it again."
        raise Problem(503, "not_stored", detail, headers={"Retry-After": "5"}) from error
    return accepted


async def _accept(runtime: Runtime, hints: Sequence[NewDelivery]) -> list[Accepted]:
    """Store hints and return those that were accepted; raise the database's error if none was."""
    accepted: list[Accepted] = []

    async def store(some: Sequence[NewDelivery]) -> None:
        accepted.extend(await runtime.acceptor.accept(some))

    refused = await store_rows(hints, store)
    if refused and not accepted:
        raise refused[0][1]
    for hint, error in refused:
        log.error("The database refused the hint of %s", hint.record.key, exc_info=error)
    return accepted


# Signed requests of the add-on

TIMESTAMP = "x-woosync-timestamp"
SIGNATURE = "x-woosync-signature"
DETAILS = {
    SignatureFault.MISSING: "Send X-WooSync-Timestamp and X-WooSync-Signature: this address is for"
    " the WooSync add-on. Callbacks with a token go to /callbacks/vtiger/{module}.",
    SignatureFault.WRONG: "The signature does not match this service's VTIGER__CALLBACK_SECRET:"
    " enter that secret in the add-on's settings.",
    SignatureFault.STALE: f"The request is more than {WINDOW_SECONDS // 60} minutes off this"
    " service's clock: synchronize the clocks of both servers (NTP).",
}


async def read_signed_body(request: Request, most: int) -> bytes:
    """Read a body of at most `most` bytes and verify its signature.

    The headers are checked before the first byte of the body is read.
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
    """A 401 that does not count as a wrong credential."""
    count_refusal(Door.ADDON, Refusal(fault))
    log.warning("A request of Vtiger's add-on was refused: %s signature", fault)
    return Problem(401, f"signature_{fault}", DETAILS[fault])


# POST /callbacks/vtiger/{module}: only the ids of the changed records are used

CALLBACK_PATH = "/callbacks/vtiger/{module}"
CALLBACK_METHODS = ("POST", "PUT", "GET")
MAX_QUERY_FIELDS = 100
MODULES = {name.casefold(): module for name, module in OF_VTIGER.items()} | {
    module.value: module for module in Module
}


async def receive_callback(request: Request) -> Response:
    """Store one delivery for each record and store, because the shops share Vtiger's records."""
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
    """The fields of the query; their number is limited because the sender is not authenticated."""
    raw: bytes = request.scope["query_string"]
    try:
        fields = read_fields(raw, most=MAX_QUERY_FIELDS, longest=len(raw))
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
        yield token.encode("latin-1")  # headers are decoded as latin-1
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
        raise Problem(400, "unreadable", "A record id contains control characters.")
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


# POST /webhooks/woocommerce/{store}
#
# The order of the checks reveals nothing to unauthenticated senders except which stores exist.

WEBHOOK_PATH = "/webhooks/woocommerce/{store}"
LABELED_RESOURCES = frozenset({"coupon", "action"})
"""Resources without a module that have a metric label of their own. The topic is not signed, so
that labels derived from it would be unlimited in number."""


async def receive_webhook(request: Request) -> Response:
    """Store a new hint and answer 202. Pings, duplicates, deliveries without a record and topics
    that no module syncs are answered 200, because WooCommerce disables a webhook whose
    deliveries are refused seven times."""
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
        raise Problem(404, "unknown_store", "There is no store with this key.")
    return settings


async def _is_ping(request: Request) -> bool:
    """Whether the request is a ping. It is not authenticated, so that no more than the length of a
    ping is read."""
    if not may_be_ping(request.headers):
        return False
    body = await read_small(request, LONGEST_PING)
    return body is not None and find_ping(request.headers, body) is not None


def _ignore(store: str, hook: WooHook) -> Response:
    """Count a delivery that no module syncs, without storing it."""
    resource = hook.resource if hook.resource in LABELED_RESOURCES else "other"
    IGNORED.labels(store, resource).inc()
    log.info("Store %s: no module syncs %s; its webhook may be removed", store, hook.topic)
    return _answer(200, {"ignored": True})


def _secrets(settings: StoreSettings) -> list[str]:
    secrets = (settings.webhook_secret, settings.webhook_secret_previous)
    return [secret.get_secret_value() for secret in secrets if secret is not None]


def _bad_signature() -> Problem:
    return Problem(
        401,
        "bad_signature",
        "The signature is missing or does not match this store's secret.",
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
    """The delivery of a webhook. If the body was not kept whole, its verified signature identifies
    it in the dedupe key."""
    notes = {
        HookKind.ENVELOPE: f"{hook.code}: {hook.message}",
        HookKind.NOTHING: hook.message,
    }
    note = notes.get(hook.kind, hook.topic)
    identity = body.raw if body.is_whole else signature.strip()
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
        dedupe_key=webhook_key(store, hook.webhook_id, hook.topic, identity),
        body=body.raw if body.is_whole else None,
        remote_note=note,
    )


def _answer(status: int, body: Mapping[str, object]) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
