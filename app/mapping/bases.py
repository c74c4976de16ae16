"""What a pair agreed on, as it is kept: by row, and by what the row meant then.

A user's row that maps something else from now on, under the same name, begins without a base, so
that what two other fields once said is never taken for news of these. Architecture, "Merge".
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.errors import System
from app.mapping.rules import FieldRule
from app.mapping.values import Agreed, Base, Value, base_from_json, base_to_json
from app.records import Direction

_MARK = "#"


def _key(rule: FieldRule) -> str:
    return f"{rule.name}{_MARK}{rule.mark}" if rule.mark else rule.name


def read_base(data: Mapping[str, Any], rules: Sequence[FieldRule]) -> dict[str, Agreed]:
    """The base by row name; what a row meant before is left out, other rows' entries are kept."""
    keys = {_key(rule): rule.name for rule in rules}
    names = set(keys.values())
    return {
        keys.get(key, key): agreed
        for key, agreed in base_from_json(data).items()
        if key in keys or key.partition(_MARK)[0] not in names
    }


def write_base(base: Base, rules: Sequence[FieldRule]) -> dict[str, list[Value]]:
    """What `read_base` reads."""
    keys = {rule.name: _key(rule) for rule in rules}
    return base_to_json({keys.get(name, name): agreed for name, agreed in base.items()})


def read_values(data: Mapping[str, Any], rules: Collection[FieldRule]) -> dict[str, Value]:
    """Values that were kept for one side, by row name; those of rows that changed are left out."""
    keys = {_key(rule): rule.name for rule in rules}
    return {keys[key]: value for key, value in data.items() if key in keys}


def write_values(values: Mapping[str, Value], rules: Collection[FieldRule]) -> dict[str, Value]:
    """What `read_values` reads."""
    keys = {rule.name: _key(rule) for rule in rules}
    return {keys[name]: value for name, value in values.items()}


def holds(rule: FieldRule, base: Base, value: Value, *, system: System) -> bool:
    """Whether a side holds what was agreed. A row that is off says nothing, nor does a user's row
    whose field the record does not show."""
    if rule.direction is Direction.OFF or (rule.custom and value is None):
        return True
    agreed = base.get(rule.name)
    return agreed is not None and rule.same(value, agreed.on(system))
