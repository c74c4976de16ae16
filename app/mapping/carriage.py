"""What one side's values would be in the other, had they just been carried over there. Pure.

Two records may differ for good: a street longer than the CRM keeps, an emoji that it cannot
store. Such a difference is explained if carrying one side over gives what the other holds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.mapping.rules import FieldRule
from app.mapping.values import Mapped

Carry = Callable[[Mapped], tuple[Mapped, frozenset[str]]]
"""Values as the other system would show them, and the names that would not be sent."""


@dataclass(frozen=True, slots=True)
class Carriage:
    """The two ways of one module; contract page readback tells what gets lost on them."""

    rules: Sequence[FieldRule]
    to_vtiger: Carry
    to_woo: Carry

    def is_explained(self, name: str, woo: Mapped, vtiger: Mapped) -> bool:
        """Whether the field differs only by what the target does to it, or refuses of it.

        `woo` and `vtiger` are both sides as read; one of them may not have the field at all.
        """
        if woo.get(name) is None or vtiger.get(name) is None:
            return True
        rule = next(rule for rule in self.rules if rule.name == name)
        carried, left_out = self.to_vtiger(woo)
        if name in left_out or rule.same(carried.get(name) or "", vtiger.get(name) or ""):
            return True
        carried, left_out = self.to_woo(vtiger)
        return name in left_out or rule.same(carried.get(name) or "", woo.get(name) or "")

    def carried_names(self, woo: Mapped, vtiger: Mapped) -> frozenset[str]:
        """Fields of which one side holds just what the other's value becomes there.

        A merge takes them for equal: nobody edited them, they were carried over (text cut to the
        target's size), perhaps by a call whose answer was lost.
        """
        there, _ = self.to_vtiger(woo)
        back, _ = self.to_woo(vtiger)
        return frozenset(
            rule.name
            for rule in self.rules
            if _holds(rule, vtiger, there) or _holds(rule, woo, back)
        )


def _holds(rule: FieldRule, side: Mapped, carried: Mapped) -> bool:
    text = carried.get(rule.name) or ""
    return bool(text) and rule.same(text, side.get(rule.name))
