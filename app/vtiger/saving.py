"""Creating and changing records: through the add-on where it writes, else one a call."""

from collections.abc import Mapping
from typing import Any

from app.errors import NotFound, RemoteUnavailable, ResponseUnreadable
from app.transport import explain_code
from app.vtiger.abilities import SAVE, Abilities
from app.vtiger.answers import VTIGER, read_error
from app.vtiger.batches import AddonGone, Batches, new_key
from app.vtiger.element import LINES, rendered
from app.vtiger.records import RecordCalls
from app.vtiger.schemas import VtigerRecord
from app.vtiger.shapes import kind_of
from app.vtiger.versions import damages_orders
from app.vtiger.webservice import VtigerApi

DONE = frozenset({"saved", "known"})

WITHOUT_KEY = "WooSync does not write any more, so this create would have no key; it is begun anew"
UNSAFE_LINES = (
    "WooSync does not write any more, and Vtiger {version} must not be sent an order's lines"
)
DELETED = "What this call had made was deleted before its answer was heard"


class SavingCalls(RecordCalls):
    """`create` and `revise` of modules that the add-on writes (decision 24)."""

    def __init__(self, api: VtigerApi, abilities: Abilities, batches: Batches) -> None:
        super().__init__(api, abilities)
        self._batches = batches

    async def aclose(self) -> None:
        await self._batches.aclose()
        await super().aclose()

    async def saves(self, module: str) -> bool:
        """Whether the add-on writes records of this module, each key once."""
        return kind_of(module).by_addon and await self.abilities.has(SAVE)

    async def find_saved(self, key: str) -> str | None:
        """The id of the record that the write with this key made; None if none was committed. Only
        where `saves`."""
        answer = await self._batches.send(key, {"action": "ask"})
        if answer.get("status") == "unknown":
            return None
        _refuse(answer, "ask")
        return str(answer["id"])

    async def create(
        self, module: str, fields: Mapping[str, Any], *, key: str = ""
    ) -> VtigerRecord:
        """As of a record. A create with a `key` that was carried out before makes nothing, and
        answers what it had made.

        A key is for where the add-on writes: RemoteUnavailable, and nothing done, elsewhere.
        """
        values = rendered(fields)
        if await self.saves(module):
            action = {"action": "create", "module": module, "fields": await self._owned(values)}
            try:
                answer = await self._batches.send(key or new_key(), action)
            except AddonGone as error:
                if key or error.ambiguous:
                    raise
            else:
                return _read(answer, "create", module)
        elif key:
            raise RemoteUnavailable(VTIGER, WITHOUT_KEY, ambiguous=False)
        if LINES in fields:
            await self._refuse_unsafe()
        return await super().create(module, fields)

    async def revise(
        self, record_id: str, fields: Mapping[str, Any], *, module: str
    ) -> VtigerRecord:
        """As of a record. It sets fields to values, so it does no harm to send it twice."""
        values = rendered(fields)
        if await self.saves(module):
            action = {"action": "revise", "module": module, "id": record_id, "fields": values}
            try:
                answer = await self._batches.send(new_key(), action)
            except AddonGone:
                pass
            else:
                return _read(answer, "revise", module).answering(record_id)
        if LINES in fields:
            await self._refuse_unsafe()
        return await super().revise(record_id, fields, module=module)

    async def _delete(self, record_id: str, module: str) -> None:
        """NotFound if it is in the recycle bin already."""
        action = {"action": "delete", "module": module, "id": record_id}
        _refuse(await self._batches.send(new_key(), action), "delete")

    async def _refuse_unsafe(self) -> None:
        """Who decided to write an order's lines may have done so because the add-on was there."""
        if damages_orders(version := await self._api.version()):
            raise RemoteUnavailable(VTIGER, UNSAFE_LINES.format(version=version), ambiguous=False)


def _read(answer: Mapping[str, Any], operation: str, module: str) -> VtigerRecord:
    """The record after a write, or the error that the answer tells."""
    _refuse(answer, operation)
    if answer.get("record") is not None:
        return VtigerRecord.parse(answer["record"], module)
    if operation == "create":
        raise RemoteUnavailable(VTIGER, DELETED, ambiguous=False)
    raise NotFound(VTIGER, DELETED)


def _refuse(answer: Mapping[str, Any], operation: str) -> None:
    """Raise unless it was done, now or before. An error that Vtiger tells surely wrote nothing."""
    status, code = answer.get("status"), str(answer.get("code") or "")
    message = str(answer.get("message") or "no message")
    if status == "refused":
        raise read_error({"error": {"code": code, "message": message}}, operation, write=False)
    if status == "failed":
        summary = explain_code(code)
        raise RemoteUnavailable(VTIGER, message, code=code, ambiguous=False, summary=summary)
    if status not in DONE or not answer.get("id"):
        raise ResponseUnreadable(VTIGER, f"a write was answered with the status {status!r}")
