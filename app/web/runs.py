"""The pages of runs: start a run, follow its progress, read its report and repair differences."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from app.config.settings import Settings
from app.domain import Direction, InvalidInput, Module, StaleState, System
from app.escaping import csv_line
from app.parsing import MOMENT, NUMBER, RowNumber
from app.reasons import REASONS
from app.runs.models import Consent, RunDifference, RunState, SyncRun
from app.runs.repository import DifferenceFilter, NewRun, RunFilter
from app.runtime import Runtime
from app.sync.runs.comparison import add_up, read_totals
from app.sync.runs.forecast import Forecast, describe_forecast
from app.sync.runs.requests import (
    RunProgress,
    cancel_run,
    confirm_run,
    differences,
    each_difference,
    find_progress,
    search,
    start_run,
)
from app.web.forms import AdminForm, Chosen, Filter, Posted, Reader, choose
from app.web.pages import PageFault, PageRoute, go_to, not_found, render
from app.web.records import RemoteLink, remote_link
from app.web.session import Visitor
from app.web.words import ACTS, DIRECTIONS, FOUND, MODULES, PLANS, RUN_STATES

# The findings of a comparison: filters and export

COLUMNS = (
    "Module",
    "A sync would",
    "Record",
    "WooCommerce id",
    "Vtiger id",
    "Reason",
    "Message",
    "Field",
    "In WooCommerce",
    "In Vtiger",
    "What a sync would do with the field",
    "WooCommerce address",
    "Vtiger address",
)


def filters_of() -> tuple[Filter, ...]:
    reasons = {code: code.replace("_", " ") for code in sorted(REASONS)}
    return (
        Filter("q", "Search"),
        Filter("module", "Module", "choice", MODULES),
        Filter("plan", "Kind", "choice", FOUND),
        Filter("reason", "Reason", "choice", reasons),
    )


def difference_filter(chosen: Chosen) -> DifferenceFilter:
    return DifferenceFilter(
        module=chosen.many("module"),
        plan=chosen.many("plan"),
        reason=chosen.many("reason"),
        q=chosen.many("q"),
    )


async def csv_of(runtime: Runtime, run: SyncRun, filters: DifferenceFilter) -> AsyncIterator[str]:
    """A line for each field that differs, and one for each finding without such a field."""
    yield csv_line(COLUMNS)
    async for row in each_difference(runtime, run.id, filters):
        for field in row.fields or [{}]:
            yield csv_line(_cells(runtime.settings, run, row, field))


def _cells(
    settings: Settings, run: SyncRun, row: RunDifference, field: Mapping[str, str | None]
) -> list[str | None]:
    ids = {System.WOOCOMMERCE: row.woo_id, System.VTIGER: row.vtiger_id}
    addresses = [
        remote_link(
            settings, run.store, system=system, module=Module(row.module), record_id=record_id
        ).url
        if record_id
        else None
        for system, record_id in ids.items()
    ]
    act = field.get("act") or ""
    return [
        MODULES[row.module],
        PLANS.get(row.plan, row.plan),
        row.label,
        row.woo_id,
        row.vtiger_id,
        row.reason,
        row.message,
        field.get("field"),
        field.get("woocommerce"),
        field.get("vtiger"),
        ACTS.get(act, act),
        *addresses,
    ]


router = APIRouter(prefix="/ui/runs", route_class=PageRoute, include_in_schema=False)

PER_PAGE = 50
DIRECTION_CHOICES = {key: name for key, name in DIRECTIONS.items() if key != Direction.OFF}


@router.get("")
async def show_runs(request: Request, visitor: Reader) -> Response:
    """All runs, newest first, and the form to start one."""
    return await _show(request, visitor, Asked())


@dataclass(frozen=True, slots=True)
class Asked:
    """The values of the form as posted, with its error."""

    store: str = ""
    modules: Sequence[str] = ()
    direction: str = Direction.BOTH
    since: str = ""
    dry_run: bool = False
    error: str = ""
    field: str = ""


async def _show(request: Request, visitor: Visitor, asked: Asked) -> Response:
    runtime: Runtime = request.app.state.runtime
    stores = {store: store for store in runtime.settings.stores}
    filters = (
        Filter("state", "State", "choice", RUN_STATES),
        Filter("store", "Store", "choice", stores),
    )
    chosen = choose("/ui/runs", filters, request.query_params)
    wanted = RunFilter(store=chosen.many("store"), state=chosen.many("state"))
    cursor = request.query_params.get("cursor") or None
    page = await search(runtime, wanted, cursor=cursor, limit=PER_PAGE)
    return render(
        request,
        "runs.html",
        visitor=visitor,
        status=422 if asked.error or chosen.errors else 200,
        chosen=chosen,
        page=page,
        cursor=cursor,
        asked=asked,
        directions=DIRECTION_CHOICES,
        stores=list(stores),
        any_open=any(run.is_open for run in page.items),
    )


@router.post("")
async def start(request: Request, posted: AdminForm) -> Response:
    """Start a run and redirect to it, or show the form with its error."""
    runtime: Runtime = request.app.state.runtime
    try:
        run = await start_run(runtime, _wanted(runtime, posted))
    except InvalidInput as error:
        return await _show(request, posted.visitor, _posted_values(posted, error))
    return go_to(f"/ui/runs/{run.id}")


def _wanted(runtime: Runtime, posted: Posted) -> NewRun:
    repair_of = _report_id(posted.text("repair_of"))
    is_plain = repair_of is None and len(runtime.settings.stores) == 1
    only = next(iter(runtime.settings.stores)) if is_plain else ""
    try:
        return NewRun(
            store=posted.text("store") or only,
            modules=tuple(Module(each) for each in posted.texts("module")),
            direction=Direction(_direction(posted.text("direction"))),
            since=_since(posted.text("since")),
            dry_run=posted.text("dry_run") == "1",
            repair_of=repair_of,
            started_by=posted.by,
            consent=Consent.NEEDED_IF_MANY,
        )
    except ValueError:
        raise InvalidInput("Choose modules from the list.") from None


def _direction(text: str) -> str:
    if text and text not in DIRECTION_CHOICES:
        raise InvalidInput("Choose a direction from the list.", "direction")
    return text or Direction.BOTH


def _report_id(text: str) -> int | None:
    if not text:
        return None
    try:
        return NUMBER.read(text)
    except ValueError:
        raise InvalidInput("Open a comparison below and choose “Repair what it found”.") from None


def _since(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return MOMENT.read(text)
    except ValueError as error:
        raise InvalidInput(str(error), "since") from None


def _posted_values(posted: Posted, error: InvalidInput) -> Asked:
    return Asked(
        store=posted.text("store"),
        modules=posted.texts("module"),
        direction=posted.text("direction"),
        since=posted.text("since"),
        dry_run=posted.text("dry_run") == "1",
        error=_message(error),
        field=error.field,
    )


def _message(error: InvalidInput) -> str:
    """The message of an error, with the display names of modules."""
    message = str(error)
    for module, name in MODULES.items():
        message = message.replace(f"Module {module} ", f"{name} ")
    return message


@dataclass(frozen=True, slots=True)
class Found:
    """A finding of a comparison, with links to its records."""

    row: RunDifference
    links: Sequence[RemoteLink]

    @property
    def fields(self) -> Sequence[Mapping[str, Any]]:
        return self.row.fields


def _found(settings: Settings, run: SyncRun, row: RunDifference) -> Found:
    ids = {System.WOOCOMMERCE: row.woo_id, System.VTIGER: row.vtiger_id}
    links = [
        remote_link(
            settings, run.store, system=system, module=Module(row.module), record_id=record_id
        )
        for system, record_id in ids.items()
        if record_id is not None
    ]
    return Found(row, links)


@router.get("/{run_id}")
async def show_run(request: Request, visitor: Reader, run_id: RowNumber) -> Response:
    """One run: its progress, the outcomes of its records, and the findings of a comparison."""
    runtime: Runtime = request.app.state.runtime
    progress = await _get(runtime, run_id)
    params = request.query_params
    cursor = params.get("cursor") or None
    chosen = choose(f"/ui/runs/{run_id}", filters_of(), params)
    wanted = difference_filter(chosen)
    totals = await read_totals(runtime, progress.run)
    page = await differences(runtime, run_id, wanted, cursor=cursor, limit=PER_PAGE)
    return render(
        request,
        "run.html",
        visitor=visitor,
        progress=progress,
        run=progress.run,
        page=page,
        found=[_found(runtime.settings, progress.run, row) for row in page.items],
        status=422 if chosen.errors else 200,
        chosen=chosen,
        cursor=cursor,
        totals=totals,
        in_all=add_up(totals),
        modules=progress.run.modules or list(MODULES),
        expected=_expected(progress.run),
        asks=progress.run.state == RunState.ASKING,
    )


def _expected(run: SyncRun) -> str:
    """The number of records that the run, or a sync after the comparison, would create and change;
    "" before they are counted."""
    return describe_forecast(Forecast.from_json(run.expected)) if run.expected else ""


@router.post("/{run_id}/confirm")
async def confirm(request: Request, posted: AdminForm, run_id: RowNumber) -> Response:
    """Confirm a run that waits for confirmation."""
    del posted  # is validated
    runtime: Runtime = request.app.state.runtime
    await _get(runtime, run_id)
    with contextlib.suppress(StaleState):  # the page shows the current state
        await confirm_run(runtime, run_id)
    return go_to(f"/ui/runs/{run_id}")


@router.get("/{run_id}/export.csv")
async def export_found(request: Request, visitor: Reader, run_id: RowNumber) -> Response:
    """The findings of a comparison that match the filters, as CSV for a spreadsheet."""
    del visitor  # is signed in
    runtime: Runtime = request.app.state.runtime
    run = (await _get(runtime, run_id)).run
    chosen = choose(f"/ui/runs/{run_id}", filters_of(), request.query_params)
    if chosen.errors:
        raise PageFault(422, "Not exported", " ".join(chosen.errors.values()))
    lines = csv_of(runtime, run, difference_filter(chosen))
    name = {"Content-Disposition": f'attachment; filename="comparison-{run_id}.csv"'}
    return StreamingResponse(lines, media_type="text/csv", headers=name)


@router.post("/{run_id}/cancel")
async def cancel(request: Request, posted: AdminForm, run_id: RowNumber) -> Response:
    """Cancel a run before its next page; records that it has queued are still synced."""
    del posted  # is validated
    runtime: Runtime = request.app.state.runtime
    await _get(runtime, run_id)
    await cancel_run(runtime, run_id)
    return go_to(f"/ui/runs/{run_id}")


async def _get(runtime: Runtime, run_id: int) -> RunProgress:
    progress = await find_progress(runtime, run_id)
    if progress is None:
        raise not_found(f"run {run_id}")
    return progress
