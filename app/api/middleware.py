"""ASGI middleware before the routes: trusted proxies, the Host header, limits on bodies, and header
fields of answers.

The limits are plain ASGI middleware because the framework reads the whole body of a request before
it checks the token. The receivers read their bodies themselves, with limits of their own, and keep
at most `RECEIVER__MAX_BODY_BYTES` of one. All bodies count towards the common memory limit.
"""

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import Problem, unauthorized
from app.http.attempts import Door, Refusal, count_refusal
from app.http.server import FIELDS

# Invalid Host headers, which would otherwise be used to build addresses

HOST = re.compile(rb"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])?(?::[0-9]{0,5})?", re.IGNORECASE)


class ValidHosts:
    """Middleware that refuses invalid or repeated Host headers. A request of HTTP 1.0 may have
    none."""

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


# Trusted proxies
#
# uvicorn has such a middleware too, but accepts any text in X-Forwarded-For as an address, and does
# not recognise IPv4-mapped IPv6 addresses, which a listener on `::` receives.

Address = IPv4Address | IPv6Address

MAX_LOGGED_PROXIES = 20
"""The number of untrusted proxies that a process logs, each of them once."""

log = logging.getLogger(__name__)


class TrustedProxies:
    """Middleware that sets the client's address and scheme from the headers of trusted proxies.

    Each proxy appends the address of its peer to X-Forwarded-For, so the client is the first
    address from the right that does not belong to a trusted proxy. Everything further left was
    sent by the client itself and is ignored.
    """

    def __init__(self, app: ASGIApp, *, networks: Sequence[str]) -> None:
        self._app = app
        self._networks = tuple(ip_network(network) for network in networks)
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            forwarded = _values(scope["headers"], b"x-forwarded-for")
            protocols = _values(scope["headers"], b"x-forwarded-proto")
            if forwarded or protocols:
                self._unwrap(scope, forwarded, protocols)
        await self._app(scope, receive, send)

    def _unwrap(self, scope: Scope, forwarded: list[str], protocols: list[str]) -> None:
        peer = scope["client"][0] if scope.get("client") else ""
        client = parse_address(peer)
        if client is None or not self._trusts(client):
            self._log_untrusted(peer)
            return
        hops = 1
        for text in reversed(forwarded):
            further = parse_address(text)
            if further is None:
                break
            client = further
            if not self._trusts(further):
                break
            hops += 1
        scope["client"] = (str(client), 0)
        if protocols:
            protocol = protocols[-min(hops, len(protocols))].casefold()
            if protocol in {"http", "https"}:
                scope["scheme"] = protocol

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _log_untrusted(self, peer: str) -> None:
        if peer in self._logged or len(self._logged) >= MAX_LOGGED_PROXIES:
            return
        self._logged.add(peer)
        log.warning(
            "%s sends X-Forwarded-For or X-Forwarded-Proto, which is ignored. If it is your proxy,"
            " set TRUSTED_PROXIES to its address; until then all its clients count as one.",
            peer or "A peer without an address",
        )


def _values(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    """All values of a header that may be repeated, from left to right."""
    lines = [value.decode("latin-1") for name, value in headers if name == wanted]
    return [part.strip() for line in lines for part in line.split(",") if part.strip()]


def parse_address(text: str) -> Address | None:
    """`203.0.113.7`, `203.0.113.7:4711`, `2001:db8::7` or `[2001:db8::7]:4711`; None for anything
    else, such as `unknown`."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        return found.ipv4_mapped or found
    return found


MAX_BODY_BYTES = 256 * 1024
"""Maximum size of a body of the API or of a form, in bytes."""
MAX_TOTAL_BYTES = 32 * 1024 * 1024
"""Maximum total size of the bodies of all unanswered requests, in bytes."""
WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
RECEIVERS = ("/webhooks/", "/callbacks/")
PAGES = ("/ui/", "/sign-in", "/sign-out")


class _IncomingBody:
    """The size of one body that is in memory. `refuse` cancels the wait for the rest of it."""

    __slots__ = ("_waiting", "bytes", "is_refused")

    def __init__(self) -> None:
        self.bytes = 0
        self.is_refused = False
        self._waiting: asyncio.Timeout | None = None

    async def receive(self, receive: Receive) -> Message:
        """The next part; 503 once the body is refused, even if its sender has stopped sending."""
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
    detail = "Too many large requests are being received at once; send it again."
    return HTTPException(503, detail, headers={"Retry-After": "5"})


class BodyLimits:
    """Middleware that limits bodies.

    It answers 401 before it reads the body of a request that lacks a token, 413 if the body is too
    large, and 503 to the largest incoming body if all bodies together exceed the memory limit.
    Receivers keep at most `max_kept` bytes of a body, whatever its size.
    """

    def __init__(self, app: ASGIApp, *, max_kept: int, max_total: int = MAX_TOTAL_BYTES) -> None:
        self._app = app
        self._max_kept = max_kept
        self._max_total = max_total
        self._incoming: set[_IncomingBody] = set()
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
        limit = None if is_receiver else MAX_BODY_BYTES
        received = 0
        body = _IncomingBody()
        self._incoming.add(body)

        async def bounded() -> Message:
            nonlocal received
            message = await body.receive(receive)
            received += len(message.get("body", b""))
            if not message.get("more_body", False):
                self._incoming.discard(body)
            if limit is not None and received > limit:
                raise HTTPException(413, f"The body may have {limit} bytes at most.")
            self._reserve(body, min(received, self._max_kept) if is_receiver else received)
            return message

        try:
            await self._app(scope, bounded, send)
        finally:
            self._release(body)

    def _reserve(self, body: _IncomingBody, size: int) -> None:
        if body.is_refused:
            raise _overloaded()
        self._total += size - body.bytes
        body.bytes = size
        while self._total > self._max_total:
            largest = max(self._incoming, key=lambda each: each.bytes, default=body)
            self._release(largest)
            largest.refuse()
        if body.is_refused:
            raise _overloaded()

    def _release(self, body: _IncomingBody) -> None:
        self._incoming.discard(body)
        self._total -= body.bytes
        body.bytes = 0


def _has_token(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"authorization" and value.strip() for name, value in headers)


# Header fields of answers

TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")
"""For a year, and for this host name only: other services of the domain may lack TLS."""
_FIELDS = [(name.lower().encode(), value.encode()) for name, value in FIELDS.items()]
_SECURE_FIELDS = [*_FIELDS, (TRANSPORT[0].lower().encode(), TRANSPORT[1].encode())]


class AnswerHeaders:
    """Middleware that adds those of FIELDS that an answer does not set. `scheme` of the scope says
    whether TLS was used, as the server or a trusted proxy saw it."""

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
                present = {name for name, _ in headers}
                missing = (each for each in fields if each[0] not in present)
                message["headers"] = [*headers, *missing]
            await send(message)

        await self._app(scope, receive, send_with_fields)
