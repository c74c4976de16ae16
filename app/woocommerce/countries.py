"""The countries and states that a shop knows, and the list that WooCommerce comes with."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from importlib.resources import files
from typing import Any

from app.errors import ResponseUnreadable, System
from app.woocommerce.requests import ShopRequests

SHIPPED_FILE = "countries.json"


@dataclass(frozen=True, slots=True)
class WooCountry:
    """A country as the shop lists it: alpha-2 code, name and state names by the shop's code.

    The names are plain text. WooCommerce's state codes are its own, not those of ISO 3166-2.
    Without `states` the shop takes any text for a state of this country.
    """

    code: str
    name: str
    states: Mapping[str, str]


class CountryCalls(ShopRequests):
    """wc/v3/data/countries."""

    async def search_countries(self) -> tuple[WooCountry, ...]:
        """All countries with their states, in the shop's own language (recording data_countries).

        Nearly 200 kB with its links, so only the fields that count are asked for.
        """
        return read_countries(await self._get("data/countries", {"_fields": "code,name,states"}))


def read_countries(answer: object) -> tuple[WooCountry, ...]:
    """What an answer of data/countries lists; ResponseUnreadable if it lists no country."""
    found = tuple(_countries(answer))
    if not found:
        raise ResponseUnreadable(System.WOOCOMMERCE, "data/countries lists no country")
    return found


def _countries(answer: object) -> Iterator[WooCountry]:
    for row in _rows(answer):
        code, name = _text(row.get("code")), _text(row.get("name"))
        if code and name:
            states = {
                _text(one.get("code")): _text(one.get("name")) for one in _rows(row.get("states"))
            }
            yield WooCountry(
                code, name, {key: each for key, each in states.items() if key and each}
            )


def _rows(rows: object) -> Iterator[Mapping[str, Any]]:
    """The objects of a list, which PHP writes as an object if it has gaps."""
    found = rows.values() if isinstance(rows, Mapping) else rows
    if isinstance(found, Iterable) and not isinstance(found, str):
        yield from (row for row in found if isinstance(row, Mapping))


def _text(value: object) -> str:
    """Text without HTML entities (`Cura&ccedil;ao`); PHP makes numbers of codes such as 81."""
    known = isinstance(value, str | int) and not isinstance(value, bool)
    return unescape(str(value)).strip() if known else ""


@lru_cache(maxsize=1)
def shipped_countries() -> tuple[WooCountry, ...]:
    """WooCommerce's own list, for a shop whose list cannot be had."""
    text = (files(__package__) / SHIPPED_FILE).read_text(encoding="utf-8")
    return tuple(
        WooCountry(code, unescape(each["name"]), _decoded(each["states"]))
        for code, each in json.loads(text)["countries"].items()
    )


def _decoded(states: Mapping[str, str]) -> dict[str, str]:
    return {code: unescape(name) for code, name in states.items()}
