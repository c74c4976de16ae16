"""Requests whose Host names no host are refused: addresses are made of it further in."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import Problem

HOST = re.compile(rb"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])?(?::[0-9]{0,5})?", re.IGNORECASE)


class RealHosts:
    """The ASGI layer. A request without Host, as of HTTP 1.0, passes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            if len(hosts) > 1 or not all(HOST.fullmatch(host) for host in hosts):
                problem = Problem(400, "bad_host", "Send one Host that names this service.")
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)
