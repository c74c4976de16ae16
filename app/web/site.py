"""All pages put together, and their static files."""

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.web import (
    addon,
    conflicts,
    deliveries,
    mapping_rows,
    mappings,
    records,
    runs,
    settings,
    sign_in,
    status,
    sync_log,
)
from app.web.faults import PageFault
from app.web.pages import STATIC, PageRoute

PARTS = (
    sign_in,
    sync_log,
    records,
    deliveries,
    conflicts,
    runs,
    mappings,
    mapping_rows,
    settings,
    status,
    addon,
)
KEPT = "public, max-age=31536000, immutable"

rest = APIRouter(route_class=PageRoute, include_in_schema=False)


@rest.get("/ui/{way:path}")
async def show_nothing(request: Request, way: str) -> Response:
    """Addresses below /ui that lead nowhere are answered by a page."""
    del request
    raise PageFault(404, "Not found", f"There is nothing at /ui/{way}.")


class KeptFiles(StaticFiles):
    """Their addresses change with them, so browsers need not ask again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = KEPT
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def install(app: FastAPI) -> None:
    app.mount("/ui/static", KeptFiles(directory=STATIC), name="static")
    for part in PARTS:
        app.include_router(part.router)
    app.include_router(rest)
