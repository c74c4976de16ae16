"""The header fields that every answer carries, whoever made it: a route, an error, a file.

`AnswerHeaders` is the outermost ASGI layer. It adds what an answer does not say itself, so that an
answer which nobody thought of gets the strictest policy: browsers show nothing of it, run nothing
in it, and keep nothing.
"""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

FIELDS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""Pages have a content policy and a referrer policy of their own, files may be kept by browsers."""
TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")
"""For a year, and for this host name alone: other services of the domain may lack TLS."""
RAW_FIELDS = b"".join(f"{name.lower()}: {value}\r\n".encode() for name, value in FIELDS.items())
"""The same for answers that the server makes itself, before there is a request."""

_FIELDS = [(name.lower().encode(), value.encode()) for name, value in FIELDS.items()]
_SECURE_FIELDS = [*_FIELDS, (TRANSPORT[0].lower().encode(), TRANSPORT[1].encode())]


class AnswerHeaders:
    """The ASGI layer. `scheme` of the scope tells TLS, as the server or a trusted proxy saw it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fields = _SECURE_FIELDS if scope.get("scheme") == "https" else _FIELDS

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                said = {name for name, _ in headers}
                message["headers"] = [*headers, *(each for each in fields if each[0] not in said)]
            await send(message)

        await self._app(scope, receive, send_with_fields)
