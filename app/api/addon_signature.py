"""What the add-on sends is signed with the callback secret; nothing else is read."""

import logging

from fastapi import Request

from app.api.doors import refused
from app.api.errors import Problem
from app.api.intake import read_body
from app.attempts import Door, Refusal, count_refusal
from app.runtime import Runtime
from app.vtiger.addon_hints import WINDOW_SECONDS, SignatureFault, find_fault

TIMESTAMP = "x-woosync-timestamp"
SIGNATURE = "x-woosync-signature"
DETAILS = {
    SignatureFault.MISSING: "Send X-WooSync-Timestamp and X-WooSync-Signature: this address is for"
    " the WooSync add-on. Callbacks with a token go to /callbacks/vtiger/{module}.",
    SignatureFault.WRONG: "The signature is not made with this service's VTIGER__CALLBACK_SECRET:"
    " enter that secret in the add-on's settings.",
    SignatureFault.STALE: f"The request is more than {WINDOW_SECONDS // 60} minutes off by this"
    " service's clock: have both servers set their clocks (NTP).",
}

logger = logging.getLogger(__name__)


async def read_signed_body(request: Request, most: int) -> bytes:
    """The body, of `most` bytes at most, once its signature is known to be right.

    The headers are asked for before the first byte of the body.
    """
    runtime: Runtime = request.app.state.runtime
    if not all(request.headers.get(name) for name in (TIMESTAMP, SIGNATURE)):
        raise _refused(SignatureFault.MISSING)
    body = await read_body(request, most)
    settings = runtime.settings.vtiger
    fault = find_fault(
        settings.callback_secret.get_secret_value() if settings else "",
        body,
        timestamp=request.headers[TIMESTAMP],
        signature=request.headers[SIGNATURE],
        now=runtime.clock().timestamp(),
    )
    if fault is SignatureFault.WRONG:
        problem = Problem(401, f"signature_{fault}", DETAILS[fault])
        raise refused(runtime.attempts, request, Door.ADDON, problem)
    if fault is not None:
        raise _refused(fault)
    return body


def _refused(fault: SignatureFault) -> Problem:
    """For what is no guess."""
    count_refusal(Door.ADDON, Refusal(fault))
    logger.warning("A request of Vtiger's add-on was refused: %s signature", fault)
    return Problem(401, f"signature_{fault}", DETAILS[fault])
