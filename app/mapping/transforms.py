"""All transforms by name: pairs of pure functions between a system's text and the neutral value.

They obey the two laws of lenses, tested by property: writing back a value that was read changes
nothing (get-put); reading after a write gives the value written, in canonical form (put-get)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import ClassVar

from app.domain import System
from app.mapping.paths import LIST, listed
from app.mapping.places import Places, shipped_places
from app.mapping.values import (
    Value,
    canonical_number,
    canonical_text,
    collapse,
    decimal_text,
    rounded,
)
from app.parsing import find_decimal
from app.vtiger.schemas import fold

_NO_COUNTRY = (
    "It is not a country of the shop's list: write the country's name in English, in its own "
    "language or as the shop lists it, or its two-letter code."
)
_NO_COUNTRY_OF_STATE = (
    "The state's country is not in the shop's list of countries: correct the country first."
)
_NO_STATE = "The shop lists no such state of {country}: write a state's name or code as it does."


@dataclass(frozen=True, slots=True)
class Text:
    """Unchanged text. Of several WooCommerce paths the first that is not blank is read.

    Texts are plain (decoded). `given` is the neutral value of the rule named by `FieldRule.given`,
    "" if there is none.
    """

    least_paths: ClassVar[int] = 1
    most_paths: ClassVar[int] = 4
    needs_given: ClassVar[bool] = False
    many: ClassVar[bool] = False
    """Whether it reads lists, which `find_path` then joins."""
    fault_reason: ClassVar[str] = "wrong_type"
    """The reason code for the message of `fault`."""

    def read(self, text: str, given: str) -> str:  # noqa: ARG002 - a state reads its country
        """The neutral value of one side's text."""
        return text

    def read_vtiger(self, text: str, given: str) -> str:
        """The neutral value of the Vtiger field."""
        return self.read(text, given)

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        """Why this neutral value cannot be written to `target`; "" if it can."""
        return ""

    def read_woo(self, texts: Sequence[Value], given: str) -> Value:
        """The neutral value of the first of the rule's WooCommerce paths that is not blank. If all
        are blank, it is None if one of the paths is missing, else the first path's value."""
        found = next((text for text in texts if text and text.strip()), None)
        if found is None and texts and None not in texts:
            found = texts[0]
        return None if found is None else self.read(found, given)

    def write_woo(self, value: str, current: Sequence[Value], given: str) -> tuple[Value, ...]:
        """The texts for the rule's paths; None for a path that is not written.

        An unchanged value writes nothing, an empty one clears every path that would be read.
        """
        held = self.read_woo(current, given)
        if held is not None and self.canonical(held) == self.canonical(value):
            return tuple(None for _ in current)
        text = self.woo_like(value, given, held=current[0] if current else None)
        if text.strip():
            return (text, *(None for _ in current[1:]))
        return (text, *(text if path and path.strip() else None for path in current[1:]))

    def woo_text(self, value: str, given: str) -> str:  # noqa: ARG002
        return value

    def woo_like(self, value: str, given: str, *, held: Value) -> str:  # noqa: ARG002
        """The text for WooCommerce, in the notation of the current value `held` where several are
        possible."""
        return self.woo_text(value, given)

    def vtiger_text(self, value: str, given: str, *, size: int | None) -> str:  # noqa: ARG002
        """The text for the Vtiger field, which stores `size` characters (None: any number)."""
        return value

    def canonical(self, value: str) -> str:
        """The form in which two neutral values are compared."""
        return canonical_text(value)


@dataclass(frozen=True, slots=True)
class Email(Text):
    """An e-mail address; blanks around it and case are ignored."""

    most_paths: ClassVar[int] = 2

    def read(self, text: str, given: str) -> str:  # noqa: ARG002
        return collapse(text)

    def canonical(self, value: str) -> str:
        return canonical_text(value).casefold()


@dataclass(frozen=True, slots=True)
class Street(Text):
    """Address lines 1 and 2 in WooCommerce, one text in Vtiger; its further lines are appended to
    the second with commas."""

    least_paths: ClassVar[int] = 2
    most_paths: ClassVar[int] = 2

    def read_woo(self, texts: Sequence[Value], given: str) -> Value:
        first, second = texts
        if first is None:
            return None
        return self.read("\n".join([first, second or ""]).rstrip("\r\n"), given)

    def write_woo(self, value: str, current: Sequence[Value], given: str) -> tuple[Value, ...]:
        held = self.read_woo(current, given)
        if held is not None and self.canonical(held) == self.canonical(value):
            return (None, None)
        first, _, rest = value.replace("\r\n", "\n").replace("\r", "\n").partition("\n")
        return (collapse(first), _joined_lines(rest))

    def canonical(self, value: str) -> str:
        first, _, rest = value.replace("\r\n", "\n").replace("\r", "\n").partition("\n")
        lines = (canonical_text(first), canonical_text(_joined_lines(rest)))
        return "\n".join(lines).rstrip("\n")


def _joined_lines(rest: str) -> str:
    return ", ".join(line for line in map(collapse, rest.split("\n")) if line)


@dataclass(frozen=True, slots=True)
class Country(Text):
    """Neutral: the ISO alpha-2 code, or the text itself if it is not a known country."""

    most_paths: ClassVar[int] = 1
    fault_reason: ClassVar[str] = "unknown_place"

    places: Places = field(default_factory=shipped_places)

    def read(self, text: str, given: str) -> str:  # noqa: ARG002
        return self.places.find_country(text) or text

    def vtiger_text(self, value: str, given: str, *, size: int | None) -> str:  # noqa: ARG002
        code = self.places.find_country(value)
        return value if code is None else self.places.country_text(code, size=size)

    def canonical(self, value: str) -> str:
        return self.places.find_country(value) or canonical_text(value)

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        known = not value.strip() or value in self.places.countries
        return _NO_COUNTRY if target is System.WOOCOMMERCE and not known else ""


@dataclass(frozen=True, slots=True)
class State(Text):
    """Neutral: the country's code and the state's ("US-CA"), or the text itself if the shop does
    not list it.

    `given` is the neutral country of the same side.
    """

    most_paths: ClassVar[int] = 1
    needs_given: ClassVar[bool] = True
    fault_reason: ClassVar[str] = "unknown_place"

    places: Places = field(default_factory=shipped_places)

    def read(self, text: str, given: str) -> str:
        return self.places.find_state(text, given) or text

    def woo_text(self, value: str, given: str) -> str:
        return self._find_code(value, given) or value

    def _find_code(self, value: str, given: str) -> str | None:
        """The shop's code of a state of `given`; `value` may be its name, read beside another
        country."""
        return self.places.state_code(self.read(value, given), given)

    def vtiger_text(self, value: str, given: str, *, size: int | None) -> str:
        return self.places.state_text(value, given, size=size)

    def fault(self, value: str, target: System, *, given: str = "") -> str:
        if target is not System.WOOCOMMERCE or not value.strip() or not given.strip():
            return ""
        if given not in self.places.countries:
            return _NO_COUNTRY_OF_STATE
        unlisted = self.places.has_states(given) and not self._find_code(value, given)
        return _NO_STATE.format(country=self.places.countries[given].name) if unlisted else ""


@dataclass(frozen=True, slots=True)
class Number(Text):
    """A number, compared by value: "19.9" equals "19.90000000"."""

    most_paths: ClassVar[int] = 1

    def canonical(self, value: str) -> str:
        return canonical_number(canonical_text(value))


@dataclass(frozen=True, slots=True)
class Percent(Number):
    """A percentage, of which Vtiger stores three decimals."""

    def canonical(self, value: str) -> str:
        found = find_decimal(canonical_text(value))
        return canonical_text(value) if found is None else decimal_text(rounded(found, 3))


@dataclass(frozen=True, slots=True)
class Company(Text):
    """The name of an Account. Names that differ only in case and accents are equal, as in Vtiger
    (contract page Vtiger §0.16)."""

    def canonical(self, value: str) -> str:
        return fold(canonical_text(value))


TRANSFORMS: Mapping[str, Text] = {
    "text": Text(),
    "phone": Text(),
    "company": Company(),
    "email": Email(),
    "street": Street(),
    "country": Country(),
    "state": State(),
    "number": Number(),
    "percent": Percent(),
}

PLACED: Mapping[str, type[Country] | type[State]] = {"country": Country, "state": State}
"""The transforms that use the countries and states of a shop."""


# Transforms of custom rows that use options of the row: picklists, lists, constants.

Pairs = tuple[tuple[str, str], ...]
"""Pairs of WooCommerce's value and Vtiger's value."""

_SEPARATOR = " |##| "
_UNLISTED = "{value} is not in the row's table: add a pair for it."
_HOLDS = (
    "{value} contains the separator: set the row's separator to another, or to none for a list."
)


@dataclass(frozen=True, slots=True)
class Picklist(Text):
    """A value translated by a table of pairs. Neutral: WooCommerce's value. Without a table values
    are not translated.

    Several WooCommerce values with the same Vtiger value are equal to the first of them.
    """

    pairs: Pairs = ()
    most_paths: ClassVar[int] = 1

    def read(self, text: str, given: str) -> str:  # noqa: ARG002
        return collapse(text)

    def read_vtiger(self, text: str, given: str) -> str:  # noqa: ARG002
        return self.woo_word(collapse(text))

    def vtiger_text(self, value: str, given: str, *, size: int | None) -> str:  # noqa: ARG002
        return self.vtiger_word(value)

    def canonical(self, value: str) -> str:
        return self.folded(canonical_text(value))

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        return self.unlisted(value)

    @property
    def _to_vtiger(self) -> Mapping[str, str]:
        return dict(self.pairs)

    def woo_word(self, word: str) -> str:
        return next((woo for woo, vtiger in self.pairs if vtiger == word), word)

    def vtiger_word(self, word: str) -> str:
        return self._to_vtiger.get(word, word)

    def folded(self, word: str) -> str:
        table = self._to_vtiger
        return self.woo_word(table[word]) if word in table else word

    def unlisted(self, word: str) -> str:
        known = not self.pairs or not word or word in self._to_vtiger
        return "" if known else _UNLISTED.format(value=word)


@dataclass(frozen=True, slots=True)
class MultiPicklist(Picklist):
    """Several values, separated by " |##| " in Vtiger; in WooCommerce a list, or text with
    `separator` ("": a list). Their order is ignored."""

    separator: str = ","
    many: ClassVar[bool] = True

    def read(self, text: str, given: str) -> str:  # noqa: ARG002
        return _joined_words(self._words(text))

    def read_vtiger(self, text: str, given: str) -> str:  # noqa: ARG002
        return _joined_words(self.woo_word(word) for word in _split(text, LIST))

    def _words(self, text: str) -> Iterator[str]:
        by_list = LIST in text or not self.separator
        return _split(text, LIST if by_list else self.separator)

    def vtiger_text(self, value: str, given: str, *, size: int | None) -> str:  # noqa: ARG002
        return _joined_words(self.vtiger_word(word) for word in _split(value, LIST))

    def woo_like(self, value: str, given: str, *, held: Value) -> str:  # noqa: ARG002
        words = list(_split(value, LIST))
        as_list = LIST in (held or "") or not self.separator
        return listed(words) if as_list else f"{self.separator} ".join(words)

    def canonical(self, value: str) -> str:
        words = {self.folded(canonical_text(word)) for word in _split(value, LIST)}
        return _SEPARATOR.join(sorted(words))

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        words = list(_split(value, LIST))
        if target is System.WOOCOMMERCE and self.separator:
            held = next((word for word in words if self.separator in word), None)
            if held is not None:
                return _HOLDS.format(value=held)
        return next(filter(None, map(self.unlisted, words)), "")


def _split(text: str, separator: str) -> Iterator[str]:
    return filter(None, map(collapse, text.split(separator)))


def _joined_words(words: Iterator[str]) -> str:
    return _SEPARATOR.join(dict.fromkeys(words))


@dataclass(frozen=True, slots=True)
class Constant(Text):
    """A constant: the value of the side for which the row has no field."""

    value: str = ""
    least_paths: ClassVar[int] = 0
    most_paths: ClassVar[int] = 1

    def read_woo(self, texts: Sequence[Value], given: str) -> Value:
        return Text.read_woo(self, texts, given) if texts else self.value

    def canonical(self, value: str) -> str:
        return canonical_number(canonical_text(value))


# Typed transforms of custom rows: numbers, booleans, dates and times.
#
# WooCommerce's meta has no types, so each transform reads the usual notations and writes in the one
# of the current value. In Vtiger a number or a checkbox is never empty: 0 and no are treated as
# empty, so that a field that was never set overwrites nothing. Contract page Vtiger §9.

YES = frozenset({"1", "yes", "true", "on"})
_NO = frozenset({"0", "no", "false", "off"})
NOTATIONS = ("yes/no", "true/false", "1/0")
_WORDS = {word: each.split("/") for each in NOTATIONS for word in each.split("/")}
_NO_DAY = "0000-00-00"
_DAY = re.compile(r"(\d{4})([-/]?)(\d{2})\2(\d{2})", re.ASCII)
_TIMED = re.compile(r"(\d{4}-\d{2}-\d{2})([T ])\d{2}:\d{2}", re.ASCII)
_EPOCH = re.compile(r"\d{9,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Amount(Text):
    """A number with a dot: "19.9" equals "19.90", and 0 equals an empty field."""

    most_paths: ClassVar[int] = 1

    def read(self, text: str, given: str) -> str:  # noqa: ARG002
        number = find_decimal(text)
        return collapse(text).strip() if number is None else decimal_text(number)

    def vtiger_text(self, value: str, given: str, *, size: int | None) -> str:  # noqa: ARG002
        return value if value.strip() else "0"

    def canonical(self, value: str) -> str:
        text = self.read(canonical_text(value), "")
        return "" if text == "0" else text

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        if not value.strip() or find_decimal(value) is not None:
            return ""
        return "It is not a number: write it with a dot and without a unit, as in 12.50."


@dataclass(frozen=True, slots=True)
class Whole(Amount):
    """A whole number."""

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        number = find_decimal(value) if value.strip() else 0
        return "" if number is not None and number == int(number) else "It is not a whole number."


@dataclass(frozen=True, slots=True)
class YesNo(Text):
    """A boolean, as yes/no, true/false or 1/0; neutral: "1" or "0".

    `notation` is the one that is written where WooCommerce has no value yet.
    """

    notation: str = "yes/no"
    most_paths: ClassVar[int] = 1

    def read(self, text: str, given: str) -> str:  # noqa: ARG002
        word = collapse(text)
        folded = word.casefold()
        return "1" if folded in YES else "0" if folded in _NO else word

    def vtiger_text(self, value: str, given: str, *, size: int | None) -> str:  # noqa: ARG002
        return value if value.strip() else "0"

    def woo_like(self, value: str, given: str, *, held: Value) -> str:  # noqa: ARG002
        yes, no = _WORDS.get(collapse(held or "").casefold(), self.notation.split("/"))
        return yes if value == "1" else no if value in ("0", "") else value

    def canonical(self, value: str) -> str:
        text = self.read(canonical_text(value), "")
        return "" if text == "0" else text

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        return "" if value in ("", "0", "1") else "It is neither yes nor no."


@dataclass(frozen=True, slots=True)
class Day(Text):
    """A date; neutral and in Vtiger: 2026-11-25; in the shop also 20261125 and 2026/11/25."""

    most_paths: ClassVar[int] = 1

    def read(self, text: str, given: str) -> str:  # noqa: ARG002
        shown = collapse(text)
        found = _find_day(shown[:10] if _TIMED.match(shown) else shown)
        return "" if shown.startswith(_NO_DAY) else shown if found is None else found.isoformat()

    def woo_like(self, value: str, given: str, *, held: Value) -> str:  # noqa: ARG002
        shown = collapse(held or "")
        if not value or _find_day(value) is None:
            return value
        if timed := _TIMED.match(shown):
            return f"{value}{timed[2]}00:00:00"
        found = _DAY.fullmatch(shown)
        return value.replace("-", found[2]) if found else value

    def canonical(self, value: str) -> str:
        return self.read(canonical_text(value), "")

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        if not value.strip() or _find_day(value) is not None:
            return ""
        return "It is not a date: write it as 2026-11-25."


def _find_day(text: str) -> date | None:
    found = _DAY.fullmatch(text)
    try:
        return date(int(found[1]), int(found[3]), int(found[4])) if found else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Moment(Text):
    """A date and time in UTC; neutral: 2026-11-25T08:00:00Z; in Vtiger: 2026-11-25 08:00:00.

    A shop's text without a time zone is taken for UTC, a number for a Unix time.
    """

    most_paths: ClassVar[int] = 1

    def read(self, text: str, given: str) -> str:  # noqa: ARG002
        shown = collapse(text)
        found = _find_moment(shown)
        if shown.startswith(_NO_DAY):
            return ""
        return shown if found is None else _stamp(found) + "Z"

    def vtiger_text(self, value: str, given: str, *, size: int | None) -> str:  # noqa: ARG002
        found = _find_moment(value)
        return value if found is None else _stamp(found).replace("T", " ")

    def woo_like(self, value: str, given: str, *, held: Value) -> str:  # noqa: ARG002
        shown, found = collapse(held or ""), _find_moment(value)
        if found is None:
            return value
        epoch = str(int(found.timestamp()))
        if _EPOCH.fullmatch(shown) and _EPOCH.fullmatch(epoch):
            return epoch
        timed = _TIMED.match(shown)
        if timed and timed[2] == " ":
            return _stamp(found).replace("T", " ")
        bare = timed and not shown.endswith("Z") and not re.search(r"[+-]\d\d:?\d\d$", shown)
        return _stamp(found) if bare else _stamp(found) + "Z"

    def canonical(self, value: str) -> str:
        return self.read(canonical_text(value), "")

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        if not value.strip() or _find_moment(value) is not None:
            return ""
        return "It is not a date and time: write it as 2026-11-25T08:00:00Z."


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _find_moment(text: str) -> datetime | None:
    """The time in UTC; None if the text is none, or the year has less than four digits."""
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        if not (_TIMED.match(text) or _find_day(text)):
            return None
        read = datetime.fromisoformat(text.replace("/", "-"))
        moment = read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= 1000 else None


# All transforms by name, with the options of one row.


@dataclass(frozen=True, slots=True)
class TransformOptions:
    """The options of a row for its transform: a picklist's pairs, a constant's value, the notation
    of booleans in WooCommerce, the separator of a list."""

    pairs: Pairs = ()
    value: str = ""
    notation: str = "yes/no"
    separator: str = ","


PLAIN = TransformOptions()

OFFERED: Mapping[str, str] = {
    "text": "Text, unchanged.",
    "email": "An e-mail address; case is ignored.",
    "phone": "A phone number, unchanged.",
    "street": "Address lines 1 and 2 (two WooCommerce fields) and one Vtiger text.",
    "country": "WooCommerce's country code, Vtiger's English name.",
    "state": "The shop's own state code, Vtiger's name; `given` names the country's row.",
    "decimal": "A number; 0 is treated as empty.",
    "integer": "A whole number; 0 is treated as empty.",
    "boolean": "Yes or no: yes/no, true/false, 1/0 in WooCommerce, a checkbox in Vtiger.",
    "date": "A date.",
    "datetime": "A date and time, UTC in both systems.",
    "picklist": "A value translated by the table `pairs`: WooCommerce's value, Vtiger's value.",
    "multi_picklist": "Several values: a list or text in WooCommerce; `pairs` is optional.",
    "constant": "Always `value`, for the side that has a field in this row.",
}
"""The transforms that users may choose, each with a description."""


@lru_cache(maxsize=512)
def find_transform(name: str, options: TransformOptions) -> Text:
    """The transform `name` with `options`; KeyError if there is none of that name."""
    match name:
        case "picklist":
            return Picklist(options.pairs)
        case "multi_picklist":
            return MultiPicklist(options.pairs, options.separator)
        case "constant":
            return Constant(options.value)
        case "boolean":
            return YesNo(options.notation)
    return _PLAIN[name]


_PLAIN: Mapping[str, Text] = {
    **TRANSFORMS,
    "decimal": Amount(),
    "integer": Whole(),
    "date": Day(),
    "datetime": Moment(),
}
