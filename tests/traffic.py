"""Calls that reach the sandbox, counted as they pass: what the service read and what it wrote."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CRM_WRITES = ("create", "update", "revise", "delete", "woosync_save")


@dataclass(slots=True)
class Traffic:
    """`reads` and `writes` by what was called, such as `PUT customers` or `vtiger revise`.

    `spoil` is what a plug-in or an add-on makes of the JSON of each answer to a read, told the path
    and query; `noise` stands before every answer.

    `before` holds what shall happen, once, just before a call of a name is carried out: the edit
    of somebody who comes between a look and a write. `always` happens before each call.
    """

    app: ASGIApp
    reads: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    always: Callable[[], Awaitable[object]] | None = None
    before: dict[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    spoil: Callable[[str, Any], Any] | None = None
    noise: bytes = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            name = self._count(scope)
            if happening := self.before.pop(name, None):
                await happening()
            if self.always is not None:
                await self.always()
            if self.noise or (self.spoil is not None and scope["method"] == "GET"):
                await self._spoilt(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _spoilt(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The whole answer is heard first, then sent as it was made."""
        heard: list[Message] = []

        async def hear(message: Message) -> None:
            heard.append(message)

        await self.app(scope, receive, hear)
        body = b"".join(message.get("body", b"") for message in heard)
        if self.spoil is not None and scope["method"] == "GET" and body[:1] in (b"{", b"["):
            target = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
            body = json.dumps(self.spoil(target, json.loads(body))).encode()
        body = self.noise + body
        start = {**heard[0], "headers": [*_without_length(heard[0]["headers"], len(body))]}
        await send(start)
        await send({"type": "http.response.body", "body": body})

    def reset(self) -> None:
        self.reads.clear()
        self.writes.clear()

    def _count(self, scope: Scope) -> str:
        operation = parse_qs(scope["query_string"].decode("latin-1")).get("operation", [""])[0]
        if scope["path"].startswith("/crm/"):
            name, is_write = f"vtiger {operation or 'login'}", operation in CRM_WRITES
        else:
            name = f"{scope['method']} {_resource(scope['path'])}"
            is_write = scope["method"] != "GET"
        (self.writes if is_write else self.reads)[name] += 1
        return name


def _without_length(
    headers: Iterable[tuple[bytes, bytes]], length: int
) -> Iterator[tuple[bytes, bytes]]:
    yield from (each for each in headers if each[0].lower() != b"content-length")
    yield b"content-length", str(length).encode()


def _resource(path: str) -> str:
    return path.partition("/wc/v3/")[2].partition("/")[0]
