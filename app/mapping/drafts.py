"""A patch in the making: what is sent, what is left out, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.errors import System
from app.mapping.hazards import Fitted
from app.mapping.rules import FieldRule
from app.mapping.values import FieldNote, Patch, Value


@dataclass(slots=True)
class PatchDraft:
    """Collects a patch's body and notes; `apart` as in Patch."""

    body: dict[str, Any] = field(default_factory=dict)
    notes: list[FieldNote] = field(default_factory=list)
    unwritten: set[str] = field(default_factory=set)
    apart: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, fitted: Fitted, *, value: str) -> None:
        """Keep the reason that `fitted` gives, if any; a text of None is not sent."""
        if fitted.reason:
            self.notes.append(FieldNote(name, fitted.reason, fitted.message, value))
        if fitted.text is None:
            self.unwritten.add(name)

    def patch(self) -> Patch:
        return Patch(self.body, tuple(self.notes), frozenset(self.unwritten), self.apart)


def changed_rules(
    changes: Mapping[str, Value], rules: Sequence[FieldRule], *, target: System
) -> Iterator[tuple[FieldRule, str]]:
    """The rules whose value changes and may be written to `target`, each with that value."""
    for rule in rules:
        value = changes.get(rule.name)
        if value is not None and rule.direction.allows(target):
            yield rule, value
