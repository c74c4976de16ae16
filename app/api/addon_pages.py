"""What the add-on shows in Vtiger's own pages: how records stand, and the numbers of the Sync Log.

Asked by Vtiger's server with the secret of its batches of changes; it tells and changes nothing.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import Request, Response

from app.api.addon import SERVICE
from app.api.addon_signature import read_signed_body
from app.api.errors import Problem
from app.api.fields import as_utc
from app.errors import InvalidInput, System
from app.inbox.models import Delivery
from app.inbox.repository import count_open
from app.links.conflicts import count_open_conflicts
from app.module_facts import OF_VTIGER
from app.records import Module, Outcome, Record
from app.remotes.screens import find_screen
from app.runtime import Runtime
from app.settings import Settings
from app.sync.record_standing import RecordStanding, search_standings
from app.synclog.models import Entry
from app.synclog.repository import LogFilter, search
from app.synclog.totals import summary
from app.vtiger.addon_questions import (
    MOST_BYTES,
    AskedRecord,
    parse_status_question,
    parse_summary_question,
)

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
        found = await search_standings(session, records)
    told = [_describe(runtime.settings, each, found) for each in asked]
    return _answer({"service": SERVICE, "records": told})


def _records(settings: Settings, asked: AskedRecord) -> list[Record]:
    """The record for each shop; none for a module that is not synced."""
    module = OF_VTIGER.get(asked.module)
    if module is None:
        return []
    return [Record(store, System.VTIGER, module, asked.id) for store in settings.stores]


def _describe(
    settings: Settings, asked: AskedRecord, found: Mapping[Record, RecordStanding]
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
    settings: Settings, record: Record, standing: RecordStanding
) -> dict[str, Any]:
    waits = standing.unsettled
    conflicts = {"store": record.store, "module": record.module}
    return {
        "store": record.store,
        "state": standing.standing,
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
