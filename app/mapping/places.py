"""Countries and their subdivisions: codes, English names, and the forms WooCommerce writes."""

import re
from functools import lru_cache
from typing import Any

import pycountry

from app.mapping.text import canonical_text

# pycountry's look-ups are not typed
_COUNTRIES: Any = pycountry.countries
_SUBDIVISIONS: Any = pycountry.subdivisions

_QUALIFIED = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")

_ALIASES = {
    "uk": "GB",
    "great britain": "GB",
    "russia": "RU",
    "turkey": "TR",
    "czech republic": "CZ",
    "ivory coast": "CI",
    "cape verde": "CV",
    "swaziland": "SZ",
    "macedonia": "MK",
    "holland": "NL",
    "vatican": "VA",
}


def _folded(text: str) -> str:
    return canonical_text(text).casefold()


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    """Every form a country is known by, folded, to its alpha-2 code."""
    forms = dict(_ALIASES)
    for country in _COUNTRIES:
        known = (country.alpha_2, country.alpha_3, country.name)
        more = (getattr(country, "official_name", ""), getattr(country, "common_name", ""))
        forms.update({_folded(form): country.alpha_2 for form in (*known, *more) if form})
    return forms


def find_country(text: str) -> str | None:
    """The alpha-2 code of a name, alpha-2 or alpha-3 code in any case; None if it is none."""
    return _countries().get(_folded(text))


@lru_cache(maxsize=512)
def country_name(code: str) -> str | None:
    """The usual English name of an alpha-2 code; None if there is no such code."""
    country = _COUNTRIES.get(alpha_2=code) if len(code) == 2 else None
    if country is None:
        return None
    return str(getattr(country, "common_name", country.name))


@lru_cache(maxsize=256)
def _subdivision_names(country: str) -> dict[str, str]:
    """A country's subdivision codes by folded name.

    Where a province bears its region's name the province is meant, for shops list provinces
    (Spain, Bangladesh); other names that several bear are left out.
    """
    found: dict[str, list[Any]] = {}
    for subdivision in _SUBDIVISIONS.get(country_code=country) or ():
        found.setdefault(_folded(subdivision.name), []).append(subdivision)
    meant = {name: _innermost(bearers) for name, bearers in found.items()}
    return {name: bearers[0].code for name, bearers in meant.items() if len(bearers) == 1}


def _innermost(bearers: list[Any]) -> list[Any]:
    within = [subdivision for subdivision in bearers if subdivision.parent_code]
    return within if len(bearers) > 1 else bearers


@lru_cache(maxsize=8192)
def _is_subdivision(code: str) -> bool:
    return bool(_QUALIFIED.fullmatch(code)) and _SUBDIVISIONS.get(code=code) is not None


@lru_cache(maxsize=8192)
def find_subdivision(text: str, country: str) -> str | None:
    """The ISO 3166-2 code ("US-CA") of a state's text in `country` (alpha-2); None if unknown.

    Read are the whole code (of any country), its end ("CA"), the dashless form ("JP13") and the
    name, in any case.
    """
    folded = canonical_text(text).upper()
    if _is_subdivision(folded):
        return folded
    if country_name(country) is None:
        return None
    for code in (f"{country}-{folded}", f"{country}-{folded.removeprefix(country)}"):
        if _is_subdivision(code):
            return code
    return _subdivision_names(country).get(_folded(text))


@lru_cache(maxsize=8192)
def subdivision_name(code: str, country: str) -> str | None:
    """The name of an ISO 3166-2 code, if read again beside `country` it means that code."""
    if not _is_subdivision(code):
        return None
    name = str(_SUBDIVISIONS.get(code=code).name)
    return name if find_subdivision(name, country) == code else None


_DASHED = frozenset(
    {"AL", "BD", "BG", "BO", "CL", "CO", "CR", "DE", "DO", "DZ", "EC", "GT", "HN"}
    | {"HR", "JM", "NI", "PA", "PY", "SV", "TH", "UY", "VE", "ZM"}
)
_DASHLESS = frozenset({"EG", "JP", "KE", "MZ", "RS", "SN", "TR", "TZ", "UA", "UG"})


def woo_state(value: str, country: str) -> str:
    """The text that WooCommerce uses for a neutral state beside `country`.

    It lists some countries' states as "DE-BY", some as "JP13", most as "CA".
    """
    if not _is_subdivision(value) or not value.startswith(country + "-"):
        return value
    if country in _DASHED:
        return value
    return value.replace("-", "") if country in _DASHLESS else value[len(country) + 1 :]
