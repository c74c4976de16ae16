"""Vtiger's session: challenge, login, and login again when the session is gone.

Contract page Vtiger §1 (getchallenge, login, Session) and §0.20; recordings 01-*, 10-err-*,
12-err-session-*. An `httpx.Auth`, so that no caller ever sees a session.
"""

import asyncio
import hashlib
import math
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from time import monotonic
from typing import Any

import httpx

from app.errors import AuthRejected, ResponseUnreadable
from app.transport import Answer, Sleep
from app.vtiger.answers import SESSION_CODES, VTIGER, find_code, find_envelope, read_result

LOGIN_ATTEMPTS = 5
LOGIN_DELAY = 0.25


class VtigerAuth(httpx.Auth):
    """One session for all requests of this process, named in each request's query.

    Logins of one user are serialised here, because a second challenge makes the first one
    worthless. Another process may still come between; that looks like a wrong key, so a
    login is tried again after a random wait, a few times, before AuthRejected.
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
        """Vtiger's version, such as `8.2.0`, as it was last told; "" before."""
        return self._version

    @property
    def version_age(self) -> float:
        """Seconds since then."""
        return monotonic() - self._version_at

    def drop_session(self) -> None:
        """The next request logs in anew; those under way keep their session."""
        self._session = None

    @property
    def user_id(self) -> str | None:
        """The API user's id, `19xN`, once logged in (recording 01-login)."""
        return self._user_id

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """A refused session was not acted upon, so the request can be sent again, once."""
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
        """Requests to send, then None; nothing to send if someone else has logged in since."""
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
    """With the timeouts and names that the client gave the request which waits for a session."""
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
