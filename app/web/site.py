"""Registration of all pages, their static files, and `/docs` without scripts of other servers."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.web import (
    conflicts,
    deliveries,
    mappings,
    records,
    runs,
    settings,
    sign_in,
    status,
    statuses,
    sync_log,
)
from app.web.pages import STATIC, PageFault, PageRoute, address_of_file, go_to, render

# Static files

KEPT = "public, max-age=31536000, immutable"


class CachedFiles(StaticFiles):
    """Static files that browsers may cache forever, because their addresses contain a digest."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = KEPT
        return response


# `/docs`: the description of the API in Swagger UI, without scripts or styles of other servers
#
# The files come from the package fastapi-offline, whose own page has inline scripts. This page has
# the same content policy as all others. Like /openapi.json, it needs no sign-in.

SWAGGER = Path(str(files("fastapi_offline") / "static"))
PLACE = "/ui/swagger"
ASSETS = {
    name: address_of_file(SWAGGER / name, PLACE)
    for name in ("swagger-ui-bundle.js", "swagger-ui.css")
}

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/docs")
async def show_api(request: Request) -> Response:
    """The page of Swagger UI."""
    return render(request, "api_docs.html", swagger=ASSETS, openapi=request.app.openapi_url)


@router.get("/redoc")
async def lead_to_docs() -> Response:
    """Redirect from the address of ReDoc, another view of the same description."""
    return go_to("/docs")


def describe_api(app: FastAPI) -> None:
    """Add the routes of the page and its files."""
    app.mount(PLACE, CachedFiles(directory=SWAGGER), name="swagger")
    app.include_router(router)


ROUTERS = (
    sign_in.router,
    sync_log.router,
    records.router,
    deliveries.router,
    conflicts.router,
    runs.router,
    mappings.router,
    statuses.router,
    settings.router,
    status.router,
    status.addon_router,
)

rest = APIRouter(route_class=PageRoute, include_in_schema=False)


@rest.get("/ui/{way:path}")
async def show_nothing(request: Request, way: str) -> Response:
    """Answer unknown addresses below /ui with an error page."""
    del request
    raise PageFault(404, "Not found", f"There is nothing at /ui/{way}.")


def install(app: FastAPI, *, api_docs: bool) -> None:
    app.mount("/ui/static", CachedFiles(directory=STATIC), name="static")
    for router in ROUTERS:
        app.include_router(router)
    if api_docs:
        describe_api(app)
    app.include_router(rest)
