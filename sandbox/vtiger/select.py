"""Answers a parsed query from a module's rows, comparing as MariaDB would."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sandbox.vtiger import collation, columns
from sandbox.vtiger.database import Record
from sandbox.vtiger.query import Condition, Query
from sandbox.vtiger.refusals import Refusal, internal_error
from sandbox.vtiger.schema import Field
from sandbox.vtiger.table import Table
from sandbox.vtiger.users import CrmUser

_MOMENT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d+)?)?)?"
)
Comparable = int | Decimal | str
Test = Callable[[Record], bool]


def answer(query: Query, module: Table, user: CrmUser) -> list[dict[str, Any]]:
    """The result rows, `id` always among their columns (contract page Vtiger §1, query)."""
    selection = _Selection(module, user)
    names = selection.column_names(query)
    found = selection.matching(query, names)
    if query.counting:
        return [{"count": str(len(found))}]
    ordered = selection.ordered(found, query)[query.offset : query.offset + query.limit]
    return [
        {module.key(name): module.cell(record, name, user) for name in names}
        for record in module.answered(ordered)
    ]


class _Selection:
    def __init__(self, module: Table, user: CrmUser) -> None:
        self._module = module
        self._user = user
        self._fields = {field.name: field for field in module.columns()}

    def column_names(self, query: Query) -> list[str]:
        if query.counting:
            return []
        if query.columns is None:
            return list(self._fields)
        names = [self._field(name).name for name in query.columns]
        return names if "id" in names else [*names, "id"]

    def matching(self, query: Query, names: list[str]) -> list[Record]:
        tests = [[self._test(condition) for condition in both] for both in query.alternatives]
        compared = (condition.column for both in query.alternatives for condition in both)
        return [
            record
            for record in self._module.rows_for({*names, *compared, *query.order})
            if not tests or any(all(test(record) for test in both) for both in tests)
        ]

    def ordered(self, records: list[Record], query: Query) -> list[Record]:
        fields = [self._field(name) for name in query.order]
        if not fields:
            return records
        return sorted(
            records,
            key=lambda record: [self._sort_key(field, record) for field in fields],
            reverse=query.descending,
        )

    def _field(self, name: str) -> Field:
        if name not in self._fields:
            message = f"Permission to access {name} attribute denied."
            raise Refusal("ACCESS_DENIED", message)
        return self._fields[name]

    def _sort_key(self, field: Field, record: Record) -> tuple[bool, Any]:
        value = _comparable(field, self._module.value(record, field.name, self._user))
        return value is not None, value

    def _test(self, condition: Condition) -> Test:
        field = self._field(condition.column)
        if condition.operator == "LIKE":
            pattern = collation.like(condition.values[0])
            return lambda record: bool(
                pattern.fullmatch(collation.like_key(self._value(record, field)))
            )
        wanted = [_comparable(field, value) for value in condition.values]
        if None in wanted:
            raise internal_error()
        compare = _COMPARISONS[condition.operator]
        return lambda record: compare(_comparable(field, self._value(record, field)), wanted)

    def _value(self, record: Record, field: Field) -> str:
        return self._module.value(record, field.name, self._user)


def _comparable(field: Field, text: str) -> Comparable | None:
    """What the column's type makes of a text; None is NULL, which only dates can be."""
    if field.name == "id" or field.type in ("reference", "owner"):
        number = text.rpartition("x")[2]
        return int(number) if number.isdecimal() else 0
    if field.is_number:
        return columns.leading_number(text)
    if field.type in ("date", "datetime"):
        return _moment(text) if text else None
    return collation.key(text)


def _moment(text: str) -> str:
    match = _MOMENT.match(text)
    if match is None:
        return "0000-00-00 00:00:00"
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    clock = f"{hour:02}:{minute:02}:{second:02}{match[7] or ''}"
    return f"{year:04}-{month:02}-{day:02} {clock}"


def _equal(value: Any, wanted: list[Any]) -> bool:
    return value in wanted


_COMPARISONS: dict[str, Callable[[Any, list[Any]], bool]] = {
    "=": _equal,
    "IN": _equal,
    "!=": lambda value, wanted: value is not None and value != wanted[0],
    "<": lambda value, wanted: value is not None and value < wanted[0],
    ">": lambda value, wanted: value is not None and value > wanted[0],
    "<=": lambda value, wanted: value is not None and value <= wanted[0],
    ">=": lambda value, wanted: value is not None and value >= wanted[0],
}
