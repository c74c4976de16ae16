"""What the add-on in Vtiger calls: changes reported, questions of its pages, and the zip to
install.

Asked by Vtiger's server with the secret of its batches of changes; it tells and changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import Guard, as_utc, only_known
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
from app.synclog.repository import LogFilter, search, summary
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

# The add-on for Vtiger Community Edition: the zip to install, and the changes that it tells.

CHANGES_PATH = "/callbacks/vtiger"
ZIP = "application/zip"
SERVICE = "woo-vtiger"
"""The word by which the add-on knows that it was this service that answered."""
router = APIRouter(
    tags=["Vtiger add-on"], dependencies=[Depends(Guard(Scope.ADMIN)), Depends(only_known)]
)


@router.get(
    "/vtiger-addon.zip",
    summary="The add-on for Vtiger Community Edition",
    description="To be installed in Vtiger's Module Manager; the same bytes each time.",
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
    """A batch of changes; those of modules that are not synced, and repeated ones, are counted."""
    runtime: Runtime = request.app.state.runtime
    batch = _read(await read_signed_body(request, runtime.settings.receiver.max_body_bytes))
    known = [change for change in batch.changes if change.module in OF_VTIGER]
    async with runtime.sessions() as session:
        heard = await search_accepted_changes(
            session, batch.installation, [one.sequence for one in known]
        )
    fresh = [change for change in known if change.sequence not in heard]
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
MOST_RECENT = 20
NOTED = [outcome for outcome in Outcome if outcome is not Outcome.UNCHANGED]


async def receive_status(request: Request) -> Response:
    """Of each record, in the order asked: the shops that anything is known of."""
    runtime: Runtime = request.app.state.runtime
    body = await read_signed_body(request, MOST_BYTES)
    try:
        asked = parse_status_question(body)
    except InvalidInput as error:
        raise Problem(400, "unreadable", str(error)) from error
    records = [record for each in asked for record in _records(runtime.settings, each)]
    async with runtime.sessions() as session:
        found = await search_statuses(session, records)
    told = [_describe(runtime.settings, each, found) for each in asked]
    return _answer({"service": SERVICE, "records": told})


def _records(settings: Settings, asked: AskedRecord) -> list[Record]:
    """The record for each shop; none for a module that is not synced."""
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
    waits = standing.unsettled
    conflicts = {"store": record.store, "module": record.module}
    return {
        "store": record.store,
        "state": standing.status,
        "partner": _describe_partner(settings, record, standing.partner_id),
        "last": _describe_entry(settings, standing.last) if standing.last else None,
        "unsettled": _describe_delivery(settings, waits) if waits else None,
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
    """Both tables of all time and all shops, what waits, and the last outcomes."""
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
        recent = await search(session, LogFilter(outcome=NOTED), cursor=None, limit=MOST_RECENT)
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
    """Each number with the page of the records that it counts."""
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
    """The address of one of our own pages; None where PUBLIC_URL is not set."""
    if settings.public_url is None:
        return None
    return f"{settings.public_url}{path}" + (f"?{urlencode(query)}" if query else "")


def _answer(told: Mapping[str, Any]) -> Response:
    raw = orjson.dumps(told, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
    return Response(raw, media_type="application/json")
