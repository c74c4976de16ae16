"""Rendering of the pages, their response headers, cookies and error pages."""

import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from app import __version__
from app.db.session import OUTAGES
from app.domain import InvalidInput
from app.reasons import REASONS
from app.runtime import Runtime
from app.web import words
from app.web import words as values
from app.web.session import COOKIE, LASTS, SessionCookie, Visitor

# Errors of pages


class PageFault(Exception):
    """An error that is shown as a page with a heading and a sentence."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


class SignInNeeded(Exception):
    """The visitor is not signed in. A page redirects to the sign-in and back, a form only to the
    sign-in."""


def not_found(what: str) -> PageFault:
    return PageFault(404, "Not found", f"There is no {what}.")


STATIC = Path(__file__).parent / "static"
SIGN_IN = "/sign-in"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
}
"""Response headers of pages that differ from those of all responses (`app.http.server`)."""

log = logging.getLogger(__name__)


def address_of_file(path: Path, place: str = "/ui/static") -> str:
    """The address of a static file. It contains a digest of the file, so that browsers may cache
    it."""
    digest = sha256(path.read_bytes()).hexdigest()[:12]
    return f"{place}/{path.name}?v={digest}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"words": words, "REASONS": REASONS, "app_version": __version__}
    environment.globals["assets"] = {each.name: address_of_file(each) for each in STATIC.iterdir()}
    environment.filters |= {"time": words.clock_time, "duration": words.duration}
    environment.filters |= {"iso": _iso, "field_name": words.field_name, "shown": values.shown}
    environment.filters |= {"label": words.split_label, "prose": values.prose}
    return environment


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


_TEMPLATES = _environment()


def render(
    request: Request,
    template: str,
    *,
    visitor: Visitor | None = None,
    status: int = 200,
    **context: Any,
) -> Response:
    """Render a page. The first page of a visitor sets the session cookie that forms depend on."""
    given = {"request": request, "visitor": visitor, **context}
    response = HTMLResponse(_TEMPLATES.get_template(template).render(given), status)
    if visitor is not None and visitor.is_new:
        set_session_cookie(request, response, visitor.cookie_signer.close(visitor.session_cookie))
    return response


def set_session_cookie(request: Request, response: Response, sealed: str) -> None:
    response.set_cookie(
        COOKIE,
        sealed,
        max_age=int(LASTS.total_seconds()),
        httponly=True,
        secure=_is_https(request),
        samesite="lax",
    )


def _is_https(request: Request) -> bool:
    runtime: Runtime = request.app.state.runtime
    public_url = runtime.settings.public_url or ""
    return request.scope["scheme"] == "https" or public_url.startswith("https:")


def redirect_with_session(
    request: Request, visitor: Visitor, session_cookie: SessionCookie, location: str
) -> Response:
    """Redirect with another session cookie."""
    response = go_to(location)
    set_session_cookie(request, response, visitor.cookie_signer.close(session_cookie))
    return response


def go_to(location: str) -> Response:
    """Redirect to another page after a form was processed."""
    return RedirectResponse(location, 303)


class PageRoute(APIRoute):
    """A route whose errors are pages too, and whose responses have the headers of pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                response = await answer(request)
            except Exception as error:
                response = _fault_page(request, error)
            response.headers.update(HEADERS)
            return response

        return handle


def _fault_page(request: Request, error: Exception) -> Response:
    if isinstance(error, SignInNeeded):
        return _to_sign_in(request)
    fault = _as_fault(error)
    return render(request, "fault.html", status=fault.status, fault=fault)


def _to_sign_in(request: Request) -> Response:
    if request.method != "GET":
        return go_to(SIGN_IN)
    way = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return go_to(f"{SIGN_IN}?next={quote(way, safe='/')}" if way != "/" else SIGN_IN)


def _detail(error: InvalidInput) -> str:
    if error.field == "cursor":
        return "This address has an invalid position in the list: open the list from the menu."
    return str(error)


def _as_fault(error: Exception) -> PageFault:
    if isinstance(error, PageFault):
        return error
    if isinstance(error, InvalidInput):
        return PageFault(422, "Invalid request", _detail(error))
    if isinstance(error, RequestValidationError):
        return PageFault(404, "Not found", "There is nothing at this address.")
    if isinstance(error, HTTPException):
        return PageFault(error.status_code, "The request was refused", error.detail)
    if isinstance(error, OUTAGES):
        log.error("The database cannot be reached: %s", type(error).__name__)
        detail = "The database cannot be reached. New hints are refused until then; try again."
        return PageFault(503, "No database", detail)
    log.exception("A page could not be rendered", exc_info=error)
    return PageFault(500, "Something went wrong", "The service's log has the traceback.")
