"""Sign-in with a token, and sign-out."""

import logging

from fastapi import APIRouter, Request, Response

from app.http.attempts import Door, Refusal, count_refusal
from app.policies.access import Expired
from app.runtime import Runtime
from app.web.forms import Anybody, Reader, check_form, read_form, text_of
from app.web.pages import SIGN_IN, PageRoute, redirect_with_session, render
from app.web.session import Principal, find_principal, sign_in, sign_out

router = APIRouter(route_class=PageRoute, include_in_schema=False)

log = logging.getLogger(__name__)

NO_COOKIE = (
    "Your browser did not send the cookie of this page. Allow cookies for this address, and if "
    "the service uses https, open it by https."
)


@router.get(SIGN_IN)
async def show_sign_in(request: Request, visitor: Anybody) -> Response:
    """The form; a signed-in visitor may use it to switch to another token."""
    way = _local(request.query_params.get("next", ""))
    return render(request, "sign_in.html", visitor=visitor, way=way, error=None)


@router.post(SIGN_IN)
async def take_token(request: Request, visitor: Anybody) -> Response:
    """Sign in and redirect, or show the form with its error."""
    form = await read_form(request)
    way = _local(text_of(form, "next"))
    if visitor.is_new:
        return _refuse(request, visitor, way, NO_COOKIE)
    check_form(visitor, form)
    runtime: Runtime = request.app.state.runtime
    address = request.client.host if request.client else ""
    secret = text_of(form, "token")
    principal = await find_principal(runtime, secret)
    if isinstance(principal, Principal):
        log.info("%s signed in from %s", principal.name, address)
        return redirect_with_session(
            request, visitor, await sign_in(runtime, visitor, principal), way
        )
    if isinstance(principal, Expired):
        count_refusal(Door.SIGN_IN, Refusal.EXPIRED)
        return _refuse(request, visitor, way, f"This token expired on {principal.at:%Y-%m-%d}.")
    if not secret:
        count_refusal(Door.SIGN_IN, Refusal.MISSING)
        return _refuse(request, visitor, way, "Enter a token.")
    wait = runtime.attempts.failed(Door.SIGN_IN, address)
    if not wait:
        log.warning("A sign-in from %s was refused: the token is not valid", address)
        return _refuse(request, visitor, way, "Invalid or revoked token.")
    message = (
        f"Invalid or revoked token. Too many wrong tokens came from this address: they are"
        f" refused for another {wait} seconds. A valid one is accepted at any time."
    )
    response = _refuse(request, visitor, way, message, status=429)
    response.headers["Retry-After"] = str(wait)
    return response


def _refuse(
    request: Request, visitor: Anybody, way: str, error: str, *, status: int = 422
) -> Response:
    return render(request, "sign_in.html", visitor=visitor, status=status, way=way, error=error)


@router.post("/sign-out")
async def leave(request: Request, visitor: Reader) -> Response:
    """End the session. Copies of its cookie, and its forms, become invalid."""
    check_form(visitor, await read_form(request))
    stranger = await sign_out(request.app.state.runtime, visitor)
    return redirect_with_session(request, visitor, stranger, SIGN_IN)


def _local(way: str) -> str:
    """The target of the redirect after sign-in; only pages of this service are accepted."""
    is_local = way.startswith("/") and not way.startswith(("//", "/\\")) and way.isprintable()
    return way if is_local else "/"
