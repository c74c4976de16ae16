"""The client of one Vtiger CRM: nothing raw comes out, every failure is typed."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import httpx

from app.errors import InvalidInput, NotFound, Rejected, ResponseUnreadable
from app.transport import ClientLimits, Sleep
from app.vtiger.answers import VTIGER
from app.vtiger.element import render_element
from app.vtiger.query import COUNT, MAX_ROWS, Query, Where, after, equals
from app.vtiger.schemas import ID_PATTERN, VtigerModule, VtigerRecord
from app.vtiger.webservice import VtigerApi, Webservice

NUMBER_FIELDS = {
    "Accounts": "account_no",
    "Contacts": "contact_no",
    "Products": "product_no",
    "SalesOrder": "salesorder_no",
    "Services": "service_no",
}


def open_vtiger(
    url: str,
    *,
    username: str,
    access_key: str,
    limits: ClientLimits | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    sleep: Sleep = asyncio.sleep,
) -> "VtigerClient":
    """A client over webservice.php (Community Edition). Logs in with the first call."""
    api = Webservice(
        url,
        username=username,
        access_key=access_key,
        limits=limits,
        transport=transport,
        sleep=sleep,
    )
    return VtigerClient(api)


class VtigerClient:
    """One CRM. An async context manager, or call `aclose`.

    Any method may raise RemoteUnavailable (and its kinds), AuthRejected and Rejected
    (contract page Vtiger §0 and §1, Errors); what else it may raise is said at the method.
    Only connects and reads are tried again here: the caller looks before it writes again.
    """

    def __init__(self, api: VtigerApi) -> None:
        self._api = api
        self._prefixes: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._api.aclose()

    async def user_id(self) -> str:
        """The API user, `19xN`, by which our own writes are told from others' (§6)."""
        return await self._api.user_id()

    async def list_types(self) -> tuple[str, ...]:
        """The modules that the API user may see (recording 02-listtypes)."""
        result = await self._api.read("listtypes", {})
        types = result.get("types") if isinstance(result, Mapping) else None
        if not isinstance(types, list):
            raise ResponseUnreadable(VTIGER, "listtypes gave no list of types")
        return tuple(str(name) for name in types)

    async def describe(self, module: str) -> VtigerModule:
        """A module's fields and id prefix; the caller keeps it (recordings 03-describe-*).

        Rejected (ACCESS_DENIED) for a module that does not exist (11-err-describe-unknown).
        """
        return VtigerModule.parse(await self._api.read("describe", {"elementType": module}))

    async def retrieve(self, record_id: str, module: str) -> VtigerRecord:
        """NotFound for a record that is missing, deleted or hidden (52-err-retrieve-deleted)."""
        return VtigerRecord.parse(await self._api.read("retrieve", {"id": record_id}), module)

    async def create(self, module: str, fields: Mapping[str, Any]) -> VtigerRecord:
        """Owned by the API user unless `assigned_user_id` says otherwise.

        Duplicate if a unique field's value is taken (20-err-account-duplicate). After an
        ambiguous failure the record may exist: an owner who does not exist gives
        ResponseUnreadable, and makes it (11-err-create-bad-owner).
        """
        owner = fields.get("assigned_user_id") or await self.user_id()
        element = render_element({**fields, "assigned_user_id": owner})
        params = {"elementType": module, "element": element}
        return VtigerRecord.parse(await self._api.write("create", params), module)

    async def revise(
        self, record_id: str, fields: Mapping[str, Any], *, module: str
    ) -> VtigerRecord:
        """Change these fields only; "" or None clears one (50-contact-revise*).

        NotFound (52-err-revise-deleted), Duplicate (54-err-contact-revise-duplicate).
        """
        params = {"element": render_element({**fields, "id": record_id})}
        return VtigerRecord.parse(await self._api.write("revise", params), module)

    async def delete(self, record_id: str) -> None:
        """Into the recycle bin. NotFound if it is there already (52-delete*)."""
        await self._api.write("delete", {"id": record_id})

    async def query(self, query: Query) -> list[VtigerRecord]:
        """At most 100 rows. Rejected for an unknown column or module (11-err-query-*)."""
        return [VtigerRecord.parse(row, query.module) for row in await self._rows(query)]

    async def search(
        self,
        module: str,
        where: Sequence[Where] = (),
        *,
        columns: Sequence[str] = ("*",),
        after_id: str = "",
    ) -> AsyncIterator[VtigerRecord]:
        """Every matching record in the order of ids, read in pages that follow the last id.

        Rows that change or vanish meanwhile shift nothing (53-query-id-gt). For sales orders
        name columns: with `*` the limit counts their lines (contract page Vtiger §0.11).
        """
        first = Query(module, tuple(columns), tuple(where), order_by="id")
        while True:
            more = (after(after_id),) if after_id else ()
            page = await self.query(replace(first, where=(*first.where, *more)))
            for record in page:
                yield record
            if len(page) < MAX_ROWS:
                return
            after_id = page[-1].id

    async def count(self, module: str, where: Sequence[Where] = ()) -> int:
        """How many records match (recording 53-query-count)."""
        rows = await self._rows(Query(module, COUNT, tuple(where)))
        text = str(rows[0].get("count", "")) if rows and isinstance(rows[0], Mapping) else ""
        if not text.isdigit():
            raise ResponseUnreadable(VTIGER, "the count is not a number")
        return int(text)

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
        column = NUMBER_FIELDS.get(module)
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

    async def _rows(self, query: Query) -> list[Any]:
        rows = await self._api.read("query", {"query": str(query)})
        if not isinstance(rows, list):
            raise ResponseUnreadable(VTIGER, "a query gave no list of rows")
        return rows
