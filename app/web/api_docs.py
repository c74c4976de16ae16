"""`/docs`: the API's description as Swagger UI shows it, with no script or style of other servers.

The files come from the package fastapi-offline, whose own page has inline script; this page has the
same content policy as all others, and can be looked at without signing in, as /openapi.json can.
"""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response

from app.web.pages import PageRoute, address_of_file, go_to, render
from app.web.static_files import KeptFiles

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
