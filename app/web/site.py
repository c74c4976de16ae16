"""All pages put together, their static files, and `/docs` with no script of other servers."""

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
    sync_log,
)
from app.web.pages import STATIC, PageFault, PageRoute, address_of_file, go_to, render

# Static files whose addresses change with their content.

KEPT = "public, max-age=31536000, immutable"


class KeptFiles(StaticFiles):
    """Their addresses change with them, so browsers need not ask again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = KEPT
        return response


# `/docs`: the API's description as Swagger UI shows it, with no script or style of other servers.
#
# The files come from the package fastapi-offline, whose own page has inline script; this page has
# the same content policy as all others, and can be looked at without signing in, as /openapi.json
# can.

SWAGGER = Path(str(files("fastapi_offline") / "static"))
PLACE = "/ui/swagger"
ASSETS = {
    name: address_of_file(SWAGGER / name, PLACE)
    for name in ("swagger-ui-bundle.js", "swagger-ui.css")
}

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/docs")
async def show_api(request: Request) -> Response:
    """Every route of the API, to be tried out with a token."""
    return render(request, "api_docs.html", swagger=ASSETS, openapi=request.app.openapi_url)


@router.get("/redoc")
async def lead_to_docs() -> Response:
    """Where frameworks put another view of the same description."""
    return go_to("/docs")


def describe_api(app: FastAPI) -> None:
    """Serve the page and its files."""
    app.mount(PLACE, KeptFiles(directory=SWAGGER), name="swagger")
    app.include_router(router)


ROUTERS = (
    sign_in.router,
    sync_log.router,
    records.router,
    deliveries.router,
    conflicts.router,
    runs.router,
    mappings.router,
    settings.router,
    status.router,
    status.addon_router,
)

rest = APIRouter(route_class=PageRoute, include_in_schema=False)


@rest.get("/ui/{way:path}")
async def show_nothing(request: Request, way: str) -> Response:
    """Addresses below /ui that lead nowhere are answered by a page."""
    del request
    raise PageFault(404, "Not found", f"There is nothing at /ui/{way}.")


def install(app: FastAPI, *, api_docs: bool) -> None:
    app.mount("/ui/static", KeptFiles(directory=STATIC), name="static")
    for router in ROUTERS:
        app.include_router(router)
    if api_docs:
        describe_api(app)
    app.include_router(rest)
