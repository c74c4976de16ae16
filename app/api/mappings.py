"""/mappings/{store}/{module}: the mapping and its versions, the fields to map, and previews."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.deps import Admin, Caller, Guard, RuntimeDep, Time, check_store, refuse_unknown
from app.api.errors import FieldProblem, Problem, documented, invalid, invalid_fields, not_found
from app.api.examples import FIELDS, MAPPING, PREVIEW, VERSIONS, example
from app.domain import (
    DependencyNotReady,
    Direction,
    Module,
    NotFound,
    RemoteError,
    Scope,
    System,
    WriteCondition,
)
from app.mapping.rules import FieldRule
from app.mapping.transforms import OFFERED
from app.modules.context import mapping_of
from app.modules.default_mappings import find_default
from app.modules.mapping_checks import RuleFault
from app.parsing import RowNumber, Text, Version
from app.policies.repository import (
    Change,
    MappingRow,
    RowChoices,
    RowId,
    StoreMapping,
    find_mapping,
    search_mappings,
)
from app.runtime import Runtime
from app.sync.mappings.fields import OfferedField, offer_fields
from app.sync.mappings.preview import FieldAct, Preview, Trial, preview
from app.sync.mappings.table import (
    MappingChanged,
    MappingRefused,
    Table,
    TableRow,
    change_table,
    new_id,
    read_table,
)

# Request and response models


class RowFault(BaseModel):
    """A current problem of a row, and how to correct it."""

    field: str = Field(description="the part of the row; empty: the whole row")
    message: str

    @classmethod
    def of(cls, fault: RuleFault) -> Self:
        return cls(field=fault.field, message=fault.message)


class RowIn(RowChoices):
    """The new content of a row; a row without `id` is named after its field."""

    id: RowId | None = Field(None, description="name of the row")

    def named(self, row_id: str) -> MappingRow:
        return MappingRow(**self.model_dump(exclude={"id"}), id=row_id)


class RowOut(BaseModel):
    """One current row."""

    id: str
    origin: str = Field(description="`default`, `changed` (a default row) or `custom`")
    woo: list[str]
    vtiger: str
    vtiger_label: str = Field(description="empty if Vtiger has no such field or cannot be reached")
    vtiger_type: str
    direction: Direction
    transform: str
    write: WriteCondition
    required: list[System] = Field(description="systems that require a value")
    given: str
    size: int | None
    pairs: list[tuple[str, str]]
    value: str
    notation: str
    separator: str
    comment: str
    problems: list[RowFault]

    @classmethod
    def of(cls, row: TableRow) -> Self:
        rule, options = row.rule, row.rule.options
        return cls(
            id=rule.name,
            origin=row.origin,
            woo=list(rule.woo),
            vtiger=rule.vtiger,
            vtiger_label=row.label,
            vtiger_type=row.type,
            required=sorted(rule.required),
            pairs=list(options.pairs),
            comment=row.row.comment if row.row else "",
            problems=[RowFault.of(fault) for fault in row.faults],
            **_plain(rule),
        )


def _plain(rule: FieldRule) -> dict[str, object]:
    names = ("direction", "transform", "write", "given", "size")
    options = ("value", "notation", "separator")
    return {name: getattr(rule, name) for name in names} | {
        name: getattr(rule.options, name) for name in options
    }


class MappingOut(BaseModel):
    """The whole mapping of one module of one store."""

    store: str
    module: Module
    version: int = Field(description="increases with every change; 0: no change yet")
    updated_at: Time | None
    updated_by: str
    checked: bool = Field(description="false: Vtiger could not be reached, so labels are not known")
    items: list[RowOut]
    problems: list[RowFault] = Field(description="problems of the whole mapping")

    @classmethod
    def of(cls, store: str, module: Module, table: Table) -> Self:
        mapping = table.mapping
        return cls(
            store=store,
            module=module,
            version=mapping.version,
            updated_at=mapping.created_at,
            updated_by=mapping.created_by,
            checked=table.checked,
            items=[RowOut.of(row) for row in table.rows],
            problems=[RowFault.of(fault) for fault in table.faults],
        )


class VersionOut(BaseModel):
    """One version of the users' rows."""

    version: int
    created_at: Time | None
    created_by: str
    message: str
    added: list[str] = Field(description="ids of the rows that it added")
    changed: list[str]
    removed: list[str]
    rows: list[MappingRow]

    @classmethod
    def of(cls, mapping: StoreMapping, before: StoreMapping) -> Self:
        old, new = ({row.id: row for row in each.rows} for each in (before, mapping))
        return cls(
            version=mapping.version,
            created_at=mapping.created_at,
            created_by=mapping.created_by,
            message=mapping.message,
            added=[each for each in new if each not in old],
            changed=[each for each in new if each in old and new[each] != old[each]],
            removed=[each for each in old if each not in new],
            rows=list(mapping.rows),
        )


class VersionsOut(BaseModel):
    """Versions, newest first; `next_before` is null on the last page."""

    items: list[VersionOut]
    next_before: int | None


router = APIRouter(
    prefix="/mappings",
    tags=["Mappings"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(refuse_unknown)],
    responses=documented(401, 403, 404, 422),
)

CHANGES = documented(409, 502)
Seen = Annotated[
    Version | None,
    Query(description="the version that the change is based on; 409 if there is a newer one"),
]
Row = Annotated[RowId, Path(description="id of the row")]


@router.get("/{store}/{module}", responses=example(MAPPING))
async def get_mapping(runtime: RuntimeDep, store: str, module: Module) -> MappingOut:
    """The current mapping: the default rows with their changes, then the custom rows."""
    check_store(runtime, store)
    return await _read(runtime, store, module)


@router.post("/{store}/{module}", status_code=201, responses=example(MAPPING, status=201) | CHANGES)
async def add_mapping_row(
    runtime: RuntimeDep,
    caller: Admin,
    store: str,
    module: Module,
    row: RowIn,
    version: Seen = None,
) -> MappingOut:
    """Add a row. It applies from the next hint on, in every worker."""
    now = await _current(runtime, store, module, version=version)
    row_id = row.id or new_id(module, now.rows, row.vtiger or "".join(row.woo))
    if now.find_row(row_id) or find_default(module, row_id):
        message = f"The row {row_id} exists already: change it by PUT, or choose another id."
        raise invalid([FieldProblem(field="id", message=message)])
    rows = [*now.rows, row.named(row_id)]
    change = Change(rows, caller.name, f"Added row {row_id}.", now.version)
    return await _change(runtime, store, module, change=change)


@router.put("/{store}/{module}/{row_id}", responses=example(MAPPING) | CHANGES)
async def put_mapping_row(
    runtime: RuntimeDep,
    caller: Admin,
    store: str,
    module: Module,
    row_id: Row,
    row: RowIn,
    version: Seen = None,
) -> MappingOut:
    """Replace a custom row, or change a default row: its direction (`off` switches it off), write
    condition or transform. Every setting that the row has now must be named, because one that is
    left out gets its default; PATCH changes single settings."""
    now = await _current(runtime, store, module, version=version)
    _check_row(now, module, row_id, row)
    known = now.find_row(row_id)
    stored = known.stored().keys() - {"id"} if known else set()
    if missing := sorted(stored - row.model_fields_set):
        message = "is missing: PUT replaces the whole row, PATCH changes what it names"
        raise invalid_fields(missing, message)
    return await _keep_row(runtime, caller, store, module, now=now, row=row.named(row_id))


@router.patch("/{store}/{module}/{row_id}", responses=example(MAPPING) | CHANGES)
async def patch_mapping_row(
    runtime: RuntimeDep,
    caller: Admin,
    store: str,
    module: Module,
    row_id: Row,
    row: RowIn,
    version: Seen = None,
) -> MappingOut:
    """Change the named settings of a custom or default row, and keep the others."""
    now = await _current(runtime, store, module, version=version)
    _check_row(now, module, row_id, row)
    known = now.find_row(row_id)
    before = known.model_dump() if known else {}
    chosen = RowIn.model_validate(before | row.model_dump(exclude_unset=True))
    return await _keep_row(runtime, caller, store, module, now=now, row=chosen.named(row_id))


def _check_row(now: StoreMapping, module: Module, row_id: str, row: RowIn) -> None:
    if row.id not in (None, row_id):
        message = f"is {row.id}, but the address says {row_id}"
        raise invalid([FieldProblem(field="id", message=message)])
    if not (now.find_row(row_id) or find_default(module, row_id)):
        raise not_found(f"row {row_id}")


async def _keep_row(
    runtime: Runtime,
    caller: Caller,
    store: str,
    module: Module,
    *,
    now: StoreMapping,
    row: MappingRow,
) -> MappingOut:
    """Save the row in its position, or at the end if it is the first change of a default row."""
    rows = [row if each.id == row.id else each for each in now.rows]
    rows = rows if now.find_row(row.id) else [*rows, row]
    change = Change(rows, caller.name, f"Changed row {row.id}.", now.version)
    return await _change(runtime, store, module, change=change)


@router.delete("/{store}/{module}/{row_id}", responses=example(MAPPING) | CHANGES)
async def delete_mapping_row(
    runtime: RuntimeDep,
    caller: Admin,
    store: str,
    module: Module,
    row_id: Row,
    version: Seen = None,
) -> MappingOut:
    """Remove a custom row, or reset a changed default row. The values in both systems are not
    changed."""
    now = await _current(runtime, store, module, version=version)
    if now.find_row(row_id) is None:
        if find_default(module, row_id) is None:
            raise not_found(f"row {row_id}")
        message = "This is a default row: to switch it off, PUT it with direction `off`."
        raise invalid([FieldProblem(field="id", message=message)])
    rows = [each for each in now.rows if each.id != row_id]
    change = Change(rows, caller.name, f"Removed row {row_id}.", now.version)
    return await _change(runtime, store, module, change=change)


class VersionsQuery:
    """Pagination of versions, newest first, below `before`."""

    def __init__(
        self,
        before: Annotated[RowNumber | None, Query(description="only older versions")] = None,
        limit: Annotated[int, Query(ge=1, le=500, description="versions per page")] = 50,
    ) -> None:
        self.before = before
        self.limit = limit


@router.get("/{store}/{module}/history", responses=example(VERSIONS))
async def search_mapping_versions(
    runtime: RuntimeDep, store: str, module: Module, query: Annotated[VersionsQuery, Depends()]
) -> VersionsOut:
    """Every version of the rows: its author, its time and its changes."""
    check_store(runtime, store)
    async with runtime.sessions() as session:
        found = await search_mappings(
            session, store, module, before=query.before, limit=query.limit + 1
        )
    pairs = zip(found, [*found[1:], StoreMapping()], strict=False)
    items = [VersionOut.of(mapping, before) for mapping, before in pairs][: query.limit]
    more = len(found) > query.limit
    return VersionsOut(items=items, next_before=items[-1].version if more else None)


@router.post("/{store}/{module}/history/{wanted}/restore", responses=example(MAPPING) | CHANGES)
async def restore_mapping_version(
    runtime: RuntimeDep,
    caller: Admin,
    store: str,
    module: Module,
    wanted: Annotated[Version, Path(description="version; 0: only the defaults")],
    version: Seen = None,
) -> MappingOut:
    """Restore the rows of an earlier version as a new version, if they are still valid."""
    now = await _current(runtime, store, module, version=version)
    async with runtime.sessions() as session:
        earlier = await find_mapping(session, store, module, version=wanted)
    if earlier is None:
        raise not_found(f"version {wanted}")
    change = Change(earlier.rows, caller.name, f"Restored version {wanted}.", now.version)
    return await _change(runtime, store, module, change=change)


async def _read(runtime: Runtime, store: str, module: Module) -> MappingOut:
    return MappingOut.of(store, module, await read_table(runtime, store, module))


async def _current(
    runtime: Runtime, store: str, module: Module, *, version: int | None
) -> StoreMapping:
    """The current rows, for a change; 409 if the caller read an older version."""
    check_store(runtime, store)
    now = await mapping_of(runtime, store, module)
    if version not in (None, now.version):
        raise _conflict(f"The mapping is at version {now.version}: read it again.")
    return now


async def _change(runtime: Runtime, store: str, module: Module, *, change: Change) -> MappingOut:
    async with mapping_problems():
        await change_table(runtime, store, module, change=change)
    return await _read(runtime, store, module)


@asynccontextmanager
async def mapping_problems() -> AsyncIterator[None]:
    """Convert refusals of the mapping, and errors of the remotes, to problems."""
    try:
        yield
    except MappingRefused as refused:
        parts = ((fault.row, fault.field, fault.message) for fault in refused.faults)
        raise invalid(
            [FieldProblem(field=f"{row}.{part}".strip("."), message=m) for row, part, m in parts]
        ) from None
    except MappingChanged as changed:
        raise _conflict(str(changed)) from None
    except NotFound as missing:
        raise Problem(404, "not_found", str(missing)) from None
    except RemoteError as error:
        detail = f"{error.system.label} could not be read: {error}"
        raise Problem(502, error.reason, detail) from None


def _conflict(detail: str) -> Problem:
    return Problem(409, "mapping_changed", detail)


# GET …/fields and POST …/preview
#
# Both read records of the two systems with the service's own keys, whether these are synced or not,
# so they need a token of scope `admin`.

tools_router = APIRouter(
    prefix="/mappings",
    tags=["Mappings"],
    dependencies=[Depends(Guard(Scope.ADMIN)), Depends(refuse_unknown)],
    responses=documented(401, 403, 404, 422, 502),
)


class FieldOut(BaseModel):
    """A field of one system, with the name that a row uses."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    label: str
    type: str
    writable: bool
    mandatory: bool
    reserved: str = Field(description="why no row may map it; empty: a row may")
    choices: list[str] = Field(description="values of a picklist")
    example: str = Field(description="value in a recent record of the shop")
    written_by: str = Field(description="the row that writes it now")

    @classmethod
    def of(cls, offered: OfferedField) -> Self:
        return cls.model_validate(offered)


class TransformOut(BaseModel):
    """A transform that a row may name."""

    name: str
    meaning: str


class FieldsOut(BaseModel):
    """The fields of both systems, and the transforms between them."""

    woocommerce: list[FieldOut]
    vtiger: list[FieldOut]
    transforms: list[TransformOut]


class PreviewIn(BaseModel):
    """The record to preview, and optionally proposed rows."""

    model_config = ConfigDict(extra="forbid")

    system: System
    record_id: Text = Field(min_length=1, description="its id in that system")
    row: MappingRow | None = Field(None, description="a row to try in addition to the current ones")
    rows: list[MappingRow] | None = Field(
        None,
        max_length=500,
        fail_fast=True,
        description="all rows to try instead of the current ones",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.row is not None and self.rows is not None:
            raise ValueError("row and rows exclude each other: put the row among the rows")
        return self


class FieldPreviewOut(BaseModel):
    """One row: both values in neutral form, and the action of a sync."""

    model_config = ConfigDict(from_attributes=True)

    row: str
    woocommerce: str | None = Field(validation_alias="woo")
    vtiger: str | None
    act: FieldAct
    reason: str = Field(description="reason code, if the value cannot be written unchanged")
    message: str


class PreviewOut(BaseModel):
    """The result that a sync of the record would have; nothing was written."""

    label: str
    woocommerce_id: str | None
    vtiger_id: str | None
    reason: str | None = Field(description="reason code, if the record would be skipped")
    message: str
    fields: list[FieldPreviewOut]
    to_woocommerce: dict[str, Any] = Field(description="the body of the request; {}: no request")
    to_vtiger: dict[str, Any] = Field(
        description="the fields of the request, without the amounts of an order"
    )
    problems: list[RowFault] = Field(
        description="problems of proposed rows, which are then not applied"
    )

    @classmethod
    def of(cls, found: Preview) -> Self:
        return cls(
            label=found.label,
            woocommerce_id=found.woo_id,
            vtiger_id=found.vtiger_id,
            reason=found.skip.reason if found.skip else None,
            message=found.skip.message if found.skip else "",
            fields=[FieldPreviewOut.model_validate(each) for each in found.fields],
            to_woocommerce=dict(found.bodies.get(System.WOOCOMMERCE, {})),
            to_vtiger=dict(found.bodies.get(System.VTIGER, {})),
            problems=[
                RowFault(field=f"{fault.row}.{fault.field}".strip("."), message=fault.message)
                for fault in found.faults
            ],
        )


@tools_router.get("/{store}/{module}/fields", responses=example(FIELDS))
async def get_mappable_fields(runtime: RuntimeDep, store: str, module: Module) -> FieldsOut:
    """The fields that a row may map: those of the shop, with the attributes and metadata of recent
    records, and those that Vtiger describes at this moment."""
    if store not in runtime.stores:
        raise not_found(f"store {store}")
    async with mapping_problems():
        offer = await offer_fields(runtime, store, module)
    transforms = [TransformOut(name=name, meaning=text) for name, text in OFFERED.items()]
    return FieldsOut(
        woocommerce=[FieldOut.of(each) for each in offer.woo],
        vtiger=[FieldOut.of(each) for each in offer.vtiger],
        transforms=transforms,
    )


@tools_router.post("/{store}/{module}/preview", responses=example(PREVIEW) | documented(409))
async def preview_mapping(
    runtime: RuntimeDep, store: str, module: Module, wanted: PreviewIn
) -> PreviewOut:
    """A dry run on one record, with the current mapping or a proposed one. Writes nothing."""
    if store not in runtime.stores:
        raise not_found(f"store {store}")
    rows = wanted.rows
    if rows is None and wanted.row is not None:
        now = (await mapping_of(runtime, store, module)).rows
        rows = [row for row in now if row.id != wanted.row.id] + [wanted.row]
    trial = Trial(store, module, wanted.system, wanted.record_id, rows)
    try:
        async with mapping_problems():
            return PreviewOut.of(await preview(runtime, trial))
    except DependencyNotReady as waiting:
        raise Problem(409, waiting.reason, str(waiting)) from None
