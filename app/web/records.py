"""The pages of records: the Sync Log with all filters, one entry with its details, and replay."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app.config.settings import Settings
from app.db.pagination import MOST_PER_PAGE
from app.domain import Event, Module, Record, System
from app.inbox.models import Delivery
from app.inbox.replay import hint_again, hint_record
from app.inbox.repository import DeliveryFilter, NewDelivery, search_deliveries
from app.parsing import RowNumber
from app.reasons import REASONS
from app.remotes.screens import find_screen
from app.runtime import Runtime
from app.synclog.models import NO_MODULE, Entry
from app.synclog.repository import delivery_ids_of, find_entry
from app.synclog.search import LogFilter, search
from app.web.forms import AdminForm, Chosen, Filter, Reader, choose
from app.web.pages import PageRoute, go_to, not_found, render
from app.web.words import MODULES, OUTCOMES, SYSTEMS

# Links to records in the two systems


@dataclass(frozen=True, slots=True)
class RemoteLink:
    """A link to a record in one system; `url` is None if no screen shows it."""

    system: System
    record_id: str
    url: str | None

    @property
    def text(self) -> str:
        return f"{SYSTEMS[self.system]} {self.record_id}"


def remote_link(
    settings: Settings, store: str, *, system: System, module: Module | None, record_id: str
) -> RemoteLink:
    """A link to a record; its `url` is also None for a store or CRM that is not configured now."""
    url = find_screen(settings, store, system=system, module=module, record_id=record_id)
    return RemoteLink(system, record_id, url)


router = APIRouter(prefix="/ui/records", route_class=PageRoute, include_in_schema=False)

PER_PAGE = 50


def filters_of(stores: Sequence[str]) -> tuple[Filter, ...]:
    """The filters of GET /sync-log."""
    reasons = {code: code.replace("_", " ") for code in sorted(REASONS)}
    return (
        Filter("q", "Search"),
        Filter("outcome", "Outcome", "choice", OUTCOMES),
        Filter("module", "Module", "choice", {**MODULES, NO_MODULE: "None"}),
        Filter("target", "Written to", "choice", SYSTEMS),
        Filter("reason", "Reason", "choice", reasons),
        Filter("store", "Store", "choice", {store: store for store in stores}),
        Filter("since", "From (UTC)", "time"),
        Filter("until", "Before (UTC)", "time"),
        Filter("source_id", "Id in the source", apart=True),
        Filter("target_id", "Id in the target", apart=True),
        Filter("link_id", "Pair", "number", apart=True),
        Filter("run_id", "Run", "number", apart=True),
        Filter("delivery_id", "Delivery", "number", apart=True),
    )


def _log_filter(chosen: Chosen) -> LogFilter:
    texts = ("store", "module", "target", "outcome", "reason", "source_id", "target_id", "q")
    numbers = ("link_id", "run_id", "delivery_id")
    return LogFilter(
        **{name: chosen.many(name) for name in (*texts, *numbers)},
        since=chosen.earliest("since"),
        until=chosen.latest("until"),
    )


@router.get("")
async def show_records(request: Request, visitor: Reader) -> Response:
    """A page of entries, newest first."""
    runtime: Runtime = request.app.state.runtime
    params = request.query_params
    chosen = choose("/ui/records", filters_of(list(runtime.settings.stores)), params)
    async with runtime.sessions() as session:
        cursor = params.get("cursor") or None
        page = await search(session, _log_filter(chosen), cursor=cursor, limit=PER_PAGE)
    status = 422 if chosen.errors else 200
    return render(
        request,
        "records.html",
        visitor=visitor,
        status=status,
        chosen=chosen,
        page=page,
        cursor=cursor,
    )


@dataclass(frozen=True, slots=True)
class EntryDetails:
    """An entry with its deliveries and links."""

    entry: Entry
    deliveries: Sequence[Delivery]
    source: RemoteLink
    target: RemoteLink | None

    @property
    def hints(self) -> list[NewDelivery]:
        """One hint for each record of the entry."""
        hints = {delivery.record_key: hint_again(delivery) for delivery in self.deliveries}
        return list(hints.values()) or _hint_source(self.entry)


def _hint_source(entry: Entry) -> list[NewDelivery]:
    """The record to replay if the deliveries of an entry have been removed after retention."""
    if entry.module is None:
        return []
    module, system = Module(entry.module), System(entry.target).other
    record = Record(entry.store, system, module, entry.source_id)
    return [hint_record(record, Event(entry.event), note=f"replay of entry {entry.id}")]


async def _read_details(runtime: Runtime, entry_id: int) -> EntryDetails:
    async with runtime.sessions() as session:
        entry = await find_entry(session, entry_id)
        if entry is None:
            raise not_found(f"entry {entry_id}")
        ids = await delivery_ids_of(session, entry_id, MOST_PER_PAGE)
        found = await search_deliveries(
            session, DeliveryFilter(id=ids or [0]), cursor=None, limit=MOST_PER_PAGE
        )
    target = System(entry.target)
    return EntryDetails(
        entry,
        found.items,
        source=_link(runtime, entry, target.other, entry.source_id),
        target=_link(runtime, entry, target, entry.target_id) if entry.target_id else None,
    )


def _link(runtime: Runtime, entry: Entry, system: System, record_id: str) -> RemoteLink:
    module = Module(entry.module) if entry.module else None
    return remote_link(
        runtime.settings, entry.store, system=system, module=module, record_id=record_id
    )


@router.get("/{entry_id}")
async def show_entry(request: Request, visitor: Reader, entry_id: RowNumber) -> Response:
    """One entry: its outcome, reason and remedy, changes and deliveries."""
    details = await _read_details(request.app.state.runtime, entry_id)
    reason = REASONS.get(details.entry.reason or "")
    replayed = request.query_params.get("replayed")
    return render(
        request,
        "entry.html",
        visitor=visitor,
        details=details,
        entry=details.entry,
        reason=reason,
        reasons=REASONS,
        replayed=replayed,
    )


@router.post("/{entry_id}/replay")
async def replay_entry(request: Request, posted: AdminForm, entry_id: RowNumber) -> Response:
    """Replay the record of an entry. This is safe at any time: both sides are read again."""
    del posted  # is validated
    runtime: Runtime = request.app.state.runtime
    hints = (await _read_details(runtime, entry_id)).hints
    accepted = await runtime.acceptor.accept(hints) if hints else []
    return go_to(f"/ui/records/{entry_id}?replayed={len(accepted)}")
