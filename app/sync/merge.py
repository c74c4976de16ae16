"""Two sides and what they last agreed on, as values for each side: where no edit gets lost.

Per field: changed on one side goes to the other; changed on both to the same is agreed; changed
on both differently is a conflict, settled by policy. Architecture, "Merge"."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.domain import ConflictPolicy, Direction, System, WriteCondition
from app.mapping.rules import FieldRule
from app.mapping.values import Agreed, Base, Mapped, Value

NOTHING_DECIDED: Mapping[str, "Decision"] = {}
HELD = "The direction is {direction}: {system} is not written."
DIFFER = "{held} Fields that differ: {fields}."


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both values of a field that both sides changed; `winner` None: open, nothing was written."""

    field: str
    woo: Value
    vtiger: Value
    winner: System | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's word on a conflict: it holds for these two values, which the person saw."""

    winner: System
    woo: Value
    vtiger: Value


@dataclass(frozen=True, slots=True)
class Merge:
    """What to write where. `seen` holds both sides as read, for every field that is written.

    `agreed` are new base entries that no write has to confirm: fields that are equal now, and
    those whose difference is not to be carried (direction, write condition), so that it is looked
    at once and not on every hint. `lost` names users' rows with news that one system has no field
    for any more, and that system. `held` names fields with news that a direction keeps from a
    system, by what is to be told of them.
    """

    to_woo: dict[str, Value] = field(default_factory=dict)
    to_vtiger: dict[str, Value] = field(default_factory=dict)
    agreed: dict[str, Agreed] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    seen: dict[str, Agreed] = field(default_factory=dict)
    lost: dict[str, System] = field(default_factory=dict)
    held: dict[str, "Held"] = field(default_factory=dict)

    def changes(self, target: System) -> dict[str, Value]:
        """What to write to one system."""
        return self.to_woo if target is System.WOOCOMMERCE else self.to_vtiger


@dataclass(frozen=True, slots=True)
class Held:
    """A value that does not go to `target`, for the direction in force is `way`."""

    target: System
    way: Direction

    @property
    def message(self) -> str:
        return HELD.format(direction=self.way, system=self.target.label)


def describe_held(held: Mapping[str, Held]) -> str:
    """Why fields stay different, and which."""
    reasons = dict.fromkeys(each.message for each in held.values())
    return DIFFER.format(held=" ".join(reasons), fields=", ".join(held))


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
    `carried` names fields of which one side holds what the other's value becomes there: equal.
    `decided` are a person's words on fields in conflict; they come before the policy.

    One-way (the record's direction and the rule's together): the source wins a conflict whatever
    the policy says, and it is still reported; an edit of the target alone is left as it is until
    the source changes that field, and told as `held` where it is the record's direction that keeps
    it. A rule that is off leaves its base entry as it was, and is told of only if it is the
    record's direction that is off. A side that does not have a field (None) never changes the
    other.
    """
    merged = Merge()
    conflicts = []
    for rule in rules:
        if rule.direction is Direction.OFF:
            continue
        way = rule.direction.within(direction)
        pair = _Pair(rule, way, direction, base.get(rule.name), woo, vtiger, rule.name in carried)
        if pair.lacks_field():
            merged.lost.update(pair.lost())
            continue
        if way is Direction.OFF:
            merged.held.update(pair.held())
            continue
        if conflict := pair.conflict(policy, newer, decided.get(rule.name)):
            conflicts.append(conflict)
        source = conflict.winner if conflict else pair.source()
        if conflict is None and source is None:
            merged.held.update(pair.held())
        if conflict is None or source:
            _settle(merged, pair, source)
    return replace(merged, conflicts=tuple(conflicts))


@dataclass(frozen=True, slots=True)
class _Pair:
    """One field of both sides."""

    rule: FieldRule
    way: Direction
    overall: Direction
    base: Agreed | None
    woo_side: Mapped
    vtiger_side: Mapped
    carried: bool

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
        return Agreed(self.woo, self.vtiger)

    def lacks_field(self) -> bool:
        """Whether one of two records does not have the field of a user's row: it is left alone."""
        there = self.woo_side.values and self.vtiger_side.values
        return bool(self.rule.custom and there and None in (self.woo, self.vtiger))

    def lost(self) -> dict[str, System]:
        """The system that has no field for what the other would tell it. Meta is no field: a
        guest has none."""
        found = [system for system in System if self.value(system) is None]
        if self.rule.is_meta:
            found = [system for system in found if system is System.VTIGER]
        told = [each for each in found if self.way.allows(each) and self._moved(each.other)]
        return {self.rule.name: told[0]} if told else {}

    def held(self) -> dict[str, Held]:
        """What one side has to say and the record's direction keeps from the other. What only the
        row's own direction keeps is as the mapping says. Where a row goes one way only, that two
        records differ when they become a pair is no news."""
        if self.base is None and self.rule.direction is not Direction.BOTH:
            return {}
        targets = [each.other for each in self._able() if not self.overall.allows(each.other)]
        return {self.rule.name: Held(targets[0], self.way)} if targets else {}

    def same(self) -> bool:
        return self.carried or self.rule.same(self.woo, self.vtiger)

    def changed(self) -> list[System]:
        """The sides that have something to say that the other does not have."""
        return [] if self.same() else [system for system in System if self._offers(system)]

    def source(self) -> System | None:
        """The one side whose value goes to the other, if there is one."""
        able = [system for system in self._able() if self.way.allows(system.other)]
        return able[0] if len(able) == 1 else None

    def conflict(
        self, policy: ConflictPolicy, newer: System, decision: Decision | None
    ) -> Conflict | None:
        """Set if each side's change would be written over the other's."""
        if len(self._able()) < len(System):
            return None
        winner = self._one_way_source() or self._decided(decision) or policy.winner(newer)
        return Conflict(self.rule.name, self.woo, self.vtiger, winner)

    def _decided(self, decision: Decision | None) -> System | None:
        """The person's choice, if both sides still hold what the person saw."""
        if decision is None:
            return None
        same = self.rule.same
        seen = same(self.woo, decision.woo) and same(self.vtiger, decision.vtiger)
        return decision.winner if seen else None

    def _able(self) -> list[System]:
        return [system for system in self.changed() if self._condition_allows(system.other)]

    def _offers(self, system: System) -> bool:
        """A derived value is offered to an empty field only, and nothing but a value in its stead:
        there is nothing to empty where it stands in."""
        if self._derived(system):
            news = self._moved(system) or self._moved(system.other)
            return self._blank(system.other) and (news or self.base is None)
        if self._derived(system.other) and self._blank(system):
            return False
        return self._moved(system)

    def _moved(self, system: System) -> bool:
        """Whether a side is not what it was; without a base, whether it has a value at all."""
        mine, held = self.value(system), self._held(system)
        if mine is None:
            return False
        return not self._blank(system) if held is None else not self.rule.same(mine, held)

    def _blank(self, system: System) -> bool:
        return not self.rule.canonical(self.value(system))

    def _held(self, system: System) -> Value:
        return self.base.on(system) if self.base is not None else None

    def _derived(self, system: System) -> bool:
        return self.rule.name in self.side(system).derived

    def _one_way_source(self) -> System | None:
        if self.way is Direction.BOTH:
            return None
        return System.WOOCOMMERCE if self.way is Direction.WOO_TO_VTIGER else System.VTIGER

    def _condition_allows(self, target: System) -> bool:
        if self.rule.write is WriteCondition.ON_CREATE:
            return not self.side(target).values
        return self.rule.write is WriteCondition.ALWAYS or self._blank(target)


def _settle(merged: Merge, pair: _Pair, source: System | None) -> None:
    name = pair.rule.name
    if source is not None:
        merged.changes(source.other)[name] = pair.value(source)
        merged.seen[name] = pair.read()
    elif pair.base is None or pair.same() or pair.changed():
        merged.agreed[name] = pair.read()


def next_base(
    base: Base,
    merged: Merge,
    *,
    woo_after: Mapped | None,
    vtiger_after: Mapped | None,
    unwritten: frozenset[str] = frozenset(),
    deferred: frozenset[str] = frozenset(),
) -> dict[str, Agreed]:
    """The base after the writes. `*_after` is the target's answer mapped, None if not written.

    A written field is the target's answer beside the source as read; a field in `unwritten` (both
    patches' together) is both sides as read, so that it is not tried again until someone edits
    it; every other field comes from what was read and merged, never from an answer, which may
    hold somebody's edit of the meantime. What is `deferred` stays as it was.
    """
    result = {**base, **merged.agreed}
    for name in (merged.to_woo.keys() | merged.to_vtiger.keys()) - deferred:
        seen = merged.seen[name]
        if name in unwritten:
            result[name] = seen
        elif name in merged.to_woo and woo_after is not None:
            result[name] = Agreed(woo_after.get(name), seen.vtiger)
        elif name in merged.to_vtiger and vtiger_after is not None:
            result[name] = Agreed(seen.woo, vtiger_after.get(name))
    return result
