"""The way of a webhook or callback to its endpoint, past the layers that pages and the API need."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import Problem

Endpoint = Callable[[Request], Awaitable[Response]]


class Receivers:
    """The ASGI layer: requests that a receiver takes are its own, all others the application's.

    `routes` are paths as routes have them, with their endpoints and methods. Typed with a slash at
    the end a path means the same; a redirect would lose the sender.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[tuple[str, Endpoint, Sequence[str]]]) -> None:
        self._app = app
        self._routes = [
            (compile_path(each)[0], endpoint, frozenset(methods))
            for path, endpoint, methods in routes
            for each in (path, f"{path}/")
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path, method = scope["path"], scope["method"]
            for pattern, endpoint, methods in self._routes:
                if method in methods and (found := pattern.match(path)):
                    scope["path_params"] = found.groupdict()
                    await self._answer(endpoint, scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await endpoint(Request(scope, receive))
        except Problem as problem:
            response = problem.response()
        await response(scope, receive, send)
