"""The client of one Vtiger CRM: nothing raw comes out, every failure is typed."""

import asyncio
from collections.abc import Mapping
from typing import Literal

import httpx

from app.errors import InvalidInput, NotFound, Rejected, ResponseUnreadable
from app.gate import FREE_GATE, Gate
from app.json_shapes import find_list
from app.transport import ClientLimits, Sleep
from app.vtiger.abilities import Abilities
from app.vtiger.addon import AddonCalls
from app.vtiger.answers import VTIGER
from app.vtiger.batches import MOST_AT_ONCE, Batches
from app.vtiger.orders import OrderCalls
from app.vtiger.query import Query, equals
from app.vtiger.rest import RestApi
from app.vtiger.schemas import ID_PATTERN, VtigerModule
from app.vtiger.shapes import kind_of
from app.vtiger.taxes import TaxCalls
from app.vtiger.webservice import VtigerApi, Webservice

LONGEST_POST = 10
"""Seconds."""

Edition = Literal["webservice", "rest"]
APIS: Mapping[Edition, type[Webservice] | type[RestApi]] = {
    "webservice": Webservice,
    "rest": RestApi,
}


def open_vtiger(
    url: str,
    *,
    username: str,
    access_key: str,
    api: Edition = "webservice",
    limits: ClientLimits | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    sleep: Sleep = asyncio.sleep,
    gate: Gate = FREE_GATE,
) -> "VtigerClient":
    """A client over webservice.php (Community Edition) or, with "rest", over Cloud's REST API."""
    opened = APIS[api](
        url,
        username=username,
        access_key=access_key,
        limits=limits,
        transport=transport,
        sleep=sleep,
        gate=gate,
    )
    return VtigerClient(opened, limits=limits or ClientLimits(), sleep=sleep)


class VtigerClient(OrderCalls, TaxCalls, AddonCalls):
    """One CRM. An async context manager, or call `aclose`.

    Any method may raise RemoteUnavailable (and its kinds), AuthRejected and Rejected
    (contract page Vtiger §0 and §1, Errors); what else it may raise is said at the method.
    Only connects and reads are tried again here: the caller looks before it writes again.
    """

    def __init__(self, api: VtigerApi, *, limits: ClientLimits, sleep: Sleep) -> None:
        """A POST of many records ends well before its answer counts as late."""
        most = min(limits.read_timeout, limits.total_timeout) / 2
        abilities = Abilities(api)
        batches = Batches(
            api,
            abilities,
            at_once=min(MOST_AT_ONCE, limits.max_connections),
            seconds=max(1, min(LONGEST_POST, int(most))),
            sleep=sleep,
        )
        super().__init__(api, abilities, batches)
        self._prefixes: dict[str, str] = {}

    async def list_types(self) -> tuple[str, ...]:
        """The modules that the API user may see (recording 02-listtypes)."""
        result = await self._api.read("listtypes", {})
        types = find_list(result.get("types")) if isinstance(result, Mapping) else None
        if types is None:
            raise ResponseUnreadable(VTIGER, "listtypes gave no list of types")
        return tuple(str(name) for name in types)

    async def describe(self, module: str) -> VtigerModule:
        """A module's fields and id prefix; the caller keeps it (recordings 03-describe-*).

        Rejected (ACCESS_DENIED) for a module that does not exist (11-err-describe-unknown).
        """
        return VtigerModule.parse(await self._api.read("describe", {"elementType": module}))

    async def resolve_id(self, module: str, text: str) -> str:
        """The id `12x34` for what a callback calls a record: that id, `34` or `CON217`.

        Contract page Vtiger §5. NotFound if the id is another module's or the number nobody's;
        Rejected if several records have the number, which parallel creates can cause (§6).
        """
        wanted = text.strip()
        prefix = await self._prefix(module)
        if wanted.isascii() and wanted.isdigit():
            return f"{prefix}x{wanted}"
        if not ID_PATTERN.fullmatch(wanted):
            return await self._find_by_number(module, wanted)
        if not wanted.startswith(f"{prefix}x"):
            raise NotFound(VTIGER, f"{wanted} is not a record of {module}")
        return wanted

    async def _find_by_number(self, module: str, number: str) -> str:
        column = kind_of(module).number_field
        if column is None:
            raise InvalidInput(f"{module} has no record numbers; send an id such as 12x34.", "id")
        found = await self.query(Query(module, ("id",), (equals(column, number),), limit=2))
        if not found:
            raise NotFound(VTIGER, f"no record of {module} has the number {number}")
        if len(found) > 1:
            raise Rejected(VTIGER, f"several records of {module} have the number {number}")
        return found[0].id

    async def _prefix(self, module: str) -> str:
        if module not in self._prefixes:
            self._prefixes[module] = (await self.describe(module)).id_prefix
        return self._prefixes[module]
