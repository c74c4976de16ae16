"""All pages put together, and their static files."""

from fastapi import APIRouter, FastAPI, Request, Response

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
from app.web.api_docs import describe_api
from app.web.faults import PageFault
from app.web.pages import STATIC, PageRoute
from app.web.static_files import KeptFiles

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

rest = APIRouter(route_class=PageRoute, include_in_schema=False)


@rest.get("/ui/{way:path}")
async def show_nothing(request: Request, way: str) -> Response:
    """Addresses below /ui that lead nowhere are answered by a page."""
    del request
    raise PageFault(404, "Not found", f"There is nothing at /ui/{way}.")


def install(app: FastAPI, *, api_docs: bool) -> None:
    app.mount("/ui/static", KeptFiles(directory=STATIC), name="static")
    for part in PARTS:
        app.include_router(part.router)
    if api_docs:
        describe_api(app)
    app.include_router(rest)
