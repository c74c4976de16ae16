"""GET /metrics: what Prometheus reads."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from app.answer_headers import AnswerHeaders
from app.api.deps import Guard, RuntimeDep, only_known
from app.api.errors import documented
from app.api.examples import METRICS
from app.metrics import REGISTRY
from app.policies.tokens import Scope
from app.sync.gauges import read_shared

router = APIRouter(
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


@router.get("/metrics", response_class=Response, responses=TEXT)
async def get_metrics(runtime: RuntimeDep) -> Response:
    """This process's counters, and the state of the inbox, polls and incidents of all."""
    shared = CollectorRegistry()
    shared.register(await read_shared(runtime))
    text = generate_latest(REGISTRY) + generate_latest(shared)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
