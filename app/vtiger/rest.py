"""The transport of Vtiger Cloud: its REST API, which has an address for each operation.

Contract page Vtiger §2 and Vtiger's "Rest API Manual": Basic authentication with user name and
access key, form-encoded bodies, the envelope of webservice.php, failures as HTTP 400 with the
message in the status line, and call limits. Based on that documentation; not tested with a live
instance.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx

from app.domain import (
    AuthRejected,
    CallsPaused,
    ConfigError,
    RateLimited,
    ResponseUnreadable,
    utc_now,
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
from app.observability import CALLS_LEFT
from app.vtiger.schemas import ID_PATTERN
from app.vtiger.webservice import (
    DUPLICATE_CODE,
    VTIGER,
    Quota,
    find_envelope,
    find_quota,
    read_error,
    read_result,
)

T = TypeVar("T")
log = logging.getLogger(__name__)

NO_MORE_CALLS = "Vtiger allows no more calls in this minute"

BASE = "/restapi/v1/vtiger/default"
ALL_TYPES = {"fieldTypeList": "null"}
DENIED_TEXTS = ("permission to perform the operation is denied", "is not found", "not exist")


class RestApi:
    """The REST API of one Cloud instance, without sessions."""

    def __init__(
        self,
        url: str,
        *,
        username: str,
        access_key: str,
        limits: ClientLimits | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], datetime] = utc_now,
        gate: Gate = FREE_GATE,
    ) -> None:
        self._base = read_cloud_url(url)
        self._clock = clock
        self._quota: Quota | None = None
        self._user_id: str | None = None
        self._channel = Channel(
            VTIGER,
            limits or ClientLimits(),
            auth=httpx.BasicAuth(username, access_key),
            transport=transport,
            sleep=sleep,
            gate=gate,
        )

    @property
    def quota(self) -> Quota | None:
        """The call limits of the last answer that had any; None before."""
        return self._quota

    @property
    def clock_skew(self) -> float | None:
        return self._channel.clock_skew

    async def aclose(self) -> None:
        await self._channel.aclose()

    async def read(self, operation: str, params: Mapping[str, str]) -> Any:
        """GET {base}/{operation}?params."""
        query = ALL_TYPES if operation == "listtypes" else params
        request = Request("GET", self._address(operation), query)
        return await self._send(request, operation, write=False)

    async def write(
        self,
        operation: str,
        params: Mapping[str, str],
        *,
        exclusive: str = "",  # noqa: ARG002 - Cloud is not known to need it
    ) -> Any:
        """POST {base}/{operation} with a form."""
        request = Request("POST", self._address(operation), form=params)
        return await self._send(request, operation, write=True)

    async def read_by_post(self, operation: str, params: Mapping[str, str]) -> Any:
        """POST {base}/{operation} with a form, for a read."""
        request = Request("POST", self._address(operation), form=params)
        return await self._send(request, operation, write=False)

    async def find(self, operation: str, params: Mapping[str, str]) -> Any | None:  # noqa: ARG002
        """None: the add-on cannot be installed in Cloud."""
        return None

    async def user_id(self) -> str:
        """The id of the API user, `19xN`, by the operation `me`."""
        if self._user_id is None:
            me = await self.read("me", {})
            text = str(me.get("id", "")) if isinstance(me, Mapping) else ""
            if not ID_PATTERN.fullmatch(text):
                raise ResponseUnreadable(VTIGER, "`me` did not return the user's id")
            self._user_id = text
        return self._user_id

    async def version(self) -> str:
        """ "": Cloud does not report a version, and always has the latest."""
        return ""

    async def fetch_version(self) -> str:
        return ""

    def _address(self, operation: str) -> httpx.URL:
        return self._base.copy_with(path=f"{self._base.path}/{operation}")

    async def _send(self, request: Request, operation: str, *, write: bool) -> Any:
        """Make a call. Raises CallsPaused without calling if the limit per minute is used up."""
        now = self._clock()
        wait = self._quota.wait_seconds(now) if self._quota else 0.0
        if wait:
            until = now + timedelta(seconds=wait)
            raise CallsPaused(VTIGER, NO_MORE_CALLS, until=until, seconds=wait)
        return await self._channel.send(
            request, lambda answer: self._read(answer, operation, write=write), write=write
        )

    def _read(self, answer: Answer, operation: str, *, write: bool) -> Any:
        self._update_quota(find_quota(answer.headers))
        if answer.status == 429:
            raise self._too_many(answer, write=write)
        return read_rest_answer(answer, operation, write=write)

    def _update_quota(self, quota: Quota | None) -> None:
        if quota is None:
            return
        was_low = self._quota is not None and self._quota.is_low
        self._quota = quota
        for window, left in (("day", quota.daily_left), ("minute", quota.minute_left)):
            if left is not None:
                CALLS_LEFT.labels(window).set(left)
        if quota.is_low and not was_low:
            log.warning(
                "Vtiger's API has %s of %s calls left for this day",
                quota.daily_left,
                quota.daily_limit,
            )

    def _too_many(self, answer: Answer, *, write: bool) -> RateLimited:
        """The error of a 429: with Retry-After if given, else with the seconds to the end of the
        minute."""
        try:
            refuse_status(VTIGER, answer, write=write)
        except RateLimited as error:
            quota = self._quota
            if error.retry_after is None and quota is not None:
                used_up = replace(quota, minute_left=0)
                error.retry_after = used_up.wait_seconds(self._clock()) or None
            return error
        raise AssertionError("a 429 is refused")  # pragma: no cover


def read_rest_answer(answer: Answer, operation: str, *, write: bool) -> Any:
    """The `result` of a success. Raises from the error tree for any other answer."""
    if answer.status in {401, 403}:
        summary = explain_code("", answer.status)
        raise AuthRejected(VTIGER, _reason(answer), status=answer.status, summary=summary)
    if answer.status == 400 and find_envelope(answer.body) is None:
        error = {"code": _code(answer.reason), "message": _reason(answer)}
        raise read_error({"success": False, "error": error}, operation, write=write)
    return read_result(answer, operation, write=write)


def read_cloud_url(url: str) -> httpx.URL:
    """The base address of the API, from the instance's address with or without it or index.php.

    Raises ConfigError."""
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise ConfigError(f"Vtiger's address cannot be read: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigError("Vtiger's address must start with https:// (or http://) and a host.")
    folder = parsed.path.split("/restapi")[0]
    folder = folder.rsplit("/", 1)[0] if folder.endswith(".php") else folder
    path = f"{folder.rstrip('/')}{BASE}"
    return parsed.copy_with(path=path, query=None, fragment=None, username=None, password=None)


def _reason(answer: Answer) -> str:
    return answer.reason.strip() or f"refused without a message (HTTP {answer.status})"


def _code(reason: str) -> str:
    """The code of webservice.php that corresponds to a status line."""
    text = reason.casefold()
    if any(words in text for words in DENIED_TEXTS):
        return "ACCESS_DENIED"
    return DUPLICATE_CODE if "duplicate" in text else ""
