"""Neutral values: numbers, plain text, mapped records, the base, and patches. Pure."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from html.entities import name2codepoint
from html.parser import HTMLParser
from typing import Any, Literal, Self

from babel.numbers import get_currency_precision

from app.domain import InvalidInput, System
from app.parsing import find_decimal

# Numbers: parsed strictly, written without exponent, rounded half up.

_EXACT = Context(prec=80)
_UNITS = [Decimal(1).scaleb(-places) for places in range(21)]
"""By decimals: no column of either system has more than 20."""


def amount(raw: object) -> Decimal:
    """The number, 0 for null and blank text. InvalidInput for anything that is not a number."""
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return Decimal(0)
    found = find_decimal(raw)
    if found is None:
        raise InvalidInput(f"{raw!r} is not a number: write it with a dot and no unit, as in 12.50")
    return found


def rounded(value: Decimal, places: int) -> Decimal:
    """`value` with `places` decimals, rounded half up."""
    return value.quantize(_UNITS[places], ROUND_HALF_UP, _EXACT)


def decimal_text(value: Decimal) -> str:
    """`value` without exponent, trailing zeros or a negative zero."""
    text = format(value.normalize(_EXACT), "f")
    return "0" if text == "-0" else text


def money_text(value: Decimal, currency: str) -> str:
    """An amount for display, "1.50 EUR", with at least the decimals of its currency."""
    text = decimal_text(value)
    places = get_currency_precision(currency)
    shown = format(value, f".{places}f") if len(text.partition(".")[2]) < places else text
    return f"{shown} {currency}".strip()


def canonical_number(text: str) -> str:
    """The common form of equal numbers ("19.9" for "19.90000000"); other text without blanks at
    its ends."""
    found = find_decimal(text)
    return text.strip() if found is None else decimal_text(found)


def canonical_json(value: Mapping[str, Any]) -> str:
    """JSON text that is equal for equal content."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


# Text: entities decoded once, without characters that cannot be stored, in comparable form.

REPLACEMENT = "\ufffd"

_ENTITY = re.compile(
    r"&(?:#(?P<dec>[0-9]+)|#[xX](?P<hex>[0-9A-Fa-f]+)|(?P<name>[A-Za-z][A-Za-z0-9]*));"
)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
SURROGATES = re.compile("[\ud800-\udfff]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_BLANKS = re.compile(r"[ \t\r\n]+")


def decode_entities(text: str) -> str:
    """Decode HTML 4.01 entities once, as PHP does: not `&apos;`, nor `&amp` without semicolon.

    Contract page readback, rule 2 of Vtiger's text fields.
    """
    return _ENTITY.sub(_decoded, text) if "&" in text else text


def _decoded(match: re.Match[str]) -> str:
    if match["name"]:
        code = name2codepoint.get(match["name"])
        return match[0] if code is None else chr(code)
    digits, radix = (match["dec"], 10) if match["dec"] else (match["hex"], 16)
    significant = digits.lstrip("0")[:8]
    code = int(significant or "0", radix)
    return chr(code) if _allowed_in_html4(code) else match[0]


def _allowed_in_html4(code: int) -> bool:
    return (
        0x20 <= code <= 0x7E
        or code in (0x09, 0x0A, 0x0D)
        or 0xA0 <= code <= 0xD7FF
        or 0xE000 <= code <= 0x10FFFF
    )


def plain(raw: str) -> str:
    """A system's raw text as a neutral value: decoded once, no C0 controls, no lone surrogates.

    Tabs and line breaks stay. The result can be stored by PostgreSQL and sent as JSON.
    """
    return storable(decode_entities(raw))


def storable(text: str) -> str:
    """The text without C0 controls, and with U+FFFD for lone surrogates."""
    return SURROGATES.sub(REPLACEMENT, _CONTROLS.sub("", text))


def collapse(text: str) -> str:
    """Replace runs of space, tab, CR and LF by one space, and remove them at the ends; other blanks
    are kept."""
    return _BLANKS.sub(" ", text).strip(" ")


def replace_astral(text: str) -> str:
    """Replace each four-byte character by U+FFFD, which Vtiger can store (it would store
    `????`)."""
    return _ASTRAL.sub(REPLACEMENT, text)


def restore_astral(text: str, original: str) -> str:
    """Replace each U+FFFD of `text` by the four-byte characters of `original`, in order.

    Only if there are as many: then `text` is an edit of `replace_astral(original)`.
    """
    lost = _ASTRAL.findall(original)
    if not lost or len(lost) != text.count(REPLACEMENT):
        return text
    parts = text.split(REPLACEMENT)
    return parts[0] + "".join(char + part for char, part in zip(lost, parts[1:], strict=True))


def canonical_text(text: str) -> str:
    """The form in which texts are compared: NFC, without controls and four-byte differences.

    Contract page readback, "Lossy": decode (done on reading), NFC, drop controls, collapse, trim.
    """
    return collapse(replace_astral(unicodedata.normalize("NFC", _CONTROLS.sub("", text))))


def cut_at_word(text: str, size: int) -> str:
    """At most `size` characters of `text`, cut after a word if that keeps half of them."""
    if len(text) <= size:
        return text
    head = text[:size]
    at = -1 if text[size].isspace() else max(head.rfind(" "), head.rfind("\n"))
    return (head[:at] if at >= size // 2 else head).rstrip()


# HTML of a shop as plain text for the CRM. The conversion is lossy and is never reversed.

_TAG = re.compile(r"<[a-zA-Z/!?]")
_UNSEEN = frozenset({"script", "style", "head", "template", "noscript", "iframe"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "dd", "div", "dl", "dt", "figure", "footer"}
    | {"form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "ol", "p", "pre", "section"}
    | {"table", "tr", "ul"}
)
_LINE_BLANKS = re.compile(r"[ \t\f\v]+")
_LINES = re.compile(r"\n{3,}")


def markup_text(source: str) -> str:
    """The visible text of HTML: a line per block, a dash per list item, no script or style.

    Of text without any tag only the entities are decoded. A shop's raw description
    (`context=edit`) separates paragraphs by blank lines, so line breaks between tags are kept.
    """
    reader = _Reader()
    reader.feed(source)
    reader.close()
    text = "".join(reader.parts)
    if not _TAG.search(source):
        return text.strip()
    lines = (_LINE_BLANKS.sub(" ", line).strip() for line in text.split("\n"))
    return _LINES.sub("\n\n", "\n".join(lines)).strip()


def shown_name(source: str) -> str:
    """A name as it is displayed: one line, without tags (`Serum<br>30 ml` is "Serum 30 ml"); one
    without any tag is only decoded."""
    return collapse(storable(markup_text(source))) if _TAG.search(source) else plain(source)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in _UNSEEN:
            self._hidden += 1
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag == "br" or tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data.replace("\r\n", "\n"))


Value = str | None
"""A neutral value. None: that side does not have the field. "": the field is empty."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """The neutral values of one record: plain, entity-decoded text by mapped name.

    `derived` are the names of values that replace a missing one (a last name taken from the
    company); they fill an empty field of the other side, but never overwrite a value.
    `exact` is what the record itself holds where its value is in the other system's coarser terms,
    as an order's own status is; "" if the other system has no term for it. `lacking` are notes on
    values that the other system has no term for, to be recorded when they are new.
    A record that does not exist yet is `Mapped.missing()`.
    """

    values: Mapping[str, Value]
    derived: frozenset[str] = frozenset()
    exact: Mapping[str, str] = field(default_factory=dict)
    lacking: "Mapping[str, FieldNote]" = field(default_factory=dict)

    @classmethod
    def missing(cls) -> Self:
        return cls({})

    def get(self, name: str) -> Value:
        return self.values.get(name)


@dataclass(frozen=True, slots=True)
class Agreed:
    """One field of a base: the neutral value of each side after the last sync.

    Both are stored since targets may alter values: each side is compared with its own. `woo_exact`
    and `vtiger_exact` are what the sides held in their own terms (`Mapped.exact`), None where that
    was not recorded.
    """

    woo: Value
    vtiger: Value
    woo_exact: Value = None
    vtiger_exact: Value = None

    @classmethod
    def of(cls, name: str, woo: Mapped, vtiger: Mapped) -> Self:
        """The field of two sides, as read."""
        return cls(woo.get(name), vtiger.get(name), woo.exact.get(name), vtiger.exact.get(name))

    def on(self, system: System) -> Value:
        return self.woo if system is System.WOOCOMMERCE else self.vtiger

    def exact_on(self, system: System) -> Value:
        return self.woo_exact if system is System.WOOCOMMERCE else self.vtiger_exact

    def has_moved(self, system: System, exact: Value) -> bool:
        """Whether a side changed in its own terms, or has a term in the other system at last."""
        before = self.exact_on(system)
        return before is not None and bool(exact) and before != exact


Base = Mapping[str, Agreed]


def base_to_json(base: Base) -> dict[str, list[Value]]:
    """A base as JSON: name to [woo, vtiger], followed by both exact values if there is one."""
    return {name: _agreed_to_json(agreed) for name, agreed in base.items()}


def _agreed_to_json(agreed: Agreed) -> list[Value]:
    exact = [agreed.woo_exact, agreed.vtiger_exact]
    return [agreed.woo, agreed.vtiger, *(exact if exact != [None, None] else ())]


def base_from_json(data: Mapping[str, Any]) -> dict[str, Agreed]:
    """The inverse of `base_to_json`."""
    return {name: Agreed(*stored) for name, stored in data.items()}


@dataclass(frozen=True, slots=True)
class FieldNote:
    """Why a field was left out of a patch, or how it was altered. `value` is the full value."""

    field: str
    reason: str
    message: str
    value: str


NO_OBJECTS = "Rows of this list are not objects (counted from 0): they were left out."


def left_out_notes(dropped: Sequence[str]) -> tuple[FieldNote, ...]:
    """One note for each list of which rows were left out; `dropped` as in WooRecord."""
    lists: dict[str, list[str]] = {}
    for place in dropped:
        name, _, index = place.rpartition("[")
        lists.setdefault(name, []).append(index.rstrip("]"))
    return tuple(
        FieldNote(name, "unreadable", NO_OBJECTS, ", ".join(rows)) for name, rows in lists.items()
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record is not synced at all: a reason code, and a message that says how to fix it.

    `retires`: a twin that was created for it before is to be deactivated.
    """

    reason: str
    message: str
    retires: bool = False


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """The user's settings for writing: text that is too long is cut at a word, or left out."""

    too_long: Literal["cut", "skip"] = "cut"


@dataclass(frozen=True, slots=True)
class Patch:
    """What to send: nested WooCommerce JSON or flat Vtiger fields, JSON-serialisable.

    `apart` are texts by mapped name that are not in the body because another record has them (the
    company: an Account). `unwritten` are the names of changes that were left out, each with a note;
    a note on any other name means that the value was sent altered.
    """

    body: dict[str, Any]
    notes: tuple[FieldNote, ...] = ()
    unwritten: frozenset[str] = frozenset()
    apart: Mapping[str, str] = field(default_factory=dict)
