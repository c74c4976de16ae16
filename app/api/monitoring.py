"""/health, /incidents and /metrics: what restarts processes, wakes people, and draws graphs."""

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
    only_known,
)
from app.api.errors import Problem, documented
from app.api.examples import INCIDENT, LIVE, METRICS, READY, example, page_of
from app.config.settings import Settings
from app.db.embedded import describe_space, free_megabytes
from app.db.migrate import find_pending
from app.db.session import OUTAGES
from app.domain import Scope, System
from app.http.server import AnswerHeaders
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

# GET /metrics: what Prometheus reads.

metrics_router = APIRouter(
    tags=["Health"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(only_known)],
    responses=documented(401, 403, 422),
)
TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"example": METRICS}}, "description": "Prometheus text"}
}


def worker_metrics() -> ASGIApp:
    """What a worker alone serves: its own counters at /metrics, to whoever reaches its port."""

    async def tell(request: Request) -> Response:
        del request
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return AnswerHeaders(Starlette(routes=[Route("/metrics", tell)]))


@metrics_router.get("/metrics", response_class=Response, responses=TEXT)
async def get_metrics(runtime: RuntimeDep) -> Response:
    """This process's counters, and the state of the inbox, polls and incidents of all."""
    shared = CollectorRegistry()
    shared.register(await read_shared(runtime))
    text = generate_latest(REGISTRY) + generate_latest(shared)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


# GET /incidents: what broke around the records, since when, and how it was mended.

incidents_router = APIRouter(
    prefix="/incidents",
    tags=["Incidents"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(only_known)],
    responses=documented(401, 403, 422),
)

OptionalText = Annotated[str | None, BeforeValidator(lambda text: text or None)]


class IncidentQuery(PageQuery):
    """Every filter may be given several times, which means either."""

    store: Several[Text] = Field([], description="key of a shop; those of the CRM have none")
    system: Several[System] = Field([], description="the system that is in trouble")
    kind: Several[IncidentKind] = Field([], description="what is broken")
    lasting: bool | None = Field(None, description="only those that last, or only those that ended")
    since: Several[Moment] = Field([], description="began at this moment or later")
    until: Several[Moment] = Field([], description="began before this moment")

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
    """One incident. `subject` names the broken part (a topic, a module), null for the whole;
    `ended_at` and `mended`, how it ended, are null as long as it lasts; `remedy` is what a person
    can do about it."""

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
    """Incidents, those that began last first."""
    async with runtime.sessions() as session:
        page = await search(session, query.filters(), cursor=query.cursor, limit=query.limit)
    link_next(request, response, page.next_cursor)
    items = [_item(row) for row in page.items]
    return PageAnswer(items=items, next_cursor=page.next_cursor)


def _item(row: IncidentRow) -> IncidentItem:
    remedy = find_remedy(row.kind, System(row.system), row.store)
    return IncidentItem.model_validate(row).model_copy(update={"remedy": remedy})


KEPT_SECONDS = 1.0

router = APIRouter(tags=["Health"], dependencies=[Depends(only_known)], responses=documented(422))


class Live(BaseModel):
    """The process answers, and says what it was built of; null where the build did not tell."""

    status: str = "ok"
    version: str = __version__
    commit: str | None = None
    built_at: str | None = None


class Ready(Live):
    """Everything that accepting and settling deliveries rests on. `remotes` is what is known of
    each shop and the CRM: one that is down makes deliveries wait, and none is refused for it."""

    checks: dict[str, str]
    queue: dict[str, int] = {}
    remotes: dict[str, str] = {}


@router.get("/health/live", responses=example(LIVE))
async def get_live(runtime: RuntimeDep) -> Live:
    """Answers as long as the process does, whatever else is down."""
    return Live(**_build(runtime.settings))


@router.get("/health/ready", responses=example(READY) | documented(503))
async def get_ready(request: Request) -> Ready:
    """503, with the check that failed, unless deliveries can be accepted and wait for a worker.
    A shop or a CRM that is down shows in `remotes`. The answer is a second old at most."""
    readiness: Readiness = request.app.state.readiness
    ready = await readiness.get()
    failed = [name for name, state in ready.checks.items() if state != "ok"]
    if failed:
        detail = "; ".join(f"{name}: {ready.checks[name]}" for name in failed)
        members = ready.model_dump(include={"checks", "queue", "remotes"})
        raise Problem(503, "not_ready", detail, members=members)
    return ready


class Readiness:
    """What /health/ready tells, looked up at most once a second by each process, whoever asks how
    often: anybody may. Those who ask meanwhile wait for the same look."""

    def __init__(
        self, runtime: Runtime, *, worker_inside: bool, clock: Callable[[], float] = monotonic
    ) -> None:
        self._runtime = runtime
        self._worker_inside = worker_inside
        self._clock = clock
        self._known: Ready | None = None
        self._known_at = 0.0
        self._looking: asyncio.Task[Ready] | None = None

    async def get(self) -> Ready:
        if self._known is not None and self._clock() - self._known_at < KEPT_SECONDS:
            return self._known
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> Ready:
        try:
            ready = await _check(self._runtime, worker_inside=self._worker_inside)
        except OUTAGES as error:
            ready = Ready(checks={"database": f"unreachable ({type(error).__name__})"})
        free = free_megabytes(self._runtime.settings)
        if free is not None:
            ready.checks["disk"] = describe_space(free)
        self._known = ready.model_copy(update=_build(self._runtime.settings))
        self._known_at = self._clock()
        return self._known


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
