"""Vtiger's query language: a small SELECT, built so that no value can leave its quotes.

Contract page Vtiger §1 (query), recordings 53-query-*: no parentheses, no IS NULL, values
in single quotes, a semicolon at the end, at most 100 rows."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote_plus

from app.domain import InvalidInput

MAX_ROWS = 100
MOST_ENCODED = 6000
"""Bytes of values in the address of a query: web servers refuse addresses beyond 8,000."""
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "LIKE"]
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
EQUALITY = frozenset({"=", "!=", "LIKE"})
DATE_FIELDS = frozenset({"modifiedtime", "createdtime", "birthday"})


@dataclass(frozen=True, slots=True)
class Condition:
    """`column op 'value'`; see `equals`, `one_of`, `since` and `after` for the usual ones."""

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
    """`SELECT columns FROM module WHERE a AND b ORDER BY id LIMIT n;`, text by `str()`.

    Conditions are joined by AND only: without parentheses nothing else is safe to combine.
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
        """The ids that it asks for; None if it asks by something else."""
        asked = (one.values for one in self.where if isinstance(one, OneOf) and one.column == "id")
        return next(map(frozenset, asked), None)


COUNT = ("count(*)",)


def equals(column: str, value: str) -> Condition:
    """Vtiger's `=` ignores case, accents and trailing spaces: compare exactly afterwards."""
    return Condition(column, "=", value)


def fold(text: str) -> str:
    """What is left of a text when Vtiger compares it: equal for what its `=` finds equal."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(one for one in plain if not unicodedata.combining(one)).casefold().rstrip(" ")


def one_of(column: str, values: Sequence[str]) -> OneOf:
    return OneOf(column, tuple(values))


def portions(values: Iterable[str]) -> Iterator[list[str]]:
    """Values for `one_of`, as many in a query as it answers for and an address has room for."""
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
    """At or after a moment, in the server's zone, UTC by default (53-query-modifiedtime)."""
    if moment.tzinfo is None:
        raise InvalidInput("A time without a zone could mean any moment.", column)
    return Condition(column, ">=", f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}")


def after(record_id: str) -> Condition:
    """Ids compare as numbers within a module, so pages can follow them (recording
    53-query-id-gt)."""
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
