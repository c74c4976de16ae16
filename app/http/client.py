"""HTTP exchanges with a remote: connection pool, gate protocol, limits, and failures as the classes
of the error tree.

Both clients use it, so that timeouts, size limits, retries and what may be logged are decided in
one place."""

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol, TypeVar

import httpx

from app.domain import (
    AuthRejected,
    RateLimited,
    RemoteError,
    RemotePaused,
    RemoteTimeout,
    RemoteUnavailable,
    ResponseUnreadable,
    System,
)
from app.observability import REMOTE_ERRORS, REMOTE_SECONDS, span

# The gate, and the verdict of a call on its remote.
#
# The clients know the gate only by this protocol; the runtime chooses the implementation.

T = TypeVar("T")

OVERLOADED = 503
FORBIDDEN = 403

_cause: ContextVar[str] = ContextVar("cause", default="")


class Gate(Protocol):
    """Controls when calls to one remote are made."""

    async def run(
        self, call: Callable[[], Awaitable[T]], *, write: bool = False, exclusive: str = ""
    ) -> T:
        """Make the call and return its result. Raises RemotePaused without calling while calls are
        paused.

        `exclusive` names a kind of exclusive call: the remote can process one at a time, from all
        processes together.
        """
        ...


class FreeGate:
    """Makes every call at once: for commands that make a few calls."""

    async def run(
        self, call: Callable[[], Awaitable[T]], *, write: bool = False, exclusive: str = ""
    ) -> T:
        del write, exclusive  # not used here
        return await call()


FREE_GATE = FreeGate()


@contextmanager
def calling_for(cause: str) -> Iterator[None]:
    """Attribute the calls inside to this record or scan, so that failures of a single one are
    recognised."""
    token = _cause.set(cause)
    try:
        yield
    finally:
        _cause.reset(token)


def cause() -> str:
    """The record or scan for which this task makes its calls; "" if none is set."""
    return _cause.get()


class Verdict(StrEnum):
    """What the result of a call says about the remote.

    `suspect` may be caused by the record as well as by an outage, so that it takes failures of
    several records to count as an outage.
    """

    ANSWERED = "answered"
    DOWN = "down"
    SUSPECT = "suspect"
    THROTTLED = "throttled"
    REJECTED = "rejected"
    NOTHING = "nothing"


def judge(error: RemoteError) -> Verdict:
    """The verdict of an error (contract pages, Errors).

    A rejected record, and an error that Vtiger reports for one, counts as an answer. 403 with a
    code is a missing permission, not a wrong key."""
    if isinstance(error, RemotePaused):
        return Verdict.NOTHING
    if isinstance(error, RateLimited):
        return Verdict.THROTTLED
    if isinstance(error, AuthRejected):
        is_permission = error.status == FORBIDDEN and error.code
        return Verdict.ANSWERED if is_permission else Verdict.REJECTED
    return _judge_outage(error) if isinstance(error, RemoteUnavailable) else Verdict.ANSWERED


def _judge_outage(error: RemoteUnavailable) -> Verdict:
    if isinstance(error, RemoteTimeout):
        return Verdict.DOWN
    if isinstance(error, ResponseUnreadable) or error.status == 500:
        return Verdict.SUSPECT
    if error.code:
        return Verdict.ANSWERED if error.status is None else Verdict.SUSPECT
    return Verdict.DOWN


def is_overloaded(error: RemoteError) -> bool:
    """503 without Retry-After: an outage, perhaps caused by too many calls."""
    return error.status == OVERLOADED


# The connection pool of one remote: TLS, size limits, logging.


class TooLarge(httpx.TransportError):
    """The body is larger than the limit. Raised inside httpx, hence a subclass of its error."""


async def capped(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Yield the chunks. Raises TooLarge once their total exceeds `limit` bytes."""
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
    """Limits bodies as transferred too, since an auth flow reads an answer before `send` does."""

    def __init__(self, inner: httpx.AsyncBaseTransport, limit: int) -> None:
        self._inner = inner
        self._limit = limit

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - as httpx documents
        response.stream = _CappedStream(response.stream, self._limit)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    """The TLS context with the trusted authorities, which take 50 ms to read, so once."""
    return httpx.create_ssl_context()


def open_pool(
    *,
    timeout: httpx.Timeout,
    max_connections: int,
    max_bytes: int,
    transport: httpx.AsyncBaseTransport | None,
) -> httpx.AsyncClient:
    """A client without cookies and redirects that reads at most `max_bytes` of a body."""
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
    """A log filter for httpx, which logs whole addresses: queries hold sessions and signatures."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            show_address(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args
        )
    return True


def show_address(address: str) -> str:
    """An address without query, fragment and credentials, for logs and messages."""
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


Sleep = Callable[[float], Awaitable[None]]

LABELS = {System.WOOCOMMERCE: "WooCommerce", System.VTIGER: "Vtiger"}
MAX_RETRY_AFTER = 86_400.0
"""Seconds."""
CODE = re.compile(r"[A-Za-z0-9_-]{1,80}")
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Limits of the exchanges with one remote: times in seconds, sizes in bytes."""

    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    write_timeout: float = 30.0
    pool_timeout: float = 10.0
    total_timeout: float = 120.0
    max_connections: int = 8
    max_response_bytes: int = 32 * 1024 * 1024
    retry_delays: tuple[float, ...] = (0.2, 0.8)

    @property
    def timeout(self) -> httpx.Timeout:
        return httpx.Timeout(
            connect=self.connect_timeout,
            read=self.read_timeout,
            write=self.write_timeout,
            pool=self.pool_timeout,
        )


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `json` is an encoded body, `form` one to be form-encoded."""

    method: str
    url: httpx.URL
    query: Mapping[str, str] = field(default_factory=dict)
    json: bytes | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: status, headers (case-insensitive), decoded body and reason phrase."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    reason: str = ""


class Channel:
    """A connection pool to one remote; `send` makes every exchange."""

    def __init__(
        self,
        system: System,
        limits: ClientLimits,
        *,
        auth: httpx.Auth | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
        gate: Gate = FREE_GATE,
    ) -> None:
        self.system = system
        self._gate = gate
        self._limits = limits
        self._auth = auth
        self._sleep = sleep
        self._skew: float | None = None
        self._http = open_pool(
            timeout=limits.timeout,
            max_connections=limits.max_connections,
            max_bytes=limits.max_response_bytes,
            transport=transport,
        )

    @property
    def clock_skew(self) -> float | None:
        """Seconds by which the remote's clock is ahead of ours, accurate to one second; None before
        the first answer."""
        return self._skew

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(
        self,
        request: Request,
        read: Callable[[Answer], T],
        *,
        write: bool,
        exclusive: str = "",
    ) -> T:
        """Send the request and pass the answer to `read`, which may raise from the error tree.

        A request that was never sent is retried; a read also after any other failure except a
        timeout and throttling. A write that may have arrived is never retried: its error is
        `ambiguous`, and the caller has to check first. Each attempt passes the gate
        with `exclusive`, and is signed again.
        """

        async def attempt() -> T:
            return await self._attempt(request, read, write=write)

        for delay in self._limits.retry_delays:
            try:
                return await self._gate.run(attempt, write=write, exclusive=exclusive)
            except RemoteUnavailable as error:
                if not _is_retriable(error, write=write):
                    raise
            await self._sleep(delay)
        return await self._gate.run(attempt, write=write, exclusive=exclusive)

    async def _attempt(self, request: Request, read: Callable[[Answer], T], *, write: bool) -> T:
        """One exchange, with a span and metrics."""
        labels = {"system": str(self.system), "verb": request.method}
        with span(f"{self.system} {request.method}", {"url.path": request.url.path}):
            try:
                with REMOTE_SECONDS.labels(**labels).time():
                    answer = await self._exchange(request, write=write)
                return read(answer)
            except RemoteError as error:
                REMOTE_ERRORS.labels(self.system, error.reason).inc()
                raise

    async def _exchange(self, request: Request, *, write: bool) -> Answer:
        label, built = LABELS[self.system], self._build(request)
        try:
            async with asyncio.timeout(self._limits.total_timeout):
                return await self._receive(built)
        except (TimeoutError, httpx.TimeoutException) as error:
            message = f"{label} gave no answer in time ({type(error).__name__})"
            ambiguous = write and _may_have_arrived(error, built)
            raise RemoteTimeout(self.system, message, ambiguous=ambiguous) from error
        except (TooLarge, httpx.DecodingError) as error:
            message = f"{label} gave an answer that cannot be read: {error}"
            ambiguous = write and _may_have_arrived(error, built)
            raise ResponseUnreadable(self.system, message, ambiguous=ambiguous) from error
        except httpx.RequestError as error:
            message = f"{label} could not be reached: {str(error) or type(error).__name__}"
            ambiguous = write and _may_have_arrived(error, built)
            raise RemoteUnavailable(self.system, message, ambiguous=ambiguous) from error

    def _build(self, request: Request) -> httpx.Request:
        return self._http.build_request(
            request.method,
            request.url,
            params=request.query,
            content=request.json,
            data=request.form,
            headers={"Content-Type": "application/json"} if request.json is not None else None,
        )

    async def _receive(self, built: httpx.Request) -> Answer:
        response = await self._http.send(built, auth=self._auth, stream=True)
        try:
            chunks = capped(response.aiter_bytes(), self._limits.max_response_bytes)
            body = b"".join([chunk async for chunk in chunks])
        finally:
            await response.aclose()
        self._skew = find_skew(response.headers, self._skew)
        return Answer(response.status_code, response.headers, body, response.reason_phrase)


def refuse_status(system: System, answer: Answer, *, write: bool) -> None:
    """Raise for statuses that both systems use alike: 429, 503, other 5xx and redirects.

    A redirect is not followed: it would turn a POST into a GET, or disclose our credentials.
    """
    if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):
        wait = parse_retry_after(answer.headers.get("retry-after", ""))
        message = f"{LABELS[system]} asks for fewer calls (HTTP {answer.status})"
        raise RateLimited(system, message, retry_after=wait)
    if 300 <= answer.status < 400:
        message = (
            f"{LABELS[system]} redirects to {show_address(answer.headers.get('location', ''))}"
        )
        hint = "set the address that needs no redirect"
        raise RemoteUnavailable(system, f"{message}; {hint}", status=answer.status, ambiguous=False)
    if answer.status >= 500:
        message = f"{LABELS[system]} reports a server error (HTTP {answer.status})"
        raise RemoteUnavailable(system, message, status=answer.status, ambiguous=write)


def explain_code(code: str, status: int | None = None) -> str:
    """A summary of a refusal without the remote's text: its code, if it has the form of one, and
    the HTTP status."""
    shown = f"error code {code}" if CODE.fullmatch(code) else "an error"
    return f"it answered with {shown}" + (f" (HTTP {status})" if status else "")


def find_skew(headers: Mapping[str, str], known: float | None = None) -> float | None:
    """Seconds by which the `Date` of an answer is ahead of ours; `known` if it has none."""
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return known
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return (date - datetime.now(UTC)).total_seconds()


def parse_retry_after(text: str, now: datetime | None = None) -> float | None:
    """Seconds to wait, a day at most, from a number or an HTTP date; None if it is neither."""
    if text.strip().isascii() and text.strip().isdigit():
        return min(float(text), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), MAX_RETRY_AFTER)


def _may_have_arrived(error: Exception, built: httpx.Request) -> bool:
    """Whether the request may have been processed: not if the connection failed, and not if the
    failure was that of a login request."""
    if isinstance(error, NEVER_SENT):
        return False
    in_flight = getattr(error, "_request", None)
    return in_flight is None or in_flight is built


def _is_retriable(error: RemoteUnavailable, *, write: bool) -> bool:
    if isinstance(error.__cause__, NEVER_SENT):
        return True
    return not write and not isinstance(error, RateLimited | RemoteTimeout | RemotePaused)
