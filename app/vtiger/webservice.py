"""The transport of Vtiger Community Edition: operations of webservice.php.

Vtiger Cloud's REST API is another transport for the same operations and envelope; `VtigerApi`
is what one has to offer (contract page Vtiger §1 and §2).
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import httpx

from app.errors import ConfigError, ResponseUnreadable, System
from app.gate import FREE_GATE, Gate
from app.json_shapes import without_marks
from app.transport import Answer, Channel, ClientLimits, Request, Sleep
from app.vtiger.answers import VTIGER, read_result
from app.vtiger.auth import VtigerAuth
from app.vtiger.quota import Quota

VERSION_SECONDS = 600.0
"""How long Vtiger's version is believed; to install another one takes longer."""


class VtigerApi(Protocol):
    """Named operations with text parameters; answers are the `result`, failures typed."""

    async def read(self, operation: str, params: Mapping[str, str]) -> Any: ...

    async def write(self, operation: str, params: Mapping[str, str], *, alone: str = "") -> Any: ...

    async def read_by_post(self, operation: str, params: Mapping[str, str]) -> Any: ...

    async def find(self, operation: str, params: Mapping[str, str]) -> Any | None: ...

    async def user_id(self) -> str: ...

    async def version(self) -> str: ...

    async def ask_version(self) -> str: ...

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
            System.VTIGER,
            limits or ClientLimits(),
            auth=self._auth,
            transport=transport,
            sleep=sleep,
            gate=gate,
        )

    @property
    def quota(self) -> Quota | None:
        """None: Community Edition counts no calls."""
        return None

    @property
    def clock_skew(self) -> float | None:
        return self._channel.clock_skew

    async def aclose(self) -> None:
        await self._channel.aclose()

    async def read(self, operation: str, params: Mapping[str, str]) -> Any:
        """A GET: with any other verb Vtiger sees no parameters (10-getchallenge-via-post)."""
        request = Request("GET", self._endpoint, {"operation": operation, **params})
        return await self._channel.send(
            request, lambda answer: read_result(answer, operation, write=False), write=False
        )

    async def find(self, operation: str, params: Mapping[str, str]) -> Any | None:
        """A read of an operation that may not be there: None for HTTP 500 with an empty body."""
        request = Request("GET", self._endpoint, {"operation": operation, **params})

        def read(answer: Answer) -> Any | None:
            if answer.status == 500 and not without_marks(answer.body):
                return None
            return read_result(answer, operation, write=False)

        return await self._channel.send(request, read, write=False)

    async def write(self, operation: str, params: Mapping[str, str], *, alone: str = "") -> Any:
        """A form POST, operation and session in the address (11-create-op-in-url). `alone` is as
        of a gate."""
        request = Request("POST", self._endpoint, {"operation": operation}, form=params)
        return await self._channel.send(
            request,
            lambda answer: read_result(answer, operation, write=True),
            write=True,
            alone=alone,
        )

    async def read_by_post(self, operation: str, params: Mapping[str, str]) -> Any:
        """A read of an operation that Vtiger registers as POST: its parameters have no room in an
        address."""
        request = Request("POST", self._endpoint, {"operation": operation}, form=params)
        return await self._channel.send(
            request, lambda answer: read_result(answer, operation, write=False), write=False
        )

    async def user_id(self) -> str:
        """The API user, `19xN`; logs in if nothing has yet (recording 01-login)."""
        if self._auth.user_id is None:
            await self.read("listtypes", {})
        if self._auth.user_id is None:
            raise ResponseUnreadable(VTIGER, "the login did not tell whose session it is")
        return self._auth.user_id

    async def version(self) -> str:
        """Vtiger's version: as the login told it (recording 01-login), or asked anew if that was
        long ago, for a CRM may be upgraded while a session goes on."""
        await self.user_id()
        if self._auth.version_age > VERSION_SECONDS:
            return await self.ask_version()
        return self._auth.version

    async def ask_version(self) -> str:
        """The version now, of a new login (recording 01-login).

        Not of `extendsession`, which tells it too: on a session that PHP has dropped it leaves
        one without a user behind, whose every further call ends in HTTP 500.
        """
        self._auth.drop_session()
        await self.read("listtypes", {})
        return self._auth.version


def read_crm_url(url: str) -> httpx.URL:
    """webservice.php, from the CRM's address with or without slash, folder or page."""
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise ConfigError(f"Vtiger's address cannot be read: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigError("Vtiger's address must start with https:// (or http://) and a host.")
    folder = parsed.path.rsplit("/", 1)[0] if parsed.path.endswith(".php") else parsed.path
    path = f"{folder.rstrip('/')}/webservice.php"
    return parsed.copy_with(path=path, query=None, fragment=None, username=None, password=None)
