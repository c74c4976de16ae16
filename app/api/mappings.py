"""GET, POST, PUT, PATCH, DELETE /mappings/{store}/{module}: which fields carry the same value."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from app.api.deps import Admin, Caller, Guard, RuntimeDep, only_known
from app.api.errors import FieldProblem, Problem, documented, invalid, invalid_fields, not_found
from app.api.examples import example
from app.api.mapping_examples import MAPPING, VERSIONS
from app.api.mapping_shapes import MappingOut, RowIn, VersionOut, VersionsOut
from app.errors import NotFound, RemoteError
from app.inputs import RowNumber, Version
from app.mapping.defaults import find_default
from app.policies.mapping_rows import MappingRow, RowId
from app.policies.mappings import Change, Mapping, find_mapping, search_mappings
from app.policies.tokens import Scope
from app.records import Module
from app.runtime import Runtime
from app.sync.mapping_table import (
    MappingChanged,
    MappingRefused,
    change_table,
    new_id,
    read_table,
)
from app.sync.mappings import mapping_of

router = APIRouter(
    prefix="/mappings",
    tags=["Mappings"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(only_known)],
    responses=documented(401, 403, 404, 422),
)

CHANGES = documented(409, 502)
Seen = Annotated[
    Version | None,
    Query(description="the version that was read; refused with 409 if there is a newer one"),
]
Row = Annotated[RowId, Path(description="id of the row")]


@router.get("/{store}/{module}", responses=example(MAPPING))
async def get_mapping(runtime: RuntimeDep, store: str, module: Module) -> MappingOut:
    """The mapping in force: default rows, as changed or as they come, then the users' own."""
    _check_store(runtime, store)
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
    """Add a row. It counts from the next hint on, in every worker."""
    now = await _current(runtime, store, module, version=version)
    row_id = row.id or new_id(module, now.rows, row.vtiger or "".join(row.woo))
    if now.find_row(row_id) or find_default(module, row_id):
        message = f"There is a row {row_id}: change it by PUT, or choose another id."
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
    """Replace a row of your own, or change a default row: its direction (`off` switches it off),
    write condition or transform. All that the row says now must be named, for what is left out
    has its default; PATCH changes some of it."""
    now = await _current(runtime, store, module, version=version)
    _check_row(now, module, row_id, row)
    known = now.find_row(row_id)
    said = known.stored().keys() - {"id"} if known else set()
    if missing := sorted(said - row.model_fields_set):
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
    """Change what is named of a row, your own or a default one, and leave the rest as it is."""
    now = await _current(runtime, store, module, version=version)
    _check_row(now, module, row_id, row)
    known = now.find_row(row_id)
    before = known.model_dump() if known else {}
    chosen = RowIn.model_validate(before | row.model_dump(exclude_unset=True))
    return await _keep_row(runtime, caller, store, module, now=now, row=chosen.named(row_id))


def _check_row(now: Mapping, module: Module, row_id: str, row: RowIn) -> None:
    if row.id not in (None, row_id):
        message = f"is {row.id}, but the address says {row_id}"
        raise invalid([FieldProblem(field="id", message=message)])
    if not (now.find_row(row_id) or find_default(module, row_id)):
        raise not_found(f"row {row_id}")


async def _keep_row(
    runtime: Runtime, caller: Caller, store: str, module: Module, *, now: Mapping, row: MappingRow
) -> MappingOut:
    """In its place, or at the end where it changes a default row for the first time."""
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
    """Remove a row of your own; a changed default row is again as it comes. Values stay as they
    are in both systems."""
    now = await _current(runtime, store, module, version=version)
    if now.find_row(row_id) is None:
        if find_default(module, row_id) is None:
            raise not_found(f"row {row_id}")
        message = "It is a default row: to switch it off, PUT it with direction `off`."
        raise invalid([FieldProblem(field="id", message=message)])
    rows = [each for each in now.rows if each.id != row_id]
    change = Change(rows, caller.name, f"Removed row {row_id}.", now.version)
    return await _change(runtime, store, module, change=change)


class VersionsQuery:
    """Newest first, from `before` downwards."""

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
    """Every version of the rows: who made it, when, and what it changed."""
    _check_store(runtime, store)
    async with runtime.sessions() as session:
        found = await search_mappings(
            session, store, module, before=query.before, limit=query.limit + 1
        )
    pairs = zip(found, [*found[1:], Mapping()], strict=False)
    items = [VersionOut.of(mapping, before) for mapping, before in pairs][: query.limit]
    more = len(found) > query.limit
    return VersionsOut(items=items, next_before=items[-1].version if more else None)


@router.post("/{store}/{module}/history/{wanted}/restore", responses=example(MAPPING) | CHANGES)
async def restore_mapping_version(
    runtime: RuntimeDep,
    caller: Admin,
    store: str,
    module: Module,
    wanted: Annotated[Version, Path(description="version; 0: the defaults alone")],
    version: Seen = None,
) -> MappingOut:
    """Make an earlier version's rows a new version, if they can still work."""
    now = await _current(runtime, store, module, version=version)
    async with runtime.sessions() as session:
        earlier = await find_mapping(session, store, module, version=wanted)
    if earlier is None:
        raise not_found(f"version {wanted}")
    change = Change(earlier.rows, caller.name, f"Restored version {wanted}.", now.version)
    return await _change(runtime, store, module, change=change)


async def _read(runtime: Runtime, store: str, module: Module) -> MappingOut:
    return MappingOut.of(store, module, await read_table(runtime, store, module))


async def _current(runtime: Runtime, store: str, module: Module, *, version: int | None) -> Mapping:
    """What is to be changed; 409 if the caller read an older version."""
    _check_store(runtime, store)
    now = await mapping_of(runtime, store, module)
    if version not in (None, now.version):
        raise _conflict(f"The mapping is at version {now.version}: read it again.")
    return now


async def _change(runtime: Runtime, store: str, module: Module, *, change: Change) -> MappingOut:
    async with told():
        await change_table(runtime, store, module, change=change)
    return await _read(runtime, store, module)


@asynccontextmanager
async def told() -> AsyncIterator[None]:
    """Refusals of the mapping and of Vtiger as problems."""
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
        detail = f"{error.system.label} could not be asked: {error}"
        raise Problem(502, error.reason, detail) from None


def _conflict(detail: str) -> Problem:
    return Problem(409, "mapping_changed", detail)


def _check_store(runtime: Runtime, store: str) -> None:
    if store not in runtime.settings.stores:
        raise not_found(f"store {store}")
