"""Reading many records whole with few calls, where the add-on reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from app.errors import RemoteUnavailable, ResponseUnreadable
from app.json_shapes import find_list
from app.vtiger.abilities import READ
from app.vtiger.answers import VTIGER
from app.vtiger.query import MAX_ROWS
from app.vtiger.saving import SavingCalls
from app.vtiger.schemas import VtigerOrder, VtigerRecord
from app.vtiger.shapes import kind_of

OPERATION = "woosync_read"
CLASSES: Mapping[str, type[VtigerRecord]] = {"SalesOrder": VtigerOrder}


class ReadingCalls(SavingCalls):
    """`woosync_read`, whose records are equal to those of `retrieve` field by field (page Vtiger
    add-on writes, §5)."""

    async def find_whole(self, module: str, ids: Sequence[str]) -> list[VtigerRecord] | None:
        """Records as `retrieve` shows them, orders with their lines, a hundred a call; those that
        are missing, deleted or hidden are left out. None where they have to be retrieved."""
        if not kind_of(module).by_addon:
            return None
        found: list[VtigerRecord] = []
        for start in range(0, len(ids), MAX_ROWS):
            if not await self.abilities.has(READ):
                return None
            part = await self._read_whole(module, ids[start : start + MAX_ROWS])
            if part is None:
                return None
            found += part
        return found

    async def _read_whole(self, module: str, ids: Sequence[str]) -> list[VtigerRecord] | None:
        params = {"module": module, "ids": orjson.dumps(ids).decode()}
        params |= {"since": "", "after": "", "limit": str(MAX_ROWS)}
        try:
            result: Any = await self._api.read_by_post(OPERATION, params)
        except RemoteUnavailable as error:
            if error.status == 500 and await self.abilities.is_lost(READ):
                return None
            raise
        rows = find_list(result.get("records")) if isinstance(result, Mapping) else None
        if rows is None:
            raise ResponseUnreadable(VTIGER, f"{OPERATION} gave no list of records")
        records = [CLASSES.get(module, VtigerRecord).parse(row, module) for row in rows]
        return [record for record in records if record.id in ids]
