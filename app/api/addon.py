"""The endpoints of the Vtiger add-on: reported changes, queries of its pages, and its zip.

Vtiger's server signs all requests with the callback secret. The queries change nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import Guard, as_utc, refuse_unknown
from app.api.errors import Problem, documented
from app.api.receivers import read_signed_body, store_hints
from app.config.settings import Settings
from app.db.session import transaction
from app.domain import InvalidInput, Module, Origin, Outcome, Record, Scope, System
from app.inbox.models import Delivery
from app.inbox.repository import (
    NewDelivery,
    addon_key,
    count_open,
    save_accepted_changes,
    search_accepted_changes,
)
from app.links.conflicts import count_open_conflicts
from app.links.repository import delete_addon_absence
from app.module_facts import OF_VTIGER
from app.remotes.screens import find_screen
from app.runtime import Runtime
from app.sync.status import RecordStatus, search_statuses
from app.synclog.models import Entry
from app.synclog.search import LogFilter, search
from app.synclog.totals import summary
from app.vtiger.addon_package import build_package
from app.vtiger.callbacks import (
    MOST_BYTES,
    AddonBatch,
    AddonChange,
    AskedRecord,
    parse_batch,
    parse_status_question,
    parse_summary_question,
)

# The add-on's zip, and the changes that it reports

ZIP = "application/zip"
SERVICE = "woo-vtiger"
"""The value by which the add-on recognises a response of this service."""
router = APIRouter(
    tags=["Vtiger add-on"], dependencies=[Depends(Guard(Scope.ADMIN)), Depends(refuse_unknown)]
)


@router.get(
    "/vtiger-addon.zip",
    summary="The add-on for Vtiger Community Edition",
    description="Install it in Vtiger's Module Manager. The content is reproducible.",
    response_class=Response,
    responses={
        200: {
            "description": "The zip",
            "content": {ZIP: {"schema": {"type": "string", "format": "binary"}, "example": "PK"}},
        },
        **documented(401, 403, 422),
    },
)
def download_vtiger_addon() -> Response:
    package = build_package()
    name = {"Content-Disposition": f'attachment; filename="{package.name}"'}
    return Response(package.content, media_type=ZIP, headers=name)


async def receive_changes(request: Request) -> Response:
    """Store a batch of changes. Repeated changes, and those of modules that are not synced, are
    only counted."""
    runtime: Runtime = request.app.state.runtime
    batch = _read(await read_signed_body(request, runtime.settings.receiver.max_body_bytes))
    known = [change for change in batch.changes if change.module in OF_VTIGER]
    async with runtime.sessions() as session:
        accepted_before = await search_accepted_changes(
            session, batch.installation, [one.sequence for one in known]
        )
    fresh = [change for change in known if change.sequence not in accepted_before]
    accepted = await store_hints(runtime, _deliveries(runtime, batch.installation, fresh))
    async with transaction(runtime.sessions) as session:
        await save_accepted_changes(session, batch.installation, {one.sequence for one in fresh})
        await delete_addon_absence(session)
    return _changes_answer([str(each.id) for each in accepted], batch, known=known, fresh=fresh)


def _read(body: bytes) -> AddonBatch:
    try:
        return parse_batch(body)
    except InvalidInput as error:
        raise Problem(400, "unreadable", str(error)) from error


def _deliveries(
    runtime: Runtime, installation: str, changes: Iterable[AddonChange]
) -> list[NewDelivery]:
    return [
        _delivery(store, installation, change)
        for change in changes
        for store in runtime.settings.stores
    ]


def _delivery(store: str, installation: str, change: AddonChange) -> NewDelivery:
    module = OF_VTIGER[change.module]
    return NewDelivery(
        record=Record(store, System.VTIGER, module, change.record_id, change.module),
        origin=Origin.CALLBACK,
        event=change.event,
        dedupe_key=addon_key(store, installation, change.sequence),
    )


def _changes_answer(
    ids: Sequence[str],
    batch: AddonBatch,
    *,
    known: Sequence[AddonChange],
    fresh: Sequence[AddonChange],
) -> Response:
    skipped = len(batch.changes) - len(known) + batch.unreadable
    answer = {
        "service": SERVICE,
        "delivery_ids": ids,
        "duplicates": len(known) - len(fresh),
        "skipped": skipped,
    }
    return Response(orjson.dumps(answer), 202 if ids else 200, media_type="application/json")


STATUS_PATH = "/callbacks/vtiger/status"
SUMMARY_PATH = "/callbacks/vtiger/summary"
RECENT_LIMIT = 20
RECENT_OUTCOMES = [outcome for outcome in Outcome if outcome is not Outcome.UNCHANGED]


async def receive_status(request: Request) -> Response:
    """For each record, in the order of the request: the shops that have data about it."""
    runtime: Runtime = request.app.state.runtime
    body = await read_signed_body(request, MOST_BYTES)
    try:
        asked = parse_status_question(body)
    except InvalidInput as error:
        raise Problem(400, "unreadable", str(error)) from error
    records = [record for each in asked for record in _records(runtime.settings, each)]
    async with runtime.sessions() as session:
        found = await search_statuses(session, records)
    records_out = [_describe(runtime.settings, each, found) for each in asked]
    return _answer({"service": SERVICE, "records": records_out})


def _records(settings: Settings, asked: AskedRecord) -> list[Record]:
    """The record of each shop; none for a module that is not synced."""
    module = OF_VTIGER.get(asked.module)
    if module is None:
        return []
    return [Record(store, System.VTIGER, module, asked.id) for store in settings.stores]


def _describe(
    settings: Settings, asked: AskedRecord, found: Mapping[Record, RecordStatus]
) -> dict[str, Any]:
    records = _records(settings, asked)
    return {
        "id": asked.id,
        "module": OF_VTIGER.get(asked.module),
        "stores": [
            _describe_standing(settings, record, found[record])
            for record in records
            if record in found
        ],
    }


def _describe_standing(
    settings: Settings, record: Record, standing: RecordStatus
) -> dict[str, Any]:
    unsettled = standing.unsettled
    conflicts = {"store": record.store, "module": record.module}
    return {
        "store": record.store,
        "state": standing.status,
        "partner": _describe_partner(settings, record, standing.partner_id),
        "last": _describe_entry(settings, standing.last) if standing.last else None,
        "unsettled": _describe_delivery(settings, unsettled) if unsettled else None,
        "conflicts": standing.conflicts,
        "conflicts_url": _page(settings, "/ui/conflicts", conflicts),
    }


def _describe_partner(
    settings: Settings, record: Record, partner_id: str | None
) -> dict[str, Any] | None:
    if partner_id is None:
        return None
    url = find_screen(
        settings,
        record.store,
        system=System.WOOCOMMERCE,
        module=record.module,
        record_id=partner_id,
    )
    return {"id": partner_id, "url": url}


def _describe_entry(settings: Settings, entry: Entry) -> dict[str, Any]:
    return {
        "at": as_utc(entry.occurred_at),
        "store": entry.store,
        "module": entry.module,
        "target": entry.target,
        "source_id": entry.source_id,
        "target_id": entry.target_id,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "message": entry.message,
        "label": entry.label,
        "url": _page(settings, f"/ui/records/{entry.id}"),
    }


def _describe_delivery(settings: Settings, delivery: Delivery) -> dict[str, Any]:
    return {
        "since": as_utc(delivery.received_at),
        "attempts": delivery.attempts,
        "next_attempt_at": as_utc(delivery.next_attempt_at),
        "reason": delivery.last_reason,
        "message": delivery.last_error or "",
        "url": _page(settings, f"/ui/deliveries/{delivery.id}"),
    }


async def receive_summary(request: Request) -> Response:
    """The totals of all shops and all time, the open deliveries, and the last outcomes."""
    runtime: Runtime = request.app.state.runtime
    body = await read_signed_body(request, MOST_BYTES)
    try:
        parse_summary_question(body)
    except InvalidInput as error:
        raise Problem(400, "unreadable", str(error)) from error
    async with runtime.sessions() as session:
        counts = await summary(session)
        queue = await count_open(session)
        conflicts = await count_open_conflicts(session)
        recent = await search(
            session, LogFilter(outcome=RECENT_OUTCOMES), cursor=None, limit=RECENT_LIMIT
        )
    settings = runtime.settings
    tables = {
        target: {module: _counts(settings, target, module, each) for module, each in rows.items()}
        for target, rows in counts.items()
    }
    return _answer(
        {
            "service": SERVICE,
            "url": _page(settings, "/"),
            "tables": tables,
            "queue": {name: _queue(settings, name, count) for name, count in queue.items()},
            "conflicts": {"count": conflicts, "url": _page(settings, "/ui/conflicts")},
            "recent": [_describe_entry(settings, entry) for entry in recent.items],
        }
    )


def _counts(
    settings: Settings, target: System, module: Module, counts: Mapping[Outcome, int]
) -> dict[str, Any]:
    """Each count with the address of the page that lists its records."""
    return {
        outcome: {
            "count": count,
            "url": _page(
                settings,
                "/ui/records",
                {"target": target, "module": module, "outcome": outcome},
            ),
        }
        for outcome, count in counts.items()
    }


def _queue(settings: Settings, state: str, count: int) -> dict[str, Any]:
    return {"count": count, "url": _page(settings, "/ui/deliveries", {"state": state})}


def _page(
    settings: Settings, path: str, query: Mapping[str, str | None] | None = None
) -> str | None:
    """The address of a page of the service; None if PUBLIC_URL is not set."""
    if settings.public_url is None:
        return None
    return f"{settings.public_url}{path}" + (f"?{urlencode(query)}" if query else "")


def _answer(body: Mapping[str, Any]) -> Response:
    raw = orjson.dumps(body, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
    return Response(raw, media_type="application/json")
