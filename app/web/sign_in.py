"""Sign-in with a token, and sign-out."""

import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from app.runtime import Runtime
from app.web.attempts import Attempts
from app.web.forms import Anybody, Reader, check_form, read_form, text_of
from app.web.pages import SIGN_IN, PageRoute, hand_over, render
from app.web.tickets import new_ticket
from app.web.visitors import sign_in

router = APIRouter(route_class=PageRoute, include_in_schema=False)

logger = logging.getLogger(__name__)

NO_COOKIE = (
    "Your browser did not bring this page's cookie back. Allow cookies for this address, and if "
    "the service is reached by https, open it by https."
)


async def get_attempts(request: Request) -> Attempts:
    """Those of this process."""
    runtime: Runtime = request.app.state.runtime
    if not hasattr(request.app.state, "sign_in_attempts"):
        request.app.state.sign_in_attempts = Attempts(runtime.clock)
    attempts: Attempts = request.app.state.sign_in_attempts
    return attempts


@router.get(SIGN_IN)
async def show_sign_in(request: Request, visitor: Anybody) -> Response:
    """The form; a signed-in visitor may change to another token."""
    way = _local(request.query_params.get("next", ""))
    return render(request, "sign_in.html", visitor=visitor, way=way, error=None)


@router.post(SIGN_IN)
async def take_token(
    request: Request, visitor: Anybody, attempts: Annotated[Attempts, Depends(get_attempts)]
) -> Response:
    """Into the pages, or back to the form with what is wrong."""
    form = await read_form(request)
    way = _local(text_of(form, "next"))
    if visitor.is_new:
        return _refuse(request, visitor, way, NO_COOKIE)
    check_form(visitor, form)
    caller = request.client.host if request.client else ""
    if wait := attempts.wait_s(caller):
        message = f"Too many attempts from this address. Try again in {wait} seconds."
        response = _refuse(request, visitor, way, message, status=429)
        response.headers["Retry-After"] = str(wait)
        return response
    holder = await sign_in(request.app.state.runtime, text_of(form, "token"))
    if holder is None:
        attempts.failed(caller)
        logger.warning("A sign-in from %s was refused: no token in force", caller)
        return _refuse(request, visitor, way, "This is no token in force.")
    logger.info("%s signed in from %s", holder.name, caller)
    return hand_over(request, visitor, new_ticket(holder.id), way)


def _refuse(
    request: Request, visitor: Anybody, way: str, error: str, *, status: int = 422
) -> Response:
    return render(request, "sign_in.html", visitor=visitor, status=status, way=way, error=error)


@router.post("/sign-out")
async def sign_out(request: Request, visitor: Reader) -> Response:
    """The session ends; its forms are void."""
    check_form(visitor, await read_form(request))
    return hand_over(request, visitor, new_ticket(), SIGN_IN)


def _local(way: str) -> str:
    """Where to go on: a page of ours, whatever the address says."""
    is_local = way.startswith("/") and not way.startswith(("//", "/\\")) and way.isprintable()
    return way if is_local else "/"
