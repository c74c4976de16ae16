"""/sync-runs: runs, which sync or compare whole modules. Any worker executes them."""

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
    refuse_unknown,
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
    dependencies=[Depends(Guard(Scope.READ)), Depends(refuse_unknown)],
    responses=documented(401, 403, 422),
)


class RunQuery(PageQuery):
    """Each filter may be repeated; repeated values are alternatives."""

    store: Several[Text] = Field([], description="key of a shop")
    state: Several[RunState] = Field([], description="state of the run")
    dry_run: bool | None = Field(None, description="true: only comparisons; false: only syncs")


def _not_off(direction: Direction) -> Direction:
    if direction is Direction.OFF:
        raise ValueError("a run with the direction off has no effect")
    return direction


class RunRequest(BaseModel):
    """What to sync. `repair_of` names a finished dry run, whose records are synced."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"store": "main", "module": ["contacts"]}}
    )

    store: Text | None = Field(None, description="key of a shop; needed if there are several")
    module: Module | Several[Module] = Field([], description="one or several; none: all")
    direction: Annotated[Direction, AfterValidator(_not_off)] = Field(
        Direction.BOTH, description="narrows what the settings allow, never widens it"
    )
    since: Moment | None = Field(
        None, description="only records that changed at this time or later"
    )
    dry_run: bool = Field(False, description="report every difference, write nothing")
    repair_of: RowNumber | None = Field(None, description="id of a finished dry run")
    confirm: bool = Field(
        False,
        description="confirm in advance; otherwise a repair, and a run that would create accounts"
        " in the shop or send e-mails, waits for a confirmation",
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
    """One run. `done` of about `total` records have been processed; `last_error` is the reason why
    it waits or failed."""

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
    """A record that a dry run reported. `plan` is the action of a sync on the record, `act` the
    action on a field."""

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
    """Filters of the findings of a comparison; repeated values are alternatives."""

    module: Several[Module] = Field([], description="module of the record")
    plan: Several[Plan] = Field([], description="action of a sync; `agree`: none")
    reason: Several[Text] = Field([], description="reason code, if it would be skipped")
    q: Several[Text] = Field([], description="part of the label, an id or the message")

    def filters(self) -> DifferenceFilter:
        return DifferenceFilter(module=self.module, plan=self.plan, reason=self.reason, q=self.q)


class ModuleTotals(Answer):
    """The totals of a module in a comparison: `compared` is the sum of `agreed` and all of `found`;
    a pair counts once."""

    module: str
    compared: int
    agreed: int
    found: dict[Plan, int]


class RunDetail(RunItem):
    """A run with its progress. `outcomes` counts records by outcome, pairs that agreed as
    unchanged; `waiting` counts those that are retried later. `rate` is in records per second;
    `totals` are those of a comparison. `expected` counts the writes of the run, or of a sync after
    the comparison: new records by system and module, updated pairs, accounts created in the shop,
    and people who get an e-mail. `question` is its text while the run is `asking`."""

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
    """Start a run. Runs of one store are executed one after another. A run that needs a
    confirmation counts the records that it would create, and is then `asking`: POST
    /sync-runs/{id}/confirm continues it."""
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
    """One run with its progress, and a page of the findings that match the filters."""
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
    """Confirm a run that is `asking`; it continues. DELETE the run to decline."""
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
    """Cancel a run before its next page. Records that it has queued are still synced; a run that
    has ended is not changed."""
    run = await cancel_run(runtime, run_id)
    if run is None:
        raise not_found(f"run {run_id}")
    return await _detail(runtime, await get_progress(runtime, run_id))
