"""Every transform by its name: pairs of pure functions between the text of a system and the neutral
value.

Laws, tested by property: a value that is read and written back changes nothing (get-put); what
was written is what is read, under the transform's canonical comparison (put-get)."""

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
from app.vtiger.query import fold

_NO_COUNTRY = (
    "It is no country that the shop knows: write the country's name in English, in its own "
    "language or as the shop lists it, or its two-letter code."
)
_NO_COUNTRY_OF_STATE = "The state's country is none that the shop knows: write the country first."
_NO_STATE = "The shop lists no such state of {country}: write a state's name or code as it does."


@dataclass(frozen=True, slots=True)
class Text:
    """Text as it is. Of several WooCommerce paths the first that is not blank is read.

    Texts are plain (decoded). `given` is the neutral value of the rule named by `FieldRule.given`,
    "" if there is none.
    """

    least_paths: ClassVar[int] = 1
    most_paths: ClassVar[int] = 4
    needs_given: ClassVar[bool] = False
    many: ClassVar[bool] = False
    """Whether it reads lists, which `find_path` then joins."""
    fault_reason: ClassVar[str] = "wrong_type"
    """The reason code of what `fault` tells."""

    def read(self, text: str, given: str) -> str:  # noqa: ARG002 - a state reads its country
        """One side's text in neutral space."""
        return text

    def read_vtiger(self, text: str, given: str) -> str:
        """The neutral value of the Vtiger field."""
        return self.read(text, given)

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        """Why this neutral value is none that `target` can be given; "" if it is."""
        return ""

    def read_woo(self, texts: Sequence[Value], given: str) -> Value:
        """The neutral value of the rule's WooCommerce paths: of the first that is not blank. If
        none is, a path that is not there may have been the one: then there is no value."""
        found = next((text for text in texts if text and text.strip()), None)
        if found is None and texts and None not in texts:
            found = texts[0]
        return None if found is None else self.read(found, given)

    def write_woo(self, value: str, current: Sequence[Value], given: str) -> tuple[Value, ...]:
        """The texts for the rule's paths; None leaves a path alone.

        An unchanged value leaves all alone, an empty one empties every path that would be read.
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
        """The text for WooCommerce, in the notation of what is there, where it has several."""
        return self.woo_text(value, given)

    def vtiger_text(self, value: str, given: str, *, size: int | None) -> str:  # noqa: ARG002
        """The text for the Vtiger field, which keeps `size` characters (None: any number)."""
        return value

    def canonical(self, value: str) -> str:
        """What two neutral values share if they are no difference."""
        return canonical_text(value)


@dataclass(frozen=True, slots=True)
class Email(Text):
    """An address: blanks around it never count, nor does case."""

    most_paths: ClassVar[int] = 2

    def read(self, text: str, given: str) -> str:  # noqa: ARG002
        return collapse(text)

    def canonical(self, value: str) -> str:
        return canonical_text(value).casefold()


@dataclass(frozen=True, slots=True)
class Street(Text):
    """Address lines 1 and 2 against one text; its further lines join the second with commas."""

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
    """Neutral: the ISO alpha-2 code, or the text that is no country we know."""

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
    """Neutral: the shop's code after its country's ("US-CA"), or the text that is none it lists.

    `given` is the neutral country of the same side.
    """

    most_paths: ClassVar[int] = 1
    needs_given: ClassVar[bool] = True
    fault_reason: ClassVar[str] = "unknown_place"

    places: Places = field(default_factory=shipped_places)

    def read(self, text: str, given: str) -> str:
        return self.places.find_state(text, given) or text

    def woo_text(self, value: str, given: str) -> str:
        return self.places.state_code(value, given) or value

    def vtiger_text(self, value: str, given: str, *, size: int | None) -> str:
        return self.places.state_text(value, given, size=size)

    def fault(self, value: str, target: System, *, given: str = "") -> str:
        if target is not System.WOOCOMMERCE or not value.strip() or not given.strip():
            return ""
        if given not in self.places.countries:
            return _NO_COUNTRY_OF_STATE
        unlisted = self.places.has_states(given) and not self.places.state_code(value, given)
        return _NO_STATE.format(country=self.places.countries[given].name) if unlisted else ""


@dataclass(frozen=True, slots=True)
class Number(Text):
    """A number, compared by what it is worth: "19.9" is "19.90000000"."""

    most_paths: ClassVar[int] = 1

    def canonical(self, value: str) -> str:
        return canonical_number(canonical_text(value))


@dataclass(frozen=True, slots=True)
class Percent(Number):
    """A percentage, of which Vtiger keeps three decimals."""

    def canonical(self, value: str) -> str:
        found = find_decimal(canonical_text(value))
        return canonical_text(value) if found is None else decimal_text(rounded(found, 3))


@dataclass(frozen=True, slots=True)
class Company(Text):
    """The name of an Account, which Vtiger has once for all that differ in case and accents only
    (contract page Vtiger §0.16): another spelling is no change."""

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
"""The transforms that go by the countries and states of a shop."""


# Transforms of custom rows that go by what the row says: picklists by table, lists, constants.

Pairs = tuple[tuple[str, str], ...]
"""What WooCommerce says, and what Vtiger says for it."""

_SEPARATOR = " |##| "
_UNLISTED = "{value} is not in the row's table: add a pair for it."
_HOLDS = "{value} holds the separator: set the row's separator to another, or to none for a list."


@dataclass(frozen=True, slots=True)
class Picklist(Text):
    """A value by a table of pairs. Neutral: WooCommerce's value. Without a table values are equal.

    Several of WooCommerce's values for one of Vtiger's count as the first of them.
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
    """Several values: " |##| " between them in Vtiger, in WooCommerce a list, or text with
    `separator` between them (none: a list). Their order does not count."""

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
    """Always the same value for the other side: the side of the row that has no field."""

    value: str = ""
    least_paths: ClassVar[int] = 0
    most_paths: ClassVar[int] = 1

    def read_woo(self, texts: Sequence[Value], given: str) -> Value:
        return Text.read_woo(self, texts, given) if texts else self.value

    def canonical(self, value: str) -> str:
        return canonical_number(canonical_text(value))


# Transforms of custom rows that know a type: numbers, yes or no, days and moments.
#
# WooCommerce's meta has no types, so each reads the notations that shops use and writes in the one
# that it finds. In Vtiger a number is never empty and a checkbox never undecided: 0 and no count
# as empty, so that a field that nobody ever touched overwrites nothing. Contract page Vtiger §9.

_YES = frozenset({"1", "yes", "true", "on"})
_NO = frozenset({"0", "no", "false", "off"})
NOTATIONS = ("yes/no", "true/false", "1/0")
_WORDS = {word: each.split("/") for each in NOTATIONS for word in each.split("/")}
_NO_DAY = "0000-00-00"
_DAY = re.compile(r"(\d{4})([-/]?)(\d{2})\2(\d{2})", re.ASCII)
_TIMED = re.compile(r"(\d{4}-\d{2}-\d{2})([T ])\d{2}:\d{2}", re.ASCII)
_EPOCH = re.compile(r"\d{9,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Amount(Text):
    """A number with a dot: "19.9" is "19.90", and 0 is what an empty field shows."""

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
        return "It is no number: write it with a dot and without a unit, as in 12.50."


@dataclass(frozen=True, slots=True)
class Whole(Amount):
    """A whole number."""

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        number = find_decimal(value) if value.strip() else 0
        return "" if number is not None and number == int(number) else "It is no whole number."


@dataclass(frozen=True, slots=True)
class YesNo(Text):
    """Yes or no, as yes/no, true/false or 1/0: "1" or "0" in neutral space.

    `notation` is what is written where WooCommerce holds nothing yet.
    """

    notation: str = "yes/no"
    most_paths: ClassVar[int] = 1

    def read(self, text: str, given: str) -> str:  # noqa: ARG002
        word = collapse(text)
        folded = word.casefold()
        return "1" if folded in _YES else "0" if folded in _NO else word

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
    """A day: 2026-11-25 in neutral space and Vtiger; also 20261125 and 2026/11/25 in the shop."""

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
        return "It is no day: write it as 2026-11-25."


def _find_day(text: str) -> date | None:
    found = _DAY.fullmatch(text)
    try:
        return date(int(found[1]), int(found[3]), int(found[4])) if found else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Moment(Text):
    """A moment in UTC: 2026-11-25T08:00:00Z in neutral space, 2026-11-25 08:00:00 in Vtiger.

    A shop's text without a zone is UTC; a number is a Unix time.
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
        return "It is no moment: write it as 2026-11-25T08:00:00Z."


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _find_moment(text: str) -> datetime | None:
    """None also for years that a stamp cannot show in four digits."""
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


# Every transform by its name, made for one row.


@dataclass(frozen=True, slots=True)
class TransformOptions:
    """What a row says of its transform: a picklist's pairs, a constant's value, how WooCommerce
    writes yes and no, what stands between the words of a list."""

    pairs: Pairs = ()
    value: str = ""
    notation: str = "yes/no"
    separator: str = ","


PLAIN = TransformOptions()

OFFERED: Mapping[str, str] = {
    "text": "Text as it is.",
    "email": "An e-mail address; case does not count.",
    "phone": "A phone number, as it is.",
    "street": "Address lines 1 and 2 (two WooCommerce fields) and one Vtiger text.",
    "country": "WooCommerce's country code, Vtiger's English name.",
    "state": "The shop's own state code, Vtiger's name; `given` names the country's row.",
    "decimal": "A number; 0 counts as empty.",
    "integer": "A whole number; 0 counts as empty.",
    "boolean": "Yes or no: yes/no, true/false, 1/0 in WooCommerce, a checkbox in Vtiger.",
    "date": "A day.",
    "datetime": "A moment, UTC in both.",
    "picklist": "A value by the table `pairs`: WooCommerce's value, Vtiger's value.",
    "multi_picklist": "Several values: a list or text in WooCommerce; `pairs` is optional.",
    "constant": "Always `value`, for the side that has a field in this row.",
}
"""What users may choose, in one sentence each."""


@lru_cache(maxsize=512)
def find_transform(name: str, options: TransformOptions) -> Text:
    """KeyError if there is no transform of that name."""
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
