"""Input from outside, read into known types: JSON of the two systems, ids, texts, moments, and form
fields. What cannot be read raises an error that names the field.

PHP sends a list with a gap as an object, an empty object as `[]`, rows that are null, and numbers
as whatever a plug-in made of them. What can be read without doubt is read; everything else is a
fault that names its place, so that it is never taken for "none" or 0."""

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

# The fields of forms and of addresses, read one by one up to a limit.
#
# A general parser decodes everything before it counts, and one escape costs as much as many plain
# bytes. Here nothing is decoded but names, and those values that somebody asks for.

LONGEST_NAME = 100
"""Bytes of a name as sent; fields with longer ones are passed over."""


def read_fields(raw: bytes, *, most: int, longest: int) -> Iterator[tuple[str, bytes]]:
    """The name and the value, as sent, of each field in order, but for empty values, and for those
    of more than `longest` bytes. Raises InvalidInput, before the first field, if there are more
    than `most`."""
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
    """A name or value as it was meant: `+` is a space; what is not UTF-8 becomes U+FFFD."""
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "replace")


# The kinds of values that come from outside: ids, texts and moments, one type each.
#
# Requests of the API, the filters and forms of the pages, and the options of commands all take
# these types, so that what the database or the calendar cannot hold is refused at every door.

T = TypeVar("T")

LARGEST = 2**63 - 1
"""The largest whole number that a column of the database holds."""
LONGEST_TEXT = 200
MOST_VALUES = 500
"""How many values one filter may have: a statement of the database has room for 65,535 in all."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _printable(text: str) -> str:
    """Neither NUL nor half a surrogate pair: no database, address or file takes these."""
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("Leave out NUL characters and halves of surrogate pairs.")
    return text


def _in_utc(moment: datetime) -> datetime:
    """As UTC, which it is unless it says. No row lies further out than the bounds, and sums of
    times within them are possible in every zone."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not EARLIEST <= aware.replace(tzinfo=UTC) <= LATEST:
        raise ValueError("Give a time between 1970 and 2200.")
    return aware.astimezone(UTC)


RowNumber = Annotated[int, Field(ge=1, le=LARGEST)]
"""The id of a row of ours."""
Version = Annotated[int, Field(ge=0, le=LARGEST)]
"""The version of a mapping; 0 is the one that nobody changed yet."""
Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT), AfterValidator(_printable)]
"""A word or a line, such as the id of a record in its system, which is not kept as a value."""
Moment = Annotated[datetime, AfterValidator(_in_utc)]
Several = Annotated[list[T], Field(max_length=MOST_VALUES, fail_fast=True)]
"""The values of a filter that means either of them. The first wrong one is told: to tell all of a
hundred thousand takes seconds."""


class Kind(Generic[T]):
    """One of these types where no model of pydantic reads it. `wanted` says what to give."""

    def __init__(self, annotated: Any, wanted: str) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(annotated)
        self._wanted = wanted

    def read(self, text: str) -> T:
        """ValueError says in a sentence what to give instead."""
        try:
            return self._adapter.validate_python(text)
        except ValidationError as error:
            [fault, *_] = error.errors(include_input=False, include_url=False)
            own = fault["ctx"]["error"] if fault["type"] == "value_error" else self._wanted
            raise ValueError(str(own)) from None


NUMBER: Kind[int] = Kind(RowNumber, "Give a whole number.")
VERSION: Kind[int] = Kind(Version, "Give the number of a version.")
TEXT: Kind[str] = Kind(Text, f"Give at most {LONGEST_TEXT} characters.")
MOMENT: Kind[datetime] = Kind(Moment, "Give a time such as 2026-11-24T08:00:00Z.")


LARGEST_LENIENT = 256 * 1024
"""Bytes of what somebody sends us that is read although strict readers refuse it."""
EXCERPT = 80
MOST_BYTES_A_CHARACTER = 4

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)", re.ASCII)
_LONGEST_NUMBER = 40
_LARGEST_NUMBER = Decimal(10) ** 17
"""Vtiger's money columns hold 17 digits before the point (contract page readback, unit_price)."""
_MARKS = re.compile(rb"\s*(?:\xef\xbb\xbf\s*){0,100}", re.ASCII)
_DECODER = json.JSONDecoder(parse_int=lambda digits: _integer(digits))
MOST_LINES = 2000
"""Lines of an order. It takes some 50 ms to read so many, and Vtiger minutes to store them."""
MOST_ROWS = 50_000
"""Rows of all lists of a record together, such as the meta data of all lines."""
TOO_MANY = "has {count} rows, and {most} are the most that can be synced"
_INDEX = re.compile(r"[0-9]{1,9}", re.ASCII)
_EARLIEST, _LATEST = 1900, 9000
_ZERO_DATES = ("0000-00-00", "-0001-11-30")
"""What WordPress shows of a date that was never set."""


class NotJson(ValueError):
    """A body cannot be read as JSON; the message tells where, and what stands there."""


def parse_json(raw: bytes) -> Any:
    """The JSON of a body, byte order marks before it aside. Raises NotJson.

    What strict readers refuse for one value's sake (NaN, 1e999, half a surrogate pair) is read, so
    that only the record that holds it is faulty.
    """
    return _parse(without_marks(raw), is_lenient=True)


def parse_bounded_json(raw: bytes, *, most: int) -> Any:
    """The same of a body that somebody sends us, at a bounded cost. Raises NotJson, also for more
    than `most` values, where commas and brackets in texts count as values too.

    Of bodies larger than LARGEST_LENIENT nothing is read that strict readers refuse.
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
    """Python's own numbers take time that grows with the square of their digits."""
    return int(digits) if len(digits) <= _LONGEST_NUMBER else float(digits)


def without_marks(raw: bytes) -> bytes:
    """A body without the byte order marks and blanks that it begins with: PHP sends a mark for
    each of its files that was saved with one, which are less than a hundred."""
    marks = _MARKS.match(raw)
    return raw[marks.end() :] if marks else raw


def leading_members(head: bytes) -> dict[str, Any]:
    """The members that an object begins with, of a body of which only the first bytes are there;
    those that are whole, {} if it is no object."""
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
    """The value at a place, and where what follows its end begins: a number that the cut went
    through is none."""
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
    return f"it breaks {place}, where it says {shown!r}" if shown else f"it ends {place}"


@dataclass(frozen=True, slots=True)
class Shape:
    """What is read of a JSON object, by key.

    `texts` are text or numbers, or null; `words` must be there. `numbers` may be null, "" or
    absent, which is 0; `amounts` may not. `number_names` is a pattern of further numbers. `times`
    may be null, "" or absent, or MySQL's zero date, which is none. `ids` are numbers of records;
    null, "" and 0 are none. `objects` may be null, `[]` or absent, which is
    empty. `rows` are lists of objects, `lists` of scalars; null, "" and absent stay as they are,
    for whoever reads them to tell from an empty list, but those in `needed` must be there.
    `counted` are rows of which there may be MOST_LINES at most, for they are worked on in the event
    loop. `found_by_key` are rows whose place in the list does not matter and whose absence says
    something: rows that are no objects stay there, so that nobody takes what they may have held
    for absent.
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
    """What cannot be read: its place, such as `line_items[0].total`, and what is wrong with it."""

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place} {self.problem}"


@dataclass(frozen=True, slots=True)
class Shaped:
    """An object in known types; `dropped` are the places of rows that are no objects."""

    data: Mapping[str, Any]
    faults: tuple[Fault, ...]
    dropped: tuple[str, ...]


def shaped(data: Mapping[str, Any], shape: Shape) -> Shaped:
    """The object with lists and objects where `shape` has them, and its faults."""
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
            told = "is missing" if _is_nothing(value) else f"is {_kind(value)}, not a list"
            self._fault(place, told)
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
    """A list, or an object whose keys are all integers as the list that PHP made it of, in the
    order of its keys; None for anything else, an empty object too: it may be an answer that tells
    nothing."""
    if isinstance(value, list):
        return value
    if not isinstance(value, Mapping) or not value:
        return None
    if not all(isinstance(key, str) and _INDEX.fullmatch(key) for key in value):
        return None
    return [value[key] for key in sorted(value, key=int)]


def rows_of(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list, for those who look at records of a shape that nobody promised."""
    return [row for row in find_list(value) or () if isinstance(row, Mapping)]


def find_decimal(raw: object) -> Decimal | None:
    """The number that a text or JSON number is; None for anything else ("12,5", "1e2", "", NaN),
    and for numbers that no money column holds."""
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
    """A moment in UTC, one without a zone being UTC already; None at the ends of time, where
    neither arithmetic nor the database goes."""
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
