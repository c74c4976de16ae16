"""Every recorded probe of what Vtiger makes of a written value, replayed against the sandbox."""

import gzip
import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import pytest

from tests.sandbox.vtiger.webservice import RECORDINGS, Refused, WebService

pytestmark = pytest.mark.anyio

Probe = dict[str, Any]
NAMING: dict[str, dict[str, Any]] = {
    "Contacts": {"lastname": "Base"},
    "Products": {"productname": "Base"},
    "SalesOrder": {
        "subject": "Base",
        "sostatus": "Created",
        "account_id": "11x9999",
        "bill_street": "b",
        "ship_street": "s",
        "invoicestatus": "Created",
        "productid": "14x2",
    },
}
LINE = {"productid": "14x2", "quantity": "2", "listprice": "10", "comment": "Base"}
ON_LINE = "line."
ABSENT = "__absent__"


def probes(file: str) -> list[Probe]:
    with gzip.open(RECORDINGS / f"readback-{file}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [_expanded(json.loads(line)) for line in lines]


def _expanded(value: Any) -> Any:
    """Long texts are recorded as runs: {"$rle": [["a", 65535]]}."""
    if isinstance(value, dict) and "$rle" in value:
        return "".join(text * times for text, times in value["$rle"])
    if isinstance(value, dict):
        return {key: _expanded(item) for key, item in value.items()}
    return value


class Bench:
    """Writes one probe after the other and collects what came out differently."""

    def __init__(self, service: WebService) -> None:
        self._service = service
        self._base: dict[str, str] = {}
        self.mismatches: list[str] = []

    async def revise(self, probe: Probe) -> None:
        ws_id = await self._prepared(probe)
        fields = _fields({probe["field"]: probe["sent"]})
        error = await self._written(self._service.revise(ws_id, **fields))
        self._compare(probe, error, await self._service.get("retrieve", id=ws_id))

    async def create(self, together: list[Probe]) -> None:
        """One record was created with the same value in every probed field."""
        probe = together[0]
        named = {item["field"]: item["sent"] for item in together}
        fields = _complete(probe["module"], _fields(named))
        writing = self._service.create(probe["module"], **fields)
        error = await self._written(writing)
        record = None
        if error is None:
            last = self._service.crm.records(probe["module"])[-1]
            record = await self._service.get("retrieve", id=last["id"])
        for item in together:
            self._compare(item, error, record)

    async def _prepared(self, probe: Probe) -> str:
        module, before = probe["module"], {probe["field"]: probe["before"]}
        crm = self._service.crm
        if module == "Accounts":
            return await crm.ui_create(module, before)
        if module not in self._base:
            await crm.ui_create("Products", {"productname": "Item", "unit_price": "10"})
            self._base[module] = await crm.ui_create(module, NAMING[module])
        await crm.ui_edit(self._base[module], _typed(module, before))
        return self._base[module]

    async def _written(self, writing: Any) -> Refused | None:
        try:
            await writing
        except Refused as refused:
            return refused
        return None

    def _compare(self, probe: Probe, error: Refused | None, record: Probe | None) -> None:
        expected = probe["write_status"], _code(probe["write_error"]), probe["read_back"]
        status = error.status if error else 200
        found = status, _code(error.error if error else None), _read(record, probe["field"])
        if status == 500:
            found = status, "HTTP500", found[2]
        if found != expected:
            shown = {key: str(probe[key])[:80] for key in ("field", "op", "sent", "before")}
            self.mismatches.append(f"{shown} gave {found!r:.160}, recorded {expected!r:.160}")


def _fields(named: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a line's fields are sent within the one line of the order."""
    header = {name: value for name, value in named.items() if not name.startswith(ON_LINE)}
    line = {
        name.removeprefix(ON_LINE): value
        for name, value in named.items()
        if name.startswith(ON_LINE)
    }
    return header | ({"LineItems": [LINE | line]} if line else {})


def _complete(module: str, fields: dict[str, Any]) -> dict[str, Any]:
    if module != "SalesOrder":
        return fields
    return NAMING[module] | {"LineItems": [LINE]} | fields


def _typed(module: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """How a person brings the record into the state the probe started from."""
    if ABSENT in before.values():
        return NAMING[module] | {"LineItems": []}
    return NAMING[module] | _fields(before)


def _read(record: Probe | None, field: str) -> Any:
    if record is None:
        return None
    if not field.startswith(ON_LINE):
        return record[field]
    lines = record["LineItems"]
    return lines[0][field.removeprefix(ON_LINE)] if lines else ABSENT


def _code(error: Probe | None) -> Any:
    return error["code"] if error else None


def _groups(creates: list[Probe]) -> Iterator[list[Probe]]:
    for _, together in groupby(creates, key=lambda probe: json.dumps(probe["sent"])):
        yield list(together)


@pytest.mark.parametrize("file", ["accounts", "contacts", "products", "sales-orders"])
async def test_every_probe_reads_back_as_recorded(service: WebService, file: str) -> None:
    bench = Bench(service)
    chosen = [probe for probe in probes(file) if not _lost_its_line(probe)]
    for probe in chosen:
        if probe["op"] == "revise":
            await bench.revise(probe)
    for together in _groups([probe for probe in chosen if probe["op"] == "create"]):
        await bench.create(together)
    assert len(chosen) > 100
    assert not bench.mismatches, "\n".join(bench.mismatches)


def _lost_its_line(probe: Probe) -> bool:
    """The one order of 148 created in parallel that got no line: chance, not a rule of values."""
    return bool(
        probe["op"] == "create" and probe["write_status"] == 200 and probe["read_back"] == ABSENT
    )
