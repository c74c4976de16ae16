"""Who a request comes from and by which scheme, where a trusted proxy stands between.

A plain ASGI layer. uvicorn has one too; that one takes whatever text stands in X-Forwarded-For for
an address, and knows no IPv4 addresses in IPv6 form, as a listener on `::` sees them.
"""

import logging
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

Address = IPv4Address | IPv6Address

MOST_TOLD = 20
"""Proxies that are not trusted, of which a process tells: each once."""

logger = logging.getLogger(__name__)


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
        logger.warning(
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
