"""GET /metrics: what Prometheus reads."""

from typing import Any

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

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


@router.get("/metrics", response_class=Response, responses=TEXT)
async def get_metrics(runtime: RuntimeDep) -> Response:
    """This process's counters, and the state of the inbox, polls and incidents of all."""
    shared = CollectorRegistry()
    shared.register(await read_shared(runtime))
    text = generate_latest(REGISTRY) + generate_latest(shared)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
