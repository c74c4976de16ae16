"""What an update was about to write, on record until its answer is heard.

What a call left whose answer was lost, or whose worker died, is nobody's edit: the base takes it
in before the merge, so that a newer edit of the other side meets no conflict. Decision 15.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.errors import RemoteError, System, WooVtigerError
from app.links.models import Link
from app.mapping.bases import read_values, write_values
from app.mapping.rules import FieldRule
from app.mapping.values import Agreed, Base, Mapped, Value
from app.sync.sides import Adapter, Side

Attempts = Mapping[System, Mapping[str, Value]]
"""By target: the values that its fields were to become, as the other side held them."""

Sides = Mapping[System, Side]


@dataclass(frozen=True, slots=True)
class Landing:
    """Fields of `target` that hold what an unheard update was to write, and what the pair had
    agreed on before it."""

    target: System
    before: Mapping[str, Value]
    now: Base


def write_down(link: Link, attempts: Attempts, rules: Collection[FieldRule]) -> None:
    """These updates are about to be sent."""
    link.attempted = {
        target.value: write_values(values, rules) for target, values in attempts.items() if values
    }


def hear(link: Link, target: System) -> None:
    """The target answered, or surely did nothing."""
    left = {key: values for key, values in (link.attempted or {}).items() if key != target}
    link.attempted = left or None


def may_have_landed(error: WooVtigerError) -> bool:
    return not isinstance(error, RemoteError) or error.ambiguous


def find_landings(link: Link, sides: Sides, base: Base, adapter: Adapter) -> list[Landing]:
    """What earlier updates did, though nobody heard so."""
    found = [
        _landing(System(target), values, sides, base, adapter)
        for target, values in (link.attempted or {}).items()
    ]
    return [each for each in found if each.now]


def _landing(
    target: System, kept: Mapping[str, Any], sides: Sides, base: Base, adapter: Adapter
) -> Landing:
    values = read_values(kept, adapter.rules)
    side, carried = sides[target], _carried(target, values, sides, adapter)
    before, now = {}, {}
    for rule in adapter.rules:
        if rule.name not in values or rule.name in side.torn:
            continue
        held = base[rule.name].on(target) if rule.name in base else None
        shown, wanted = side.values.get(rule.name), values[rule.name]
        is_there = rule.name in carried or rule.same(shown, wanted)
        if is_there and not rule.same(shown, held):
            before[rule.name] = held
            now[rule.name] = _agreed(target, shown, wanted)
    return Landing(target, before, now)


def _carried(
    target: System, values: Mapping[str, Value], sides: Sides, adapter: Adapter
) -> frozenset[str]:
    """Fields that hold what the values became there, as the source was when they were sent."""
    source = sides[target.other]
    sent = replace(source, values=Mapped({**source.values.values, **values}))
    both = {target: sides[target], target.other: sent}
    return adapter.carried(both[System.WOOCOMMERCE], both[System.VTIGER])


def _agreed(target: System, shown: Value, sent: Value) -> Agreed:
    return Agreed(sent, shown) if target is System.VTIGER else Agreed(shown, sent)
