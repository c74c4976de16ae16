"""Shows and changes the mapping of a module: rows with their origin and faults, and imports.

A change is checked against Vtiger's description of the module, which is read again. Faults that
existed before do not prevent other changes."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.db.session import transaction
from app.domain import InvalidInput, Module, RemoteError, System
from app.mapping.rules import FieldRule
from app.module_facts import FACTS, WITH_ROWS
from app.modules.context import foreign_id_fields, mapping_of, rules_with
from app.modules.default_mappings import DEFAULT_RULES, find_default
from app.modules.mapping_checks import RuleFault, Scene, check_table, lacking_sources
from app.policies.repository import (
    Change,
    MappingRow,
    StoreMapping,
    SyncPolicy,
    get_policy,
    save_mapping,
)
from app.runtime import Runtime
from app.sync.mappings.files import Place, Rows
from app.vtiger.schemas import VtigerModule

DEFAULT, CHANGED, CUSTOM = "default", "changed", "custom"

NO_TAXES = (
    "Taxes have no custom rows: a tax has a name and a rate and nothing else that the two systems "
    "share. The settings of module taxes define which rates are synced, and in which direction."
)
NO_FIELDS = (
    "It is a default row, whose fields cannot be changed: change its direction, write condition or "
    "transform; to map other fields, switch it off and add a row with another name."
)


class MappingRefused(InvalidInput):
    """Rows are invalid; each fault names a row and how to fix it."""

    def __init__(self, faults: Sequence[RuleFault]) -> None:
        super().__init__("; ".join(f"{fault.row}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


class MappingChanged(InvalidInput):
    """Another version was saved in the meantime."""

    def __init__(self) -> None:
        super().__init__("The mapping was changed in the meantime: read it again.", "version")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One current row. `row` is the user's row, None for an unchanged default row."""

    rule: FieldRule
    row: MappingRow | None
    origin: str
    label: str
    type: str
    faults: tuple[RuleFault, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The mapping of one store and module.

    `checked` is False if Vtiger could not be read: labels, types and missing fields are then
    unknown. `faults` are those that concern no single row.
    """

    mapping: StoreMapping
    rows: tuple[TableRow, ...]
    checked: bool
    faults: tuple[RuleFault, ...]


async def read_table(runtime: Runtime, store: str, module: Module) -> Table:
    """The current mapping with its present faults."""
    mapping = await mapping_of(runtime, store, module)
    shape = await _find_shape(runtime, module)
    scene = _scene(module, mapping.rows, shape)
    faults = await _faults(runtime, store, scene)
    rows = tuple(_table_row(rule, mapping, scene, faults) for rule in scene.rules)
    named = {row.rule.name for row in rows}
    return Table(mapping, rows, shape is not None, tuple(f for f in faults if f.row not in named))


def _table_row(
    rule: FieldRule, mapping: StoreMapping, scene: Scene, faults: Sequence[RuleFault]
) -> TableRow:
    row, field = mapping.find_row(rule.name), scene.find_vtiger(rule.vtiger)
    origin = CUSTOM if rule.custom else DEFAULT if row is None else CHANGED
    own = tuple(fault for fault in faults if fault.row == rule.name)
    label, type_ = (field.label, field.type) if field else ("", "")
    return TableRow(rule, row, origin, label, type_, own)


async def _find_shape(runtime: Runtime, module: Module) -> VtigerModule | None:
    try:
        return await runtime.shapes.get(FACTS[module].vtiger_name)
    except RemoteError:
        return None


def _scene(module: Module, rows: Sequence[MappingRow], shape: VtigerModule | None) -> Scene:
    return Scene(module, rules_with(module, rows), shape, foreign_id_fields(shape))


async def _faults(runtime: Runtime, store: str, scene: Scene) -> list[RuleFault]:
    async with runtime.sessions() as session:
        policy = await get_policy(session, store, scene.module)
    return [*check_table(scene), *_lacking(scene, policy)]


def _lacking(scene: Scene, policy: SyncPolicy) -> list[RuleFault]:
    if scene.module not in WITH_ROWS:
        return []
    woo, vtiger = (policy.direction.allows(system) for system in System)
    return lacking_sources(scene, writes_woo=woo, writes_vtiger=vtiger)


async def change_table(
    runtime: Runtime, store: str, module: Module, *, change: Change
) -> StoreMapping:
    """Save a new version of the users' rows, all or nothing.

    Raises MappingRefused, MappingChanged, and the RemoteError tree if Vtiger cannot be read.
    """
    await check_change(runtime, store, module, rows=change.rows)
    async with transaction(runtime.sessions) as session:
        saved = await save_mapping(session, store, module, change=change)
    if saved is None:
        raise MappingChanged
    return saved


async def check_change(
    runtime: Runtime, store: str, module: Module, *, rows: Sequence[MappingRow]
) -> None:
    """Raises MappingRefused if these rows add faults to the present ones."""
    if faults := _shape_faults(module, rows):
        raise MappingRefused(faults)
    shape = await runtime.shapes.refresh(FACTS[module].vtiger_name)
    now = (await mapping_of(runtime, store, module)).rows
    before, after = [
        await _faults(runtime, store, _scene(module, each, shape)) for each in (now, rows)
    ]
    if new := [fault for fault in after if fault not in before]:
        raise MappingRefused(new)


async def faults_of(
    runtime: Runtime, store: str, module: Module, *, rows: Sequence[MappingRow]
) -> list[RuleFault]:
    """The faults of these rows, independent of the current rows."""
    shape = await runtime.shapes.get(FACTS[module].vtiger_name)
    return _shape_faults(module, rows) or await _faults(runtime, store, _scene(module, rows, shape))


def _shape_faults(module: Module, rows: Sequence[MappingRow]) -> list[RuleFault]:
    if module not in WITH_ROWS and rows:
        return [RuleFault(rows[0].id, "id", NO_TAXES)]
    ids = [row.id for row in rows]
    twice = [
        RuleFault(each, "id", "Two rows have this id.")
        for each in dict.fromkeys(ids)
        if ids.count(each) > 1
    ]
    moved = [row for row in rows if not _keeps_fields(module, row)]
    return [*twice, *(RuleFault(row.id, "id", NO_FIELDS) for row in moved)]


def _keeps_fields(module: Module, row: MappingRow) -> bool:
    """Whether a row leaves the fields of its default row unchanged, or repeats them."""
    default = find_default(module, row.id)
    return default is None or (row.woo in ((), default.woo) and row.vtiger in ("", default.vtiger))


def new_id(module: Module, rows: Sequence[MappingRow], wanted: str) -> str:
    """A unique id for a row that has none, derived from its field."""
    taken = {row.id for row in rows} | {rule.name for rule in DEFAULT_RULES[module]}
    plain = "".join(char if char.isalnum() and char.isascii() else "_" for char in wanted.lower())
    base = plain.strip("_")[:60] or "row"
    base = base if base[0].isalpha() else f"row_{base}"
    numbered = (f"{base}_{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (base, *numbered) if each not in taken)


# Imports: all mappings are checked before any is saved, and saved in one transaction.


@dataclass(frozen=True, slots=True)
class Imported:
    """The changes of an import to one mapping: ids of rows, and the new version."""

    store: str
    module: Module
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    version: int


async def import_mappings(
    runtime: Runtime, wanted: Rows, *, by: str, message: str, dry_run: bool
) -> list[Imported]:
    """Replace the named mappings; equal ones are left unchanged.

    Raises InvalidInput for an unknown store, MappingRefused, MappingChanged, and the RemoteError
    tree if Vtiger cannot be read.
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
    return [_describe_import(now, place, rows) for now, place, rows in real]


async def _planned(
    runtime: Runtime, place: Place, rows: Sequence[MappingRow]
) -> tuple[StoreMapping, Place, Sequence[MappingRow]] | None:
    """The planned change of one mapping; None if it is equal already."""
    store, module = place
    if store not in runtime.stores:
        known = ", ".join(runtime.stores)
        raise InvalidInput(
            f"There is no store {store}; the configured stores are {known}.", "store"
        )
    now = await mapping_of(runtime, store, module)
    return None if tuple(rows) == now.rows else (now, place, rows)


def _describe_import(now: StoreMapping, place: Place, rows: Sequence[MappingRow]) -> Imported:
    old, new = {row.id: row for row in now.rows}, {row.id: row for row in rows}
    return Imported(
        *place,
        added=tuple(each for each in new if each not in old),
        changed=tuple(each for each in new if each in old and new[each] != old[each]),
        removed=tuple(each for each in old if each not in new),
        version=now.version + 1,
    )
