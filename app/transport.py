"""One bounded HTTP exchange with a remote system, every failure of it in the error tree.

Both clients stand on it, so that timeouts, size limits, the few retries and what may be
written to a log are decided in one place.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import httpx

from app.errors import (
    RateLimited,
    RemoteTimeout,
    RemoteUnavailable,
    ResponseUnreadable,
    System,
)

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

LABELS = {System.WOOCOMMERCE: "WooCommerce", System.VTIGER: "Vtiger"}
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What one remote may cost: seconds, connections and bytes."""

    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    write_timeout: float = 30.0
    pool_timeout: float = 10.0
    total_timeout: float = 120.0
    max_connections: int = 8
    max_response_bytes: int = 32 * 1024 * 1024
    retry_delays: tuple[float, ...] = (0.2, 0.8)


@dataclass(frozen=True, slots=True)
class Request:
    """What to send: `json` is a body ready made, `form` one to be form-encoded."""

    method: str
    url: httpx.URL
    query: Mapping[str, str] = field(default_factory=dict)
    json: bytes | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers (any case) and the whole decoded body."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)


class TooLarge(httpx.TransportError):
    """The body is larger than the limit; raised inside httpx, so it is one of its errors."""


class Channel:
    """A pool of connections to one remote; `send` is the only way through it."""

    def __init__(
        self,
        system: System,
        limits: ClientLimits,
        *,
        auth: httpx.Auth | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.system = system
        self._limits = limits
        self._auth = auth
        self._sleep = sleep
        self._http = _open(limits, transport)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(
        self,
        request: Request,
        read: Callable[[Answer], T],
        *,
        write: bool,
    ) -> T:
        """Send, and hand the answer to `read`, which may raise from the error tree.

        A request that never left is tried again, a read also after any other failure that is
        neither a timeout nor a plea for fewer calls. A write that may have arrived never is:
        its error says `ambiguous`, and the caller looks first. Each try is signed afresh.
        """
        for delay in self._limits.retry_delays:
            try:
                return read(await self._exchange(request, write=write))
            except RemoteUnavailable as error:
                if not _worth_another_try(error, write=write):
                    raise
            await self._sleep(delay)
        return read(await self._exchange(request, write=write))

    async def _exchange(self, request: Request, *, write: bool) -> Answer:
        label = LABELS[self.system]
        try:
            async with asyncio.timeout(self._limits.total_timeout):
                return await self._receive(request)
        except (TimeoutError, httpx.TimeoutException) as error:
            message = f"{label} gave no answer in time ({type(error).__name__})"
            ambiguous = write and not isinstance(error, NEVER_SENT)
            raise RemoteTimeout(self.system, message, ambiguous=ambiguous) from error
        except (TooLarge, httpx.DecodingError) as error:
            message = f"{label} gave an answer that cannot be read: {error}"
            raise ResponseUnreadable(self.system, message, ambiguous=write) from error
        except httpx.RequestError as error:
            message = f"{label} could not be reached: {error or type(error).__name__}"
            ambiguous = write and not isinstance(error, NEVER_SENT)
            raise RemoteUnavailable(self.system, message, ambiguous=ambiguous) from error

    async def _receive(self, request: Request) -> Answer:
        built = self._http.build_request(
            request.method,
            request.url,
            params=request.query,
            content=request.json,
            data=request.form,
            headers={"Content-Type": "application/json"} if request.json is not None else None,
        )
        response = await self._http.send(built, auth=self._auth, stream=True)
        try:
            chunks = capped(response.aiter_bytes(), self._limits.max_response_bytes)
            body = b"".join([chunk async for chunk in chunks])
        finally:
            await response.aclose()
        return Answer(response.status_code, response.headers, body)


def refuse_status(system: System, answer: Answer, *, write: bool) -> None:
    """Raise for the statuses that mean the same everywhere: 429, 503, other 5xx and redirects.

    A redirect is not followed: it would turn a POST into a GET, or hand our credentials on.
    """
    if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):
        wait = parse_retry_after(answer.headers.get("retry-after", ""))
        message = f"{LABELS[system]} asks for fewer calls (HTTP {answer.status})"
        raise RateLimited(system, message, retry_after=wait)
    if 300 <= answer.status < 400:
        message = f"{LABELS[system]} redirects to {_shown(answer.headers.get('location', ''))}"
        hint = "set the address that it answers at itself"
        raise RemoteUnavailable(system, f"{message}; {hint}", status=answer.status, ambiguous=False)
    if answer.status >= 500:
        message = f"{LABELS[system]} failed inside (HTTP {answer.status})"
        raise RemoteUnavailable(system, message, status=answer.status, ambiguous=write)


def parse_retry_after(text: str, now: datetime | None = None) -> float | None:
    """Seconds to wait, from a number or an HTTP date; None if it is neither."""
    if text.strip().isascii() and text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


async def capped(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Pass chunks on, until they are more than `limit` bytes together."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"larger than {limit} bytes")
        yield chunk


def _worth_another_try(error: RemoteUnavailable, *, write: bool) -> bool:
    if isinstance(error.__cause__, NEVER_SENT):
        return True
    return not write and not isinstance(error, RateLimited | RemoteTimeout)


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


def _open(limits: ClientLimits, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    logging.getLogger("httpx").addFilter(_hide_query)
    pool = httpx.Limits(
        max_connections=limits.max_connections, max_keepalive_connections=limits.max_connections
    )
    inner = transport or httpx.AsyncHTTPTransport(limits=pool)
    return httpx.AsyncClient(
        transport=_CappedTransport(inner, limits.max_response_bytes),
        timeout=httpx.Timeout(
            connect=limits.connect_timeout,
            read=limits.read_timeout,
            write=limits.write_timeout,
            pool=limits.pool_timeout,
        ),
        headers={"User-Agent": _user_agent(), "Accept": "application/json"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        trust_env=False,
    )


def _hide_query(record: logging.LogRecord) -> bool:
    """Sessions and OAuth signatures travel in queries, and httpx logs whole addresses."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            _shown(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args
        )
    return True


def _shown(address: str) -> str:
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
