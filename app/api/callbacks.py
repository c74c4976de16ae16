"""POST /callbacks/vtiger/{module}: Vtiger says which record changed; nothing else is believed."""

import base64
import binascii
import hmac
import logging
from collections.abc import Iterator, Mapping, Sequence

import orjson
from fastapi import Request, Response

from app.api.doors import refused
from app.api.errors import Problem
from app.api.intake import read_body, store_hints
from app.attempts import Door, Refusal, count_refusal
from app.errors import InvalidInput, System
from app.form_fields import decoded, read_fields
from app.inbox.dedupe import callback_key
from app.inbox.repository import NewDelivery
from app.module_facts import FACTS, OF_VTIGER
from app.records import Event, Module, Origin, Record
from app.runtime import Runtime
from app.vtiger.callbacks import parse_callback

PATH = "/callbacks/vtiger/{module}"
METHODS = ("POST", "PUT", "GET")
MOST_QUERY_FIELDS = 100
MODULES = {name.casefold(): module for name, module in OF_VTIGER.items()} | {
    module.value: module for module in Module
}

logger = logging.getLogger(__name__)


async def receive(request: Request) -> Response:
    """One delivery a record and store, for the shops share Vtiger's records."""
    runtime: Runtime = request.app.state.runtime
    module = _get_module(request.path_params["module"])
    query = _read_query(request)
    _authenticate(request, query, runtime)
    body = await read_body(request, runtime.settings.receiver.max_body_bytes)
    hints = _read(request, query, body)
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
    logger.warning("A callback without a secret was refused")
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


def _read(request: Request, query: Mapping[str, str], body: bytes) -> list[str]:
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
