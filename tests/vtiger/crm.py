"""A CRM that keeps challenges and sessions as Vtiger does, and answers the rest from a script."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import httpx

from app.http.client import ClientLimits
from app.vtiger.client import VtigerClient, open_vtiger
from tests.recorded import exchanges
from tests.scripted import Asked, Step, again, json_answer, note

USERNAME = "sync"
ACCESS_KEY = "AccessKey0123456"
URL = "https://crm.test/vt/webservice.php"


@dataclass
class Crm(httpx.AsyncBaseTransport):
    """A new challenge makes the last one worthless, and sessions can be dropped.

    `steps` answer what comes with a valid session, the last one for ever; `intruders` is how
    many challenges of another process come between ours and our login. `addon` answers whoever
    asks what the add-on can, which is no call of the steps; None: they answer that too.
    """

    steps: list[Step] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    logins: int = 0
    challenges: int = 0
    intruders: int = 0
    stale_code: str = "INVALID_SESSIONID"
    failures: dict[str, Step] = field(default_factory=dict)
    addon: Step | None = field(default_factory=lambda: httpx.Response(500))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = await note(request)
        operation = asked.query.get("operation") or asked.form.get("operation", "")
        if operation == "woosync_changes" and self.addon is not None:
            return _play(self.addon, request)
        self.asked.append(asked)
        if failure := self.failures.get(operation):
            return _play(failure, request)
        if operation == "getchallenge":
            return self._challenge(asked)
        if operation == "login":
            return self._login(asked)
        if asked.query.get("sessionName") not in self.sessions:
            return refusal(self.stale_code)
        return _play(self.steps[0] if len(self.steps) == 1 else self.steps.pop(0), request)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @property
    def calls(self) -> list[Asked]:
        """What was asked beyond challenges and logins."""
        login = ("getchallenge", "login")
        return [
            one
            for one in self.asked
            if one.query.get("operation") not in login and one.form.get("operation") not in login
        ]

    def _challenge(self, asked: Asked) -> httpx.Response:
        if asked.query["username"] != USERNAME:
            return refusal("ACCESS_DENIED", "username does not exists")
        self.challenges += 1
        token = f"token{self.challenges}"
        if self.intruders:
            self.intruders -= 1
            self.challenges += 1
        return result({"token": token, "serverTime": 1, "expireTime": 301})

    def _login(self, asked: Asked) -> httpx.Response:
        digest = hashlib.md5(f"token{self.challenges}{ACCESS_KEY}".encode())  # noqa: S324
        if asked.form["accessKey"] != digest.hexdigest():
            return refusal("INVALID_USER_CREDENTIALS", "Invalid username or password")
        self.logins += 1
        session = f"session{self.logins}"
        self.sessions.add(session)
        return result({"sessionName": session, "userId": "19x5", "vtigerVersion": "8.2.0"})


def _play(step: Step, request: httpx.Request) -> httpx.Response:
    if isinstance(step, Exception):
        raise step
    return again(step) if isinstance(step, httpx.Response) else step(request)


def open_crm(
    *steps: Step, limits: ClientLimits | None = None, addon: Step | None = None
) -> tuple[VtigerClient, Crm]:
    crm = Crm(list(steps), addon=addon or httpx.Response(500))
    return connect(crm, limits=limits), crm


def connect(
    crm: Crm,
    *,
    url: str = URL,
    username: str = USERNAME,
    access_key: str = ACCESS_KEY,
    limits: ClientLimits | None = None,
) -> VtigerClient:
    return open_vtiger(
        url,
        username=username,
        access_key=access_key,
        limits=limits,
        transport=crm,
        sleep=crm.sleep,
    )


def result(data: Any) -> httpx.Response:
    return json_answer({"success": True, "result": data})


def refusal(code: str | int, message: str = "no") -> httpx.Response:
    return json_answer({"success": False, "error": {"code": code, "message": message}})


def recorded(name: str) -> httpx.Response:
    return exchanges("vtiger")[name].answer()
