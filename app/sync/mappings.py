"""The mapping in force: default rows, and over them the users' rows, read anew for every hint.

One look-up by key tells the newest version, so that a change counts in every worker at once.
"""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256

import orjson

from app.errors import System
from app.mapping.defaults import DEFAULT_RULES, find_default
from app.mapping.lenses import PLAIN, LensOptions
from app.mapping.registry import MAPPINGS
from app.mapping.rules import FieldRule, effective_rules
from app.policies.mapping_rows import MappingRow
from app.policies.mappings import Mapping, get_mapping
from app.records import Direction, Module, WriteCondition
from app.runtime import Runtime
from app.sync.places import placed
from app.vtiger.schemas import VtigerModule

_MARK_LENGTH = 8


async def mapping_of(runtime: Runtime, store: str, module: Module) -> Mapping:
    """The users' rows in force."""
    async with runtime.sessions() as session:
        return await get_mapping(session, store, module)


async def rules_of(runtime: Runtime, store: str, module: Module) -> tuple[FieldRule, ...]:
    """The whole table in force, by the countries and states of the shop."""
    rules = rules_with(module, (await mapping_of(runtime, store, module)).rows)
    return await placed(runtime, store, rules)


def rules_with(module: Module, rows: Iterable[MappingRow]) -> tuple[FieldRule, ...]:
    """The whole table with these rows of users."""
    return effective_rules(DEFAULT_RULES[module], [rule_of(module, row) for row in rows])


def rule_of(module: Module, row: MappingRow) -> FieldRule:
    """What a user's row means: a default row as changed, or one of its own."""
    default = find_default(module, row.id)
    return _custom(module, row) if default is None else _changed(default, row)


def _options(row: MappingRow) -> LensOptions:
    return LensOptions(row.pairs, row.value, row.notation, row.separator)


def _changed(default: FieldRule, row: MappingRow) -> FieldRule:
    other = row.transform is not None and row.transform != default.transform
    transform = row.transform if other and row.transform else default.transform
    return FieldRule(
        name=default.name,
        woo=default.woo,
        vtiger=default.vtiger,
        direction=row.direction or default.direction,
        transform=transform,
        write=row.write or default.write,
        required=default.required,
        given=row.given or default.given,
        size=row.size or default.size,
        options=_options(row) if other else PLAIN,
        mark=_mark(default.woo, default.vtiger, transform, row) if other else "",
    )


def _custom(module: Module, row: MappingRow) -> FieldRule:
    transform = row.transform or "text"
    return FieldRule(
        name=row.id,
        woo=row.woo,
        vtiger=row.vtiger,
        direction=row.direction or _way(module, row),
        transform=transform,
        write=row.write or WriteCondition.ALWAYS,
        required=_required(module, row),
        given=row.given,
        size=row.size,
        options=_options(row),
        shop=MAPPINGS[module].find_woo_field(row.woo[0]) if row.woo else None,
        custom=True,
        mark=_mark(row.woo, row.vtiger, transform, row),
    )


def _way(module: Module, row: MappingRow) -> Direction:
    """Both ways, unless one side can only be read or has no field."""
    if not row.woo:
        return Direction.WOO_TO_VTIGER
    if not row.vtiger:
        return Direction.VTIGER_TO_WOO
    field = MAPPINGS[module].find_woo_field(row.woo[0])
    read_only = row.woo[0].startswith("attribute:") or (field is not None and not field.writable)
    return Direction.WOO_TO_VTIGER if read_only else Direction.BOTH


def _required(module: Module, row: MappingRow) -> frozenset[System]:
    """What the default row of the same field was needed for, this one is needed for."""
    same = (rule for rule in DEFAULT_RULES[module] if rule.vtiger == row.vtiger)
    return frozenset(system for rule in same for system in rule.required if system is System.VTIGER)


def _mark(woo: tuple[str, ...], vtiger: str, transform: str, row: MappingRow) -> str:
    """Another one as soon as the row maps something else or in another way."""
    parts = [woo, vtiger, transform, row.given, row.pairs, row.value, row.separator]
    return sha256(orjson.dumps(parts)).hexdigest()[:_MARK_LENGTH]


def demanded(rules: Iterable[FieldRule], shape: VtigerModule) -> tuple[FieldRule, ...]:
    """The rules, with those of users needed by Vtiger whose field is mandatory there."""
    mandatory = {field.name for field in shape.fields if field.mandatory}
    return tuple(
        replace(rule, required=rule.required | {System.VTIGER})
        if rule.custom and rule.vtiger in mandatory
        else rule
        for rule in rules
    )
