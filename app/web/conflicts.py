"""The page Conflicts: fields that both sides changed, and deletions that are held back."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from fastapi import APIRouter, Request, Response

from app.config.settings import Settings
from app.domain import Module, StaleState, System
from app.links.conflicts import (
    VANISHED,
    ConflictFilter,
    ConflictState,
    count_held,
    search_conflicts,
)
from app.links.models import FieldConflict
from app.parsing import MOMENT, RowNumber
from app.runtime import Runtime
from app.sync.conflicts import resolve
from app.sync.deletion import confirm_deletions
from app.web.forms import AdminForm, Filter, Reader, choose
from app.web.pages import PageFault, PageRoute, go_to, not_found, render
from app.web.records import RemoteLink, remote_link
from app.web.session import Visitor
from app.web.words import MODULES

router = APIRouter(prefix="/ui/conflicts", route_class=PageRoute, include_in_schema=False)

PER_PAGE = 50
DECIDED: Mapping[str, str] = {ConflictState.RESOLVED: "Decided"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """Deletions of one module that the brake holds back until a person confirms them."""

    store: str
    module: str
    count: int


@dataclass(frozen=True, slots=True)
class Pair:
    """The conflicts of one pair, with links to both records."""

    label: str
    module: str
    store: str
    links: Sequence[RemoteLink]
    conflicts: Sequence[FieldConflict]


def _pairs(settings: Settings, found: Sequence[FieldConflict]) -> Iterator[Pair]:
    for _, together in groupby(found, key=lambda conflict: conflict.link_id):
        conflicts = list(together)
        first = conflicts[0]
        records = [first.record(system) for system in System]
        links = [
            remote_link(
                settings, each.store, system=each.system, module=each.module, record_id=each.id
            )
            for each in records
        ]
        yield Pair(first.label, first.module, first.store, links, conflicts)


@router.get("")
async def show_conflicts(request: Request, visitor: Reader) -> Response:
    """The open conflicts, or those that match the filters."""
    return await _show(request, visitor)


async def _show(request: Request, visitor: Visitor, *, error: str = "") -> Response:
    runtime: Runtime = request.app.state.runtime
    stores = {store: store for store in runtime.settings.stores}
    filters = (
        Filter("state", "State", "choice", DECIDED, otherwise="Open"),
        Filter("module", "Module", "choice", MODULES),
        Filter("store", "Store", "choice", stores),
    )
    chosen = choose("/ui/conflicts", filters, request.query_params)
    wanted = ConflictFilter(
        store=chosen.many("store"),
        module=chosen.many("module"),
        state=chosen.many("state") or [ConflictState.OPEN],
    )
    cursor = request.query_params.get("cursor") or None
    async with runtime.sessions() as session:
        page = await search_conflicts(session, wanted, cursor=cursor, limit=PER_PAGE)
        held = await count_held(session)
    return render(
        request,
        "conflicts.html",
        visitor=visitor,
        status=409 if error else 422 if chosen.errors else 200,
        chosen=chosen,
        page=page,
        cursor=cursor,
        pairs=list(_pairs(runtime.settings, page.items)),
        held=[Held(*place, count) for place, count in held.items()],
        error=error,
        confirmed=request.query_params.get("confirmed"),
        decided=request.query_params.get("decided"),
        vanished=VANISHED,
    )


@router.post("/{conflict_id}/resolve")
async def decide_conflict(request: Request, posted: AdminForm, conflict_id: RowNumber) -> Response:
    """Keep one side's value, unless the conflict has changed since it was displayed."""
    keep, seen_at = _choice(posted.text("keep"), posted.text("seen_at"))
    try:
        runtime: Runtime = request.app.state.runtime
        decided = await resolve(runtime, conflict_id, keep=keep, by=posted.by, seen_at=seen_at)
    except StaleState as error:
        return await _show(request, posted.visitor, error=str(error))
    if decided is None:
        raise not_found(f"conflict {conflict_id}")
    return go_to(f"/ui/conflicts?decided={decided.delivery_id}")


def _choice(keep: str, seen_at: str) -> tuple[System, datetime]:
    try:
        return System(keep), MOMENT.read(seen_at)
    except ValueError:
        detail = "The form does not say which value to keep. Reload the page and try again."
        raise PageFault(422, "Invalid request", detail) from None


@router.post("/deletions/{store}/{module}")
async def confirm(request: Request, posted: AdminForm, store: str, module: Module) -> Response:
    """Confirm the deletions of a module that are held back."""
    runtime: Runtime = request.app.state.runtime
    if store not in runtime.settings.stores:
        raise not_found(f"store {store}")
    confirmed = await confirm_deletions(runtime, store, module)
    log.info("%s confirmed %d deletions of %s of %s", posted.by, confirmed, module, store)
    return go_to(f"/ui/conflicts?confirmed={confirmed}")
