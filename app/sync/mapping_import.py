"""Whole mappings at once: all of them are checked before any is kept, and kept together."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.db.session import transaction
from app.errors import InvalidInput
from app.policies.mapping_rows import MappingRow
from app.policies.mappings import Change, Mapping, save_mapping
from app.records import Module
from app.runtime import Runtime
from app.sync.mapping_files import Place, Rows
from app.sync.mapping_table import MappingChanged, check_change
from app.sync.mappings import mapping_of


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file changes in one place: ids of rows, and the version that it makes."""

    store: str
    module: Module
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    version: int


async def import_mappings(
    runtime: Runtime, wanted: Rows, *, by: str, message: str, dry_run: bool
) -> list[Imported]:
    """Make the named mappings say what is wanted; what says so already is left as it is.

    Raises InvalidInput for a store that is not set, MappingRefused, MappingChanged, and the
    RemoteError tree while Vtiger cannot be asked.
    """
    changes = [await _planned(runtime, place, rows) for place, rows in wanted.items()]
    real = [each for each in changes if each is not None]
    for _, (store, module), rows in real:
        await check_change(runtime, store, module, rows=rows)
    if not dry_run:
        async with transaction(runtime.sessions) as session:
            for now, (store, module), rows in real:
                change = Change(rows, by, message, now.version)
                if await save_mapping(session, store, module, change=change) is None:
                    raise MappingChanged
    return [_told(now, place, rows) for now, place, rows in real]


async def _planned(
    runtime: Runtime, place: Place, rows: Sequence[MappingRow]
) -> tuple[Mapping, Place, Sequence[MappingRow]] | None:
    """None if the mapping says the same already."""
    store, module = place
    if store not in runtime.stores:
        known = ", ".join(runtime.stores)
        raise InvalidInput(f"There is no store {store}; the settings know {known}.", "store")
    now = await mapping_of(runtime, store, module)
    return None if tuple(rows) == now.rows else (now, place, rows)


def _told(now: Mapping, place: Place, rows: Sequence[MappingRow]) -> Imported:
    old, new = {row.id: row for row in now.rows}, {row.id: row for row in rows}
    return Imported(
        *place,
        added=tuple(each for each in new if each not in old),
        changed=tuple(each for each in new if each in old and new[each] != old[each]),
        removed=tuple(each for each in old if each not in new),
        version=now.version + 1,
    )
