"""GET /health/live and /health/ready: whether to restart the process, and whether to send to it."""

import asyncio
from collections.abc import Callable
from time import monotonic

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from app import __version__
from app.api.deps import RuntimeDep, only_known
from app.api.errors import Problem, documented
from app.api.examples import LIVE, READY, example
from app.db.migrate import find_pending
from app.db.outage import OUTAGES
from app.db.space import describe_space, free_megabytes
from app.inbox.repository import count_open
from app.queue import count_workers
from app.remotes.news import describe
from app.remotes.repository import search_remotes
from app.remotes.state import RemoteState
from app.runtime import Runtime
from app.settings import Settings

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
