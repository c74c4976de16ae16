"""Field rules: which WooCommerce path and which Vtiger field carry the same value, and how."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.errors import InvalidInput, System
from app.mapping.transforms import TRANSFORMS
from app.records import Direction


class WriteCondition(StrEnum):
    """When a changed value is written."""

    ALWAYS = "always"
    ON_CREATE = "on_create"
    IF_EMPTY = "if_empty"


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One row of a mapping table.

    `woo` are the paths that the transform reads and writes, `vtiger` the field. `required` are
    the systems that refuse a record without the value. `given` is the name of the rule whose
    value the transform needs to understand this one (a state needs its country). `size` is the
    number of characters the Vtiger field keeps, where `limits` does not know it.
    """

    name: str
    woo: tuple[str, ...]
    vtiger: str
    direction: Direction = Direction.BOTH
    transform: str = "text"
    write: WriteCondition = WriteCondition.ALWAYS
    required: frozenset[System] = frozenset()
    given: str = ""
    size: int | None = None

    def canonical(self, value: str | None) -> str | None:
        """`value` in the form in which it is compared; None stays None."""
        return None if value is None else TRANSFORMS[self.transform].canonical(value)

    def same(self, left: str | None, right: str | None) -> bool:
        """Whether two neutral values are no difference; absent is not the same as empty."""
        return self.canonical(left) == self.canonical(right)


def effective_rules(
    defaults: Sequence[FieldRule], custom: Sequence[FieldRule]
) -> tuple[FieldRule, ...]:
    """The defaults, each replaced by the custom row of its name, then the other custom rows.

    A default is switched off by a custom row with direction `off`; it stays in the table, for a
    state may still need to read its country.
    """
    rows = {rule.name: rule for rule in defaults} | {rule.name: rule for rule in custom}
    return tuple(rows.values())


_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VTIGER_FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}", re.IGNORECASE)
_META_PATH = re.compile(r"meta:[^\s:][^:]{0,254}")
_ADDRESS_PATH = re.compile(r"(billing|shipping)\.[a-z][a-z0-9_]{0,63}")
_WRITABLE_TOP = frozenset({"email", "first_name", "last_name"})
_OWN_META = frozenset({"vtiger_id", "vtiger_hash"})
_VTIGER_FIXED = frozenset(
    {
        "id",
        "account_id",
        "contact_id",
        "contact_no",
        "assigned_user_id",
        "createdtime",
        "modifiedtime",
        "modifiedby",
        "source",
    }
)


def validate_rule(rule: FieldRule, others: Sequence[FieldRule] = ()) -> FieldRule:
    """`rule`, if it can work beside `others`; else InvalidInput that tells how to mend it."""
    if not _NAME.fullmatch(rule.name):
        raise InvalidInput("The name takes a-z, 0-9 and _, beginning with a letter.", "name")
    _validate_woo(rule)
    _validate_vtiger(rule, others)
    _validate_transform(rule, others)
    return rule


def _validate_woo(rule: FieldRule) -> None:
    for path in rule.woo:
        if path.startswith("meta:_"):
            raise InvalidInput(
                "WooCommerce hides customer meta that begins with an underscore: use another key.",
                "woo",
            )
        if path.removeprefix("meta:") in _OWN_META:
            raise InvalidInput(f"{path} is kept by the sync itself: use another key.", "woo")
        known = path in _WRITABLE_TOP or _ADDRESS_PATH.fullmatch(path) or _META_PATH.fullmatch(path)
        if not known:
            raise InvalidInput(
                f"{path} cannot be written: use first_name, last_name, email, billing.FIELD, "
                "shipping.FIELD or meta:KEY.",
                "woo",
            )


def _validate_vtiger(rule: FieldRule, others: Sequence[FieldRule]) -> None:
    if not _VTIGER_FIELD.fullmatch(rule.vtiger):
        raise InvalidInput("Give the Vtiger field name, such as cf_853 or mailingcity.", "vtiger")
    if rule.vtiger in _VTIGER_FIXED:
        raise InvalidInput(f"{rule.vtiger} is kept by Vtiger or the sync itself.", "vtiger")
    taken = [
        other.name
        for other in others
        if other.vtiger == rule.vtiger
        and other.name != rule.name
        and Direction.OFF not in (other.direction, rule.direction)
    ]
    if taken:
        raise InvalidInput(
            f"{rule.vtiger} is already mapped by {taken[0]}: switch that row off first.", "vtiger"
        )


def _validate_transform(rule: FieldRule, others: Sequence[FieldRule]) -> None:
    transform = TRANSFORMS.get(rule.transform)
    if transform is None:
        known = ", ".join(sorted(TRANSFORMS))
        raise InvalidInput(
            f"There is no transform {rule.transform}: use one of {known}.", "transform"
        )
    if not transform.least_paths <= len(rule.woo) <= transform.most_paths:
        raise InvalidInput(
            f"{rule.transform} takes {transform.least_paths} to {transform.most_paths} "
            "WooCommerce paths.",
            "woo",
        )
    if transform.needs_given and rule.given not in {other.name for other in others}:
        raise InvalidInput(f"{rule.transform} needs the name of its country's row.", "given")
    if rule.size is not None and rule.size < 1:
        raise InvalidInput("The size is a number of characters, at least 1.", "size")
