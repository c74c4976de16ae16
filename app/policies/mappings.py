"""The users' mapping rows of each store and module, every version of them, who made it and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.policies.mapping_rows import MappingRow
from app.policies.models import MappingVersion
from app.records import Module


@dataclass(frozen=True, slots=True)
class Mapping:
    """One version of the users' rows; version 0 is the default mapping that nobody changed."""

    version: int = 0
    rows: tuple[MappingRow, ...] = ()
    created_at: datetime | None = None
    created_by: str = ""
    message: str = ""

    def find_row(self, row_id: str) -> MappingRow | None:
        return next((row for row in self.rows if row.id == row_id), None)


@dataclass(frozen=True, slots=True)
class Change:
    """A new version: its rows, made by whom and why, out of which version."""

    rows: Sequence[MappingRow]
    by: str
    message: str
    after: int


async def get_mapping(session: AsyncSession, store: str, module: Module) -> Mapping:
    """The version in force."""
    found = _versions(store, module).limit(1)
    row: MappingVersion | None = await session.scalar(found)
    return _mapping(row) if row else Mapping()


async def find_mapping(
    session: AsyncSession, store: str, module: Module, *, version: int
) -> Mapping | None:
    """An earlier version; 0 is always there."""
    if version == 0:
        return Mapping()
    row = await session.get(MappingVersion, (store, module, version))
    return _mapping(row) if row else None


async def search_mappings(
    session: AsyncSession, store: str, module: Module, *, before: int | None, limit: int
) -> list[Mapping]:
    """Versions, newest first."""
    found = _versions(store, module).limit(limit)
    if before is not None:
        found = found.where(MappingVersion.version < before)
    return [_mapping(row) for row in await session.scalars(found)]


async def save_mapping(
    session: AsyncSession, store: str, module: Module, *, change: Change
) -> Mapping | None:
    """The new version; None if somebody made another one meanwhile."""
    current = await get_mapping(session, store, module)
    if current.version != change.after:
        return None
    values = {
        "store": store,
        "module": module,
        "version": change.after + 1,
        "rows": [row.stored() for row in change.rows],
        "created_at": func.now(),
        "created_by": change.by,
        "message": change.message,
    }
    made = insert(MappingVersion).values(values).on_conflict_do_nothing()
    row = await session.scalar(made.returning(MappingVersion))
    return _mapping(row) if row else None


def _versions(store: str, module: Module) -> Select[MappingVersion]:
    return (
        select(MappingVersion)
        .where(MappingVersion.store == store, MappingVersion.module == module)
        .order_by(MappingVersion.version.desc())
    )


def _mapping(row: MappingVersion) -> Mapping:
    rows = tuple(MappingRow.model_validate(each) for each in row.rows)
    return Mapping(row.version, rows, row.created_at, row.created_by, row.message)
