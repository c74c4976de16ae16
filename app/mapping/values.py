"""What mapping speaks in: named plain-text values that both systems share, and patches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from app.errors import System

Value = str | None
"""None: that side has no such field. "": it has it, and it is empty."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """One record in neutral space: plain, entity-decoded text by mapped name.

    `derived` names the values that stand in for a missing one (a last name taken from the
    company); they fill an empty field of the other side and never overwrite anything.
    A record that does not exist yet is `Mapped.missing()`.
    """

    values: Mapping[str, Value]
    derived: frozenset[str] = frozenset()

    @classmethod
    def missing(cls) -> Self:
        return cls({})

    def get(self, name: str) -> Value:
        return self.values.get(name)


@dataclass(frozen=True, slots=True)
class Agreed:
    """One field of a base: what each side held, in neutral space, when they last agreed.

    Two-sided because targets mangle: each side is compared with what it held itself.
    """

    woo: Value
    vtiger: Value

    def on(self, system: System) -> Value:
        return self.woo if system is System.WOOCOMMERCE else self.vtiger


Base = Mapping[str, Agreed]


def base_to_json(base: Base) -> dict[str, list[Value]]:
    """A base as JSON: name to the pair [woo, vtiger]."""
    return {name: [agreed.woo, agreed.vtiger] for name, agreed in base.items()}


def base_from_json(data: Mapping[str, Any]) -> dict[str, Agreed]:
    """The base that `base_to_json` wrote."""
    return {name: Agreed(woo, vtiger) for name, (woo, vtiger) in data.items()}


@dataclass(frozen=True, slots=True)
class FieldNote:
    """Why a field was left out of a patch, or what was done to it. `value` is the full value."""

    field: str
    reason: str
    message: str
    value: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record is not synced at all: a reason code, and a sentence that says how to mend it.

    `retires`: what was made of it before should not be used any more.
    """

    reason: str
    message: str
    retires: bool = False


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """The user's choices for writing: text beyond a target's size is cut at a word, or left out."""

    too_long: Literal["cut", "skip"] = "cut"


@dataclass(frozen=True, slots=True)
class Patch:
    """What to send: nested WooCommerce JSON or flat Vtiger fields, JSON-able.

    `apart` holds texts by mapped name that do not go into the body because they stand for another
    record (the company: an Account). `unwritten` names the changes that were left out, each with
    a note; a note on a name not in `unwritten` tells of a value that was sent altered.
    """

    body: dict[str, Any]
    notes: tuple[FieldNote, ...] = ()
    unwritten: frozenset[str] = frozenset()
    apart: Mapping[str, str] = field(default_factory=dict)
