"""The transport of Vtiger Community Edition: operations of webservice.php, the session, and answers
parsed into results or errors.

Vtiger Cloud's REST API is another transport for the same operations and envelope; both implement
`VtigerApi` (contract page Vtiger §1 and §2)."""

import asyncio
import hashlib
import math
import random
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Protocol

import httpx

from app.domain import (
    AuthRejected,
    ConfigError,
    Duplicate,
    NotFound,
    Rejected,
    RemoteError,
    RemoteUnavailable,
    ResponseUnreadable,
    System,
)
from app.http.client import (
    FREE_GATE,
    Answer,
    Channel,
    ClientLimits,
    Gate,
    Request,
    Sleep,
    explain_code,
    refuse_status,
)
from app.parsing import NotJson, parse_json, without_marks

# The call limits of Vtiger Cloud, per day and per minute, from the headers of each answer.
#
# Vtiger's help, "Vtiger CRM API Limits": X-RateLimit-DailyLimit and -Remaining count the day,
# X-FloodControl-MinuteLimit, -Remaining and -Reset (Unix seconds) the minute. HTTP 429 beyond.

LOW_SHARE = 0.1
_LATEST = 4_102_444_800  # the year 2100: a later value is no valid time


@dataclass(frozen=True, slots=True)
class Quota:
    """Calls that are allowed and left; None for what the answer did not report."""

    daily_limit: int | None = None
    daily_left: int | None = None
    minute_limit: int | None = None
    minute_left: int | None = None
    minute_ends_at: datetime | None = None

    @property
    def is_low(self) -> bool:
        """Whether less than a tenth of the day's calls is left."""
        if self.daily_limit is None or self.daily_left is None:
            return False
        return self.daily_left < self.daily_limit * LOW_SHARE

    def wait_seconds(self, now: datetime) -> float:
        """Seconds until a call may be made; 0 while this minute has one left."""
        if self.minute_left != 0 or self.minute_ends_at is None:
            return 0.0
        return min(60.0, max(0.0, (self.minute_ends_at - now).total_seconds()))


def find_quota(headers: Mapping[str, str]) -> Quota | None:
    """The limits in an answer's headers; None if it has none of them."""
    numbers = {
        name: _number(headers.get(header, ""))
        for name, header in (
            ("daily_limit", "x-ratelimit-dailylimit"),
            ("daily_left", "x-ratelimit-remaining"),
            ("minute_limit", "x-floodcontrol-minutelimit"),
            ("minute_left", "x-floodcontrol-remaining"),
        )
    }
    if all(number is None for number in numbers.values()):
        return None
    return Quota(**numbers, minute_ends_at=_moment(headers.get("x-floodcontrol-reset", "")))


def _number(text: str) -> int | None:
    """A number, which may have thousands separators as in "1,200"; None if it is none."""
    plain = text.strip().replace(",", "")
    return int(plain) if re.fullmatch(r"\d{1,12}", plain, re.ASCII) else None


def _moment(text: str) -> datetime | None:
    seconds = _number(text)
    if seconds is None or seconds > _LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC)


# Answers: parsed into results, or into the error tree.
#
# Contract page Vtiger §0.1, three kinds of failure: HTTP 200 with `success: false`, HTTP 500 with
# an empty body, and HTTP 200 with text that is not JSON.

VTIGER = System.VTIGER

SESSION_CODES = frozenset(
    {"INVALID_SESSIONID", "SESSION_EXPIRED", "SESSION_LEFT_IDLE", "AUTHENTICATION_REQUIRED"}
)
AUTH_CODES = SESSION_CODES | {"INVALID_USER_CREDENTIALS", "INVALID_AUTH_TOKEN"}
GONE_CODES = frozenset({"RECORD_NOT_FOUND", "ACCESS_DENIED"})
BROKEN_CODES = frozenset({"INTERNAL_SERVER_ERROR", "DATABASE_QUERY_ERROR"})
LOGIN_OPERATIONS = frozenset({"getchallenge", "login"})
ID_OPERATIONS = frozenset({"retrieve", "revise", "delete"})
BAD_ID = "INVALID_ID_ATTRIBUTE"
DUPLICATE_CODE = "0"


def read_result(answer: Answer, operation: str, *, write: bool) -> Any:
    """The `result` of a success. Raises from the error tree for any other answer (contract page
    Vtiger §0 and §1, Errors)."""
    envelope = find_envelope(answer.body)
    if envelope is None:
        refuse_status(VTIGER, answer, write=write)
        raise _refuse_text(answer, write=write)
    if envelope["success"] is True and "result" in envelope:
        return envelope["result"]
    raise read_error(envelope, operation, write=write)


def read_error(envelope: Mapping[str, Any], operation: str, *, write: bool) -> RemoteError:
    """The error for an envelope `{"success": false, "error": {"code", "message"}}`.

    ACCESS_DENIED means a missing, deleted or hidden record (11-err-retrieve-notfound, 52-err-*),
    but without an id an unknown module or field, or a forbidden create.
    INVALID_ID_ATTRIBUTE means an invalid id if only an id was sent; for a record it means one of
    its references (84-stock-create-order), and may occur after the row was created.
    INTERNAL_SERVER_ERROR may occur after the write was carried out (an event handler failed), as
    may RECORD_NOT_FOUND for a create (page Vtiger add-on writes, F1).
    """
    code, message = find_code(envelope), _find_message(envelope)
    summary = explain_code(code)
    if code in AUTH_CODES or operation in LOGIN_OPERATIONS:
        return AuthRejected(VTIGER, message, code=code, summary=summary)
    if _is_gone(code, operation):
        text = f"no such record, or hidden from the API user ({message})"
        return NotFound(VTIGER, text, code=code, summary=summary)
    if code == DUPLICATE_CODE:
        return Duplicate(VTIGER, message, code=code, summary=summary)
    if code in BROKEN_CODES or (code == "RECORD_NOT_FOUND" and write):
        return RemoteUnavailable(VTIGER, message, code=code, ambiguous=write, summary=summary)
    ambiguous = write and code == BAD_ID
    return Rejected(VTIGER, message, code=code, ambiguous=ambiguous, summary=summary)


def _is_gone(code: str, operation: str) -> bool:
    """Whether the code means a missing record, which only operations with an id can report."""
    if code == BAD_ID:
        return operation in ID_OPERATIONS - {"revise"}
    return code in GONE_CODES and operation in ID_OPERATIONS


def find_envelope(body: bytes) -> Mapping[str, Any] | None:
    """The JSON object with `success` in a body; None if the body is not one."""
    try:
        data = parse_json(body)
    except NotJson:
        return None
    return data if isinstance(data, dict) and "success" in data else None


def find_code(envelope: Mapping[str, Any]) -> str:
    """The error's code as text; that of a duplicate is the number 0 (20-err-account-duplicate)."""
    error = envelope.get("error")
    return str(error.get("code", "")) if isinstance(error, Mapping) else ""


def _find_message(envelope: Mapping[str, Any]) -> str:
    error = envelope.get("error")
    return str(error.get("message", "")) if isinstance(error, Mapping) else "no message"


def _explain(answer: Answer) -> str:
    """Why a body is not an envelope, with the position where it stops being JSON."""
    try:
        parse_json(answer.body)
    except NotJson as fault:
        return str(fault)
    return "it is JSON, but no object with `success`"


def _refuse_text(answer: Answer, *, write: bool) -> RemoteError:
    """The error for an answer that is not an envelope.

    Ambiguous for a write: in 11-err-create-bad-owner the record was created although the answer is
    plain text."""
    if answer.status in {401, 403}:
        message = f"a proxy or firewall of Vtiger refused the request (HTTP {answer.status})"
        return AuthRejected(VTIGER, message, status=answer.status)
    summary = f"expected JSON ({len(answer.body)} bytes, HTTP {answer.status})"
    message = f"{summary}: {_explain(answer)}"
    ambiguous = write and answer.status < 400
    return ResponseUnreadable(
        VTIGER, message, status=answer.status, ambiguous=ambiguous, summary=summary
    )


# The session: challenge, login, and a new login when the session has expired.
#
# Contract page Vtiger §1 (getchallenge, login, Session) and §0.20; recordings 01-*, 10-err-*,
# 12-err-session-*. An `httpx.Auth`, so that callers do not handle sessions.

LOGIN_ATTEMPTS = 5
LOGIN_DELAY = 0.25


class VtigerAuth(httpx.Auth):
    """One session for all requests of this process, sent in each request's query.

    Logins are serialised, because a second challenge for a user invalidates the first. A challenge
    of another process can still interfere, and looks like a wrong key; so a login is retried a few
    times after random waits before AuthRejected is raised.
    """

    def __init__(
        self, endpoint: httpx.URL, username: str, access_key: str, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._endpoint = endpoint
        self._username = username
        self._access_key = access_key
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._session: str | None = None
        self._user_id: str | None = None
        self._version = ""
        self._version_at = -math.inf

    @property
    def version(self) -> str:
        """Vtiger's version, such as `8.2.0`, as reported by the last login; "" before."""
        return self._version

    @property
    def version_age(self) -> float:
        """Seconds since the login that reported the version."""
        return monotonic() - self._version_at

    def drop_session(self) -> None:
        """Make the next request log in again; requests in progress keep their session."""
        self._session = None

    @property
    def user_id(self) -> str | None:
        """The API user's id, `19xN`, once logged in (recording 01-login)."""
        return self._user_id

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Add the session to the request. If the session is refused, log in and send the request
        once more: Vtiger has not carried it out."""
        stale: str | None = None
        for _ in range(2):
            async with self._lock, aclosing(self._login(request, stale)) as login:
                step = await anext(login)
                while step is not None:
                    step = await login.asend((yield step))
                session = self._session
            request.url = request.url.copy_set_param("sessionName", session)
            response = yield request
            if find_code(find_envelope(await response.aread()) or {}) not in SESSION_CODES:
                return
            stale = session

    async def _login(
        self, request: httpx.Request, stale: str | None
    ) -> AsyncGenerator[httpx.Request | None, httpx.Response]:
        """Yield the requests of a login, then None. Only None if another task logged in since."""
        for attempt in range(LOGIN_ATTEMPTS if self._session == stale else 0):
            if attempt:
                await self._sleep(LOGIN_DELAY * attempt * (0.5 + random.random()))  # noqa: S311
            challenge = await _read((yield self._challenge(request)), "getchallenge")
            answer = yield self._answer(request, _text(challenge, "token"))
            try:
                user = await _read(answer, "login")
            except AuthRejected:
                if attempt == LOGIN_ATTEMPTS - 1:
                    raise
            else:
                self._session, self._user_id = _text(user, "sessionName"), _text(user, "userId")
                self._version = str(user.get("vtigerVersion") or "")
                self._version_at = monotonic()
                break
        yield None

    def _challenge(self, request: httpx.Request) -> httpx.Request:
        query = {"operation": "getchallenge", "username": self._username}
        return _like(request, "GET", self._endpoint.copy_merge_params(query))

    def _answer(self, request: httpx.Request, token: str) -> httpx.Request:
        digest = hashlib.md5((token + self._access_key).encode(), usedforsecurity=False)
        form = {
            "operation": "login",
            "username": self._username,
            "accessKey": digest.hexdigest(),
        }
        return _like(request, "POST", self._endpoint, form)


def _like(
    request: httpx.Request, method: str, url: httpx.URL, form: Mapping[str, str] | None = None
) -> httpx.Request:
    """A login request with the timeouts and headers of the request that needs the session."""
    headers = {name: request.headers[name] for name in ("User-Agent", "Accept")}
    return httpx.Request(method, url, data=form, headers=headers, extensions=request.extensions)


async def _read(response: httpx.Response, operation: str) -> Mapping[str, Any]:
    answer = Answer(response.status_code, response.headers, await response.aread())
    result = read_result(answer, operation, write=False)
    if not isinstance(result, Mapping):
        raise ResponseUnreadable(VTIGER, f"{operation} gave no object", ambiguous=False)
    return result


def _text(result: Mapping[str, Any], key: str) -> str:
    value = result.get(key)
    if not isinstance(value, str) or not value:
        raise ResponseUnreadable(VTIGER, f"the login gave no {key}", ambiguous=False)
    return value


VERSION_SECONDS = 600.0
"""How long Vtiger's version and the add-on's abilities are cached; an upgrade takes longer."""


class VtigerApi(Protocol):
    """A transport: operations by name with text parameters. Methods return the `result`, and raise
    from the error tree."""

    async def read(self, operation: str, params: Mapping[str, str]) -> Any: ...

    async def write(
        self, operation: str, params: Mapping[str, str], *, exclusive: str = ""
    ) -> Any: ...

    async def read_by_post(self, operation: str, params: Mapping[str, str]) -> Any: ...

    async def find(self, operation: str, params: Mapping[str, str]) -> Any | None: ...

    async def user_id(self) -> str: ...

    async def version(self) -> str: ...

    async def fetch_version(self) -> str: ...

    @property
    def quota(self) -> Quota | None: ...

    @property
    def clock_skew(self) -> float | None: ...

    async def aclose(self) -> None: ...


class Webservice:
    """webservice.php of one CRM, with one session shared by all calls."""

    def __init__(
        self,
        url: str,
        *,
        username: str,
        access_key: str,
        limits: ClientLimits | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
        gate: Gate = FREE_GATE,
    ) -> None:
        self._endpoint = read_crm_url(url)
        self._auth = VtigerAuth(self._endpoint, username, access_key, sleep=sleep)
        self._channel = Channel(
            VTIGER,
            limits or ClientLimits(),
            auth=self._auth,
            transport=transport,
            sleep=sleep,
            gate=gate,
        )

    @property
    def quota(self) -> Quota | None:
        """None: Community Edition has no call limits."""
        return None

    @property
    def clock_skew(self) -> float | None:
        return self._channel.clock_skew

    async def aclose(self) -> None:
        await self._channel.aclose()

    async def read(self, operation: str, params: Mapping[str, str]) -> Any:
        """Send a GET: Vtiger reads these parameters from a GET only (10-getchallenge-via-post)."""
        request = Request("GET", self._endpoint, {"operation": operation, **params})
        return await self._channel.send(
            request, lambda answer: read_result(answer, operation, write=False), write=False
        )

    async def find(self, operation: str, params: Mapping[str, str]) -> Any | None:
        """A read by an operation that may be absent: None for HTTP 500 with an empty body."""
        request = Request("GET", self._endpoint, {"operation": operation, **params})

        def read(answer: Answer) -> Any | None:
            if answer.status == 500 and not without_marks(answer.body):
                return None
            return read_result(answer, operation, write=False)

        return await self._channel.send(request, read, write=False)

    async def write(self, operation: str, params: Mapping[str, str], *, exclusive: str = "") -> Any:
        """Send a form by POST, with operation and session in the address (11-create-op-in-url).
        `exclusive` names a kind of exclusive call, as for `Gate.run`."""
        request = Request("POST", self._endpoint, {"operation": operation}, form=params)
        return await self._channel.send(
            request,
            lambda answer: read_result(answer, operation, write=True),
            write=True,
            exclusive=exclusive,
        )

    async def read_by_post(self, operation: str, params: Mapping[str, str]) -> Any:
        """A read by an operation that Vtiger registers as POST, as its parameters are too long for
        an address."""
        request = Request("POST", self._endpoint, {"operation": operation}, form=params)
        return await self._channel.send(
            request, lambda answer: read_result(answer, operation, write=False), write=False
        )

    async def user_id(self) -> str:
        """The id of the API user, `19xN`; logs in first if needed (recording 01-login)."""
        if self._auth.user_id is None:
            await self.read("listtypes", {})
        if self._auth.user_id is None:
            raise ResponseUnreadable(VTIGER, "the login did not return the user's id")
        return self._auth.user_id

    async def version(self) -> str:
        """Vtiger's version as the login reported it (recording 01-login); after VERSION_SECONDS
        that of a new login, since a CRM may be upgraded during a session."""
        await self.user_id()
        if self._auth.version_age > VERSION_SECONDS:
            return await self.fetch_version()
        return self._auth.version

    async def fetch_version(self) -> str:
        """The current version, by a new login (recording 01-login).

        `extendsession` reports it too, but on a session that PHP has dropped it leaves a session
        without a user, in which every further call ends in HTTP 500.
        """
        self._auth.drop_session()
        await self.read("listtypes", {})
        return self._auth.version


def read_crm_url(url: str) -> httpx.URL:
    """The address of webservice.php, from the CRM's address with or without slash, folder or page.

    Raises ConfigError."""
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise ConfigError(f"Vtiger's address cannot be read: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigError("Vtiger's address must start with https:// (or http://) and a host.")
    folder = parsed.path.rsplit("/", 1)[0] if parsed.path.endswith(".php") else parsed.path
    path = f"{folder.rstrip('/')}/webservice.php"
    return parsed.copy_with(path=path, query=None, fragment=None, username=None, password=None)
