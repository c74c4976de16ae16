"""Checks of users' mapping rows: each fault names the row, the part of it, and how to fix it. Pure:
Vtiger's fields are taken from its describe, WooCommerce's from `woo_fields`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.domain import Direction, Module, System
from app.mapping.paths import ATTRIBUTE, META, WooField
from app.mapping.rules import FieldRule
from app.mapping.transforms import OFFERED, find_transform
from app.modules.default_mappings import (
    CONSTANT_AS,
    MAPPINGS,
    TRANSFORMABLE,
    UNMAPPABLE,
    ModuleMapping,
    find_default,
    suits_vtiger,
    suits_woo,
)
from app.vtiger.schemas import VtigerField, VtigerModule


@dataclass(frozen=True, slots=True)
class RuleFault:
    """A fault of a row: `field` is the part to fix, "" for the row as a whole."""

    row: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What rows are checked against. `shape` is None if Vtiger's describe could not be read."""

    module: Module
    rules: Sequence[FieldRule]
    shape: VtigerModule | None
    id_fields: frozenset[str] = frozenset()

    @property
    def mapping(self) -> ModuleMapping:
        return MAPPINGS[self.module]

    def find_vtiger(self, name: str) -> VtigerField | None:
        return self.shape.find_field(name) if self.shape else None


_OWN_META = frozenset({"vtiger_id", "_vtiger_id", "vtiger_hash", "_vtiger_hash"})
Check = Callable[[FieldRule, Scene], Iterator[tuple[str, str]]]


def check_table(scene: Scene) -> list[RuleFault]:
    """The faults of all rows; [] if there is none."""
    return [fault for rule in scene.rules for fault in check_rule(rule, scene)]


def check_rule(rule: FieldRule, scene: Scene) -> list[RuleFault]:
    """The faults of one row in its table. A row that is off is not checked."""
    if rule.direction is Direction.OFF:
        return []
    default = find_default(scene.module, rule.name)
    if default is not None:
        faults = list(_check_default(rule, default, scene))
    else:
        faults = list(_check_transform(rule, scene))
        faults = faults or [found for check in _CHECKS for found in check(rule, scene)]
    return [RuleFault(rule.name, part, message) for part, message in faults]


def _check_default(rule: FieldRule, default: FieldRule, scene: Scene) -> Iterator[tuple[str, str]]:
    if rule.direction.within(default.direction) is not rule.direction:
        yield "direction", f"{rule.name} can only be synced {default.direction}."
    if rule.transform != default.transform:
        fixed = rule.name in scene.mapping.fixed or default.transform not in TRANSFORMABLE
        if fixed:
            yield "transform", f"{rule.name} has a fixed transform: leave out the transform."
        else:
            yield from _check_transform(rule, scene)


def is_own_meta(key: str) -> bool:
    """Whether the sync itself uses this meta key."""
    return key in _OWN_META


def writes(rule: FieldRule, target: System) -> bool:
    return rule.direction.allows(target)


def _check_transform(rule: FieldRule, scene: Scene) -> Iterator[tuple[str, str]]:
    if rule.transform not in OFFERED:
        known = ", ".join(OFFERED)
        yield "transform", f"There is no transform {rule.transform}: use one of {known}."
        return
    transform_pair = find_transform(rule.transform, rule.options)
    if not transform_pair.least_paths <= len(rule.woo) <= transform_pair.most_paths:
        wanted = " to ".join(
            dict.fromkeys((str(transform_pair.least_paths), str(transform_pair.most_paths)))
        )
        yield "woo", f"{rule.transform} takes {wanted} WooCommerce fields, not {len(rule.woo)}."
    if transform_pair.needs_given and rule.given not in {each.name for each in scene.rules}:
        yield "given", "A state needs its country: name the row of the country in `given`."
    if rule.transform == "constant":
        yield from _check_constant(rule)
    elif not rule.vtiger:
        yield "vtiger", "Name the Vtiger field, such as cf_853."
    if rule.transform == "picklist" and not rule.options.pairs:
        yield "pairs", "A picklist needs pairs of values; to copy values unchanged, use text."
    yield from _check_pairs(rule)


def _check_constant(rule: FieldRule) -> Iterator[tuple[str, str]]:
    if bool(rule.woo) == bool(rule.vtiger):
        yield (
            "vtiger",
            "A constant is written to one side: name one field, and leave out the other.",
        )
    elif not rule.options.value.strip():
        yield "value", "Enter the value that is to be written."
    else:
        direction = Direction.VTIGER_TO_WOO if rule.woo else Direction.WOO_TO_VTIGER
        if rule.direction is not direction:
            yield "direction", f"A constant for this side has one direction: {direction}."


def _check_pairs(rule: FieldRule) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for woo, _ in rule.options.pairs:
        if woo in seen:
            yield "pairs", f"{woo} is listed twice on WooCommerce's side: keep one pair."
        seen.add(woo)


def _check_woo(rule: FieldRule, scene: Scene) -> Iterator[tuple[str, str]]:
    for path in rule.woo:
        if path.startswith(META):
            yield from _check_meta(path, scene)
        elif path.startswith(ATTRIBUTE) and scene.mapping.has_attributes:
            if writes(rule, System.WOOCOMMERCE):
                yield "direction", f"{path} is read-only: set the direction to woo_to_vtiger."
        else:
            yield from _check_known(rule, path, scene)


def _check_meta(path: str, scene: Scene) -> Iterator[tuple[str, str]]:
    key = path[len(META) :]
    if not key.strip() or key != key.strip():
        yield "woo", "Name the meta key, as in meta:vat_number."
    elif is_own_meta(key):
        yield "woo", f"{path} is used by the sync itself: use another key."
    elif key.startswith("_") and scene.mapping.hides_meta:
        yield "woo", "WooCommerce hides customers' meta that begins with _: use another key."


def _check_known(rule: FieldRule, path: str, scene: Scene) -> Iterator[tuple[str, str]]:
    field = scene.mapping.find_woo_field(path)
    if field is None:
        known = ", ".join(each.path for each in scene.mapping.woo_fields if not each.reserved)
        yield "woo", f"WooCommerce has no field {path} here: use meta:KEY, or one of {known}."
    elif field.reserved:
        yield "woo", f"{path} cannot be mapped: {field.reserved}"
    elif writes(rule, System.WOOCOMMERCE):
        yield from _check_writable(rule, field)


def _check_writable(rule: FieldRule, field: WooField) -> Iterator[tuple[str, str]]:
    if not field.writable:
        yield "direction", f"{field.path} is read-only: set the direction to woo_to_vtiger."
    elif not suits_woo(rule.transform, field.type):
        message = f"{field.path} is of type {field.type}: {rule.transform} cannot write it."
        yield "transform", message
    else:
        yield from _check_value(rule, field.type)


def _check_vtiger(rule: FieldRule, scene: Scene) -> Iterator[tuple[str, str]]:
    if not rule.vtiger:
        return
    if why := scene.mapping.why_reserved(rule.vtiger):
        yield "vtiger", f"{rule.vtiger} cannot be mapped: {why}"
    elif rule.vtiger in scene.id_fields:
        yield "vtiger", f"{rule.vtiger} is the field for the shop's id: use another field."
    elif scene.shape is not None:
        yield from _check_described(rule, scene.find_vtiger(rule.vtiger), scene)


def _check_described(
    rule: FieldRule, field: VtigerField | None, scene: Scene
) -> Iterator[tuple[str, str]]:
    if field is None:
        module = scene.shape.name if scene.shape else ""
        yield (
            "vtiger",
            (
                f"Vtiger's {module} has no field {rule.vtiger}: it was removed, or the API user "
                "may not see it. Choose another field, or switch the row off."
            ),
        )
    elif field.type in UNMAPPABLE:
        message = f"{rule.vtiger} ({field.label}) is of type {field.type}: it has no plain value."
        yield "vtiger", message
    elif writes(rule, System.VTIGER):
        if not field.editable:
            message = f"{rule.vtiger} is read-only: set the direction to vtiger_to_woo."
            yield "direction", message
        elif not suits_vtiger(rule.transform, field.type):
            message = f"{rule.vtiger} ({field.label}) is of type {field.type}: "
            yield "transform", f"{message}{rule.transform} cannot write it."
        else:
            yield from _check_value(rule, field.type)


def _check_value(rule: FieldRule, type_: str) -> Iterator[tuple[str, str]]:
    if rule.transform != "constant" or type_ not in CONSTANT_AS:
        return
    transform_pair = find_transform(CONSTANT_AS[type_], rule.options)
    value = transform_pair.read(rule.options.value, "")
    if fault := transform_pair.fault(value, System.VTIGER):
        yield "value", f"The field is of type {type_}. {fault}"


def _check_targets(rule: FieldRule, scene: Scene) -> Iterator[tuple[str, str]]:
    """Two rows that write the same field would overwrite each other with every sync."""
    others = [each for each in scene.rules if each.name != rule.name]
    if writes(rule, System.VTIGER):
        taken = [o for o in others if writes(o, System.VTIGER) and o.vtiger == rule.vtiger]
        for other in taken[:1]:
            yield "vtiger", _taken(rule.vtiger, other, scene.module)
    if writes(rule, System.WOOCOMMERCE):
        written = [o for o in others if writes(o, System.WOOCOMMERCE)]
        for other in [o for o in written if set(o.woo) & set(rule.woo)][:1]:
            yield "woo", _taken(next(iter(set(other.woo) & set(rule.woo))), other, scene.module)


def _taken(field: str, other: FieldRule, module: Module) -> str:
    kind = "default row" if find_default(module, other.name) else "row"
    return f"{field} is written by the {kind} {other.name}: switch that off first, or let one read."


_CHECKS: tuple[Check, ...] = (_check_woo, _check_vtiger, _check_targets)


# Mandatory fields: each must be written by a row.

SUPPLIED = frozenset({"assigned_user_id", "invoicestatus", "productid"})
"""Mandatory fields that the sync fills without a row."""


def lacking_sources(scene: Scene, *, writes_woo: bool, writes_vtiger: bool) -> list[RuleFault]:
    """A fault for each mandatory field that no row writes."""
    return [
        *(_lacking_vtiger(scene) if writes_vtiger else ()),
        *(_lacking_woo(scene) if writes_woo else ()),
    ]


def _lacking_vtiger(scene: Scene) -> Iterator[RuleFault]:
    written = {rule.vtiger for rule in scene.rules if writes(rule, System.VTIGER)}
    for field in scene.shape.fields if scene.shape else ():
        if field.mandatory and field.name not in written | SUPPLIED:
            default = next((r.name for r in scene.rules if r.vtiger == field.name), "")
            remedy = f"let row {default} write it" if default else "map it, or give it a constant"
            message = f"Vtiger accepts no record without {field.label} ({field.name}): {remedy}."
            yield RuleFault(default, "direction" if default else "", message)


def _lacking_woo(scene: Scene) -> Iterator[RuleFault]:
    for rule in scene.rules:
        is_required = System.WOOCOMMERCE in rule.required and not rule.custom
        if is_required and not any(
            writes(other, System.WOOCOMMERCE) and rule.woo[0] in other.woo for other in scene.rules
        ):
            path = rule.woo[0]
            message = f"WooCommerce accepts no record without {path}: let row {rule.name} write it."
            yield RuleFault(rule.name, "direction", message)
