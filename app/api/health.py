"""GET /health/live and /health/ready: whether to restart the process, and whether to send to it."""

import asyncio

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from app import __version__
from app.api.deps import RuntimeDep, no_query
from app.api.errors import Problem, documented
from app.api.examples import LIVE, READY, example
from app.db.migrate import pending
from app.db.outage import OUTAGES
from app.inbox.repository import count_open
from app.queue import count_workers
from app.runtime import Runtime
from app.settings import Settings

router = APIRouter(tags=["Health"], dependencies=[Depends(no_query)], responses=documented(422))


class Live(BaseModel):
    """The process answers, and says what it was built of; null where the build did not tell."""

    status: str = "ok"
    version: str = __version__
    commit: str | None = None
    built_at: str | None = None


class Ready(Live):
    """Everything that accepting and settling deliveries rests on."""

    checks: dict[str, str]
    queue: dict[str, int]


@router.get("/health/live", responses=example(LIVE))
async def get_live(runtime: RuntimeDep) -> Live:
    """Answers as long as the process does, whatever else is down."""
    return Live(**_build(runtime.settings))


@router.get("/health/ready", responses=example(READY) | documented(503))
async def get_ready(runtime: RuntimeDep, request: Request) -> Ready:
    """503, with the check that failed, unless deliveries can be accepted and settled."""
    try:
        checks, queue = await _check(runtime, worker_inside=request.app.state.worker_inside)
    except OUTAGES as error:
        checks, queue = {"database": f"unreachable ({type(error).__name__})"}, {}
    failed = [name for name, state in checks.items() if state != "ok"]
    if failed:
        detail = "; ".join(f"{name}: {checks[name]}" for name in failed)
        raise Problem(503, "not_ready", detail, members={"checks": checks, "queue": queue})
    return Ready(checks=checks, queue=queue, **_build(runtime.settings))


def _build(settings: Settings) -> dict[str, str | None]:
    return {"commit": settings.build_commit, "built_at": settings.build_date}


async def _check(runtime: Runtime, *, worker_inside: bool) -> tuple[dict[str, str], dict[str, int]]:
    missing = await asyncio.to_thread(pending, runtime.address)
    if missing:
        state = f"{len(missing)} to apply: run `woo-vtiger migrate`"
        return {"database": "ok", "migrations": state}, {}
    async with runtime.sessions() as session:
        queue = await count_open(session)
        workers = await count_workers(session, runtime.settings.worker.stalled_after)
    checks = {"database": "ok", "migrations": "ok"}
    if worker_inside:
        checks["worker"] = "ok" if workers else "gives no sign of life"
    return checks, queue | {"workers": workers}
