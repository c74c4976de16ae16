"""Vtiger's query language: SELECT statements with safely quoted values.

Contract page Vtiger §1 (query), recordings 53-query-*: no parentheses, no IS NULL, values
in single quotes, a semicolon at the end, at most 100 rows."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote_plus

from app.domain import InvalidInput

MAX_ROWS = 100
MOST_ENCODED = 6000
"""Bytes of values in the address of a query: web servers refuse addresses above 8,000."""
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "LIKE"]
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
EQUALITY = frozenset({"=", "!=", "LIKE"})
DATE_FIELDS = frozenset({"modifiedtime", "createdtime", "birthday"})


@dataclass(frozen=True, slots=True)
class Condition:
    """`column op 'value'`; `equals`, `since` and `after` create the usual ones."""

    column: str
    operator: Operator
    value: str

    def render(self) -> str:
        if not self.value and (self.column in DATE_FIELDS or self.operator not in EQUALITY):
            raise InvalidInput(f"Vtiger cannot compare {self.column} with nothing.", self.column)
        spaced = f" {self.operator} " if self.operator == "LIKE" else self.operator
        return f"{_name(self.column)}{spaced}{quote(self.value)}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """`column IN (…)` (recording 53-query-in)."""

    column: str
    values: tuple[str, ...]

    def render(self) -> str:
        if not self.values:
            raise InvalidInput(f"Vtiger cannot read an empty list for {self.column}.", self.column)
        return f"{_name(self.column)} IN ({','.join(map(quote, self.values))})"


Where = Condition | OneOf


@dataclass(frozen=True, slots=True)
class Query:
    """`SELECT columns FROM module WHERE a AND b ORDER BY id LIMIT n;`, rendered by `str()`, which
    raises InvalidInput.

    Conditions are combined by AND only, since the language has no parentheses.
    """

    module: str
    columns: tuple[str, ...] = ("*",)
    where: tuple[Where, ...] = ()
    order_by: str = ""
    limit: int = MAX_ROWS
    descending: bool = False

    def __str__(self) -> str:
        if not 1 <= self.limit <= MAX_ROWS:
            raise InvalidInput(f"Vtiger returns 1 to {MAX_ROWS} rows, not {self.limit}.", "limit")
        if not self.columns:
            raise InvalidInput("A query needs a column, or * for all.", "columns")
        columns = ",".join(map(_column, self.columns))
        parts = ["SELECT", columns, "FROM", _name(self.module)]
        if self.where:
            parts.append("WHERE " + " AND ".join(one.render() for one in self.where))
        if self.order_by:
            parts.append(f"ORDER BY {_name(self.order_by)}{' DESC' if self.descending else ''}")
        if self.columns != COUNT:
            parts.append(f"LIMIT {self.limit}")
        return " ".join(parts) + ";"

    @property
    def asked_ids(self) -> frozenset[str] | None:
        """The requested ids; None if the query has no condition on ids."""
        asked = (one.values for one in self.where if isinstance(one, OneOf) and one.column == "id")
        return next(map(frozenset, asked), None)


COUNT = ("count(*)",)


def equals(column: str, value: str) -> Condition:
    """`column = 'value'`. Vtiger ignores case, accents and trailing spaces, so callers compare the
    results exactly."""
    return Condition(column, "=", value)


def one_of(column: str, values: Sequence[str]) -> OneOf:
    return OneOf(column, tuple(values))


def portions(values: Iterable[str]) -> Iterator[list[str]]:
    """Split values for `one_of` into queries that respect MAX_ROWS and MOST_ENCODED."""
    part: list[str] = []
    size = 0
    for value in values:
        needed = len(quote_plus(quote(value))) + len("%2C")
        if part and (len(part) == MAX_ROWS or size + needed > MOST_ENCODED):
            yield part
            part, size = [], 0
        part.append(value)
        size += needed
    if part:
        yield part


def since(moment: datetime, column: str = "modifiedtime") -> Condition:
    """`column` at or after a time, in the server's zone, UTC by default (53-query-modifiedtime)."""
    if moment.tzinfo is None:
        raise InvalidInput("A time without a zone is ambiguous.", column)
    return Condition(column, ">=", f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}")


def last_change(module: str) -> Query:
    """The query for a Vtiger module's latest change."""
    return Query(module, ("modifiedtime",), order_by="modifiedtime", limit=1, descending=True)


def changed_where(changed_since: datetime | None) -> tuple[Where, ...]:
    """The condition for Vtiger's records that changed since a time; none for all records."""
    return (since(changed_since),) if changed_since is not None else ()


def after(record_id: str) -> Condition:
    """Ids greater than this one. Vtiger compares ids of a module as numbers, so that they allow
    keyset pagination (recording 53-query-id-gt)."""
    return Condition("id", ">", record_id)


def quote(value: str) -> str:
    """A value in single quotes (recording 53-query-quote-and-backslash-escaped)."""
    if "\0" in value:
        raise InvalidInput("Vtiger cannot read a NUL character in a query.")
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is not a name that Vtiger can read.", name)
    return name


def _column(name: str) -> str:
    return name if name in {"*", "count(*)"} else _name(name)
