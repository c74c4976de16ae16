"""Countries and states: codes in a shop, names that people enter in a CRM.

The shop's own list decides: WooCommerce's state codes are not those of ISO 3166-2, and shops add
some. Many forms of a name are recognised; any other text is kept as it is."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import pycountry
from babel import Locale

from app.mapping.values import canonical_text, cut_at_word
from app.woocommerce.client import WooCountry, shipped_countries

# pycountry's look-ups are not typed
_COUNTRIES: Any = pycountry.countries
_SUBDIVISIONS: Any = pycountry.subdivisions

_ALIASES = {
    "uk": "GB",
    "great britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "america": "US",
    "uae": "AE",
    "ksa": "SA",
    "republic of ireland": "IE",
    "russia": "RU",
    "turkey": "TR",
    "czech republic": "CZ",
    "ivory coast": "CI",
    "cape verde": "CV",
    "swaziland": "SZ",
    "macedonia": "MK",
    "holland": "NL",
    "vatican": "VA",
    "burma": "MM",
    "drc": "CD",
    "prc": "CN",
    "roc": "TW",
}
_LANGUAGES = (
    "ar bg bn bs ca cs cy da de el es et eu fa fi fr ga gl he hi hr hu hy id is it ja ka "
    "ko lt lv mk ms nb nl nn pl pt ro ru sk sl sq sr sr_Latn sv th tr uk ur vi zh zh_Hant"
)
"""The languages of WooCommerce shops for which CLDR has names of countries."""

_SHORTEST_CUT = 20
"""The least number of characters of a cut name that is matched as a prefix."""

Forms = Iterable[tuple[str, str]]
"""Pairs of a written form and its code."""


@lru_cache(maxsize=65536)
def _key(text: str) -> str:
    """The form in which names are compared: without case, accents, punctuation, blanks and
    "the"."""
    folded = unicodedata.normalize("NFKD", canonical_text(text)).casefold().replace("&", " and ")
    plain = (char for char in folded if not "\u0300" <= char <= "\u036f")
    words = "".join(char if _is_letter(char) else " " for char in plain).strip()
    return words.removeprefix("the ").replace(" ", "")


def _is_letter(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char).startswith("M")


def _joined(*levels: Forms) -> dict[str, str]:
    """Codes by key. An earlier level takes precedence; a form with several codes at one level has
    none there."""
    known: dict[str, str] = {}
    for level in levels:
        found: dict[str, set[str]] = defaultdict(set)
        for form, code in level:
            found[_key(form)].add(code)
        found.pop("", None)
        for key, codes in found.items():
            if len(codes) == 1:
                known.setdefault(key, *codes)
    return known


@dataclass(frozen=True, eq=False)
class Places:
    """The countries of one shop.

    A country's neutral value is its alpha-2 code. A state's is the country's code, a dash and the
    state's, as in "US-CA", whatever notation the shop uses ("GT-AV", "JP13" or "CA").
    """

    countries: Mapping[str, WooCountry] = field(repr=False)

    @classmethod
    def of(cls, countries: Iterable[WooCountry]) -> "Places":
        return cls({country.code: country for country in countries})

    def find_country(self, text: str) -> str | None:
        """The alpha-2 code of a country's name or code; None if it is not known.

        Names are recognised in the shop's language, in English and in forty others.
        """
        key = _key(text)
        return self._country_forms.get(key) or _local_names().get(key)

    @cached_property
    def _country_forms(self) -> dict[str, str]:
        codes = {*self.countries, *(country.alpha_2 for country in _COUNTRIES)}
        own = [(country.name, country.code) for country in self.countries.values()]
        return _joined(
            [(code, code) for code in codes],
            own,
            [(name.partition("(")[0], code) for name, code in own],
            _iso_countries(),
            _ALIASES.items(),
            _names_in("en"),
        )

    def country_text(self, code: str, *, size: int | None) -> str:
        """The English name that fits into `size` characters and is read again as this code; else
        the code itself."""
        return next(
            (
                name
                for name in self._country_names(code)
                if (size is None or len(name) <= size) and self.find_country(name) == code
            ),
            code,
        )

    def _country_names(self, code: str) -> Iterator[str]:
        iso = _COUNTRIES.get(alpha_2=code) if len(code) == 2 else None
        if iso is not None:
            yield str(getattr(iso, "common_name", iso.name))
        if code in self.countries:
            yield self.countries[code].name
        yield from (name for name, found in _names_in("en") if found == code)

    def has_states(self, country: str) -> bool:
        """Whether the shop lists the country's states; if not, it accepts any text."""
        return country in self.countries and bool(self.countries[country].states)

    def find_state(self, text: str, country: str) -> str | None:
        """The neutral value of a state's name or code in `country` (alpha-2); None if unknown.

        Recognised are the shop's own code and name, the names of the state in WooCommerce and
        ISO 3166-2, and ISO's code where it is not that of another state of the shop.
        """
        if not self.has_states(country):
            return None
        key = _key(text)
        index = self._index(country)
        found = index.forms.get(key) or index.find_cut(key)
        return None if found is None else index.neutral[found]

    def state_text(self, value: str, country: str, *, size: int | None) -> str:
        """The name of a neutral state in at most `size` characters, cut only if it is still read as
        this state; else its code. Other text is returned unchanged."""
        index = self._index(country) if self.has_states(country) else None
        if index is None or value not in index.codes:
            return value
        names = list(index.names_of(index.codes[value]))
        cut = [cut_at_word(name, size) for name in names] if size is not None else []
        fitting = [name for name in names if size is None or len(name) <= size]
        readable = (one for one in (*fitting, *cut) if self.find_state(one, country) == value)
        return next(readable, index.codes[value])

    def state_code(self, value: str, country: str) -> str | None:
        """The shop's own code of a neutral state of `country`; None if it lists no such state."""
        return self._index(country).codes.get(value) if self.has_states(country) else None

    def _index(self, country: str) -> "_StateIndex":
        if country not in self._indexes:
            self._indexes[country] = _StateIndex(self.countries[country])
        return self._indexes[country]

    @cached_property
    def _indexes(self) -> dict[str, "_StateIndex"]:
        return {}


class _StateIndex:
    """One country's states: the shop's code by written form, and the neutral value by that code."""

    def __init__(self, country: WooCountry) -> None:
        self._own = country.states
        self.neutral = {code: _neutral(code, country.code) for code in country.states}
        self.codes = {value: code for code, value in self.neutral.items()}
        names = _named(country)
        linked = _linked(country.code, _joined(*names), self.codes)
        self._iso = {code: iso for iso, code in reversed(linked)}
        self.forms = _joined(
            [(code, code) for code in country.states],
            [(value, code) for code, value in self.neutral.items()],
            *names,
            [(iso.name, code) for iso, code in linked],
            [(iso.code, code) for iso, code in linked],
            [(iso.code.partition("-")[2], code) for iso, code in linked],
        )

    def names_of(self, code: str) -> Iterator[str]:
        """The state's names, the preferred one first: ISO's local name if the shop's code is ISO's
        ("Bayern"), else the shop's name."""
        iso, own = self._iso.get(code), self._own[code]
        names = (_in_latin(own), own)
        local = (str(iso.name),) if iso is not None else ()
        yield from (*local, *names) if iso and iso.code == self.neutral[code] else (*names, *local)

    def find_cut(self, key: str) -> str | None:
        """The only state whose name starts with `key`, a name that was cut; else None."""
        if len(key) < _SHORTEST_CUT:
            return None
        found = {code for form, code in self.forms.items() if form.startswith(key)}
        return found.pop() if len(found) == 1 else None


def _neutral(code: str, country: str) -> str:
    return f"{country}-{code.removeprefix(country).removeprefix('-') or code}"


def _named(country: WooCountry) -> list[Forms]:
    """The names of the states: the shop's, WooCommerce's, and the parts of both."""
    shipped = shipped_places().countries.get(country.code)
    own = [(name, code) for code, name in country.states.items()]
    more = [(name, code) for code, name in (shipped.states.items() if shipped else ())]
    more = [(name, code) for name, code in more if code in country.states]
    parts = [(part, code) for name, code in (*own, *more) for part in re.split(r"[/()]", name)]
    return [own, more, parts]


def _in_latin(name: str) -> str:
    """A name without its repetition in another script: "Beijing" for "Beijing / 北京"."""
    first, *rest = re.split(r"[/(]", name)
    repeated = rest and not any(map(_is_latin, "".join(rest))) and any(map(_is_latin, first))
    return first.strip() if repeated else name


def _is_latin(char: str) -> bool:
    return char.isalpha() and unicodedata.name(char, "").startswith("LATIN")


def _linked(
    country: str, names: Mapping[str, str], codes: Mapping[str, str]
) -> list[tuple[Any, str]]:
    """ISO's subdivisions of a country, each with the shop's code of the same state.

    They are the same if they have the same name, or the same code and no contradicting name. Where
    a region and a province in it have the same name, the province is used: shops list those.
    """
    all_of = sorted(_SUBDIVISIONS.get(country_code=country) or (), key=lambda iso: iso.code)
    by_name = [(iso, names[_key(iso.name)]) for iso in all_of if _key(iso.name) in names]
    inner = {code for iso, code in by_name if iso.parent_code}
    by_name = [(iso, code) for iso, code in by_name if iso.parent_code or code not in inner]
    taken = {code for _, code in by_name}
    named = {iso.code for iso in all_of if _key(iso.name) in names}
    by_code = [
        (iso, codes[iso.code])
        for iso in all_of
        if iso.code in codes and iso.code not in named and codes[iso.code] not in taken
    ]
    return by_name + by_code


def _iso_countries() -> Iterator[tuple[str, str]]:
    for country in _COUNTRIES:
        more = (getattr(country, "official_name", ""), getattr(country, "common_name", ""))
        for form in (country.alpha_3, country.name, *more):
            yield form, country.alpha_2


def _names_in(language: str) -> list[tuple[str, str]]:
    """CLDR's names of countries in a language."""
    named = Locale.parse(language).territories.items()
    return [(name, code) for code, name in named if len(code) == 2 and code.isalpha()]


@lru_cache(maxsize=1)
def _local_names() -> dict[str, str]:
    """Codes by the names of countries in other languages, without ambiguous names."""
    return _joined([form for language in _LANGUAGES.split() for form in _names_in(language)])


@lru_cache(maxsize=1)
def shipped_places() -> Places:
    """The countries of WooCommerce's own list."""
    return Places.of(shipped_countries())
