"""Both systems side by side, record by record: what a sync would do, and what differs. Pure.

A pair is compared through the mapping and the merge, as a drain would.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.errors import System
from app.links.models import Link
from app.mapping.bases import holds, read_base
from app.mapping.rules import FieldRule
from app.mapping.values import Base, Value
from app.policies.schemas import SyncPolicy
from app.sync.merge import Merge, describe_held, merge
from app.sync.pair import newer_side
from app.sync.sides import Side, Skip, Unreadable, only_in


class Plan(StrEnum):
    """What a sync would do with a record."""

    AGREE = "agree"
    UPDATE = "update"
    PAIR = "pair"
    CREATE = "create"
    SKIP = "skip"


class Act(StrEnum):
    """What a sync would do with a field. Nothing for the last two: `kept` is explained by what
    the target can hold, `differs` is not."""

    TO_WOOCOMMERCE = "to_woocommerce"
    TO_VTIGER = "to_vtiger"
    CONFLICT = "conflict"
    KEPT = "kept"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One mapped field that is not the same in both, in neutral space."""

    field: str
    woo: Value
    vtiger: Value
    act: Act


@dataclass(frozen=True, slots=True)
class Compared:
    """One pair, or one record without a pair; its id in the other system is then None.

    `checked` is how many fields were looked at.
    """

    plan: Plan
    label: str
    woo_id: str | None
    vtiger_id: str | None
    fields: tuple[FieldDifference, ...] = ()
    skip: Skip | None = None
    checked: int = 0

    @property
    def pending(self) -> tuple[FieldDifference, ...]:
        """The fields that a sync would write, or ask about."""
        return tuple(each for each in self.fields if each.act not in (Act.KEPT, Act.DIFFERS))

    @property
    def unexplained(self) -> tuple[FieldDifference, ...]:
        """Those, and the fields that stay different for no good reason."""
        return tuple(each for each in self.fields if each.act is not Act.KEPT)

    @property
    def agrees(self) -> bool:
        """A pair in which both sides say the same, as near as the systems allow."""
        return self.plan is Plan.AGREE and not self.unexplained


def compare_pair(
    link: Link,
    woo: Side,
    vtiger: Side,
    *,
    rules: tuple[FieldRule, ...],
    policy: SyncPolicy,
    carried: Collection[str],
    explains: Callable[[str], bool],
) -> Compared:
    """What a sync would do with a pair; `link.base` is empty for one that is only found.

    `carried` as in `merge`; `explains` tells whether a field differs only by what the target can
    hold.
    """
    base = read_base(link.base, rules)
    settled = _settled(base, woo, vtiger, rules=rules)
    merged = merge(
        base,
        woo.values,
        vtiger.values,
        rules=rules,
        direction=policy.direction,
        policy=policy.conflict_policy,
        newer=newer_side(link, {System.WOOCOMMERCE: woo, System.VTIGER: vtiger}),
        carried=carried,
    )

    def is_explained(name: str) -> bool:
        return name in settled or explains(name)

    fields = tuple(_differences(merged, woo, vtiger, rules=rules, explains=is_explained))
    plan = Plan.UPDATE if merged.to_woo or merged.to_vtiger or merged.conflicts else Plan.AGREE
    skip = None
    if plan is Plan.AGREE and merged.held:
        plan, skip = Plan.SKIP, Skip("direction_off", describe_held(merged.held))
    label = woo.label or vtiger.label
    return Compared(plan, label, woo.id, vtiger.id, fields, skip, checked=len(rules))


def _settled(
    base: Base, woo: Side, vtiger: Side, *, rules: tuple[FieldRule, ...]
) -> frozenset[str]:
    """Users' rows of which both sides hold what they did after the last write: how many decimals
    or characters a custom field keeps, nobody tells but the field itself."""
    return frozenset(
        rule.name
        for rule in rules
        if rule.custom
        and rule.name in base
        and holds(rule, base, woo.values.get(rule.name), system=System.WOOCOMMERCE)
        and holds(rule, base, vtiger.values.get(rule.name), system=System.VTIGER)
    )


def _differences(
    merged: Merge,
    woo: Side,
    vtiger: Side,
    *,
    rules: tuple[FieldRule, ...],
    explains: Callable[[str], bool],
) -> Iterator[FieldDifference]:
    """A field that one side does not have is none."""
    for rule in rules:
        mine, theirs = woo.values.get(rule.name), vtiger.values.get(rule.name)
        act = _act(merged, rule.name)
        lacking = act is Act.DIFFERS and None in (mine, theirs)
        if lacking or rule.same(mine or "", theirs or ""):
            continue
        if act is Act.DIFFERS and explains(rule.name):
            act = Act.KEPT
        yield FieldDifference(rule.name, mine, theirs, act)


def _act(merged: Merge, name: str) -> Act:
    if name in {conflict.field for conflict in merged.conflicts}:
        return Act.CONFLICT
    if name in merged.to_woo:
        return Act.TO_WOOCOMMERCE
    return Act.TO_VTIGER if name in merged.to_vtiger else Act.DIFFERS


def compare_unreadable(read: Unreadable) -> Compared:
    """A record, or half a pair, that cannot be read: a sync leaves both alone."""
    woo_id, vtiger_id = only_in(read.system, read.id)
    return Compared(Plan.SKIP, read.id, woo_id, vtiger_id, skip=read.skip)


def compare_single(side: Side, plan: Plan, *, skip: Skip | None = None) -> Compared:
    """A record without a pair, to be created on the other side or left alone."""
    woo_id, vtiger_id = only_in(side.system, side.id)
    return Compared(plan, side.label, woo_id, vtiger_id, skip=skip)
