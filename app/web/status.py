"""The status: what waits, what is broken, how far the polls are; findings on demand."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request, Response

from app.db.session import Session
from app.doctor.checkup import examine_runtime
from app.doctor.findings import Finding
from app.errors import System
from app.inbox.repository import count_open, find_oldest_due
from app.incidents.models import IncidentRow
from app.incidents.repository import IncidentFilter, search_incidents
from app.links.repository import search_watermarks
from app.queue import count_workers
from app.records import Module
from app.remotes.repository import search_calls, search_remotes
from app.runtime import Runtime
from app.sync.polling import BEFORE_ALL
from app.web.faults import PageFault
from app.web.forms import AdminForm, Reader
from app.web.pages import PageRoute, render
from app.web.standing import Standing, Trouble, gather, stand
from app.web.visitors import Visitor
from app.web.words import SYSTEMS

router = APIRouter(prefix="/ui/status", route_class=PageRoute, include_in_schema=False)

PATIENCE_S = 60.0
MOST_ENDED = 10
MOST_LASTING = 50


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows."""

    queue: Mapping[str, int]
    oldest: datetime | None
    workers: int
    lasting: Sequence[Trouble]
    ended: Sequence[IncidentRow]
    marks: Mapping[str, datetime]
    systems: Sequence[Standing]

    def mark(self, store: str, module: Module, system: System) -> datetime | None:
        return self.marks.get(f"{store}:{module}:{system}")


@router.get("")
async def show_status(request: Request, visitor: Reader) -> Response:
    """With ?check=1 everything is checked anew, which asks both systems and may take seconds."""
    asked = request.query_params.get("check") == "1"
    runtime: Runtime = request.app.state.runtime
    findings = await _examine(runtime) if asked else None
    return await _show(request, visitor, findings)


@router.post("/mend")
async def mend(request: Request, posted: AdminForm) -> Response:
    """Check everything, and mend what is safe to mend."""
    runtime: Runtime = request.app.state.runtime
    return await _show(request, posted.visitor, await _examine(runtime, fix=True))


async def _examine(runtime: Runtime, *, fix: bool = False) -> list[Finding]:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await examine_runtime(runtime, list(runtime.stores), fix=fix)
    except TimeoutError:
        detail = f"The checks took more than {PATIENCE_S:.0f} seconds: a system answers too slowly."
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
        beginning=BEFORE_ALL,
    )


def _subjects(runtime: Runtime) -> dict[str, str]:
    """What the doctor's findings are about, in words."""
    stores = {store: f"WooCommerce, store {store}" for store in runtime.settings.stores}
    return {"service": "This service", "vtiger": "Vtiger CRM", **stores}


async def _read(runtime: Runtime) -> Known:
    async with runtime.sessions() as session:
        lasting, ended = IncidentFilter(lasting=True), IncidentFilter(lasting=False)
        remotes, calls = await search_remotes(session), await search_calls(session)
        return Known(
            queue=await count_open(session),
            oldest=await find_oldest_due(session),
            workers=await count_workers(session, runtime.settings.worker.stalled_after),
            lasting=gather(await _incidents(session, lasting, MOST_LASTING)),
            ended=await _incidents(session, ended, MOST_ENDED),
            marks=await search_watermarks(session),
            systems=stand(runtime.settings, remotes, calls, runtime.clock()),
        )


async def _incidents(
    session: Session, filters: IncidentFilter, limit: int
) -> Sequence[IncidentRow]:
    return (await search_incidents(session, filters, cursor=None, limit=limit)).items
