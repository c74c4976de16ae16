"""The add-on's operations woosync_save and woosync_read: records in batches, each written once.

Contract page Vtiger add-on writes, §2 (orders), §4 (keys, one transaction a record) and §5
(reads). A record fails alone and leaves nothing; what is known of a key is what was committed.
"""

import re
import time
from collections.abc import Mapping
from typing import Any

from sandbox.vtiger import php
from sandbox.vtiger.addon import MODULES, Addon, SaveMishap
from sandbox.vtiger.crm import Crm
from sandbox.vtiger.database import Record
from sandbox.vtiger.entities import Entities
from sandbox.vtiger.orders import LINES, SalesOrders
from sandbox.vtiger.refusals import PhpFatal, Refusal, internal_error, invalid_record, wrong_id
from sandbox.vtiger.users import CrmUser

SAVE = "woosync_save"
READ = "woosync_read"
MOST = 100
MOST_SECONDS = 25
_SECONDS = 10
_KEY = re.compile(r"[A-Za-z0-9_.:-]{8,64}", re.ASCII)
_ID = re.compile(r"\d+x\d+", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_ACTIONS = ("create", "revise", "delete", "ask")

Item = Mapping[str, Any]
Answer = dict[str, Any]


async def save(crm: Crm, addon: Addon, params: Mapping[str, str], user: CrmUser) -> Answer:
    """The result of woosync_save: an answer to each record, in their order.

    Refusal for the call as a whole; PhpFatal where a mishap ends PHP, with what was committed
    before staying.
    """
    if not user.is_admin:
        raise Refusal("ACCESS_DENIED", f"Only an administrator may use {SAVE}")
    items = _items(params.get("records", ""))
    until = time.monotonic() + _limit(params.get("seconds", ""), _SECONDS, MOST_SECONDS)
    answers: list[Answer] = []
    for position, item in enumerate(items):
        mishap = addon.befalls(position, item)
        if mishap is SaveMishap.DIES:
            raise PhpFatal
        if mishap is SaveMishap.TIME_UP or (answers and time.monotonic() > until):
            answers += [_answer(rest, "not_reached") for rest in items[position:]]
            break
        answers.append(await _save_one(crm, addon, item, user=user, mishap=mishap))
    return {"version": addon.version, "records": answers}


def read(crm: Crm, addon: Addon, params: Mapping[str, str], user: CrmUser) -> Answer:
    """The result of woosync_read: whole records by their ids, or those changed since a time."""
    if not user.is_admin:
        raise Refusal("ACCESS_DENIED", f"Only an administrator may use {READ}")
    name = params.get("module", "")
    if name not in MODULES:
        raise _invalid_parameters(f"module has to be one of {', '.join(MODULES)}")
    module = crm.entities[name]
    sent = params.get("ids", "")
    if sent:
        ids = php.decode_list(sent)
        if ids is None or len(ids) > MOST or not all(isinstance(ws_id, str) for ws_id in ids):
            raise _invalid_parameters(f"ids has to be a JSON list of at most {MOST} ids")
        found = {ws_id: _find(module, ws_id) for ws_id in ids}
        rows = [record for record in found.values() if record is not None]
        missing = [ws_id for ws_id, record in found.items() if record is None]
        more = False
    else:
        rows, more = _changed(module, params)
        missing = []
    records = [module.read_whole(record, user) for record in rows]
    return {"version": addon.version, "records": records, "missing": missing, "more": more}


def _invalid_records(message: str) -> Refusal:
    return Refusal("INVALID_RECORDS", message)


def _invalid_parameters(message: str) -> Refusal:
    return Refusal("INVALID_PARAMETERS", message)


def _items(encoded: str) -> list[Any]:
    items = php.decode_list(encoded)
    if items is None or len(items) > MOST:
        raise _invalid_records(f"records has to be a JSON list of at most {MOST} items")
    keys = [item["key"] for item in items if isinstance(item, dict) and "key" in item]
    texts = [php.text(key) for key in keys]
    if len(set(texts)) < len(texts):
        raise _invalid_records("Each item needs a key of its own")
    return items


async def _save_one(
    crm: Crm, addon: Addon, item: Any, *, user: CrmUser, mishap: SaveMishap | None
) -> Answer:
    if mishap is SaveMishap.LOCKED:
        return _answer(item, "failed", code="LOCK_TIMEOUT", message="The lock cannot be had")
    try:
        _check_item(item)
        if (ws_id := addon.keys.get(item["key"])) is not None:
            return _done(crm, item, ws_id, status="known", user=user)
        if item["action"] == "ask":
            return _answer(item, "unknown")
        if mishap is SaveMishap.FAILS:
            raise PhpFatal
        module = crm.entities[item["module"]]
        record = _write(module, item, user)
        addon.keys[item["key"]] = ws_id = module.ws_id(record)
        if record.deleted:
            crm.note(record, "deleted")
        else:
            await crm.stored(module, record, is_new=item["action"] == "create")
    except Refusal as refusal:
        code = php.text(refusal.code)
        return _answer(item, "refused", code=code, message=refusal.message)
    except PhpFatal:
        error = internal_error()
        return _answer(item, "failed", code=php.text(error.code), message=error.message)
    return _done(crm, item, ws_id, status="saved", user=user)


def _write(module: Entities, item: Item, user: CrmUser) -> Record:
    if item["action"] != "create" and not item["id"].startswith(f"{module.module.prefix}x"):
        raise wrong_id()
    if item["action"] == "delete":
        return module.discard(item["id"], user)
    fields = item["fields"]
    owner = php.text(fields.get("assigned_user_id"))
    if owner.startswith("19x") and module.database.users.find_by_id(owner) is None:
        raise Refusal("ACCESS_DENIED", "Cannot assign record to the given user")
    element = fields | {"id": item["id"]} if item["action"] == "revise" else fields
    if isinstance(module, SalesOrders) and LINES in fields:
        return module.write_directly(element, user)
    if item["action"] == "create":
        return module.create(element, user).record
    return module.revise(element, user).record


def _check_item(item: Any) -> None:
    if not isinstance(item, dict):
        raise invalid_record("A record has to be an object")
    key, action = item.get("key"), item.get("action")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise invalid_record("key has to be 8 to 64 letters, digits, or any of _ . : -")
    if action not in _ACTIONS:
        raise invalid_record(f"action has to be one of {', '.join(_ACTIONS)}")
    if action == "ask":
        return
    if item.get("module") not in MODULES:
        raise invalid_record(f"module has to be one of {', '.join(MODULES)}")
    if action != "create" and not _ID.fullmatch(php.text(item.get("id"))):
        raise invalid_record("id has to be that of a record")
    if action != "delete" and not (isinstance(item.get("fields"), dict) and item["fields"]):
        raise invalid_record("fields has to be an object with at least one field")


def _done(crm: Crm, item: Item, ws_id: str, *, status: str, user: CrmUser) -> Answer:
    """With the record as it is now, null if it was deleted."""
    module = crm.entities[crm.database.module_name_of(ws_id)]
    record = _find(module, ws_id)
    shown = None if record is None else module.read_whole(record, user)
    return _answer(item, status, ws_id=ws_id, record=shown)


def _find(module: Entities, ws_id: str) -> Record | None:
    record = module.database.find(ws_id)
    return record if record is not None and record.module == module.module.name else None


def _changed(module: Entities, params: Mapping[str, str]) -> tuple[list[Record], bool]:
    """Changed at or after `since`, by their numbers after the one of `after`; whether more are."""
    since, after = params.get("since", ""), params.get("after", "")
    if since and not _TIME.fullmatch(since):
        raise _invalid_parameters("since has to be YYYY-MM-DD HH:MM:SS")
    number = after.partition("x")[2]
    if after and not number.isdecimal():
        raise _invalid_parameters("after has to be the id of a record")
    limit = _limit(params.get("limit", ""), MOST, MOST)
    rows = [
        record
        for record in sorted(module.rows(), key=lambda record: record.number)
        if record.modified_at >= since and record.number > int(number or 0)
    ]
    return rows[:limit], len(rows) > limit


def _answer(
    item: Any,
    status: str,
    *,
    ws_id: str | None = None,
    code: str | None = None,
    message: str | None = None,
    record: Mapping[str, Any] | None = None,
) -> Answer:
    key = item.get("key") if isinstance(item, dict) else None
    return {
        "key": key,
        "status": status,
        "id": ws_id,
        "code": code,
        "message": message,
        "record": record,
    }


def _limit(text: str, default: int, most: int) -> int:
    sent = int(text) if text.isascii() and text.isdecimal() else default
    return max(1, min(most, sent))
