"""What every request's body passes before any route sees it: who may send one, and how much.

A plain ASGI layer, because a framework reads the whole body of a request before it asks for the
token. The receivers read their bodies themselves, up to limits of their own, and keep no more of
one than `RECEIVER__MAX_BODY_BYTES`; all bodies count towards what they may take together in memory.
"""

import asyncio
from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import unauthorized
from app.attempts import Door, Refusal, count_refusal

LARGEST_BODY = 256 * 1024
"""Bytes of a body of the API and of the pages' forms."""
MOST_HELD = 32 * 1024 * 1024
"""Bytes of the bodies of all unanswered requests together."""
WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
RECEIVERS = ("/webhooks/", "/callbacks/")
PAGES = ("/ui/", "/sign-in", "/sign-out")


class _Held:
    """The bytes of one body that are kept so far. `refuse` breaks off the wait for more of it."""

    __slots__ = ("_waiting", "bytes", "is_refused")

    def __init__(self) -> None:
        self.bytes = 0
        self.is_refused = False
        self._waiting: asyncio.Timeout | None = None

    async def receive(self, receive: Receive) -> Message:
        """The next part; 503 once the body is refused, though its sender may have fallen silent."""
        if self.is_refused:
            raise _overloaded()
        try:
            async with asyncio.timeout(None) as self._waiting:
                return await receive()
        except TimeoutError:
            raise _overloaded() from None
        finally:
            self._waiting = None

    def refuse(self) -> None:
        self.is_refused = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())


def _overloaded() -> HTTPException:
    detail = "Too many large bodies are coming in at once; send it again."
    return HTTPException(503, detail, headers={"Retry-After": "5"})


class BodyLimits:
    """The ASGI layer. Answers 401 before the first byte of a body that needs a token, 413 for one
    that is too large, 503 for the largest incoming one where all together take too much memory.

    Receivers keep `most_kept` bytes of a body at most, whatever its size.
    """

    def __init__(self, app: ASGIApp, *, most_kept: int, most_held: int = MOST_HELD) -> None:
        self._app = app
        self._most_kept = most_kept
        self._most_held = most_held
        self._incoming: set[_Held] = set()
        self._total = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        is_receiver = path.startswith(RECEIVERS)
        needs_token = scope["method"] in WITH_BODY and not path.startswith(RECEIVERS + PAGES)
        if needs_token and not _has_token(scope["headers"]):
            count_refusal(Door.API, Refusal.MISSING)
            await unauthorized().response()(scope, receive, send)
            return
        most = None if is_receiver else LARGEST_BODY
        received = 0
        held = _Held()
        self._incoming.add(held)

        async def bounded() -> Message:
            nonlocal received
            message = await held.receive(receive)
            received += len(message.get("body", b""))
            if not message.get("more_body", False):
                self._incoming.discard(held)
            if most is not None and received > most:
                raise HTTPException(413, f"The body may have {most} bytes at most.")
            self._hold(held, min(received, self._most_kept) if is_receiver else received)
            return message

        try:
            await self._app(scope, bounded, send)
        finally:
            self._let_go(held)

    def _hold(self, held: _Held, size: int) -> None:
        if held.is_refused:
            raise _overloaded()
        self._total += size - held.bytes
        held.bytes = size
        while self._total > self._most_held:
            largest = max(self._incoming, key=lambda each: each.bytes, default=held)
            self._let_go(largest)
            largest.refuse()
        if held.is_refused:
            raise _overloaded()

    def _let_go(self, held: _Held) -> None:
        self._incoming.discard(held)
        self._total -= held.bytes
        held.bytes = 0


def _has_token(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"authorization" and value.strip() for name, value in headers)
