"""/health, /incidents and /metrics: probes for process managers, alerts and dashboards."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as QueryParameters
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel, BeforeValidator, Field
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from app import __version__
from app.api.deps import (
    Answer,
    Guard,
    Id,
    PageAnswer,
    PageQuery,
    RuntimeDep,
    Time,
    link_next,
    refuse_unknown,
)
from app.api.errors import Problem, documented
from app.api.examples import INCIDENT, LIVE, METRICS, READY, example, page_of
from app.api.middleware import AnswerHeaders
from app.config.settings import Settings
from app.db.embedded import describe_space, free_megabytes
from app.db.migrate import find_pending
from app.db.session import OUTAGES
from app.domain import Scope, System
from app.inbox.repository import count_open
from app.observability import REGISTRY
from app.parsing import Moment, Several, Text
from app.queue import count_workers
from app.remotes.gate import RemoteState, describe, search_remotes
from app.remotes.incidents import IncidentFilter, find_remedy
from app.remotes.incidents import search_incidents as search
from app.remotes.models import IncidentKind, IncidentRow
from app.runtime import Runtime
from app.sync.status import read_shared

# GET /metrics

metrics_router = APIRouter(
    tags=["Health"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(refuse_unknown)],
    responses=documented(401, 403, 422),
)
TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"example": METRICS}}, "description": "Prometheus text"}
}


def worker_metrics() -> ASGIApp:
    """The application of a separate worker: its own counters at /metrics, without a token."""

    async def metrics(request: Request) -> Response:
        del request
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return AnswerHeaders(Starlette(routes=[Route("/metrics", metrics)]))


@metrics_router.get("/metrics", response_class=Response, responses=TEXT)
async def get_metrics(runtime: RuntimeDep) -> Response:
    """The counters of this process, and the inbox, polls and incidents of all processes."""
    shared = CollectorRegistry()
    shared.register(await read_shared(runtime))
    text = generate_latest(REGISTRY) + generate_latest(shared)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


# GET /incidents

incidents_router = APIRouter(
    prefix="/incidents",
    tags=["Incidents"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(refuse_unknown)],
    responses=documented(401, 403, 422),
)

OptionalText = Annotated[str | None, BeforeValidator(lambda text: text or None)]


class IncidentQuery(PageQuery):
    """Each filter may be repeated; repeated values are alternatives."""

    store: Several[Text] = Field([], description="key of a shop; incidents of Vtiger have none")
    system: Several[System] = Field([], description="the affected system")
    kind: Several[IncidentKind] = Field([], description="kind of the incident")
    lasting: bool | None = Field(
        None, description="true: only those that last; false: only those that ended"
    )
    since: Several[Moment] = Field([], description="began at this time or later")
    until: Several[Moment] = Field([], description="began before this time")

    def filters(self) -> IncidentFilter:
        return IncidentFilter(
            store=self.store,
            system=self.system,
            kind=self.kind,
            lasting=self.lasting,
            since=min(self.since, default=None),
            until=max(self.until, default=None),
        )


class IncidentItem(Answer):
    """One incident. `subject` names the affected part (a topic, a module), null for the whole
    system; `ended_at`, and `mended`, which states how it ended, are null while it lasts; `remedy`
    is what a person can do about it."""

    id: Id
    kind: IncidentKind
    system: System
    store: OptionalText
    subject: OptionalText
    message: str
    began_at: Time
    last_seen_at: Time
    ended_at: Time | None
    mended: OptionalText
    remedy: str = ""


@incidents_router.get("", responses=example(page_of(INCIDENT)))
async def search_incidents(
    runtime: RuntimeDep,
    query: Annotated[IncidentQuery, QueryParameters()],
    request: Request,
    response: Response,
) -> PageAnswer[IncidentItem]:
    """Incidents, latest beginning first."""
    async with runtime.sessions() as session:
        page = await search(session, query.filters(), cursor=query.cursor, limit=query.limit)
    link_next(request, response, page.next_cursor)
    items = [_item(row) for row in page.items]
    return PageAnswer(items=items, next_cursor=page.next_cursor)


def _item(row: IncidentRow) -> IncidentItem:
    remedy = find_remedy(row.kind, System(row.system), row.store)
    return IncidentItem.model_validate(row).model_copy(update={"remedy": remedy})


CACHE_SECONDS = 1.0

router = APIRouter(
    tags=["Health"], dependencies=[Depends(refuse_unknown)], responses=documented(422)
)


class Live(BaseModel):
    """The process answers. `commit` and `built_at` are null if the build did not record them."""

    status: str = "ok"
    version: str = __version__
    commit: str | None = None
    built_at: str | None = None


class Ready(Live):
    """The state of everything that accepting and settling deliveries requires. `remotes` is the
    state of each shop and of Vtiger: while one is down, deliveries are accepted and wait."""

    checks: dict[str, str]
    queue: dict[str, int] = {}
    remotes: dict[str, str] = {}


@router.get("/health/live", responses=example(LIVE))
async def get_live(runtime: RuntimeDep) -> Live:
    """Answers while the process runs, whatever else is down."""
    return Live(**_build(runtime.settings))


@router.get("/health/ready", responses=example(READY) | documented(503))
async def get_ready(request: Request) -> Ready:
    """503, with the failed check, unless deliveries can be accepted and a worker runs. A shop or a
    Vtiger that is down is shown in `remotes`. The result is at most one second old."""
    readiness: Readiness = request.app.state.readiness
    ready = await readiness.get()
    failed = [name for name, state in ready.checks.items() if state != "ok"]
    if failed:
        detail = "; ".join(f"{name}: {ready.checks[name]}" for name in failed)
        members = ready.model_dump(include={"checks", "queue", "remotes"})
        raise Problem(503, "not_ready", detail, members=members)
    return ready


class Readiness:
    """The result of /health/ready, determined at most once a second by each process, because the
    route needs no token. Concurrent requests wait for the same check."""

    def __init__(
        self, runtime: Runtime, *, worker_inside: bool, clock: Callable[[], float] = monotonic
    ) -> None:
        self._runtime = runtime
        self._worker_inside = worker_inside
        self._clock = clock
        self._cached: Ready | None = None
        self._cached_at = 0.0
        self._refreshing: asyncio.Task[Ready] | None = None

    async def get(self) -> Ready:
        if self._cached is not None and self._clock() - self._cached_at < CACHE_SECONDS:
            return self._cached
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh())
        return await asyncio.shield(self._refreshing)

    async def _refresh(self) -> Ready:
        try:
            ready = await _check(self._runtime, worker_inside=self._worker_inside)
        except OUTAGES as error:
            ready = Ready(checks={"database": f"unreachable ({type(error).__name__})"})
        free = free_megabytes(self._runtime.settings)
        if free is not None:
            ready.checks["disk"] = describe_space(free)
        self._cached = ready.model_copy(update=_build(self._runtime.settings))
        self._cached_at = self._clock()
        return self._cached


def _build(settings: Settings) -> dict[str, str | None]:
    return {"commit": settings.build_commit, "built_at": settings.build_date}


async def _check(runtime: Runtime, *, worker_inside: bool) -> Ready:
    async with runtime.sessions() as session:
        missing = await find_pending(session)
    if missing:
        state = f"{len(missing)} to apply: run `woo-vtiger migrate`"
        return Ready(checks={"database": "ok", "migrations": state})
    async with runtime.sessions() as session:
        queue = await count_open(session)
        workers = await count_workers(session, runtime.settings.worker.stalled_after)
        known = await search_remotes(session)
    checks = {"database": "ok", "migrations": "ok"}
    if worker_inside:
        checks["worker"] = "ok" if workers else "gives no sign of life"
    now = runtime.clock()
    remotes = {key: describe(known.get(key, RemoteState()), now) for key in runtime.gates}
    return Ready(checks=checks, queue=queue | {"workers": workers}, remotes=remotes)
