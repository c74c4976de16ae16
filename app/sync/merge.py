"""Three-way merge of two sides and their base into the values to write to each system.

Per field: a change on one side is written to the other; the same change on both sides is agreed;
different changes are a conflict, resolved by the policy. Decision 6."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from app.domain import ConflictPolicy, Direction, System, WriteCondition
from app.mapping.rules import FieldRule
from app.mapping.values import Agreed, Base, Mapped, Value

NOTHING_DECIDED: Mapping[str, "Decision"] = {}
BLOCKED = "The direction is {direction}: {system} is not written."
DIFFER = "{blocked} Fields that differ: {fields}."


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that both sides changed; `winner` is None while the conflict is open."""

    field: str
    woo: Value
    vtiger: Value
    winner: System | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A user's decision on a conflict; valid for these two values, which the user saw."""

    winner: System
    woo: Value
    vtiger: Value


@dataclass(frozen=True, slots=True)
class Merge:
    """The values to write to each system; `seen` holds both sides of each written field as read.

    `agreed` are new base entries that need no write: fields that are equal now, and those whose
    difference is not to be synced (direction, write condition), so that it is not evaluated again
    on every hint. `missing_fields` names custom rows with a changed value for which one system has
    no field any more, and that system. `blocked` names changed fields that the direction does not
    allow to write. `reopened` are base entries to be stored before the writes: those of fields that
    a target refused until now, because of another field's value. `untranslated` names fields whose
    new value in the shop Vtiger has no term for, so that nothing is written.
    """

    to_woo: dict[str, Value] = field(default_factory=dict)
    to_vtiger: dict[str, Value] = field(default_factory=dict)
    agreed: dict[str, Agreed] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    seen: dict[str, Agreed] = field(default_factory=dict)
    missing_fields: dict[str, System] = field(default_factory=dict)
    blocked: dict[str, "Blocked"] = field(default_factory=dict)
    reopened: dict[str, Agreed] = field(default_factory=dict)
    untranslated: tuple[str, ...] = ()

    def changes(self, target: System) -> dict[str, Value]:
        """What to write to one system."""
        return self.to_woo if target is System.WOOCOMMERCE else self.to_vtiger


@dataclass(frozen=True, slots=True)
class Blocked:
    """A value that is not written to `target` because of the effective `direction`."""

    target: System
    direction: Direction

    @property
    def message(self) -> str:
        return BLOCKED.format(direction=self.direction, system=self.target.label)


def describe_blocked(blocked: Mapping[str, Blocked]) -> str:
    """The message on fields that stay different: the reasons and the names."""
    reasons = dict.fromkeys(each.message for each in blocked.values())
    return DIFFER.format(blocked=" ".join(reasons), fields=", ".join(blocked))


def merge(
    base: Base,
    woo: Mapped,
    vtiger: Mapped,
    *,
    rules: Sequence[FieldRule],
    direction: Direction,
    policy: ConflictPolicy,
    newer: System,
    carried: Collection[str] = (),
    decided: Mapping[str, Decision] = NOTHING_DECIDED,
) -> Merge:
    """Merge the two sides per field rule. `newer` is the side modified last, for `latest_wins`.
    `carried` names fields that are equal because one side stores the other's value in its own form.
    `decided` are users' decisions on fields in conflict; they take precedence over the policy.

    If the effective direction (the record's and the rule's combined) is one-way, the source wins
    every conflict, which is still reported. An edit of the target alone is kept until the source
    changes that field, and reported as `blocked` if the record's direction is the cause. A rule
    that is off keeps its base entry, and is reported only if the record's direction is off. A side
    without the field (None) never changes the other.

    A value that a target refused because of another field (a state that its country does not list)
    is no change. It is written once that field has changed to a value with which it is accepted.
    """
    merged = Merge()
    conflicts = []
    pairs = {}
    untranslated = []
    for rule in rules:
        if rule.direction is Direction.OFF:
            continue
        effective = rule.direction.within(direction)
        pair = pairs[rule.name] = _Pair(
            rule,
            effective,
            direction,
            base.get(rule.name),
            woo,
            vtiger,
            rule.name in carried,
            policy.winner(newer) or newer,
        )
        if pair.lacks_field():
            merged.missing_fields.update(pair.missing_field())
            continue
        if effective is Direction.OFF:
            merged.blocked.update(pair.blocked())
            continue
        if conflict := pair.conflict(policy, newer, decided.get(rule.name)):
            conflicts.append(conflict)
        source = conflict.winner if conflict else pair.source()
        if conflict is None and source is None:
            merged.blocked.update(pair.blocked())
        if conflict is None or source:
            _apply(merged, pair, source)
        if source is None and pair.is_untranslated():
            untranslated.append(rule.name)
    _reopen(merged, pairs)
    return replace(merged, conflicts=tuple(conflicts), untranslated=tuple(untranslated))


@dataclass(frozen=True, slots=True)
class _Pair:
    """One field of both sides."""

    rule: FieldRule
    effective: Direction
    overall: Direction
    base: Agreed | None
    woo_side: Mapped
    vtiger_side: Mapped
    carried: bool
    favoured: System

    @property
    def woo(self) -> Value:
        return self.woo_side.get(self.rule.name)

    @property
    def vtiger(self) -> Value:
        return self.vtiger_side.get(self.rule.name)

    def side(self, system: System) -> Mapped:
        return self.woo_side if system is System.WOOCOMMERCE else self.vtiger_side

    def value(self, system: System) -> Value:
        return self.side(system).get(self.rule.name)

    def read(self) -> Agreed:
        """Both sides as read. A value of Vtiger that the shop has no term for does not wait for one
        any longer, once the shop's value changed after it."""
        both = Agreed.of(self.rule.name, self.woo_side, self.vtiger_side)
        is_later = self._has_moved(System.WOOCOMMERCE) and not self._changed(System.VTIGER)
        return replace(both, vtiger_exact=None) if is_later and not both.vtiger_exact else both

    def is_untranslated(self) -> bool:
        """Whether the shop's value is new, and Vtiger has no term for it."""
        exact = self.woo_side.exact.get(self.rule.name)
        if self.woo is not None or exact is None or not self.effective.allows(System.VTIGER):
            return False
        return self.base is None or self.base.woo_exact != exact

    def lacks_field(self) -> bool:
        """Whether one of two records lacks the field of a custom row, which is then not merged."""
        exist = self.woo_side.values and self.vtiger_side.values
        return bool(self.rule.custom and exist and None in (self.woo, self.vtiger))

    def missing_field(self) -> dict[str, System]:
        """The system that lacks the field for the other's changed value. Missing meta in the shop
        does not count: a guest has none."""
        found = [system for system in System if self.value(system) is None]
        if self.rule.is_meta:
            found = [system for system in found if system is System.VTIGER]
        affected = [
            each for each in found if self.effective.allows(each) and self._changed(each.other)
        ]
        return {self.rule.name: affected[0]} if affected else {}

    def blocked(self) -> dict[str, Blocked]:
        """The changed value that the record's direction blocks. Values blocked by the rule's own
        direction are not reported, nor are differences of one-way rules when a pair is new."""
        if self.base is None and self.rule.direction is not Direction.BOTH:
            return {}
        targets = [
            each.other for each in self._writable_changes() if not self.overall.allows(each.other)
        ]
        return {self.rule.name: Blocked(targets[0], self.effective)} if targets else {}

    def same(self) -> bool:
        return self.carried or self.rule.same(self.woo, self.vtiger)

    def changed(self) -> list[System]:
        """The sides with a changed value that the other side does not have."""
        return [] if self.same() else [system for system in System if self._offers(system)]

    def source(self) -> System | None:
        """The side whose value is written to the other; None if there is none, or both."""
        sources = [
            system for system in self._writable_changes() if self.effective.allows(system.other)
        ]
        return sources[0] if len(sources) == 1 else None

    def conflict(
        self, policy: ConflictPolicy, newer: System, decision: Decision | None
    ) -> Conflict | None:
        """The conflict, if each side's change would overwrite the other's."""
        if len(self._writable_changes()) < len(System):
            return None
        winner = self._one_way_source() or self._decided(decision) or policy.winner(newer)
        return Conflict(self.rule.name, self.woo, self.vtiger, winner)

    def _decided(self, decision: Decision | None) -> System | None:
        """The user's decision, if both sides still hold the values that the user saw."""
        if decision is None:
            return None
        same = self.rule.same
        seen = same(self.woo, decision.woo) and same(self.vtiger, decision.vtiger)
        return decision.winner if seen else None

    @property
    def is_edited(self) -> bool:
        """Whether a side differs from the base."""
        return self.base is not None and any(map(self._changed, System))

    def is_admitted(self, target: System, given: "_Pair", value: str) -> bool:
        """Whether `target` refused the other side's value because of the field `given`, and accepts
        it now that `given` has `value` there. Both sides equal the base otherwise."""
        wanted = self.value(target.other)
        if wanted is None or self.base is None or self.same() or self.is_edited:
            return False
        if not self.effective.allows(target) or not self._condition_allows(target):
            return False
        fault = partial(self.rule.transform_pair.fault, wanted, target)
        return not fault(given=value) and any(fault(given=each or "") for each in given.known())

    def known(self) -> list[Value]:
        """The values of both sides, in the base and now."""
        agreed = [self.base.woo, self.base.vtiger] if self.base is not None else []
        return [*agreed, self.woo, self.vtiger]

    def _writable_changes(self) -> list[System]:
        return [system for system in self.changed() if self._condition_allows(system.other)]

    def _offers(self, system: System) -> bool:
        """Whether a side has a change for the other. A derived value is written to an empty field
        only, and a derived value of the other side is never emptied. A value that only the terms
        changed gives way to a change of the other side."""
        if self._is_restated(system) and self._changed(system.other):
            return False
        if system is System.VTIGER and self._is_kept():
            return False
        if self._derived(system):
            has_changed = self._changed(system) or self._changed(system.other)
            return self._is_empty(system.other) and (has_changed or self.base is None)
        if self._derived(system.other) and self._is_empty(system):
            return False
        return self._changed(system)

    def _changed(self, system: System) -> bool:
        """Whether a side differs from the base; without a base, whether it has a value."""
        mine, agreed = self.value(system), self._base_value(system)
        if mine is None:
            return False
        if agreed is None:
            return not self._is_empty(system)
        return self._has_moved(system) or not self.rule.same(mine, agreed)

    def _has_moved(self, system: System) -> bool:
        """Whether a side changed in its own terms, which its value need not show."""
        exact = self.side(system).exact.get(self.rule.name)
        return self.base is not None and self.base.has_moved(system, exact)

    def _is_restated(self, system: System) -> bool:
        """Whether a side's value differs from the base because its terms changed, not the side."""
        before = self.base.exact_on(system) if self.base is not None else None
        exact = self.side(system).exact.get(self.rule.name)
        return bool(before) and before == exact and self._changed(system)

    def _is_kept(self) -> bool:
        """Whether the shop's value, for which Vtiger has no term, is kept: it is newer than
        Vtiger's, or the base does not tell."""
        if self.woo is not None or self.rule.name not in self.woo_side.exact:
            return False
        known = self.base is not None and (self.base.woo, self.base.woo_exact) != (None, None)
        is_newer = self.favoured is System.WOOCOMMERCE
        return not known or (self._has_moved(System.WOOCOMMERCE) and is_newer)

    def _is_empty(self, system: System) -> bool:
        return not self.rule.canonical(self.value(system))

    def _base_value(self, system: System) -> Value:
        return self.base.on(system) if self.base is not None else None

    def _derived(self, system: System) -> bool:
        return self.rule.name in self.side(system).derived

    def _one_way_source(self) -> System | None:
        if self.effective is Direction.BOTH:
            return None
        return System.WOOCOMMERCE if self.effective is Direction.WOO_TO_VTIGER else System.VTIGER

    def _condition_allows(self, target: System) -> bool:
        if self.rule.write is WriteCondition.ON_CREATE:
            return not self.side(target).values
        return self.rule.write is WriteCondition.ALWAYS or self._is_empty(target)


def _apply(merged: Merge, pair: _Pair, source: System | None) -> None:
    name = pair.rule.name
    if source is not None:
        merged.changes(source.other)[name] = pair.value(source)
        merged.seen[name] = pair.read()
    elif pair.base is None or pair.same() or pair.changed() or pair.is_untranslated():
        merged.agreed[name] = pair.read()


def _reopen(merged: Merge, pairs: Mapping[str, _Pair]) -> None:
    """Write what a target refused because of another field, whose change admits it now.

    The base entry in `reopened` makes it a change of its side, should the write be interrupted.
    """
    settled = merged.to_woo.keys() | merged.to_vtiger.keys() | merged.agreed.keys()
    for name, pair in pairs.items():
        given = pairs.get(pair.rule.given)
        if given is None or given.rule.name not in settled:
            continue
        for target in System:
            value = merged.changes(target).get(given.rule.name, given.value(target)) or ""
            if pair.is_admitted(target, given, value):
                _apply(merged, pair, target.other)
                merged.reopened[name] = Agreed(pair.value(target), pair.value(target))


def next_base(
    base: Base,
    merged: Merge,
    *,
    woo_after: Mapped | None,
    vtiger_after: Mapped | None,
    unwritten: frozenset[str] = frozenset(),
    deferred: frozenset[str] = frozenset(),
    rules: Sequence[FieldRule] = (),
) -> dict[str, Agreed]:
    """The base after the writes. `*_after` is the target's mapped response, None if not written.

    A written field takes the target's response and the source as read. A field in `unwritten` (of
    both patches) takes both sides as read, so that it is not written again until somebody edits it.
    All other fields take the merged values, never the response, which may contain an edit made in
    the meantime. Fields in `deferred` keep their base entry.

    Of `rules` those are looked at whose value depends on another field that was written: a state
    that was not written reads differently with its new country, which is nobody's edit.
    """
    result = {**base, **merged.agreed}
    for name in (merged.to_woo.keys() | merged.to_vtiger.keys()) - deferred:
        seen = merged.seen[name]
        if name in unwritten:
            result[name] = seen
        elif name in merged.to_woo and woo_after is not None:
            exact = woo_after.exact.get(name)
            result[name] = replace(seen, woo=woo_after.get(name), woo_exact=exact)
        elif name in merged.to_vtiger and vtiger_after is not None:
            exact = vtiger_after.exact.get(name)
            result[name] = replace(seen, vtiger=vtiger_after.get(name), vtiger_exact=exact)
    for rule in rules:
        written = rule.given in merged.to_woo and rule.given not in unwritten
        if written and woo_after is not None and rule.name in result:
            result[rule.name] = _reread(rule, result[rule.name], merged.seen[rule.given], woo_after)
    return result


def _reread(rule: FieldRule, agreed: Agreed, given: Agreed, woo_after: Mapped) -> Agreed:
    """The base entry with the shop's value as it reads beside the new value of `rule.given`, unless
    the shop's text is another one by now."""
    text = rule.transform_pair.woo_text(agreed.woo or "", given.woo or "")
    shown = woo_after.get(rule.name)
    expected = rule.transform_pair.read(text, woo_after.get(rule.given) or "")
    return replace(agreed, woo=shown) if rule.same(shown, expected) else agreed
