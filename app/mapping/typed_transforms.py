"""Transforms of custom rows that know a type: numbers, yes or no, days and moments.

WooCommerce's meta has no types, so each reads the notations that shops use and writes in the one
that it finds. In Vtiger a number is never empty and a checkbox never undecided: 0 and no count as
empty, so that a field that nobody ever touched overwrites nothing. Contract page Vtiger §9.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import ClassVar

from app.errors import System
from app.mapping.numbers import decimal_text, find_decimal
from app.mapping.text import canonical_text, collapse
from app.mapping.transforms import Text
from app.mapping.values import Value

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
