"""The fields of both systems that a mapping row can use, for selection by users."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.domain import Module, System
from app.mapping.paths import ATTRIBUTE, META, find_raw, scalar_text
from app.mapping.rules import FieldRule
from app.module_facts import FACTS
from app.modules.context import foreign_id_fields, rules_of
from app.modules.default_mappings import MAPPINGS, UNMAPPABLE
from app.modules.mapping_checks import is_own_meta, writes
from app.parsing import rows_of
from app.runtime import Runtime
from app.vtiger.schemas import VtigerField, VtigerModule
from app.woocommerce.schemas import WooRecord

SAMPLES = 50
LONGEST_EXAMPLE = 80

HOLDS_ID = "It contains the shop's id of the record."
OF_OTHERS = "It refers to another record, or contains no text."


@dataclass(frozen=True, slots=True)
class OfferedField:
    """One field of one system, by the name that a row uses.

    `reserved` is the reason why no row may use it, `choices` are a picklist's values, `example` is
    the value in a recent record of the shop, and `written_by` is the row that writes it now.
    """

    name: str
    label: str
    type: str
    writable: bool
    mandatory: bool = False
    reserved: str = ""
    choices: tuple[str, ...] = ()
    example: str = ""
    written_by: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """The fields of both systems for one module."""

    woo: tuple[OfferedField, ...]
    vtiger: tuple[OfferedField, ...]


async def offer_fields(runtime: Runtime, store: str, module: Module) -> Offer:
    """The known fields of the shop, meta and attributes of recent records, and the fields that
    Vtiger describes, read again. Raises the RemoteError tree."""
    collection = FACTS[module].woo_collection
    if collection is None:
        return Offer((), ())
    rules = await rules_of(runtime, store, module)
    records = await runtime.stores[store].newest(collection, SAMPLES)
    shape = await runtime.shapes.refresh(FACTS[module].vtiger_name)
    return Offer(
        tuple(_with_writer(each, rules, System.WOOCOMMERCE) for each in _of_shop(module, records)),
        tuple(_with_writer(each, rules, System.VTIGER) for each in _of_vtiger(module, shape)),
    )


def _of_shop(module: Module, records: Sequence[WooRecord]) -> Iterator[OfferedField]:
    for field in MAPPINGS[module].woo_fields:
        offered = OfferedField(
            name=field.path,
            label=field.label,
            type=field.type,
            writable=field.writable,
            reserved=field.reserved,
            choices=field.choices,
        )
        yield replace(offered, example=_example(records, field.path))
    for name, label in _attributes(module, records).items():
        example = _example(records, name)
        yield OfferedField(name, f"Attribute {label}", "text", writable=False, example=example)
    for name in _meta_keys(module, records):
        example, kind = _example(records, name), _meta_type(records, name)
        yield OfferedField(name, f"Meta {name[len(META) :]}", kind, writable=True, example=example)


def _rows(records: Sequence[WooRecord], key: str) -> Iterator[Mapping[str, Any]]:
    for record in records:
        yield from rows_of(record.data.get(key))


def _attributes(module: Module, records: Sequence[WooRecord]) -> dict[str, str]:
    if not MAPPINGS[module].has_attributes:
        return {}
    names = (str(row.get("name") or "") for row in _rows(records, "attributes"))
    return {ATTRIBUTE + name: name for name in sorted({*filter(None, names)})}


def _meta_keys(module: Module, records: Sequence[WooRecord]) -> list[str]:
    keys = {str(row.get("key") or "").strip() for row in _rows(records, "meta_data")}
    hidden = MAPPINGS[module].hides_meta
    shown = (key for key in keys if key and not (hidden and key.startswith("_")))
    return sorted(META + key for key in shown if not is_own_meta(key))


def _meta_type(records: Sequence[WooRecord], name: str) -> str:
    held = (find_raw(record.data, name) for record in records)
    return "list" if any(isinstance(each, list) and each for each in held) else "text"


def _example(records: Sequence[WooRecord], name: str) -> str:
    for record in records:
        held = find_raw(record.data, name)
        text = ", ".join(map(str, held)) if isinstance(held, list) else scalar_text(held)
        if text and text.strip():
            return text[:LONGEST_EXAMPLE]
    return ""


def _of_vtiger(module: Module, shape: VtigerModule) -> Iterator[OfferedField]:
    own = foreign_id_fields(shape)
    for field in shape.fields:
        reserved = HOLDS_ID if field.name in own else MAPPINGS[module].why_reserved(field.name)
        reserved = reserved or (OF_OTHERS if field.type in UNMAPPABLE else "")
        yield _offered(field, reserved)


def _offered(field: VtigerField, reserved: str) -> OfferedField:
    return OfferedField(
        name=field.name,
        label=field.label,
        type=field.type,
        writable=field.editable,
        mandatory=field.mandatory,
        reserved=reserved,
        choices=field.picklist,
    )


def _with_writer(offered: OfferedField, rules: Sequence[FieldRule], system: System) -> OfferedField:
    woo = system is System.WOOCOMMERCE
    names = (
        rule.name
        for rule in rules
        if writes(rule, system) and offered.name in (rule.woo if woo else (rule.vtiger,))
    )
    return replace(offered, written_by=next(names, ""))
