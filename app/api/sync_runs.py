"""/sync-runs: whole modules synced or compared, on demand; any worker carries them out."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as QueryParameters
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.api.deps import (
    Admin,
    Answer,
    Guard,
    Id,
    OptionalId,
    PageAnswer,
    PageQuery,
    RuntimeDep,
    Time,
    link_next,
    only_known,
)
from app.api.errors import documented, not_found
from app.api.examples import RUN, RUN_DETAIL, example, page_of
from app.domain import Direction, Module, Outcome, Scope
from app.parsing import Moment, RowNumber, Several, Text
from app.runs.models import DUE_STATES, Consent, RunState, SyncRun
from app.runs.repository import ALL_DIFFERENCES, DifferenceFilter, NewRun, RunFilter
from app.runtime import Runtime
from app.sync.runs.comparison import Plan, read_totals
from app.sync.runs.forecast import Forecast, describe_forecast
from app.sync.runs.requests import (
    RunProgress,
    cancel_run,
    confirm_run,
    differences,
    find_progress,
    get_progress,
    search,
    start_run,
)

router = APIRouter(
    prefix="/sync-runs",
    tags=["Sync runs"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(only_known)],
    responses=documented(401, 403, 422),
)


class RunQuery(PageQuery):
    """Every filter may be given several times, which means either."""

    store: Several[Text] = Field([], description="key of a shop")
    state: Several[RunState] = Field([], description="where the run stands")
    dry_run: bool | None = Field(None, description="only comparisons, or only syncs")


def _any_way(direction: Direction) -> Direction:
    if direction is Direction.OFF:
        raise ValueError("a run of no direction does nothing")
    return direction


class RunRequest(BaseModel):
    """What to sync. `repair_of` names a finished dry run, whose records are synced."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"store": "main", "module": ["contacts"]}}
    )

    store: Text | None = Field(None, description="key of a shop; needed if there are several")
    module: Module | Several[Module] = Field([], description="one or several; none: all")
    direction: Annotated[Direction, AfterValidator(_any_way)] = Field(
        Direction.BOTH, description="narrows what the settings allow, never widens it"
    )
    since: Moment | None = Field(None, description="only what changed from this moment on")
    dry_run: bool = Field(False, description="tell every difference, write nothing")
    repair_of: RowNumber | None = Field(None, description="id of a finished dry run")
    confirm: bool = Field(
        False,
        description="agree beforehand; else a repair, and a run that would make accounts in the"
        " shop or mail people, asks first",
    )

    def wanted(self, runtime: Runtime, started_by: str) -> NewRun:
        is_plain = self.repair_of is None and len(runtime.stores) == 1
        only = next(iter(runtime.stores)) if is_plain else ""
        modules = self.module if isinstance(self.module, list) else [self.module]
        return NewRun(
            store=self.store or only,
            modules=tuple(dict.fromkeys(modules)),
            direction=self.direction,
            since=self.since,
            dry_run=self.dry_run,
            repair_of=self.repair_of,
            started_by=started_by,
            consent=Consent.GIVEN if self.confirm else Consent.NEEDED,
        )


class RunItem(Answer):
    """One run. `done` of about `total` records were looked at; `last_error` tells why it waits,
    or how it failed."""

    id: Id
    created_at: Time
    store: str
    modules: list[str]
    direction: str
    since: Time | None
    dry_run: bool
    repair_of: OptionalId
    scheduled: bool
    started_by: str
    state: str
    done: int
    total: int
    difference_count: int
    started_at: Time | None
    finished_at: Time | None
    next_attempt_at: Time | None
    last_reason: str | None
    last_error: str | None


class Difference(Answer):
    """A record that a dry run told of. `plan` is what a sync would do with it, `act` what it would
    do with a field."""

    id: Id
    module: str
    plan: str
    label: str
    woocommerce_id: str | None = Field(validation_alias="woo_id")
    vtiger_id: str | None
    reason: str | None
    message: str
    fields: list[Mapping[str, str | None]]


class FindingQuery(PageQuery):
    """Which findings of a comparison; several values of one filter mean either."""

    module: Several[Module] = Field([], description="module of the record")
    plan: Several[Plan] = Field([], description="what a sync would do with it; `agree`: nothing")
    reason: Several[Text] = Field([], description="why it would be skipped")
    q: Several[Text] = Field([], description="part of the label, an id or the message")

    def filters(self) -> DifferenceFilter:
        return DifferenceFilter(module=self.module, plan=self.plan, reason=self.reason, q=self.q)


class ModuleTotals(Answer):
    """A module's figures of a comparison: `compared` is `agreed` and all of `found` together, a
    pair counting once."""

    module: str
    compared: int
    agreed: int
    found: dict[Plan, int]


class RunDetail(RunItem):
    """`outcomes` counts records by what became of them, pairs that agreed as unchanged; `waiting`
    are tried again later. `rate` is records a second; `totals` are those of a comparison.
    `expected` counts what the run would make, or what a sync of what it found would: new records by
    system and module, pairs that would be written to, accounts made in the shop, people mailed.
    `question` says so in words while the run is `asking`."""

    outcomes: dict[Outcome, int]
    waiting: int
    rate: float | None
    eta_seconds: float | None
    expected: dict[str, Any] | None
    question: str | None
    totals: list[ModuleTotals]
    differences: PageAnswer[Difference]


def _item(run: object) -> RunItem:
    item = RunItem.model_validate(run)
    ended = item.state not in DUE_STATES
    return item.model_copy(update={"next_attempt_at": None}) if ended else item


async def _detail(
    runtime: Runtime,
    progress: RunProgress,
    filters: DifferenceFilter = ALL_DIFFERENCES,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> RunDetail:
    page = await differences(runtime, progress.run.id, filters, cursor=cursor, limit=limit)
    totals = await read_totals(runtime, progress.run)
    items = [Difference.model_validate(each) for each in page.items]
    return RunDetail(
        **_item(progress.run).model_dump(),
        outcomes=progress.outcomes,
        waiting=progress.waiting,
        rate=progress.rate,
        eta_seconds=progress.eta_seconds,
        expected=progress.run.expected,
        question=_question(progress.run),
        totals=[ModuleTotals.model_validate(each) for each in totals],
        differences=PageAnswer(items=items, next_cursor=page.next_cursor),
    )


def _question(run: SyncRun) -> str | None:
    if run.state != RunState.ASKING or run.expected is None:
        return None
    return describe_forecast(Forecast.from_json(run.expected))


@router.post("", status_code=202, responses=example(RUN_DETAIL, status=202))
async def start_sync_run(
    runtime: RuntimeDep, caller: Admin, wanted: RunRequest, response: Response
) -> RunDetail:
    """Ask for a run. Runs of one store take turns. One that has to ask first counts what it would
    make, and is `asking` then: POST /sync-runs/{id}/confirm lets it go on."""
    run = await start_run(runtime, wanted.wanted(runtime, caller.name))
    response.headers["Location"] = f"/sync-runs/{run.id}"
    return await _detail(runtime, await get_progress(runtime, run.id))


@router.get("", responses=example(page_of(RUN)))
async def search_sync_runs(
    runtime: RuntimeDep,
    query: Annotated[RunQuery, QueryParameters()],
    request: Request,
    response: Response,
) -> PageAnswer[RunItem]:
    """Runs, newest first."""
    filters = RunFilter(store=query.store, state=query.state, dry_run=query.dry_run)
    page = await search(runtime, filters, cursor=query.cursor, limit=query.limit)
    link_next(request, response, page.next_cursor)
    return PageAnswer(items=[_item(run) for run in page.items], next_cursor=page.next_cursor)


@router.get("/{run_id}", responses=example(RUN_DETAIL) | documented(404))
async def get_sync_run(
    runtime: RuntimeDep,
    run_id: RowNumber,
    query: Annotated[FindingQuery, QueryParameters()],
    request: Request,
    response: Response,
) -> RunDetail:
    """One run with its progress, and a page of what it found and the filters match."""
    progress = await find_progress(runtime, run_id)
    if progress is None:
        raise not_found(f"run {run_id}")
    detail = await _detail(
        runtime, progress, query.filters(), cursor=query.cursor, limit=query.limit
    )
    link_next(request, response, detail.differences.next_cursor)
    return detail


@router.post(
    "/{run_id}/confirm",
    status_code=202,
    dependencies=[Depends(Guard(Scope.ADMIN))],
    responses=example(RUN_DETAIL, status=202) | documented(404, 409),
)
async def confirm_sync_run(runtime: RuntimeDep, run_id: RowNumber) -> RunDetail:
    """Agree to what a run that is `asking` would do; it goes on. DELETE it to say no."""
    run = await confirm_run(runtime, run_id)
    if run is None:
        raise not_found(f"run {run_id}")
    return await _detail(runtime, await get_progress(runtime, run_id))


@router.delete(
    "/{run_id}",
    dependencies=[Depends(Guard(Scope.ADMIN))],
    responses=example(RUN_DETAIL) | documented(404),
)
async def cancel_sync_run(runtime: RuntimeDep, run_id: RowNumber) -> RunDetail:
    """Stop a run before its next page. What it has brought up is synced all the same; a run that
    has ended stays as it is."""
    run = await cancel_run(runtime, run_id)
    if run is None:
        raise not_found(f"run {run_id}")
    return await _detail(runtime, await get_progress(runtime, run_id))
