"""The calls that every module has: records by id, queries, pages and counts."""

import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import orjson

from app.errors import ResponseUnreadable
from app.json_shapes import find_list
from app.vtiger.abilities import Abilities
from app.vtiger.answers import VTIGER
from app.vtiger.element import LINES, render_element, rendered
from app.vtiger.query import COUNT, MAX_ROWS, Query, Where, after
from app.vtiger.quota import Quota
from app.vtiger.schemas import VtigerRecord
from app.vtiger.webservice import VtigerApi

log = logging.getLogger(__name__)

ORDER_LINES = "order lines"
"""The turn of a write that changes an order's lines (`alone` of a gate)."""


class RecordCalls:
    """Records of any module, over one API. An async context manager, or call `aclose`."""

    def __init__(self, api: VtigerApi, abilities: Abilities) -> None:
        self._api = api
        self.abilities = abilities

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._api.aclose()

    @property
    def quota(self) -> Quota | None:
        """The call limits as last told by Vtiger Cloud; None without any (Community Edition)."""
        return self._api.quota

    @property
    def clock_skew(self) -> float | None:
        """Seconds that the CRM's clock is ahead of ours, by its last answer."""
        return self._api.clock_skew

    async def user_id(self) -> str:
        """The API user, `19xN`, by which our own writes are told from others' (contract
        page Vtiger §6)."""
        return await self._api.user_id()

    async def retrieve(self, record_id: str, module: str) -> VtigerRecord:
        """NotFound for a record that is missing, deleted or hidden (52-err-retrieve-deleted);
        WrongRecord where another one is answered."""
        answer = await self._api.read("retrieve", {"id": record_id})
        return VtigerRecord.parse(answer, module).answering(record_id)

    async def create(self, module: str, fields: Mapping[str, Any]) -> VtigerRecord:
        """Owned by the API user unless `assigned_user_id` says otherwise.

        Duplicate if a unique field's value is taken (20-err-account-duplicate). After an
        ambiguous failure the record may exist: an owner who does not exist gives
        ResponseUnreadable, and makes it (11-err-create-bad-owner).
        """
        element = orjson.dumps(await self._owned(fields)).decode()
        params = {"elementType": module, "element": element}
        created = await self._api.write("create", params, alone=_turn_of(fields))
        return VtigerRecord.parse(created, module)

    async def _owned(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        owner = fields.get("assigned_user_id") or await self.user_id()
        return rendered({**fields, "assigned_user_id": owner})

    async def revise(
        self, record_id: str, fields: Mapping[str, Any], *, module: str
    ) -> VtigerRecord:
        """Change these fields only; "" or None clears one (50-contact-revise*).

        NotFound (52-err-revise-deleted), Duplicate (54-err-contact-revise-duplicate).
        """
        params = {"element": render_element({**fields, "id": record_id})}
        answer = await self._api.write("revise", params, alone=_turn_of(fields))
        return VtigerRecord.parse(answer, module).answering(record_id)

    async def delete(self, record_id: str) -> None:
        """Into the recycle bin. NotFound if it is there already (52-delete*)."""
        await self._api.write("delete", {"id": record_id})

    async def query(self, query: Query) -> list[VtigerRecord]:
        """At most 100 rows. Rejected for an unknown column or module (11-err-query-*).

        Who looks for a twin must not miss one: a row that is no record spoils the answer.
        """
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

        Rows that change or vanish meanwhile shift nothing (recording 53-query-id-gt); those without
        an id are passed over, for the log of the service to tell. For sales orders name columns:
        with `*` the limit counts their lines (contract page Vtiger §0.11).
        """
        first = Query(module, tuple(columns), tuple(where), order_by="id")
        while True:
            more = (after(after_id),) if after_id else ()
            rows = await self._rows(replace(first, where=(*first.where, *more)))
            page = list(_parse_each(module, rows))
            for record in page:
                yield record
            if len(rows) < MAX_ROWS or not page:
                return
            after_id = page[-1].id

    async def count(self, module: str, where: Sequence[Where] = ()) -> int:
        """How many records match (recording 53-query-count); counted here where Vtiger answers
        nothing, for 8.4 leaves rows without an id out."""
        rows = await self._rows(Query(module, COUNT, tuple(where)))
        if not rows:
            return len([each async for each in self.search(module, where, columns=("id",))])
        text = str(rows[0].get("count", "")) if rows and isinstance(rows[0], Mapping) else ""
        if not text.isdigit():
            raise ResponseUnreadable(VTIGER, "the count is not a number")
        return int(text)

    async def _rows(self, query: Query) -> list[Any]:
        rows = find_list(await self._api.read("query", {"query": str(query)}))
        if rows is None:
            raise ResponseUnreadable(VTIGER, "a query gave no list of rows")
        asked = query.asked_ids
        return rows if asked is None else [row for row in rows if _is_asked(row, asked)]


def _turn_of(fields: Mapping[str, Any]) -> str:
    """Vtiger gives two orders that are written at once the same ids for their lines, and lines are
    lost, in an answer that says success (page Vtiger add-on writes, F1)."""
    return ORDER_LINES if LINES in fields else ""


def _is_asked(row: object, asked: Collection[str]) -> bool:
    """Of a query by ids: what is no record at all is for the reader of the row to judge."""
    return not isinstance(row, Mapping) or row.get("id") in asked


def _parse_each(module: str, rows: Sequence[object]) -> Iterator[VtigerRecord]:
    """The records among the rows of a page: one that is none keeps no other from being looked
    at."""
    for place, row in enumerate(rows, start=1):
        try:
            yield VtigerRecord.parse(row, module)
        except ResponseUnreadable as error:
            log.warning("row %s of a page of %s is passed over: %s", place, module, error)
