"""Failures on demand for both sandboxes, so that tests can see the service live through them.

    shop_faults.fail("POST", "/customers", times=2)                    # 503 and nothing is done
    crm_faults.drop("POST", "operation=create", after_write=True)      # done, but no answer
    crm_faults.hang("POST", "operation=revise", seconds=30)            # no answer for a while
    shop_faults.fail("PUT", "/customers", status=500, after_write=True)  # done, then an empty 500
    crm_faults.cut("GET", "operation=query")                           # half of the real answer
    crm_faults.drip("GET", "operation=query", seconds=0.5)             # ... in pieces, for so long

A rule fits a request whose method is the one named ("" is any) and whose target contains the text
given; the target is the path with query and, for form posts, the form. Rules are used up in order.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PIECES = 10
_FORM = b"application/x-www-form-urlencoded"


class FaultKind(StrEnum):
    """What the caller sees: an answer with a status, a closed connection, silence, half of the
    real answer, or all of it slowly."""

    STATUS = "status"
    DROP = "drop"
    HANG = "hang"
    CUT = "cut"
    DRIP = "drip"


@dataclass(frozen=True, slots=True)
class FaultAction:
    """What happens to one request; with `after_write` the request is carried out first."""

    kind: FaultKind
    after_write: bool = False
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0


@dataclass(slots=True)
class _Rule:
    method: str
    text: str
    times: int
    action: FaultAction

    def fits(self, method: str, target: str) -> bool:
        return self.times > 0 and self.method in ("", method) and self.text in target


@dataclass(slots=True)
class Faults:
    """The failures still to come of one system; `hits` counts those that happened."""

    hits: int = 0
    _rules: list[_Rule] = field(default_factory=list)

    def add(self, action: FaultAction, method: str = "", *, text: str = "", times: int = 1) -> None:
        self._rules.append(_Rule(method, text, times, action))

    def fail(
        self,
        method: str = "",
        text: str = "",
        *,
        times: int = 1,
        status: int = 503,
        after_write: bool = False,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        """Answer with a status and, unless told otherwise, an empty body."""
        action = FaultAction(
            FaultKind.STATUS, after_write, status=status, headers=headers or {}, body=body
        )
        self.add(action, method, text=text, times=times)

    def drop(
        self, method: str = "", text: str = "", *, times: int = 1, after_write: bool = False
    ) -> None:
        """Close the connection without an answer."""
        self.add(FaultAction(FaultKind.DROP, after_write), method, text=text, times=times)

    def hang(
        self,
        method: str = "",
        text: str = "",
        *,
        times: int = 1,
        seconds: float = 0.0,
        after_write: bool = False,
    ) -> None:
        """Say nothing for so long, then close; in-process callers see a read timeout."""
        action = FaultAction(FaultKind.HANG, after_write, seconds=seconds)
        self.add(action, method, text=text, times=times)

    def cut(self, method: str = "", text: str = "", *, times: int = 1) -> None:
        """Carry it out, send half of what is answered, and close."""
        self.add(FaultAction(FaultKind.CUT), method, text=text, times=times)

    def drip(self, method: str = "", text: str = "", *, times: int = 1, seconds: float) -> None:
        """Carry it out, and answer in pieces that take so long together."""
        action = FaultAction(FaultKind.DRIP, seconds=seconds)
        self.add(action, method, text=text, times=times)

    def clear(self) -> None:
        self._rules.clear()

    def apply(self, method: str, target: str) -> FaultAction | None:
        """The fault that befalls this request, used up by asking; None for an undisturbed one."""
        rule = next((rule for rule in self._rules if rule.fits(method, target)), None)
        if rule is None:
            return None
        rule.times -= 1
        self.hits += 1
        return rule.action


class FaultMiddleware:
    """Carries the faults out. Must be outermost: to drop a connection takes the server's `send`."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        action = self._faults.apply(scope["method"], _target(scope, body))
        replay = _replaying(body, receive)
        if action is None:
            await self._app(scope, replay, send)
            return
        if action.kind in (FaultKind.CUT, FaultKind.DRIP):
            heard = _Heard()
            await self._app(scope, replay, heard)
            await _spoil(action, heard, receive, send)
            return
        if action.after_write:
            await self._app(scope, replay, _swallow)
        await _disturb(action, receive, send)


async def _disturb(action: FaultAction, receive: Receive, send: Send) -> None:
    if action.kind is FaultKind.STATUS:
        await _answer(action, send)
        return
    await asyncio.sleep(action.seconds)
    await _disconnect(action.kind, receive, send)


@dataclass(slots=True)
class _Heard:
    """What the application would have answered; it is a `send` of its own."""

    start: Message = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")


async def _spoil(action: FaultAction, heard: _Heard, receive: Receive, send: Send) -> None:
    await send(heard.start)
    pieces = [heard.body[: len(heard.body) // 2]]
    if action.kind is FaultKind.DRIP:
        size = max(1, -(-len(heard.body) // PIECES))
        pieces = [heard.body[at : at + size] for at in range(0, len(heard.body), size)]
    for piece in pieces:
        await send({"type": "http.response.body", "body": bytes(piece), "more_body": True})
        await asyncio.sleep(action.seconds / PIECES)
    if action.kind is FaultKind.CUT:
        await _disconnect(action.kind, receive, send)
    else:
        await send({"type": "http.response.body", "body": b""})


async def _answer(action: FaultAction, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in action.headers.items()]
    headers.append((b"content-length", str(len(action.body)).encode()))
    await send({"type": "http.response.start", "status": action.status, "headers": headers})
    await send({"type": "http.response.body", "body": action.body})


async def _disconnect(kind: FaultKind, receive: Receive, send: Send) -> None:
    """Close uvicorn's socket; where there is none, raise what an HTTP client would have seen."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if isinstance(transport, asyncio.Transport):
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass
    elif kind is FaultKind.HANG:
        raise httpx.ReadTimeout("no answer in time")
    else:
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")


async def _swallow(message: Message) -> None:
    del message


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _replaying(body: bytes, receive: Receive) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _target(scope: Scope, body: bytes) -> str:
    target = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
    is_form = any(name == b"content-type" and _FORM in value for name, value in scope["headers"])
    return f"{target}&{body.decode('latin-1')}" if is_form else target
