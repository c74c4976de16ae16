"""The HTTP connections to one remote, and what of them may be kept, read and logged."""

import logging
import ssl
from collections.abc import AsyncIterator
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version

import httpx


class TooLarge(httpx.TransportError):
    """The body is larger than the limit; raised inside httpx, so it is one of its errors."""


async def capped(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Pass chunks on, until they are more than `limit` bytes together."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"larger than {limit} bytes")
        yield chunk


class _CappedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def __aiter__(self) -> AsyncIterator[bytes]:
        return capped(aiter(self._stream), self._limit)

    async def aclose(self) -> None:
        await self._stream.aclose()


class _CappedTransport(httpx.AsyncBaseTransport):
    """Caps bodies on the wire too, since an auth flow reads an answer before `send` sees it."""

    def __init__(self, inner: httpx.AsyncBaseTransport, limit: int) -> None:
        self._inner = inner
        self._limit = limit

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - httpx's promise
        response.stream = _CappedStream(response.stream, self._limit)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    """Whom the process believes: reading all authorities takes 50 ms, so each is read once."""
    return httpx.create_ssl_context()


def open_pool(
    *,
    timeout: httpx.Timeout,
    max_connections: int,
    max_bytes: int,
    transport: httpx.AsyncBaseTransport | None,
) -> httpx.AsyncClient:
    """A client that keeps no cookies, follows nothing and reads at most `max_bytes` a body."""
    logging.getLogger("httpx").addFilter(_hide_query)
    limits = httpx.Limits(
        max_connections=max_connections, max_keepalive_connections=max_connections
    )
    inner = transport or httpx.AsyncHTTPTransport(verify=_trusted(), limits=limits)
    return httpx.AsyncClient(
        transport=_CappedTransport(inner, max_bytes),
        timeout=timeout,
        headers={"User-Agent": _user_agent(), "Accept": "application/json"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        trust_env=False,
    )


def _hide_query(record: logging.LogRecord) -> bool:
    """Sessions and OAuth signatures travel in queries, and httpx logs whole addresses."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            show_address(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args
        )
    return True


def show_address(address: str) -> str:
    """An address fit for a log or a message: without query, fragment and credentials."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return "an address that cannot be read"
    return str(url.copy_with(query=None, fragment=None, username=None, password=None))


def _user_agent() -> str:
    try:
        return f"woo-vtiger/{version('woo-vtiger')}"
    except PackageNotFoundError:
        return "woo-vtiger/source"
