"""Fields of the CRM against the mapping: mapped ones there, mandatory ones filled, ids kept."""

from collections.abc import Iterable

from app.doctor.findings import Finding, Subject
from app.errors import System
from app.mapping.rules import FieldRule
from app.module_facts import FACTS, WITH_ROWS
from app.records import Direction, Module
from app.runtime import Runtime
from app.sync.foreign_ids import foreign_id_field, label_of
from app.sync.mappings import rules_of
from app.vtiger.schemas import VtigerModule

CRM = Subject("vtiger")
ALWAYS_SENT = frozenset({"assigned_user_id", "invoicestatus", "productid", "quantity"})
NOT_DESCRIBED = frozenset({"LineItems", "tax1"})
MANDATORY = (
    "Make it optional in CRM Settings > Module Management > Module Layouts & Fields, or map it"
    " (Field mapping), so that records made by the service have it."
)
GONE = (
    "Restore the field in CRM Settings > Module Management > Module Layouts & Fields, or switch its"
    " mapping off."
)
IDS = (
    "Add a text field of this label in CRM Settings > Module Management > Module Layouts & Fields."
    " Without it a record is found by e-mail or SKU alone after a database was lost."
)


async def check_fields(runtime: Runtime) -> list[Finding]:
    found: list[Finding] = []
    for module in WITH_ROWS:
        shape = await runtime.vtiger.describe(FACTS[module].vtiger_name)
        filled, mapped = await _fields_of(runtime, module)
        found += _mandatory(shape, filled), _mapped(shape, mapped), *_ids(shape, runtime)
    return found


async def _fields_of(runtime: Runtime, module: Module) -> tuple[set[str], set[str]]:
    """Vtiger fields that every store's mapping fills, and those that any store's maps."""
    rules = [await rules_of(runtime, store, module) for store in runtime.stores]
    filled = [{rule.vtiger for rule in each if _fills(rule)} for each in rules]
    mapped = {rule.vtiger for each in rules for rule in each if rule.direction is not Direction.OFF}
    return set.intersection(*filled), mapped - NOT_DESCRIBED - {""}


def _fills(rule: FieldRule) -> bool:
    return rule.direction.allows(System.VTIGER)


def _mandatory(shape: VtigerModule, mapped: Iterable[str]) -> Finding:
    filled = {*mapped, *ALWAYS_SENT}
    empty = [f.label for f in shape.fields if f.mandatory and f.name not in filled]
    if empty:
        message = f"{shape.name} demands {_listed(empty)}, which nothing fills"
        return CRM.failed("mandatory fields", f"{message}: new records are refused", MANDATORY)
    return CRM.ok("mandatory fields", f"{shape.name}: all are filled")


def _mapped(shape: VtigerModule, mapped: Iterable[str]) -> Finding:
    missing = sorted(name for name in mapped if shape.find_field(name) is None)
    if missing:
        message = f"{shape.name} has no field {_listed(missing)}: it is left alone"
        return CRM.warning("mapped fields", message, GONE)
    return CRM.ok("mapped fields", f"{shape.name}: all are there")


def _ids(shape: VtigerModule, runtime: Runtime) -> list[Finding]:
    """One field for the only shop, or one for each of several."""
    only = len(runtime.stores) == 1
    missing = [s for s in runtime.stores if foreign_id_field(shape, s, only_store=only) is None]
    if not missing:
        return [CRM.ok("id field", f"{shape.name} keeps the WooCommerce id")]
    labels = [label_of(store, only_store=only) for store in missing]
    return [CRM.warning("id field", f"{shape.name} has no field labelled {_listed(labels)}", IDS)]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
