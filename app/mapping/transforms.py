"""The registry of transforms: pure pairs of functions between raw texts and neutral values.

Laws, tested by property: a value that is read and written back changes nothing (get-put); what
was written is what is read, under the transform's canonical comparison (put-get).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from app.errors import System
from app.mapping.numbers import canonical_number, decimal_text, find_decimal, rounded
from app.mapping.places import Places, shipped_places
from app.mapping.text import canonical_text, collapse
from app.mapping.values import Value
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
        return (collapse(first), _joined(rest))

    def canonical(self, value: str) -> str:
        first, _, rest = value.replace("\r\n", "\n").replace("\r", "\n").partition("\n")
        lines = (canonical_text(first), canonical_text(_joined(rest)))
        return "\n".join(lines).rstrip("\n")


def _joined(rest: str) -> str:
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
