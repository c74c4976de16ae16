"""One bounded HTTP exchange with a remote system, every failure of it in the error tree.

Both clients stand on it, so that timeouts, size limits, the few retries and what may be
written to a log are decided in one place.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx

from app.errors import (
    RateLimited,
    RemoteError,
    RemoteHeld,
    RemoteTimeout,
    RemoteUnavailable,
    ResponseUnreadable,
    System,
)
from app.gate import FREE_GATE, Gate
from app.http_pool import TooLarge, capped, open_pool, show_address
from app.metrics import REMOTE_ERRORS, REMOTE_SECONDS
from app.tracing import span

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

LABELS = {System.WOOCOMMERCE: "WooCommerce", System.VTIGER: "Vtiger"}
LONGEST_WAIT = 86_400.0
CODE = re.compile(r"[A-Za-z0-9_-]{1,80}")
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
    """What to send: `json` is a body ready made, `form` one to be form-encoded."""

    method: str
    url: httpx.URL
    query: Mapping[str, str] = field(default_factory=dict)
    json: bytes | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers (any case), the decoded body, the status line's words."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    reason: str = ""


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
        """Seconds that the remote's clock is ahead of ours, to a second; None before an answer."""
        return self._skew

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(
        self,
        request: Request,
        read: Callable[[Answer], T],
        *,
        write: bool,
        alone: str = "",
    ) -> T:
        """Send, and hand the answer to `read`, which may raise from the error tree.

        A request that never left is tried again, a read also after any other failure that is
        neither a timeout nor a plea for fewer calls. A write that may have arrived never is:
        its error says `ambiguous`, and the caller looks first. Each try passes the gate, which
        `alone` is for, and is signed afresh.
        """

        async def attempt() -> T:
            return await self._try(request, read, write=write)

        for delay in self._limits.retry_delays:
            try:
                return await self._gate.run(attempt, write=write, alone=alone)
            except RemoteUnavailable as error:
                if not _worth_another_try(error, write=write):
                    raise
            await self._sleep(delay)
        return await self._gate.run(attempt, write=write, alone=alone)

    async def _try(self, request: Request, read: Callable[[Answer], T], *, write: bool) -> T:
        """One exchange, timed and counted."""
        told = {"system": str(self.system), "verb": request.method}
        with span(f"{self.system} {request.method}", {"url.path": request.url.path}):
            try:
                with REMOTE_SECONDS.labels(**told).time():
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
    """Raise for the statuses that mean the same everywhere: 429, 503, other 5xx and redirects.

    A redirect is not followed: it would turn a POST into a GET, or hand our credentials on.
    """
    if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):
        wait = parse_retry_after(answer.headers.get("retry-after", ""))
        message = f"{LABELS[system]} asks for fewer calls (HTTP {answer.status})"
        raise RateLimited(system, message, retry_after=wait)
    if 300 <= answer.status < 400:
        message = (
            f"{LABELS[system]} redirects to {show_address(answer.headers.get('location', ''))}"
        )
        hint = "set the address that it answers at itself"
        raise RemoteUnavailable(system, f"{message}; {hint}", status=answer.status, ambiguous=False)
    if answer.status >= 500:
        message = f"{LABELS[system]} failed inside (HTTP {answer.status})"
        raise RemoteUnavailable(system, message, status=answer.status, ambiguous=write)


def explain_code(code: str, status: int | None = None) -> str:
    """What a remote refused with, in our own words: its code, if that looks like one, and the HTTP
    status."""
    told = f"error code {code}" if CODE.fullmatch(code) else "an error"
    return f"it answered with {told}" + (f" (HTTP {status})" if status else "")


def find_skew(headers: Mapping[str, str], known: float | None = None) -> float | None:
    """Seconds that the `Date` of an answer is ahead of ours; what was known where it has none."""
    try:
        told = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return known
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    return (told - datetime.now(UTC)).total_seconds()


def parse_retry_after(text: str, now: datetime | None = None) -> float | None:
    """Seconds to wait, a day at most, from a number or an HTTP date; None if it is neither."""
    if text.strip().isascii() and text.strip().isdigit():
        return min(float(text), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), LONGEST_WAIT)


def _may_have_arrived(error: Exception, built: httpx.Request) -> bool:
    """Whether the remote may have acted: not before a connection, nor while only logging in."""
    if isinstance(error, NEVER_SENT):
        return False
    in_flight = getattr(error, "_request", None)
    return in_flight is None or in_flight is built


def _worth_another_try(error: RemoteUnavailable, *, write: bool) -> bool:
    if isinstance(error.__cause__, NEVER_SENT):
        return True
    return not write and not isinstance(error, RateLimited | RemoteTimeout | RemoteHeld)
