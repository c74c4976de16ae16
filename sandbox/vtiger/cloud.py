"""Vtiger Cloud's REST API as Vtiger documents it: an address for each operation, Basic, limits.

No recording stands behind this file: it imitates the "Rest API Manual" and the page on API limits,
over the same records as webservice.php (contract page Vtiger §2).
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.vtiger.app import read_form, read_pairs
from sandbox.vtiger.crm import Crm
from sandbox.vtiger.operations import OPERATIONS, Operation
from sandbox.vtiger.refusals import PhpFatal, Refusal, RestrictedFile
from sandbox.vtiger.sessions import Session
from sandbox.vtiger.users import CrmUser

BASE = "/restapi/v1/vtiger/default"
NOT_THERE = frozenset({"extendsession", "woosync_changes", "woosync_save", "woosync_read"})
MINUTE = timedelta(minutes=1)


@dataclass
class Limits:
    """Calls that may be made, and were; a test sets them, the demo has none."""

    daily: int | None = None
    per_minute: int | None = None
    used_today: int = 0
    used_this_minute: int = 0
    minute_began_at: datetime | None = None

    def allow(self, now: datetime) -> bool:
        """Counts a call; False if it is one too many."""
        if self.minute_began_at is None or now - self.minute_began_at >= MINUTE:
            self.minute_began_at, self.used_this_minute = now, 0
        if _spent(self.daily, self.used_today) or _spent(self.per_minute, self.used_this_minute):
            return False
        self.used_today += 1
        self.used_this_minute += 1
        return True

    def headers(self) -> dict[str, str]:
        told: dict[str, str] = {}
        if self.daily is not None:
            told["X-RateLimit-DailyLimit"] = str(self.daily)
            told["X-RateLimit-Remaining"] = str(self.daily - self.used_today)
        if self.per_minute is not None and self.minute_began_at is not None:
            ends_at = self.minute_began_at + MINUTE
            told["X-FloodControl-MinuteLimit"] = str(self.per_minute)
            told["X-FloodControl-Remaining"] = str(self.per_minute - self.used_this_minute)
            told["X-FloodControl-Reset"] = str(int(ends_at.timestamp()))
        return told


def _spent(limit: int | None, used: int) -> bool:
    return limit is not None and used >= limit


@dataclass
class CloudApi:
    """The routes under BASE over one CRM."""

    crm: Crm
    limits: Limits = field(default_factory=Limits)

    async def answer(self, request: Request) -> Response:
        user = _find_user(self.crm, request.headers.get("authorization", ""))
        if user is None:
            return Response(status_code=401)
        if not self.limits.allow(self.crm.database.clock()):
            return Response(status_code=429, headers=self.limits.headers())
        answer = await self._run(request, user)
        answer.headers.update(self.limits.headers())
        return answer

    async def _run(self, request: Request, user: CrmUser) -> Response:
        name = request.path_params["operation"]
        operation = OPERATIONS.get(name)
        if name == "me" and request.method == "GET":
            return _json(200, {"success": True, "result": _me(user)})
        if operation is None or name in NOT_THERE or request.method != operation.verb:
            return Response(status_code=404)
        return await self._perform(operation, user, await _params(request))

    async def _perform(
        self, operation: Operation, user: CrmUser, params: Mapping[str, str]
    ) -> Response:
        session = Session("", user, self.crm.database.clock())
        try:
            result = await operation.run(self.crm, session, params)
        except (PhpFatal, RestrictedFile):
            return Response(status_code=500)
        except Refusal as refusal:
            error = {"code": refusal.code, "message": refusal.message}
            return _json(400, {"success": False, "error": error})
        return _json(200, {"success": True, "result": result})


def create_cloud_app(crm: Crm, limits: Limits | None = None) -> Starlette:
    """An ASGI app with the REST API alone: Cloud has no webservice.php worth using."""
    api = CloudApi(crm, limits or Limits())
    route = Route(f"{BASE}/{{operation}}", api.answer, methods=["GET", "POST"])
    return Starlette(routes=[route])


def _find_user(crm: Crm, header: str) -> CrmUser | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, key = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    user = crm.users.find(name)
    return user if user is not None and user.access_key == key else None


def _me(user: CrmUser) -> dict[str, str]:
    return {
        "id": user.ws_id,
        "user_name": user.user_name,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email1": user.email,
    }


async def _params(request: Request) -> Mapping[str, str]:
    return read_pairs(request.url.query) if request.method == "GET" else await read_form(request)


def _json(status: int, content: Mapping[str, Any]) -> Response:
    return Response(json.dumps(content), status_code=status, media_type="application/json")
