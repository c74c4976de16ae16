"""Calls that reach the sandbox, counted as they pass: what the service read and what it wrote."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

CRM_WRITES = ("create", "update", "revise", "delete")


@dataclass(slots=True)
class Traffic:
    """`reads` and `writes` by what was called, such as `PUT customers` or `vtiger revise`.

    `before` holds what shall happen, once, just before a call of a name is carried out: the edit
    of somebody who comes between a look and a write. `always` happens before each call.
    """

    app: ASGIApp
    reads: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    always: Callable[[], Awaitable[object]] | None = None
    before: dict[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            name = self._count(scope)
            if happening := self.before.pop(name, None):
                await happening()
            if self.always is not None:
                await self.always()
        await self.app(scope, receive, send)

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


def _resource(path: str) -> str:
    return path.partition("/wc/v3/")[2].partition("/")[0]
