"""What an admin's workflow tells the outside after a save: callbacks, sent inside the save."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import httpx

from sandbox.vtiger.database import Database, Record
from sandbox.vtiger.entities import Entities
from sandbox.vtiger.schema import Field
from sandbox.vtiger.users import GROUPS, CrmUser

_PLACEHOLDER = re.compile(r"\$(\w+)")
Format = Literal["custom_function", "form", "cloud"]


@dataclass(frozen=True)
class Callback:
    """One registered target: every save of `module` calls `url`, once, with no retry.

    `custom_function` posts the recorded JSON (81-webhook-custom-function-contact-create); `form`
    and `cloud` render `fields`, name -> template with `$field` placeholders, in the workflow
    user's display format (82-webhook-3rdparty-form-contact). `$record_no` is the record's number
    such as CON12, which is all that `cloud` sends unless told otherwise. `timeout` is seconds.
    """

    module: str
    url: str
    format: Format = "custom_function"
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] | None = None
    timeout: float = 1.5


_DEFAULT_FIELDS: dict[str, dict[str, str]] = {
    "form": {"id": "$id", "modifiedtime": "$modifiedtime"},
    "cloud": {"record_id ": "$record_no", " modified": "$modifiedtime"},
}


class Workflows:
    """Sends callbacks and counts them: `sent` were answered with success, `failed` were not."""

    def __init__(self, database: Database, http: httpx.AsyncClient | None) -> None:
        self._database = database
        self.http = http
        self.callbacks: list[Callback] = []
        self.sent = 0
        self.failed = 0

    async def fire(self, module: Entities, record: Record, *, is_new: bool) -> None:
        """Calls every target of the module and waits, as the save does; failures are ignored."""
        for callback in self.callbacks:
            if callback.module == record.module:
                await self._call(callback, module, record, is_new=is_new)

    async def aclose(self) -> None:
        if self.http is not None:
            await self.http.aclose()

    async def _call(
        self, callback: Callback, module: Entities, record: Record, *, is_new: bool
    ) -> None:
        body = self._body(callback, module, record, is_new=is_new)
        headers = dict(callback.headers)
        try:
            async with asyncio.timeout(callback.timeout):
                answer = await self._client().request(
                    callback.method, callback.url, headers=headers, **body
                )
        except (httpx.HTTPError, TimeoutError):
            self.failed += 1
        else:
            self.sent += answer.is_success
            self.failed += not answer.is_success

    def _client(self) -> httpx.AsyncClient:
        if self.http is None:
            self.http = httpx.AsyncClient(trust_env=False)
        return self.http

    def _body(
        self, callback: Callback, module: Entities, record: Record, *, is_new: bool
    ) -> dict[str, Any]:
        user = self._database.users.all()[0]
        if callback.format == "custom_function":
            return {"json": _function_payload(module, record, user, is_new=is_new)}
        fields = callback.fields or _DEFAULT_FIELDS[callback.format]
        display = _Display(self._database, module, record, user)
        return {"data": {name: display.render(template) for name, template in fields.items()}}


def _function_payload(
    module: Entities, record: Record, user: CrmUser, *, is_new: bool
) -> dict[str, Any]:
    data = json.loads(json.dumps(module.callback_data(record, user)))
    return {
        "id": module.ws_id(record),
        "module": record.module,
        "is_new": int(is_new),
        "data": data | {"label": record.label},
    }


class _Display:
    """One record in the format the workflow user sees on the screen."""

    def __init__(self, database: Database, module: Entities, record: Record, user: CrmUser) -> None:
        self._database = database
        self._module = module
        self._record = record
        self._user = user

    def render(self, template: str) -> str:
        return _PLACEHOLDER.sub(self._value, template)

    def _value(self, match: re.Match[str]) -> str:
        name = match[1]
        if name == "id":
            return str(self._record.number)
        if name == "record_no":
            return next(iter(self._numbers()), "")
        known = self._module.module.fields.get(name)
        return match[0] if known is None else self._shown(known)

    def _numbers(self) -> list[str]:
        fields = self._module.module.fields.values()
        return [self._record.values[item.name] for item in fields if item.is_numbering]

    def _shown(self, known: Field) -> str:
        value = self._module.value(self._record, known.name, self._user)
        if known.type == "boolean":
            return "Yes" if value == "1" else "No"
        if known.type == "datetime":
            return self._moment(value)
        if known.type == "date":
            return self._day(value)
        if known.type in ("reference", "owner"):
            return self._label_of(value)
        return value.replace("\n", "<br />\n")

    def _day(self, value: str) -> str:
        parts = dict(zip(("yyyy", "mm", "dd"), value.split("-"), strict=False))
        separated = self._user.date_format.split("-")
        return "-".join(parts[part] for part in separated) if value else ""

    def _moment(self, value: str) -> str:
        moment = datetime.fromisoformat(value).replace(tzinfo=UTC)
        local = moment.astimezone(ZoneInfo(self._user.time_zone))
        hour = local.hour % 12 or 12
        return f"{self._day(local.date().isoformat())} {hour}:{local:%M %p}"

    def _label_of(self, ws_id: str) -> str:
        if user := self._database.users.find_by_id(ws_id):
            return user.label
        prefix, _, number = ws_id.partition("x")
        if prefix == "20":
            return GROUPS[int(number)]
        record = self._database.find(ws_id)
        if record is None:
            return ""
        return record.label
