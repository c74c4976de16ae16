"""What the receivers share: bodies with a limit, storing before answering."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import Request

from app.api.errors import Problem
from app.db.outage import OUTAGES, driver_message
from app.db.row_by_row import store_rows
from app.inbox.repository import Accepted, NewDelivery
from app.runtime import Runtime

MOST_TOGETHER = 20
"""Hints that are handed to the acceptor at once: it joins those of many requests in one insert."""

LONGEST_LENGTH = 20
"""Digits of a Content-Length."""
TOO_LARGE = 413
HEAD_BYTES = 64 * 1024
"""As much of a body as is kept of one that is too large."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Body:
    """A body whole, or the first bytes of one that is too large to be kept."""

    raw: bytes
    is_whole: bool


async def read_watched(
    request: Request, watch: Callable[[bytes], None] | None, *, keep: int, most: int
) -> Body:
    """A body that is shown to `watch`, if any, part by part; more than `keep` bytes are not kept,
    more than `most` are answered 413, as soon as that is known."""
    if _announced(request) > most:
        raise _too_large(most)
    kept, size = bytearray(), 0
    with _freed_if_refused(kept):
        async for part in _parts(request):
            if watch is not None:
                watch(part)
            size += len(part)
            if size > most:
                raise _too_large(most)
            if size <= keep or len(kept) < HEAD_BYTES:
                kept += part
            if size > keep:
                del kept[HEAD_BYTES:]
    return Body(bytes(kept), is_whole=size <= keep)


def fields_of(request: Request) -> dict[str, str]:
    """The header fields by their names in lower case; of a repeated one the first."""
    raw = reversed(request.scope["headers"])
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}


async def read_body(request: Request, most: int) -> bytes:
    """The raw body; 413 as soon as it is known to be too large."""
    body = await read_watched(request, None, keep=most, most=most)
    return body.raw


async def read_small(request: Request, most: int) -> bytes | None:
    """The raw body, None for one that is larger; of that no more is read."""
    try:
        return await read_body(request, most)
    except Problem as problem:
        if problem.status != TOO_LARGE:
            raise
        return None


@contextmanager
def _freed_if_refused(body: bytearray) -> Iterator[None]:
    """An error keeps the frames that it came through, and them the bodies, until they are collected
    as garbage: too late where many are refused because they fill the memory."""
    try:
        yield
    except BaseException:
        body.clear()
        raise


def _announced(request: Request) -> int:
    """Bytes of the body by its Content-Length, 0 where there is none that can be read."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < LONGEST_LENGTH else 0


def _too_large(most: int) -> Problem:
    return Problem(TOO_LARGE, "too_large", f"The body may have {most} bytes at most.")


async def _parts(request: Request) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "incomplete", "The connection was closed in mid-body.")
        if part := message.get("body", b""):
            yield part
        more = message.get("more_body", False)


async def store_hints(runtime: Runtime, hints: Sequence[NewDelivery]) -> list[Accepted]:
    """Committed when it returns; 503 if that could not be done, so that the sender tries again.

    Of several hints, those that the database refuses are logged, and the others stored: sent
    again, they would be refused again.
    """
    accepted: list[Accepted] = []
    try:
        for start in range(0, len(hints), MOST_TOGETHER):
            accepted += await _accept(runtime, hints[start : start + MOST_TOGETHER])
    except Exception as error:
        if isinstance(error, OUTAGES):
            logger.error("Hints could not be stored: %s", driver_message(error))
        else:
            logger.exception("Hints could not be stored")
        detail = "The delivery could not be stored; send it again."
        raise Problem(503, "not_stored", detail, headers={"Retry-After": "5"}) from error
    return accepted


async def _accept(runtime: Runtime, hints: Sequence[NewDelivery]) -> list[Accepted]:
    """Those that are stored. Raises what the database raised if none is."""
    accepted: list[Accepted] = []

    async def store(some: Sequence[NewDelivery]) -> None:
        accepted.extend(await runtime.acceptor.accept(some))

    refused = await store_rows(hints, store)
    if refused and not accepted:
        raise refused[0][1]
    for hint, error in refused:
        logger.error("The hint of %s is refused", hint.record.key, exc_info=error)
    return accepted
