"""Speaks to the simulated webservice.php as a client would, and reads recorded exchanges."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from sandbox.vtiger.app import create_crm_app
from sandbox.vtiger.crm import Crm

RECORDINGS = Path(__file__).parents[2] / "recordings" / "vtiger"
LATER_RECORDINGS = Path(__file__).parents[2] / "recordings"
PATH = "/webservice.php"


class Clock:
    """A clock that stands until moved, at the evening of the recordings."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@dataclass(frozen=True)
class Exchange:
    """A recorded request and its answer; `body` is None where it was not JSON."""

    name: str
    method: str
    url: dict[str, str]
    form: dict[str, str]
    raw: str
    content_type: str
    status: int
    media_type: str
    body: Any
    text: str

    @property
    def result(self) -> Any:
        return self.body["result"]


def recorded(name: str) -> Exchange:
    return exchange_of(name, json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8")))


def recorded_answer(name: str, version: str = "8.2") -> Any:
    """The result of a later recording, which has request and answer without their HTTP."""
    return _later(name, version)["response"]["result"]


def recorded_request(name: str, version: str = "8.2") -> Any:
    return _later(name, version)["request"]


def _later(name: str, version: str) -> Any:
    path = LATER_RECORDINGS / f"vtiger-{version}" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def exchange_of(name: str, data: dict[str, Any]) -> Exchange:
    request, response = data["request"], data["response"]
    raw = request["body"] or ""
    return Exchange(
        name=name,
        method=request["method"],
        url=_pairs(urlsplit(request["url"]).query),
        form=_pairs(raw),
        raw=raw,
        content_type=request["headers"].get("Content-Type", ""),
        status=response["status"],
        media_type=dict(response["headers"])["Content-type"],
        body=response["body"],
        text=response["body_text"] or "",
    )


def recordings(*patterns: str) -> list[str]:
    found = (path.stem for pattern in patterns for path in RECORDINGS.glob(f"{pattern}.json"))
    return sorted(found)


def _pairs(encoded: str) -> dict[str, str]:
    return dict(parse_qsl(encoded, keep_blank_values=True))


class WebService:
    """One client; `session` is the name of its login, "" before."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm
        self.session = ""
        transport = httpx.ASGITransport(app=create_crm_app(crm))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://crm")

    async def challenge(self, user: str) -> str:
        token: str = (await self.get("getchallenge", username=user))["token"]
        return token

    async def login(self, user: str = "apiuser") -> dict[str, Any]:
        token = await self.challenge(user)
        key = md5(token + self.crm.users.get(user).access_key)
        answer: dict[str, Any] = await self.post("login", username=user, accessKey=key)
        self.session = answer["sessionName"]
        return answer

    async def get(self, operation: str, **params: str) -> Any:
        response = await self.http.get(PATH, params=self._named(operation, params))
        return _result(response)

    async def post(self, operation: str, **params: str) -> Any:
        response = await self.http.post(PATH, data=self._named(operation, params))
        return _result(response)

    async def create(self, module: str, **fields: Any) -> Any:
        element = {"assigned_user_id": "19x1"} | fields
        return await self.post("create", elementType=module, element=json.dumps(element))

    async def revise(self, ws_id: str, **fields: Any) -> Any:
        return await self.post("revise", element=json.dumps({"id": ws_id} | fields))

    async def query(self, text: str) -> Any:
        return await self.get("query", query=text)

    async def replay(self, exchange: Exchange, **session: str) -> httpx.Response:
        """Sends the recorded request again, under this client's session where it had one."""
        own = {"sessionName": self.session} | session
        url = exchange.url | {name: own[name] for name in own if name in exchange.url}
        form = exchange.form | {name: own[name] for name in own if name in exchange.form}
        if exchange.content_type == "application/json":
            headers = {"Content-Type": exchange.content_type}
            return await self.http.post(PATH, params=url, content=exchange.raw, headers=headers)
        return await self.http.request(exchange.method, PATH, params=url, data=form or None)

    def _named(self, operation: str, params: dict[str, str]) -> dict[str, str]:
        session = {"sessionName": self.session} if self.session else {}
        return {"operation": operation} | session | params


class Refused(Exception):
    """The web service answered with an error, or with something that is no JSON at all."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response.text)
        self.status = response.status_code
        self.text = response.text
        is_json = response.headers.get("content-type") == "application/json"
        self.error: dict[str, Any] = response.json()["error"] if is_json else {}
        self.code = self.error.get("code")


def _result(response: httpx.Response) -> Any:
    is_json = response.headers.get("content-type") == "application/json"
    if not is_json or not response.json()["success"]:
        raise Refused(response)
    return response.json()["result"]


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
