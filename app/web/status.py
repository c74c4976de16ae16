"""The page Status: the state of each system, the queue, incidents, polls and check results; and the
download of the add-on."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from fastapi import APIRouter, Request, Response

from app.config.settings import Settings
from app.db.session import Session
from app.doctor.checkup import examine_runtime
from app.doctor.findings import Finding
from app.domain import Module, System
from app.inbox.repository import count_open, find_oldest_due
from app.links.repository import search_watermarks
from app.queue import count_workers
from app.remotes.gate import CallsInProgress, RemoteState, remote_key, search_calls, search_remotes
from app.remotes.incidents import IncidentFilter, find_remedy, search_incidents
from app.remotes.models import IncidentRow
from app.runtime import Runtime
from app.sync.polling import EARLIEST
from app.vtiger.addon_package import build_package
from app.web.forms import AdminForm, Reader
from app.web.pages import PageFault, PageRoute, render
from app.web.session import Visitor
from app.web.words import SYSTEMS, duration

# Download of the add-on

addon_router = APIRouter(route_class=PageRoute, include_in_schema=False)


@addon_router.get("/ui/vtiger-addon.zip")
async def save_vtiger_addon(visitor: Reader) -> Response:
    if not visitor.is_admin:
        detail = "This needs a token of scope admin. Sign in with one to save the add-on."
        raise PageFault(403, "Your token has read access only", detail)
    package = await asyncio.to_thread(build_package)
    name = {"Content-Disposition": f'attachment; filename="{package.name}"'}
    return Response(package.content, media_type="application/zip", headers=name)


SLOW_CALL = timedelta(seconds=5)
"""Duration after which a call without an answer is shown."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of one system at one moment."""

    system: System
    store: str
    address: str
    state: RemoteState
    under_way: CallsInProgress | None
    now: datetime

    @property
    def verdict(self) -> tuple[str, str]:
        """The state, as a CSS class and a label."""
        state = self.state
        if state.opened_at is not None and state.is_open:
            return "failed", f"Unreachable for {self._ago(state.opened_at)}"
        if state.rejected_at is not None:
            return "failed", "Refuses writes" if state.rejected_write else "Refuses the credentials"
        if state.slow_at is not None:
            return "failed", f"No answer for {self._ago(state.slow_at)}"
        if self.owes_answer:
            return "skipped", f"No answer for {self._ago(self._owed_since)}"
        if state.is_paused(self.now):
            return "skipped", "Asked for fewer calls"
        return ("created", "Answers") if state.answered_at else ("unchanged", "Not called yet")

    @property
    def owes_answer(self) -> bool:
        """Whether a call has been without an answer for so long that it is shown, unless an
        incident shows it already."""
        is_incident = self.state.is_open or self.state.slow_at is not None
        return not is_incident and self.now - self._owed_since >= SLOW_CALL

    @property
    def owed_for(self) -> float:
        """Seconds since the start of the oldest call without an answer."""
        return (self.now - self._owed_since).total_seconds()

    @property
    def _owed_since(self) -> datetime:
        owed = [self.state.silent_since, self.under_way.oldest_at if self.under_way else None]
        return min((moment for moment in owed if moment is not None), default=self.now)

    @property
    def calls(self) -> str:
        if self.under_way is None:
            return "none"
        number = f"{self.under_way.calls} call{'' if self.under_way.calls == 1 else 's'}"
        return f"{number}, the oldest for {self._ago(self.under_way.oldest_at)}"

    def _ago(self, moment: datetime) -> str:
        return duration(max(0.0, (self.now - moment).total_seconds()))


def system_states(
    settings: Settings,
    remotes: Mapping[str, RemoteState],
    calls: Mapping[str, CallsInProgress],
    now: datetime,
) -> list[Standing]:
    """The state of every shop and of Vtiger."""
    places = [(System.WOOCOMMERCE, store, shop.url) for store, shop in settings.stores.items()]
    if settings.vtiger is not None:
        address = f"{settings.vtiger.url}, user {settings.vtiger.username}"
        places.append((System.VTIGER, "", address))
    return [
        Standing(system, store, address, remotes.get(key, RemoteState()), calls.get(key), now)
        for system, store, address in places
        for key in [remote_key(system, store)]
    ]


@dataclass(frozen=True, slots=True)
class IncidentGroup:
    """Incidents of one kind and system, which have the same remedy."""

    kind: str
    system: System
    store: str
    rows: Sequence[IncidentRow]

    @property
    def remedy(self) -> str:
        return find_remedy(self.kind, self.system, self.store)

    @property
    def began_at(self) -> datetime:
        return min(row.began_at for row in self.rows)


def group_incidents(rows: Sequence[IncidentRow]) -> list[IncidentGroup]:
    """Group incidents by kind, system and store."""

    def place(row: IncidentRow) -> tuple[str, str, str]:
        return row.kind, row.system, row.store

    return [
        IncidentGroup(kind, System(system), store, list(together))
        for (kind, system, store), together in groupby(sorted(rows, key=place), key=place)
    ]


# The page

router = APIRouter(prefix="/ui/status", route_class=PageRoute, include_in_schema=False)

CHECK_TIMEOUT_S = 60.0
MOST_ENDED = 10
MOST_LASTING = 50


@dataclass(frozen=True, slots=True)
class StatusData:
    """The data of the page from the database."""

    queue: Mapping[str, int]
    oldest: datetime | None
    workers: int
    lasting: Sequence[IncidentGroup]
    ended: Sequence[IncidentRow]
    marks: Mapping[str, datetime]
    systems: Sequence[Standing]

    def mark(self, store: str, module: Module, system: System) -> datetime | None:
        return self.marks.get(f"{store}:{module}:{system}")


@router.get("")
async def show_status(request: Request, visitor: Reader) -> Response:
    """The page; with ?check=1 after a new check, which calls both systems and may take seconds."""
    asked = request.query_params.get("check") == "1"
    runtime: Runtime = request.app.state.runtime
    findings = await _examine(runtime) if asked else None
    return await _show(request, visitor, findings)


@router.post("/mend")
async def mend(request: Request, posted: AdminForm) -> Response:
    """Check everything, and repair what can be repaired safely."""
    runtime: Runtime = request.app.state.runtime
    return await _show(request, posted.visitor, await _examine(runtime, fix=True))


async def _examine(runtime: Runtime, *, fix: bool = False) -> list[Finding]:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await examine_runtime(runtime, list(runtime.stores), fix=fix)
    except TimeoutError:
        detail = (
            f"The checks took more than {CHECK_TIMEOUT_S:.0f} seconds: a system answers too slowly."
        )
        raise PageFault(504, "No answer in time", detail) from None


async def _show(request: Request, visitor: Visitor, findings: Sequence[Finding] | None) -> Response:
    runtime: Runtime = request.app.state.runtime
    return render(
        request,
        "status.html",
        visitor=visitor,
        standing=await _read(runtime),
        findings=findings,
        subjects=_subjects(runtime),
        settings=runtime.settings,
        now=runtime.clock(),
        systems=SYSTEMS,
        modules=list(Module),
        beginning=EARLIEST,
    )


def _subjects(runtime: Runtime) -> dict[str, str]:
    """The labels of the subjects of the doctor's findings."""
    stores = {store: f"WooCommerce, store {store}" for store in runtime.settings.stores}
    return {"service": "This service", "vtiger": "Vtiger CRM", **stores}


async def _read(runtime: Runtime) -> StatusData:
    async with runtime.sessions() as session:
        lasting, ended = IncidentFilter(lasting=True), IncidentFilter(lasting=False)
        remotes, calls = await search_remotes(session), await search_calls(session)
        return StatusData(
            queue=await count_open(session),
            oldest=await find_oldest_due(session),
            workers=await count_workers(session, runtime.settings.worker.stalled_after),
            lasting=group_incidents(await _incidents(session, lasting, MOST_LASTING)),
            ended=await _incidents(session, ended, MOST_ENDED),
            marks=await search_watermarks(session),
            systems=system_states(runtime.settings, remotes, calls, runtime.clock()),
        )


async def _incidents(
    session: Session, filters: IncidentFilter, limit: int
) -> Sequence[IncidentRow]:
    return (await search_incidents(session, filters, cursor=None, limit=limit)).items
