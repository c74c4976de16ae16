"""What every request's body passes before any route sees it: who may send one, and how much.

A plain ASGI layer, because a framework reads the whole body of a request before it asks for the
token. The receivers read their bodies themselves, up to limits of their own, and keep no more of
one than `RECEIVER__MAX_BODY_BYTES`; all bodies count towards what they may take together in memory.
"""

from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import unauthorized
from app.attempts import Door, Refusal, count_refusal

LARGEST_BODY = 256 * 1024
"""Bytes of a body of the API and of the pages' forms."""
MOST_HELD = 64 * 1024 * 1024
"""Bytes of all unfinished bodies together."""
WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
RECEIVERS = ("/webhooks/", "/callbacks/")
PAGES = ("/ui/", "/sign-in", "/sign-out")


class _Held:
    """The bytes of one body that are kept so far. `is_refused` once it has to go."""

    __slots__ = ("bytes", "is_refused")

    def __init__(self) -> None:
        self.bytes = 0
        self.is_refused = False


class BodyLimits:
    """The ASGI layer. Answers 401 before the first byte of a body that needs a token, 413 for one
    that is too large, 503 for the largest one where all together take too much memory.

    Receivers keep `most_kept` bytes of a body at most, whatever its size.
    """

    def __init__(self, app: ASGIApp, *, most_kept: int, most_held: int = MOST_HELD) -> None:
        self._app = app
        self._most_kept = most_kept
        self._most_held = most_held
        self._held: set[_Held] = set()
        self._total = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in WITH_BODY:
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        is_receiver = path.startswith(RECEIVERS)
        if not is_receiver and not path.startswith(PAGES) and not _has_token(scope["headers"]):
            count_refusal(Door.API, Refusal.MISSING)
            await unauthorized().response()(scope, receive, send)
            return
        most = None if is_receiver else LARGEST_BODY
        received = 0
        held = _Held()
        self._held.add(held)

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if most is not None and received > most:
                raise HTTPException(413, f"The body may have {most} bytes at most.")
            self._hold(held, min(received, self._most_kept) if is_receiver else received)
            return message

        try:
            await self._app(scope, bounded, send)
        finally:
            self._held.discard(held)
            self._total -= held.bytes

    def _hold(self, held: _Held, size: int) -> None:
        self._total += size - held.bytes
        held.bytes = size
        if self._total > self._most_held:
            largest = max(self._held, key=lambda each: each.bytes)
            largest.is_refused = True
        if held.is_refused:
            detail = "Too many large bodies are coming in at once; send it again."
            raise HTTPException(503, detail, headers={"Retry-After": "5"})


def _has_token(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"authorization" and value.strip() for name, value in headers)
