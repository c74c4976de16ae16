"""Previews what a sync of one record would write, field by field, with any mapping."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import uuid4

from app.domain import Direction, InvalidInput, Module, NotFound, Record, RecordUnreadable, System
from app.links.leases import hold
from app.links.models import Link
from app.links.repository import find_link
from app.mapping.rules import FieldRule, read_base
from app.mapping.values import Patch, Value
from app.module_facts import WITH_ROWS
from app.modules.context import Context, mapping_of, placed, policy_of, rules_with
from app.modules.mapping_checks import RuleFault
from app.modules.ports import Adapter, Side, Skip, direction_skip, only_in
from app.modules.registry import SPECS
from app.modules.shop_creation import ShopCreation
from app.policies.repository import MappingRow, SyncPolicy
from app.runtime import Runtime
from app.sync.agreement import newer_side
from app.sync.creation import choose_twin
from app.sync.mappings.table import faults_of
from app.sync.merge import Blocked, Merge, merge
from app.sync.work import resolve

# The request body of a change, built by the mapping of the module.


async def draft(
    adapter: Adapter, changes: Mapping[str, Value], source: Side, current: Side | None
) -> Patch:
    """The request to write `changes` of `source` to `current`, or to a new record (None)."""
    draft_of_module = SPECS[adapter.module].draft
    if draft_of_module is None:
        raise TypeError(f"{adapter.module} cannot be drafted")
    return await draft_of_module(adapter, changes, source, current)


NO_TAXES = "Taxes have no custom rows, so there is nothing to preview."
GONE = "{system} has no {module} {id}."
NOTHING_BLOCKED: Mapping[str, Blocked] = {}


class FieldAct(StrEnum):
    """What a sync would do with the field of a row."""

    TO_WOOCOMMERCE = "to_woocommerce"
    TO_VTIGER = "to_vtiger"
    CONFLICT = "conflict"
    NOTHING = "nothing"
    OFF = "off"
    GONE = "field_vanished"


@dataclass(frozen=True, slots=True)
class FieldPreview:
    """One row: both values as compared, the action, and why a value is left out."""

    row: str
    woo: Value
    vtiger: Value
    act: FieldAct
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """The preview of one record with one mapping.

    `bodies` are the requests to each system, `skip` is the reason why nothing would be written, and
    `faults` are those of proposed rows, which are left out.
    """

    label: str
    woo_id: str | None
    vtiger_id: str | None
    fields: tuple[FieldPreview, ...] = ()
    bodies: Mapping[System, Mapping[str, Any]] = field(default_factory=dict)
    skip: Skip | None = None
    faults: tuple[RuleFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """The record to preview, and the custom rows to use; None for the current rows."""

    store: str
    module: Module
    system: System
    record_id: str
    rows: Sequence[MappingRow] | None = None


async def preview(runtime: Runtime, trial: Trial) -> Preview:
    """Preview a record; reads both systems and writes nothing.

    Raises InvalidInput for taxes, NotFound, DependencyNotReady and the RemoteError tree.
    """
    if trial.module not in WITH_ROWS:
        raise InvalidInput(NO_TAXES, "module")
    rows = trial.rows
    if rows is None:
        rows = (await mapping_of(runtime, trial.store, trial.module)).rows
    faults = await faults_of(runtime, trial.store, trial.module, rows=rows)
    bad = {fault.row for fault in faults}
    rules = rules_with(trial.module, [row for row in rows if row.id not in bad])
    rules = await placed(runtime, trial.store, rules)
    policy = await policy_of(runtime, trial.store, trial.module)
    key, seconds = f"preview:{uuid4().hex}", runtime.settings.worker.lease_seconds
    async with hold(runtime.sessions, [key], owner=key, seconds=seconds) as lease:
        context = Context(runtime, trial.store, policy, lease, proposed=rules)
        adapter: Adapter = await SPECS[trial.module].open(context)
        try:
            return await _Previewer(runtime, trial, policy, adapter, tuple(faults)).run()
        except RecordUnreadable as error:
            return _unreadable(trial, error, tuple(faults))


def _unreadable(trial: Trial, error: RecordUnreadable, faults: tuple[RuleFault, ...]) -> Preview:
    woo_id, vtiger_id = only_in(trial.system, trial.record_id)
    return Preview("", woo_id, vtiger_id, skip=Skip(error.reason, str(error)), faults=faults)


@dataclass(frozen=True, slots=True)
class _Previewer:
    """Previews one record as a drain would sync it."""

    runtime: Runtime
    trial: Trial
    policy: SyncPolicy
    adapter: Adapter
    faults: tuple[RuleFault, ...]

    async def run(self) -> Preview:
        requested = Record(
            self.trial.store, self.trial.system, self.trial.module, self.trial.record_id
        )
        record = await resolve(self.runtime, requested)
        source = await self.adapter.find(record.system, record.id)
        if source is None:
            module = self.trial.module.replace("_", " ")
            message = GONE.format(system=record.system.label, module=module, id=record.id)
            raise NotFound(record.system, message)
        if refused := self.adapter.objection(source):
            return self._alone(source, refused)
        return await self._with_partner(record, source)

    async def _with_partner(self, record: Record, source: Side) -> Preview:
        async with self.runtime.sessions() as session:
            link = await find_link(session, record)
        if link is not None:
            other = record.system.other
            partner = await self.adapter.find(other, link.side(other).id)
            if partner is None:
                message = GONE.format(system=other.label, module="partner", id="any more")
                return self._alone(source, Skip("not_found", message))
            return await self._pair(link, source, partner)
        twin = await choose_twin(self.adapter, self.policy, source)
        if isinstance(twin, Skip):
            return self._alone(source, twin)
        module = self.trial.module
        fresh = Link(module=module, woo_written_at=None, vtiger_written_at=None, base={})
        return await (self._pair(fresh, source, twin) if twin else self._creation(source))

    def _alone(self, source: Side, skip: Skip) -> Preview:
        fields = [
            FieldPreview(rule.name, *only_in(source.system, _value(source, rule)), FieldAct.NOTHING)
            for rule in self.adapter.rules
        ]
        woo_id, vtiger_id = only_in(source.system, source.id)
        return Preview(
            source.label, woo_id, vtiger_id, tuple(fields), skip=skip, faults=self.faults
        )

    async def _creation(self, source: Side) -> Preview:
        target, direction = source.system.other, self.policy.direction
        if not direction.allows(target):
            return self._alone(source, direction_skip(direction, target))
        creation = ShopCreation(self.runtime, self.trial.store, self.adapter.module, self.policy)
        refused = (await creation.refuse([source])).get(source.id)
        refused = refused or self.adapter.creation_objection(source)
        if refused:
            return self._alone(source, refused)
        patch = await draft(self.adapter, source.values.values, source, None)
        sides = {source.system: source}
        names = {
            rule.name
            for rule in self.adapter.rules
            if source.values.get(rule.name) and rule.direction.allows(target)
        }
        acts = dict.fromkeys(names, _to(target))
        return self._build_preview(sides, acts, {target: patch})

    async def _pair(self, link: Link, source: Side, partner: Side) -> Preview:
        sides = {source.system: source, partner.system: partner}
        merged = self._merge(link, sides)
        changes = {system: merged.changes(system) for system in System}
        patches = {
            target: await draft(self.adapter, values, sides[target.other], sides[target])
            for target, values in changes.items()
            if values
        }
        acts = {name: _to(target) for target, values in changes.items() for name in values}
        acts |= dict.fromkeys((each.field for each in merged.conflicts), FieldAct.CONFLICT)
        acts |= dict.fromkeys(merged.missing_fields, FieldAct.GONE)
        return self._build_preview(sides, acts, patches, merged.blocked)

    def _merge(self, link: Link, sides: Mapping[System, Side]) -> Merge:
        woo, vtiger = sides[System.WOOCOMMERCE], sides[System.VTIGER]
        return merge(
            read_base(link.base, self.adapter.rules),
            woo.values,
            vtiger.values,
            rules=self.adapter.rules,
            direction=self.policy.direction,
            policy=self.policy.conflict_policy,
            newer=newer_side(link, sides),
            carried=self.adapter.converted_names(woo, vtiger),
        )

    def _build_preview(
        self,
        sides: Mapping[System, Side],
        acts: Mapping[str, FieldAct],
        patches: Mapping[System, Patch],
        blocked: Mapping[str, Blocked] = NOTHING_BLOCKED,
    ) -> Preview:
        notes = {note.field: note for patch in patches.values() for note in patch.notes}
        fields = []
        for rule in self.adapter.rules:
            woo, vtiger = (_value(sides.get(system), rule) for system in System)
            note = notes.get(rule.name)
            note_text = (note.reason, note.message) if note else ("", "")
            if rule.name in blocked:
                note_text = ("direction_off", blocked[rule.name].message)
            act = acts.get(rule.name, FieldAct.NOTHING)
            act = FieldAct.OFF if rule.direction is Direction.OFF else act
            fields.append(FieldPreview(rule.name, woo, vtiger, act, *note_text))
        label = next((side.label for side in sides.values() if side.label), "")
        woo_id, vtiger_id = (sides[each].id if each in sides else None for each in System)
        bodies = {target: {**patch.body, **patch.apart} for target, patch in patches.items()}
        return Preview(label, woo_id, vtiger_id, tuple(fields), bodies, faults=self.faults)


def _value(side: Side | None, rule: FieldRule) -> Value:
    return side.values.get(rule.name) if side else None


def _to(target: System) -> FieldAct:
    return FieldAct.TO_VTIGER if target is System.VTIGER else FieldAct.TO_WOOCOMMERCE
