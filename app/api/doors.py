"""What a request without the right credential is answered: 401, or 429 after too many wrong ones.

The credential is checked first, always. What is slowed down is the answer to wrong ones.
"""

import logging

from fastapi import Request

from app.api.errors import Problem
from app.attempts import Attempts, Door

WHAT = {
    Door.API: "token",
    Door.WEBHOOK: "signature",
    Door.CALLBACK: "callback secret",
    Door.ADDON: "signature",
}

logger = logging.getLogger(__name__)


def address_of(request: Request) -> str:
    """Where a request comes from, behind proxies that are trusted; "" if that is not known."""
    return request.client.host if request.client else ""


def refused(attempts: Attempts, request: Request, door: Door, problem: Problem) -> Problem:
    """`problem` for a wrong credential; once its address has sent too many, the same as 429."""
    address = address_of(request)
    wait = attempts.failed(door, address)
    if not wait:
        logger.warning(
            "A wrong %s from %s was refused at %s", WHAT[door], address, request.url.path
        )
        return problem
    return Problem(
        429,
        "too_many_failures",
        f"{problem.detail} Too many wrong ones came from this address: they are answered 429 for"
        f" another {wait} seconds. A right one is taken at any time.",
        headers={"Retry-After": str(wait)},
    )
