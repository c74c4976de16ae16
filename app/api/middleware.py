"""What every request passes before a route sees it: trusted proxies, the host, and limits on
bodies.

A plain ASGI layer, because a framework reads the whole body of a request before it asks for the
token. The receivers read their bodies themselves, up to limits of their own, and keep no more of
one than `RECEIVER__MAX_BODY_BYTES`; all bodies count towards what they may take together in memory.
"""

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import Problem, unauthorized
from app.policies.access import Door, Refusal, count_refusal

# Requests whose Host names no host are refused: addresses are made of it further in.

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


# Who a request comes from and by which scheme, where a trusted proxy stands between.
#
# A plain ASGI layer. uvicorn has one too; that one takes whatever text stands in X-Forwarded-For
# for an address, and knows no IPv4 addresses in IPv6 form, as a listener on `::` sees them.

Address = IPv4Address | IPv6Address

MOST_TOLD = 20
"""Proxies that are not trusted, of which a process tells: each once."""

log = logging.getLogger(__name__)


class TrustedProxies:
    """Puts the client's address and scheme into the scope, as far as `networks` vouch for them.

    Each proxy adds the address that it sees at the right end of X-Forwarded-For, so the client is
    the first address from the right that is no trusted proxy's. What stands further left is the
    client's own word.
    """

    def __init__(self, app: ASGIApp, *, networks: Sequence[str]) -> None:
        self._app = app
        self._networks = tuple(ip_network(network) for network in networks)
        self._told: set[str] = set()

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
            self._tell(peer)
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

    def _tell(self, peer: str) -> None:
        if peer in self._told or len(self._told) >= MOST_TOLD:
            return
        self._told.add(peer)
        log.warning(
            "%s sends X-Forwarded-For or X-Forwarded-Proto, which is not believed. If that is your"
            " proxy, set TRUSTED_PROXIES to its address; until then all its visitors count as one.",
            peer or "A peer without an address",
        )


def _values(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    """All values of a field that may be repeated, from left to right."""
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
