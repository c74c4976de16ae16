"""Replaying recorded read-back probes: each value is written over REST, then read by GET."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

ABSENT = "__absent__"
LONE_SURROGATE = "\ud83d"


@dataclass(frozen=True, slots=True)
class Probe:
    """One recorded write; `spoiled` ones shared a batch with a value that is not valid JSON."""

    field: str
    op: str
    sent: Any
    status: int
    code: str | None
    read_back: Any
    before: Any
    spoiled: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Probe":
        error = row["write_error"] or {}
        refused = error.get("code") == "rest_invalid_json"
        return cls(
            field=row["field"],
            op=row["op"],
            sent=_expanded(row["sent"]),
            status=row["write_status"],
            code=error.get("code"),
            read_back=_expanded(row["read_back"]),
            before=_expanded(row["before"]),
            spoiled=refused and row["op"] == "batch",
        )


def _expanded(value: Any) -> Any:
    """Long texts were recorded as runs: {"$rle": [[text, times], ...]}."""
    if isinstance(value, dict) and "$rle" in value:
        return "".join(text * times for text, times in value["$rle"])
    return value


@dataclass(frozen=True, slots=True)
class Result:
    status: int
    code: str | None
    read_back: Any


class Module(Protocol):
    """How one module's probes are written and read: its collection, its object, its fields."""

    path: str

    @property
    def created_together(self) -> Iterable[str]:
        """The fields that one create request carried, all with the probe's value."""

    def prepare(self, probe: Probe) -> int:
        """Put an object with the probe's `before` in place and answer its id."""

    def body(self, field: str, value: Any) -> dict[str, Any]: ...

    def new_body(self, fields: dict[str, Any]) -> dict[str, Any]: ...

    def read(self, item: Mapping[str, Any], field: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Batches:
    """What a module's batches were like: the item of a probe, and one that PHP died of."""

    item: Callable[[Probe], dict[str, Any]]
    deadly_item: Callable[[], dict[str, Any]]


async def replay(
    probe: Probe, api: httpx.AsyncClient, module: Module, batches: Batches | None = None
) -> Result:
    """What the sandbox answers to the probe's write, and what a GET shows afterwards."""
    if probe.op == "create":
        return await _create(probe, api, module)
    object_id = module.prepare(probe)
    body = module.body(probe.field, probe.sent)
    if probe.op == "put":
        response = await _send(api, "PUT", f"{module.path}/{object_id}", body)
    else:
        item = batches.item(probe) if batches else body
        deadly = batches.deadly_item if batches and probe.status >= 500 else None
        response = await _batch(probe, api, module, {"id": object_id, **item}, deadly=deadly)
    return await _result(response, api, module, probe, object_id)


async def _batch(
    probe: Probe,
    api: httpx.AsyncClient,
    module: Module,
    item: dict[str, Any],
    *,
    deadly: Callable[[], dict[str, Any]] | None,
) -> httpx.Response:
    items = [item]
    if probe.spoiled:
        items.append({"id": 0, "note": LONE_SURROGATE})
    if deadly is not None:
        # Objects and empty lists stood behind the item that ended the batch, the rest before it.
        items.insert(0 if probe.sent in ({"a": "b"}, []) else 1, deadly())
    return await _send(api, "POST", f"{module.path}/batch", {"update": items})


async def _create(probe: Probe, api: httpx.AsyncClient, module: Module) -> Result:
    body = module.new_body(dict.fromkeys(module.created_together, probe.sent))
    response = await _send(api, "POST", module.path, body)
    object_id = response.json().get("id") if response.status_code == 201 else None
    return await _result(response, api, module, probe, object_id)


async def _send(api: httpx.AsyncClient, verb: str, path: str, body: Any) -> httpx.Response:
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    return await api.request(verb, path, content=content, headers=headers)


async def _result(
    response: httpx.Response,
    api: httpx.AsyncClient,
    module: Module,
    probe: Probe,
    object_id: int | None,
) -> Result:
    status, code = _verdict(response)
    if object_id is None:
        return Result(status, code, None)
    shown = (await api.get(f"{module.path}/{object_id}")).json()
    return Result(status, code, module.read(shown, probe.field))


def _verdict(response: httpx.Response) -> tuple[int, str | None]:
    """Status and error code; of a batch those of its first item."""
    body = response.json()
    if response.status_code >= 400:
        return response.status_code, body["code"]
    error = body["update"][0].get("error") if "update" in body else None
    return (error["data"]["status"], error["code"]) if error else (response.status_code, None)
