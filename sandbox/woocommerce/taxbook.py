"""Tax rates and tax classes as a shop changes them, with the action topics that tell of it.

Contract page WooCommerce §1 (Taxes) and §2; recordings tax_*, err_tax_*.
"""

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.links import ALL_METHODS, item_links
from sandbox.woocommerce.objects import ObjectTable
from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.phpnumber import fixed_text, number, whole_number
from sandbox.woocommerce.site import Site
from sandbox.woocommerce.slugs import slug_of
from sandbox.woocommerce.taxrates import STANDARD
from sandbox.woocommerce.wordpress import sanitize_text_field

Emit = Callable[[str, int], None]
Params = Mapping[str, Any]

_PLACES: Final = 4
_UPPER: Final = ("country", "state")


class TaxBook:
    """The tax operations of one shop; `classes` maps slugs to names, the standard one first."""

    def __init__(self, site: Site, taxes: ObjectTable, classes: dict[str, str], emit: Emit) -> None:
        self._site = site
        self._taxes = taxes
        self._classes = classes
        self._emit = emit

    def create(self, params: Params) -> dict[str, Any]:
        """A new rate: action.woocommerce_tax_rate_added."""
        rate_id = self._taxes.new_id()
        url = self._site.rest_url("taxes")
        row = {
            "id": rate_id,
            **dict.fromkeys(("country", "state", "postcode", "city"), ""),
            "rate": "0.0000",
            "name": "",
            "priority": 1,
            "compound": False,
            "shipping": True,
            "order": 0,
            "class": STANDARD,
            "postcodes": [],
            "cities": [],
            "_links": item_links(f"{url}/{rate_id}", url, ALL_METHODS),
        }
        _write(row, params)
        self._taxes.load([row])
        self._emit("action.woocommerce_tax_rate_added", rate_id)
        return self._taxes.get(rate_id)

    def update(self, rate_id: int, params: Params) -> dict[str, Any]:
        """action.woocommerce_tax_rate_updated, unless nothing changed."""
        row = self._taxes.get(rate_id)
        before = dict(row)
        _write(row, params)
        if row != before:
            self._emit("action.woocommerce_tax_rate_updated", rate_id)
        return row

    def delete(self, rate_id: int) -> None:
        """action.woocommerce_tax_rate_deleted; orders keep their tax lines."""
        self._taxes.remove(rate_id)
        self._emit("action.woocommerce_tax_rate_deleted", rate_id)

    def slugs(self) -> list[str]:
        """The classes that may be chosen, without the standard one."""
        return [slug for slug in self._classes if slug != STANDARD]

    def create_class(self, name: str) -> str:
        """A new class, sorted in by name; answers its slug."""
        slug = _class_slug(name)
        if slug in self._classes or name in self._classes.values():
            message = "Tax class already exists"
            raise RestError("woocommerce_rest_tax_class_exists", message, 400)
        others = sorted(
            [*((s, n) for s, n in self._classes.items() if s != STANDARD), (slug, name)],
            key=lambda pair: _folded(pair[1]),
        )
        standard = self._classes.get(STANDARD, "Standard rate")
        self._classes.clear()
        self._classes.update({STANDARD: standard, **dict(others)})
        return slug

    def delete_class(self, slug: str) -> str:
        """Remove a class with its rates; answers its name."""
        name = self._classes.pop(slug)
        for row in [row for row in self._taxes if row["class"] == slug]:
            self._taxes.remove(row["id"])
        return name


def _class_slug(name: str) -> str:
    return slug_of(name.replace(",", "").replace(".", ""))


def _folded(name: str) -> str:
    decomposed = unicodedata.normalize("NFD", name.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _write(row: dict[str, Any], params: Params) -> None:
    for name in _UPPER:
        if params.get(name) is not None:
            row[name] = sanitize_text_field(scalar_text(params[name])).upper()
    if params.get("rate") is not None:
        row["rate"] = fixed_text(number(scalar_text(params["rate"])), _PLACES)
    if params.get("name") is not None:
        row["name"] = sanitize_text_field(scalar_text(params["name"]))
    for name in ("priority", "order"):
        if params.get(name) is not None:
            row[name] = whole_number(params[name])
    for name in ("compound", "shipping"):
        if params.get(name) is not None:
            row[name] = bool(params[name])
    if params.get("class") is not None:
        row["class"] = params["class"]
    _write_places(row, params)


def _write_places(row: dict[str, Any], params: Params) -> None:
    """Several postcodes and cities, upper case; the singular fields show the last of each."""
    for single, several in (("postcode", "postcodes"), ("city", "cities")):
        given = params.get(several)
        if given is None and params.get(single) is not None:
            given = scalar_text(params[single]).split(";")
        if given is not None:
            row[several] = [text.strip().upper() for text in map(scalar_text, given) if text]
            row[single] = row[several][-1] if row[several] else ""
