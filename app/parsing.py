"""Parses external input into known types: JSON of the two systems, ids, texts, times, and form
fields. Errors name the field.

PHP sends a list with a gap as an object, an empty object as `[]`, null rows, and numbers in the
form that a plug-in gave them. Unambiguous values are read; everything else is a fault with its
place, so that it is never mistaken for "none" or 0."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import unquote_to_bytes

import orjson
from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError

from app.domain import InvalidInput

# Fields of forms and of query strings, read one by one up to a limit.
#
# A general parser decodes everything before it counts, and one escape costs as much as many plain
# bytes. Here only names are decoded, and the values that the caller decodes.

LONGEST_NAME = 100
"""Bytes of a name as sent; fields with longer names are skipped."""


def read_fields(raw: bytes, *, most: int, longest: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and encoded value of each field in order; skips empty values and values of more
    than `longest` bytes. Raises InvalidInput, before the first field, for more than `most`."""
    parts = raw.split(b"&", most)
    if len(parts) > most:
        raise InvalidInput(f"There may be {most} fields at most.", "body")
    return _named(parts, longest)


def _named(parts: list[bytes], longest: int) -> Iterator[tuple[str, bytes]]:
    for part in parts:
        end = part.find(b"=", 0, LONGEST_NAME + 1)
        if end >= 0 and 0 < len(part) - end - 1 <= longest:
            yield decoded(part[:end]), part[end + 1 :]


def decoded(raw: bytes) -> str:
    """A decoded name or value: `+` is a space; what is not UTF-8 becomes U+FFFD."""
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "replace")


# Types of external values: ids, texts and times.
#
# Requests of the API, filters and forms of the pages, and options of commands use these types, so
# that values which the database or the calendar cannot represent are refused everywhere.

T = TypeVar("T")

LARGEST = 2**63 - 1
"""The largest whole number that a column of the database holds."""
LONGEST_TEXT = 200
MOST_VALUES = 500
"""How many values one filter may have: a statement takes at most 65,535 parameters in all."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _printable(text: str) -> str:
    """Refuse NUL and lone surrogates, which no database, address or file name can contain."""
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("Leave out NUL characters and lone surrogates.")
    return text


def _in_utc(moment: datetime) -> datetime:
    """The time in UTC, which is the default zone. Raises ValueError outside of the bounds, within
    which all rows lie and times can be added in every zone."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not EARLIEST <= aware.replace(tzinfo=UTC) <= LATEST:
        raise ValueError("Enter a time between 1970 and 2200.")
    return aware.astimezone(UTC)


RowNumber = Annotated[int, Field(ge=1, le=LARGEST)]
"""The id of a row of the service's database."""
Version = Annotated[int, Field(ge=0, le=LARGEST)]
"""The version of a mapping; 0 is the default mapping."""
Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT), AfterValidator(_printable)]
"""A word or a line to compare with, such as the id of a record in its system."""
Moment = Annotated[datetime, AfterValidator(_in_utc)]
Several = Annotated[list[T], Field(max_length=MOST_VALUES, fail_fast=True)]
"""The values of a filter, combined by OR. Only the first invalid one is reported, since reporting a
hundred thousand takes seconds."""


class Kind(Generic[T]):
    """One of these types outside of pydantic models. `wanted` is the message for invalid values."""

    def __init__(self, annotated: Any, wanted: str) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(annotated)
        self._wanted = wanted

    def read(self, text: str) -> T:
        """Parse a text. Raises ValueError, whose message says what to give instead."""
        try:
            return self._adapter.validate_python(text)
        except ValidationError as error:
            [fault, *_] = error.errors(include_input=False, include_url=False)
            own = fault["ctx"]["error"] if fault["type"] == "value_error" else self._wanted
            raise ValueError(str(own)) from None


NUMBER: Kind[int] = Kind(RowNumber, "Enter a whole number.")
VERSION: Kind[int] = Kind(Version, "Enter the number of a version.")
TEXT: Kind[str] = Kind(Text, f"Enter at most {LONGEST_TEXT} characters.")
MOMENT: Kind[datetime] = Kind(Moment, "Enter a time such as 2026-11-24T08:00:00Z.")


LARGEST_LENIENT = 256 * 1024
"""Bytes of a received body that is parsed leniently if the strict parser refuses it."""
EXCERPT = 80
MOST_BYTES_A_CHARACTER = 4

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)", re.ASCII)
_LONGEST_NUMBER = 40
_LARGEST_NUMBER = Decimal(10) ** 17
"""Vtiger's money columns have 17 digits before the point (contract page readback, unit_price)."""
_MARKS = re.compile(rb"\s*(?:\xef\xbb\xbf\s*){0,100}", re.ASCII)
_DECODER = json.JSONDecoder(parse_int=lambda digits: _integer(digits))
MOST_LINES = 2000
"""Lines of an order. Parsing so many takes about 50 ms, and Vtiger takes minutes to store them."""
MOST_ROWS = 50_000
"""Rows of all lists of a record together, such as the meta data of all lines."""
TOO_MANY = "has {count} rows, and {most} are the most that can be synced"
_INDEX = re.compile(r"[0-9]{1,9}", re.ASCII)
_EARLIEST, _LATEST = 1900, 9000
_ZERO_DATES = ("0000-00-00", "-0001-11-30")
"""How WordPress shows a date that was never set."""


class NotJson(ValueError):
    """A body is not JSON; the message has the position and an excerpt."""


def parse_json(raw: bytes) -> Any:
    """The JSON of a body, ignoring byte order marks before it. Raises NotJson.

    Values that strict parsers refuse (NaN, 1e999, lone surrogates) are read, so that only the
    record that contains one is faulty.
    """
    return _parse(without_marks(raw), is_lenient=True)


def parse_bounded_json(raw: bytes, *, most: int) -> Any:
    """The JSON of a received body, at a bounded cost. Raises NotJson, also for more than `most`
    values, where commas and brackets in texts count as values.

    Bodies larger than LARGEST_LENIENT are parsed strictly.
    """
    body = without_marks(raw)
    if sum(map(body.count, (b",", b"[", b"{"))) > most:
        raise NotJson(f"it holds more than {most} values")
    return _parse(body, is_lenient=len(body) <= LARGEST_LENIENT)


def _parse(body: bytes, *, is_lenient: bool) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        strict = error
    try:
        if is_lenient:
            return json.loads(body, parse_int=_integer)
    except (ValueError, RecursionError):
        pass
    raise NotJson(_explain(body, strict)) from strict


def _integer(digits: str) -> int | float:
    """An integer, or a float if there are many digits: parsing a Python integer takes time in
    proportion to the square of its digits."""
    return int(digits) if len(digits) <= _LONGEST_NUMBER else float(digits)


def without_marks(raw: bytes) -> bytes:
    """A body without leading byte order marks and blanks: PHP sends a mark for each of its files
    that has one, of which at most a hundred are removed."""
    marks = _MARKS.match(raw)
    return raw[marks.end() :] if marks else raw


def leading_members(head: bytes) -> dict[str, Any]:
    """The first members of an object of which only the first bytes are given; {} if it is no
    object. Incomplete members are left out."""
    text, place = without_marks(head).decode("utf-8", "ignore"), 1
    found: dict[str, Any] = {}
    if not text.startswith("{"):
        return found
    try:
        while True:
            name, place = _value(text, place, end=":")
            found[name], place = _value(text, place, end=",}")
    except (ValueError, IndexError, RecursionError):
        return {name: value for name, value in found.items() if isinstance(name, str)}


def _value(text: str, place: int, *, end: str) -> tuple[Any, int]:
    """The value at a position, and the position after its end character. Raises ValueError if none
    follows, as for a number that may have been cut."""
    value, place = _DECODER.raw_decode(text, _after_blanks(text, place))
    place = _after_blanks(text, place)
    if text[place] not in end:
        raise ValueError(place)
    return value, place + 1


def _after_blanks(text: str, place: int) -> int:
    while text[place] in " \t\r\n":
        place += 1
    return place


def _explain(body: bytes, error: json.JSONDecodeError) -> str:
    if not body:
        return "the body is empty"
    around = body[: MOST_BYTES_A_CHARACTER * (error.pos + EXCERPT)]
    rest = around.decode("utf-8", "replace")[error.pos :]
    shown = " ".join(rest[:EXCERPT].split())
    place = f"at line {error.lineno}, column {error.colno}"
    return f"it is invalid {place}, near {shown!r}" if shown else f"it ends {place}"


@dataclass(frozen=True, slots=True)
class Shape:
    """The types of a JSON object's members, by key.

    `texts` are text, numbers or null; `words` are texts that must be present. `numbers` may be
    null, "" or absent, which means 0; `amounts` may not. `number_names` is a pattern of further
    numbers. `times` may be null, "", absent, or MySQL's zero date, which mean none. `ids` are
    numbers of records; null, "" and 0 mean none. `objects` may be null, `[]` or absent, which
    means empty. `rows` are lists of objects, `lists` of scalars; null, "" and absent ones are left
    as they are, so that readers can distinguish them from empty lists, but those in `needed` must
    be present. `counted` are rows of which at most MOST_LINES are allowed, since they are processed
    in the event loop. `found_by_key` are rows whose position does not matter and whose absence has
    a meaning: rows that are no objects are kept, so that what they contained is not taken for
    absent.
    """

    texts: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    amounts: frozenset[str] = frozenset()
    number_names: re.Pattern[str] | None = None
    times: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    objects: Mapping[str, "Shape"] = field(default_factory=dict)
    rows: Mapping[str, "Shape"] = field(default_factory=dict)
    lists: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    counted: frozenset[str] = frozenset()
    found_by_key: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Fault:
    """A value that cannot be read: its place, such as `line_items[0].total`, and the problem."""

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place} {self.problem}"


@dataclass(frozen=True, slots=True)
class Shaped:
    """An object in known types, its faults, and the places of `dropped` rows, which are no
    objects."""

    data: Mapping[str, Any]
    faults: tuple[Fault, ...]
    dropped: tuple[str, ...]


def shaped(data: Mapping[str, Any], shape: Shape) -> Shaped:
    """The object with lists and objects converted as `shape` says, and its faults."""
    reader = _Reader()
    found = reader.read(data, shape, "")
    return Shaped(found, tuple(reader.faults), tuple(reader.dropped))


@dataclass(slots=True)
class _Reader:
    faults: list[Fault] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    count: int = 0
    """Rows of all lists together."""

    def read(self, data: Mapping[str, Any], shape: Shape, prefix: str) -> Mapping[str, Any]:
        self._check_texts(data, shape, prefix)
        self._check_numbers(data, shape, prefix)
        changed: dict[str, Any] = {}
        for name, inner in shape.objects.items():
            if name in data:
                changed[name] = self._object(data[name], inner, f"{prefix}{name}")
        for name in (*shape.rows, *shape.lists):
            if name in shape.needed or not _is_nothing(data.get(name)):
                place = f"{prefix}{name}"
                found = self._list(data.get(name), place)
                if name in shape.counted and len(found) > MOST_LINES:
                    self._fault(place, TOO_MANY.format(count=len(found), most=MOST_LINES))
                    found = []
                if name in shape.rows:
                    keeps = name in shape.found_by_key
                    found = self._rows(found, shape.rows[name], place, keeps=keeps)
                else:
                    found = self._scalars(found, place)
                changed[name] = found
        return {**data, **changed} if changed else data

    def _check_texts(self, data: Mapping[str, Any], shape: Shape, prefix: str) -> None:
        for name in shape.words:
            if _is_nothing(data.get(name)):
                self._fault(f"{prefix}{name}", "is missing")
        for name in (shape.texts | shape.words) & data.keys():
            if isinstance(data[name], Mapping | list | bool):
                self._fault(f"{prefix}{name}", f"is {_kind(data[name])}, not text")
        for name in shape.times & data.keys():
            if not _is_time(data[name]):
                self._fault(f"{prefix}{name}", f"is {_shown(data[name])}, which is no usable time")
        for name in shape.ids & data.keys():
            if not _is_id(data[name]):
                self._fault(f"{prefix}{name}", f"is {_shown(data[name])}, which is no id")

    def _check_numbers(self, data: Mapping[str, Any], shape: Shape, prefix: str) -> None:
        named = shape.number_names
        found = [name for name in data if named.fullmatch(name)] if named else ()
        for name in (*shape.numbers, *shape.amounts, *found):
            value = data.get(name)
            if _is_nothing(value):
                if name in shape.amounts:
                    self._fault(f"{prefix}{name}", "has no number")
            elif find_decimal(value) is None:
                self._fault(f"{prefix}{name}", f"is {_shown(value)}, which is no plain number")

    def _object(self, value: Any, shape: Shape, place: str) -> Mapping[str, Any]:
        if value is None or value == [] or value == "":
            return {}
        if isinstance(value, Mapping):
            return self.read(value, shape, f"{place}.")
        self._fault(place, f"is {_kind(value)}, not an object")
        return {}

    def _list(self, value: Any, place: str) -> list[Any]:
        found = find_list(value)
        if found is None and value != {}:
            problem = "is missing" if _is_nothing(value) else f"is {_kind(value)}, not a list"
            self._fault(place, problem)
        return found or []

    def _rows(self, values: Sequence[Any], shape: Shape, place: str, *, keeps: bool) -> list[Any]:
        rows: list[Any] = []
        self.count += len(values)
        if self.count > MOST_ROWS:
            self._fault(place, TOO_MANY.format(count=f"over {MOST_ROWS}", most=MOST_ROWS))
            return rows
        for index, value in enumerate(values):
            if isinstance(value, Mapping) and value:
                rows.append(self.read(value, shape, f"{place}[{index}]."))
                continue
            self.dropped.append(f"{place}[{index}]")
            if keeps:
                rows.append(value)
        return rows

    def _scalars(self, values: Sequence[Any], place: str) -> list[Any]:
        found = []
        for index, value in enumerate(values):
            if value is None or isinstance(value, Mapping | list):
                self.dropped.append(f"{place}[{index}]")
            else:
                found.append(value)
        return found

    def _fault(self, place: str, problem: str) -> None:
        self.faults.append(Fault(place, problem))


def find_list(value: object) -> list[Any] | None:
    """A list; or an object whose keys are all integers as the list from which PHP made it, ordered
    by key. None for anything else, including an empty object, which may be an empty answer."""
    if isinstance(value, list):
        return value
    if not isinstance(value, Mapping) or not value:
        return None
    if not all(isinstance(key, str) and _INDEX.fullmatch(key) for key in value):
        return None
    return [value[key] for key in sorted(value, key=int)]


def rows_of(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list, for data without a shape; [] if it is no list."""
    return [row for row in find_list(value) or () if isinstance(row, Mapping)]


def find_decimal(raw: object) -> Decimal | None:
    """The number of a text or a JSON number; None for anything else ("12,5", "1e2", "", NaN), and
    for numbers that are too large for a money column."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        return None
    if isinstance(raw, int) and abs(raw) >= _LARGEST_NUMBER:
        return None
    if isinstance(raw, str):
        text = raw.strip()
    else:
        text = str(raw) if isinstance(raw, int) else format(Decimal(str(raw)), "f")
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    return number if abs(number) < _LARGEST_NUMBER else None


def in_utc(moment: datetime) -> datetime | None:
    """A time in UTC, which is the default zone; None outside of the years 1900 to 9000, where
    arithmetic or the database could fail."""
    if not _EARLIEST <= moment.year <= _LATEST:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_time(value: object) -> bool:
    if _is_nothing(value):
        return True
    if not isinstance(value, str):
        return False
    try:
        return value.startswith(_ZERO_DATES) or in_utc(datetime.fromisoformat(value)) is not None
    except ValueError:
        return False


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_id(value: object) -> bool:
    if _is_nothing(value):
        return True
    if isinstance(value, bool) or not isinstance(value, int | str):
        return False
    text = str(value).strip()
    return len(text) <= 20 and text.isascii() and text.isdigit()


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true or false"
    return "text" if isinstance(value, str) else "a number"


def _shown(value: object) -> str:
    return _kind(value) if isinstance(value, Mapping | list) else repr(value)[:EXCERPT]
