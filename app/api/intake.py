"""What the receivers share: bodies with a limit, keys of hints, storing before answering."""

import logging
from collections.abc import Sequence
from hashlib import sha256

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.api.errors import Problem
from app.db.outage import OUTAGES, driver_message
from app.inbox.repository import Accepted, NewDelivery
from app.runtime import Runtime

MOST_TOGETHER = 20
"""Hints that are handed to the acceptor at once: it joins those of many requests in one insert."""

logger = logging.getLogger(__name__)


async def read_body(request: Request, most: int) -> bytes:
    """The raw body; 413 as soon as it is known to be too large."""
    too_large = Problem(413, "too_large", f"The body may have {most} bytes at most.")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise too_large
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > most:
                raise too_large
    except ClientDisconnect:
        raise Problem(400, "incomplete", "The connection was closed in mid-body.") from None
    return bytes(body)


def dedupe_key(*parts: str | bytes) -> str:
    """SHA-256 over the parts, each preceded by its length, so that no two lists give one key."""
    digest = sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return digest.hexdigest()


async def store_hints(runtime: Runtime, hints: Sequence[NewDelivery]) -> list[Accepted]:
    """Committed when it returns; 503 if that could not be done, so that the sender tries again."""
    accepted: list[Accepted] = []
    try:
        for start in range(0, len(hints), MOST_TOGETHER):
            accepted += await runtime.acceptor.accept(hints[start : start + MOST_TOGETHER])
    except Exception as error:
        if isinstance(error, OUTAGES):
            logger.error("Hints could not be stored: %s", driver_message(error))
        else:
            logger.exception("Hints could not be stored")
        detail = "The delivery could not be stored; send it again."
        raise Problem(503, "not_stored", detail, headers={"Retry-After": "5"}) from error
    return accepted
