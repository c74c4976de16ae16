"""Challenges and sessions of the web service, with the lifetimes PHP gives them."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sandbox.vtiger.refusals import Refusal
from sandbox.vtiger.users import CrmUser

CHALLENGE_LIFE = timedelta(seconds=300)
SESSION_IDLE = timedelta(seconds=1440)


@dataclass
class Session:
    """A login; `lock` serialises its requests as PHP's session file does."""

    name: str
    user: CrmUser
    used_at: datetime
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sessions:
    """Who may log in and who is in (contract page Vtiger §1, recordings 10-*, 12-*)."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._challenges: dict[str, tuple[str, datetime]] = {}
        self._sessions: dict[str, Session] = {}

    def challenge(self, user: CrmUser) -> dict[str, str | int]:
        """A new token; it supersedes the user's earlier one."""
        now = self._clock()
        token = secrets.token_hex(7)[:13]
        self._challenges[user.user_name] = (token, now + CHALLENGE_LIFE)
        server_time = int(now.timestamp())
        expire_time = server_time + int(CHALLENGE_LIFE.total_seconds())
        return {"token": token, "serverTime": server_time, "expireTime": expire_time}

    def login(self, user: CrmUser | None, access_key: str) -> Session:
        """A session for md5(token + access key); the token stays usable until it expires."""
        token, expires_at = self._challenges.get(user.user_name if user else "", ("", None))
        if user is None or expires_at is None or self._clock() >= expires_at:
            raise Refusal("INVALID_AUTH_TOKEN", "Specified token is invalid or expired")
        if not user.answers(token, access_key):
            raise Refusal("INVALID_USER_CREDENTIALS", "Invalid username or password")
        session = Session(secrets.token_hex(10), user, self._clock())
        self._sessions[session.name] = session
        return session

    def open(self, name: str) -> Session:
        """The live session, its idle time reset; gone after 24 minutes without a request."""
        if not name or name.lower() == "null":
            raise Refusal("AUTHENTICATION_REQUIRED", "Authencation required")
        session = self._sessions.get(name)
        if session is None or self._clock() - session.used_at > SESSION_IDLE:
            self._sessions.pop(name, None)
            raise Refusal("INVALID_SESSIONID", "Session Identifier provided is Invalid")
        session.used_at = self._clock()
        return session

    def expire_all(self) -> None:
        self._sessions.clear()
