"""Names for tax rates that tell them apart in Vtiger, where only the label is seen."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate

from app.json_shapes import find_list
from app.mapping.numbers import canonical_number, find_decimal, rounded
from app.mapping.text import collapse, plain
from app.woocommerce.schemas import WooRecord

_NAMELESS = "Tax"
_RATE_WORD = "-rate"
_PLACES = 3
"""The decimals that Vtiger keeps of a percentage."""


def tax_labels(
    rates: Sequence[WooRecord], *, kept: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A label for each rate by its id: the name, and as much more as makes it unique.

    In this order: country, state, class, percentage, postcode or city, id ("VAT FR reduced").
    `kept` are labels by rate id that are in use: one that still fits its rate stays, for labels
    cannot be changed safely in Vtiger. Rates of one tax (`tax_leaders`) have one label. Mapping
    table "Taxes"; recordings tax_create_reduced, tax_create_postcodes.
    """
    known = kept or {}
    leaders = tax_leaders(rates, paired=known)
    forms = {rate.id: label_forms(rate) for rate in rates if leaders[rate.id] == rate.id}
    labels = {key: known[key] for key, own in forms.items() if known.get(key) in own}
    taken = Counter(label.casefold() for label in labels.values())
    pending = [key for key in forms if key not in labels]
    for depth in range(len(forms[pending[0]]) if pending else 0):
        shown = Counter(forms[key][depth].casefold() for key in pending) + taken
        done = [key for key in pending if shown[forms[key][depth].casefold()] == 1]
        labels.update({key: forms[key][depth] for key in done})
        taken.update(forms[key][depth].casefold() for key in done)
        pending = [key for key in pending if key not in labels]
    return {key: labels[leader] for key, leader in leaders.items()}


def tax_leaders(rates: Sequence[WooRecord], *, paired: Collection[str]) -> dict[str, str]:
    """By id of each rate the one whose Vtiger tax it shares: itself, if it shares none.

    Rates that differ in postcodes and cities alone are one tax: a shop with automated taxes has
    one for each postcode. A rate with a pair keeps its own tax; the others share that of the
    first with a pair, else of the first of them.
    """
    groups: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for rate in sorted(rates, key=lambda rate: int(rate.id)):
        groups[_tax_key(rate)].append(rate.id)
    leaders: dict[str, str] = {}
    for members in groups.values():
        first = next((member for member in members if member in paired), members[0])
        leaders |= {member: member if member in paired else first for member in members}
    return leaders


def _tax_key(rate: WooRecord) -> tuple[object, ...]:
    percent = find_decimal(rate.text("rate"))
    return (
        label_forms(rate)[0].casefold(),
        None if percent is None else rounded(percent, _PLACES),
        rate.text("country"),
        rate.text("state"),
        rate.text("class") or "standard",
        rate.data.get("compound") is True,
    )


def label_forms(rate: WooRecord) -> list[str]:
    """Every label that `tax_labels` may give the rate, from its name to one that is its alone."""
    name = collapse(plain(rate.text("name"))) or _NAMELESS
    return list(accumulate((name, *_details(rate)), lambda label, more: f"{label} {more}".strip()))


def _details(rate: WooRecord) -> tuple[str, ...]:
    kind = rate.text("class")
    listed = (find_list(rate.data.get(name)) or () for name in ("postcodes", "cities"))
    places = [place for each in listed for place in each]
    return (
        rate.text("country"),
        rate.text("state"),
        "" if kind in ("", "standard") else kind.removesuffix(_RATE_WORD),
        canonical_number(rate.text("rate")) + "%",
        " ".join(map(str, places[:1])),
        f"#{rate.id}",
    )
