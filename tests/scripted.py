"""A remote that answers what a test tells it to, in order, and remembers what it was asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx
import orjson

Step = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the remote saw it."""

    method: str
    url: httpx.URL
    headers: httpx.Headers
    content: bytes
    timeout: dict[str, float]

    @property
    def path(self) -> str:
        return self.url.path

    @property
    def query(self) -> dict[str, str]:
        return dict(self.url.params)

    @property
    def json(self) -> Any:
        return orjson.loads(self.content) if self.content else None

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.content.decode(), keep_blank_values=True))


@dataclass(slots=True)
class Scripted(httpx.AsyncBaseTransport):
    """Plays `steps`, the last one for ever; an exception is raised as httpx would."""

    steps: list[Step]
    asked: list[Asked] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(await note(request))
        step = self.steps[0] if len(self.steps) == 1 else self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return again(step) if isinstance(step, httpx.Response) else step(request)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def note(request: httpx.Request) -> Asked:
    return Asked(
        request.method,
        request.url,
        request.headers,
        await request.aread(),
        request.extensions.get("timeout", {}),
    )


def again(answer: httpx.Response) -> httpx.Response:
    """A fresh copy, since an answer can be read once only."""
    content = answer.read()
    headers = [(key, value) for key, value in answer.headers.items() if key != "content-length"]
    return httpx.Response(answer.status_code, headers=headers, content=content)


def json_answer(
    data: Any, *, status: int = 200, headers: dict[str, str] | None = None
) -> httpx.Response:
    return httpx.Response(status, json=data, headers=headers)
