"""Names for tax rates that tell them apart in Vtiger, where only the label is seen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate

from app.json_shapes import find_list
from app.mapping.numbers import canonical_number
from app.mapping.text import collapse, plain
from app.woocommerce.schemas import WooRecord

_NAMELESS = "Tax"
_RATE_WORD = "-rate"


def tax_labels(
    rates: Sequence[WooRecord], *, kept: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A label for each rate by its id: the name, and as much more as makes it unique.

    In this order: country, state, class, percentage, postcode or city, id ("VAT FR reduced").
    `kept` are labels by rate id that are in use: one that still fits its rate stays, for labels
    cannot be changed safely in Vtiger. Mapping table "Taxes"; recordings tax_create_reduced,
    tax_create_postcodes.
    """
    forms = {rate.id: label_forms(rate) for rate in rates}
    known = kept or {}
    labels = {key: known[key] for key, own in forms.items() if known.get(key) in own}
    taken = Counter(label.casefold() for label in labels.values())
    pending = [key for key in forms if key not in labels]
    for depth in range(len(forms[pending[0]]) if pending else 0):
        shown = Counter(forms[key][depth].casefold() for key in pending) + taken
        done = [key for key in pending if shown[forms[key][depth].casefold()] == 1]
        labels.update({key: forms[key][depth] for key in done})
        taken.update(forms[key][depth].casefold() for key in done)
        pending = [key for key in pending if key not in labels]
    return labels


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
