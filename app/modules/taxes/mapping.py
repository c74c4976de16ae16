"""The mapping of taxes: matching rates with Vtiger's taxes, unique labels, and the rates that
orders and products use. Pure."""

import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Any, TypeVar

from app.domain import System
from app.mapping.paths import find_path, scalar_text
from app.mapping.rules import (
    FieldRule,
    Fitted,
    PatchDraft,
    changed_rules,
    fit_vtiger,
    unsafe_reason,
)
from app.mapping.values import (
    Mapped,
    Patch,
    PatchOptions,
    Value,
    amount,
    canonical_number,
    canonical_text,
    collapse,
    decimal_text,
    plain,
    rounded,
)
from app.modules.products.mapping import taxes_text
from app.parsing import find_decimal, find_list, rows_of
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord, find_id

# Matching of two sequences.

Wanted = TypeVar("Wanted")
Held = TypeVar("Held")


def pair_up(
    wanted: Sequence[Wanted],
    held: Sequence[Held],
    likenesses: Sequence[tuple[Callable[[Wanted], Hashable], Callable[[Held], Hashable]]],
) -> list[tuple[int, int]]:
    """Pairs of indices in `wanted` and `held`, each index in at most one pair; in linear time.

    Each likeness is a key function for wanted and one for held items. All remaining items with
    equal keys are matched, in their order, before the next likeness is tried.
    """
    pairs: list[tuple[int, int]] = []
    wanted_left, held_left = list(range(len(wanted))), list(range(len(held)))
    for key_of_wanted, key_of_held in likenesses:
        waiting: defaultdict[Hashable, deque[int]] = defaultdict(deque)
        for place in held_left:
            waiting[key_of_held(held[place])].append(place)
        missed = []
        for place in wanted_left:
            alike = waiting.get(key_of_wanted(wanted[place]))
            if alike:
                pairs.append((place, alike.popleft()))
            else:
                missed.append(place)
        wanted_left = missed
        held_left = sorted(place for places in waiting.values() for place in places)
    return pairs


# Unique labels for tax rates, as Vtiger shows only the label of a tax.

_NAMELESS = "Tax"
_RATE_WORD = "-rate"
_PLACES = 3
"""The decimals of a percentage that Vtiger stores."""


def tax_labels(
    rates: Sequence[WooRecord], *, kept: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A label for each rate by id: the name, with as many details as make it unique.

    The details are, in this order: country, state, class, percentage, postcode or city, id
    ("VAT FR reduced"). `kept` are the labels in use by rate id: one that is still possible for its
    rate is kept, as labels cannot be changed safely in Vtiger. Rates with the same tax
    (`tax_leaders`) have the same label. Mapping table "Taxes"; recordings tax_create_reduced,
    tax_create_postcodes.
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
    """For each rate id, the id of the rate whose Vtiger tax it shares: its own, if it shares none.

    Rates that differ only in postcodes and cities are one tax: a shop with automated taxes has a
    rate for each postcode. A rate with a pair keeps its own tax; the others share that of the
    first rate with a pair, else that of the first rate.
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
    """All labels that `tax_labels` may give the rate, from its name to one that is unique."""
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


TAX_RULES: tuple[FieldRule, ...] = (
    FieldRule("label", ("name",), "taxlabel", required=frozenset(System)),
    FieldRule(
        "percentage", ("rate",), "percentage", transform="percent", required=frozenset(System)
    ),
)

_VTIGER_PLACES = 3
_WOO_PLACES = 4
_LABEL_SIZE = 50
_RENAMED = (
    "Vtiger corrupts a tax that is renamed through its API: rename it to {label!r} under "
    "Settings, Tax Management; its percentage and orders are synced all the same."
)
_NO_RATE = "It is not a percentage."


def woo_tax(rate: WooRecord, *, label: str) -> Mapped:
    """A rate's values; `label` is its unique label by `tax_labels` (recording tax_get)."""
    return Mapped({"label": label, "percentage": find_path(rate.data, "rate")})


def vtiger_tax(record: VtigerRecord) -> Mapped:
    """A Vtiger Tax's values (recording 70-tax-query)."""
    label = scalar_text(record.data.get("taxlabel"))
    return Mapped({"label": label, "percentage": scalar_text(record.data.get("percentage"))})


@dataclass(frozen=True, slots=True)
class TaxMatch:
    """Vtiger's tax for a label and percentage, None if there is none; `ambiguous`: several."""

    tax: VtigerRecord | None
    ambiguous: tuple[VtigerRecord, ...] = ()


def match_tax(label: str, percentage: Value, *, taxes: Iterable[VtigerRecord]) -> TaxMatch:
    """The tax with that label (ignoring case) and percentage (3 decimals), without taxes that are
    deleted or cannot be read.

    Labels are not unique in Vtiger (recording 70-tax-create-dup-label), so there may be several:
    the result is then `ambiguous_match`. Contract page Vtiger §4.
    """
    wanted = _key(label, percentage)
    readable = (tax for tax in taxes if not tax.faults)
    found = [tax for tax in readable if _is_live(tax) and _vtiger_key(tax) == wanted]
    if len(found) > 1:
        return TaxMatch(None, tuple(found))
    return TaxMatch(found[0] if found else None)


def is_of_percentage(tax: VtigerRecord, percentage: Value) -> bool:
    """Whether a Vtiger tax that is not deleted has this percentage, which must not be 0."""
    wanted = _key("", percentage)[1]
    return _is_live(tax) and bool(wanted) and _key("", tax.get("percentage"))[1] == wanted


def match_rate(
    mapped: Mapped, rates: Sequence[WooRecord], *, labels: Mapping[str, str]
) -> list[str]:
    """The ids of the rates that match a Vtiger tax by percentage and label, else by percentage and
    name."""
    wanted = _key(mapped.get("label"), mapped.get("percentage"))
    exact = [r.id for r in rates if _key(labels.get(r.id), r.text("rate")) == wanted]
    return exact or [r.id for r in rates if _key(r.text("name"), r.text("rate")) == wanted]


def _is_live(tax: VtigerRecord) -> bool:
    return tax.get("deleted") in ("", "0") and bool(tax.get("taxname"))


def _vtiger_key(tax: VtigerRecord) -> tuple[str, Decimal | None]:
    return _key(tax.get("taxlabel"), tax.get("percentage"))


def _key(label: Value, percentage: Value) -> tuple[str, Decimal | None]:
    number = find_decimal(percentage)
    name = canonical_text(label or "").casefold()
    return name, None if number is None else rounded(number, _VTIGER_PLACES)


def vtiger_tax_patch(
    changes: Mapping[str, Value], *, current: VtigerRecord | None, options: PatchOptions
) -> Patch:
    """The patch for create (`current` None) or revise of a Tax.

    Of an existing tax only the percentage is written; a new label gets the note
    `unsafe_in_vtiger`, as it would blank the tax's name. Contract page Vtiger §4, recordings
    70-tax-update-rename-*.
    """
    draft = PatchDraft()
    for rule, value in changed_rules(changes, TAX_RULES, target=System.VTIGER):
        if rule.name == "percentage":
            fitted = _fit_rate(value, System.VTIGER, places=_VTIGER_PLACES)
        elif current is None:
            fitted = fit_vtiger(collapse(value), _LABEL_SIZE, options=options)
        else:
            message = _RENAMED.format(label=value)
            fitted = Fitted(None, unsafe_reason(System.VTIGER), message)
        _put(draft, rule, field=rule.vtiger, value=value, fitted=fitted)
    return draft.patch()


def woo_tax_patch(
    changes: Mapping[str, Value], *, current: WooRecord | None, country: str
) -> Patch:
    """The patch for POST (`current` None) or PUT /taxes that makes `changes`.

    A new rate has `country` (alpha-2) and the standard class. A label that `tax_labels` may give
    the rate is not a new name. Recordings tax_create, tax_update; contract page WooCommerce §2
    (`rate` has 4 decimals).
    """
    draft = PatchDraft()
    for rule, value in changed_rules(changes, TAX_RULES, target=System.WOOCOMMERCE):
        if rule.name == "percentage":
            fitted = _fit_rate(value, System.WOOCOMMERCE, places=_WOO_PLACES)
        elif current and value in label_forms(current):
            continue
        else:
            fitted = _fit_name(value)
        _put(draft, rule, field=rule.woo[0], value=value, fitted=fitted)
    if current is None:
        draft.body |= {"country": country, "class": "standard"}
    return draft.patch()


def _put(draft: PatchDraft, rule: FieldRule, *, field: str, value: str, fitted: Fitted) -> None:
    draft.note(rule.name, fitted, value=value)
    if fitted.text is not None:
        draft.body[field] = fitted.text


def _fit_rate(value: str, target: System, *, places: int) -> Fitted:
    number = find_decimal(value)
    if number is None or not 0 <= number < 10000:
        return Fitted(None, unsafe_reason(target), _NO_RATE)
    kept = rounded(number, places)
    if kept == number:
        return Fitted(decimal_text(number))
    message = f"{target.label} stores {places} decimals of a percentage: rounded."
    return Fitted(decimal_text(kept), unsafe_reason(target), message)


def _fit_name(value: str) -> Fitted:
    name = collapse(value)
    if not name or "<" in name or "\\" in name:
        message = "WooCommerce would alter this name of a rate."
        return Fitted(None, unsafe_reason(System.WOOCOMMERCE), message)
    return Fitted(name)


# The tax rates that orders and products use, and Vtiger's tax field for each.

_PERCENT_PLACES = 3

_Taxed = tuple[Decimal, Decimal]
"""A row's net amount, and the tax on it."""


@dataclass(frozen=True, slots=True)
class OrderRate:
    """A tax rate from the data of an order; the shop may have deleted it since."""

    id: str
    label: str
    percentage: str
    compound: bool


def order_rates(order: WooRecord) -> tuple[OrderRate, ...]:
    """The rates by which an order was taxed: its `tax_lines`, then other rates of its rows.

    A percentage that the order does not have is derived from the amounts. Recordings
    order_create_full_excl_tax (compound), woocommerce-month (a rate deleted since).
    """
    tax_lines = rows_of(order.data.get("tax_lines"))
    taxed, unit = _taxed(order), amount_unit(order)
    rates = {rate.id: rate for rate in (_rate(line, taxed, unit) for line in tax_lines)}
    for rate_id, rows in taxed.items():
        if rate_id not in rates and any(tax for _, tax in rows):
            percent = _derived_percentage(rows, unit)
            rates[rate_id] = OrderRate(rate_id, _NAMELESS, percent, compound=False)
    return tuple(rates.values())


def _taxed(order: WooRecord) -> dict[str, list[_Taxed]]:
    """Net amount and tax of each row, by rate id."""
    found: dict[str, list[_Taxed]] = {}
    for row in _rows(order):
        for rate_id, tax in row_taxes(row):
            found.setdefault(rate_id, []).append((amount(row.get("total")), tax))
    return found


def _rate(line: Mapping[str, Any], taxed: Mapping[str, list[_Taxed]], unit: Decimal) -> OrderRate:
    rate_id = find_id(line.get("rate_id")) or "0"
    percent = find_decimal(line.get("rate_percent"))
    rows = taxed.get(rate_id, [])
    return OrderRate(
        id=rate_id,
        label=str(line.get("label") or ""),
        percentage=str(line["rate_percent"]) if percent else _derived_percentage(rows, unit),
        compound=line.get("compound") is True,
    )


def _rows(order: WooRecord) -> Iterator[Mapping[str, Any]]:
    for kind in ("line_items", "fee_lines", "shipping_lines"):
        yield from rows_of(order.data.get(kind))


def row_taxes(row: Mapping[str, Any]) -> list[tuple[str, Decimal]]:
    """A row's taxes as pairs of rate id and amount ("taxes": [{"id": 1, "total": "11.61"}])."""
    entries = rows_of(row.get("taxes"))
    return [(find_id(entry.get("id")) or "0", amount(entry.get("total"))) for entry in entries]


def _derived_percentage(found: Sequence[_Taxed], unit: Decimal) -> str:
    """The percentage of a rate derived from its rows: the one with the fewest decimals that gives
    the tax of each row to within a unit, else that of all rows together; "0" if the net is 0."""
    net = sum((one for one, _ in found), Decimal(0))
    tax = sum((own for _, own in found), Decimal(0))
    if not net:
        return "0"
    percents = [rounded(tax / net * 100, places) for places in range(_PERCENT_PLACES + 1)]
    explained = (
        percent
        for percent in percents
        if all(abs(one * percent / 100 - own) <= unit for one, own in found)
    )
    return decimal_text(next(explained, percents[-1]))


def amount_unit(order: WooRecord) -> Decimal:
    """The smallest unit of an order's amounts, from the decimals of its total."""
    decimals = str(order.data.get("total") or "").partition(".")[2]
    return Decimal(1).scaleb(-len(decimals))


def order_tax_fields(
    order: WooRecord, linked: Mapping[str, str], *, taxes: Sequence[VtigerRecord]
) -> dict[str, str]:
    """Vtiger's tax field for each of an order's rates, by rate id.

    `linked` are the fields of linked rates ("1" to "tax4"). A rate without a link, such as a
    deleted one, is matched by the order's label and percentage, or by the percentage if the order
    has no label. Rates without a match are left out.
    """
    fields: dict[str, str] = {}
    for rate in order_rates(order):
        found = linked.get(rate.id) or _field_by_label(rate, taxes)
        if found:
            fields[rate.id] = found
    return fields


def _field_by_label(rate: OrderRate, taxes: Sequence[VtigerRecord]) -> str:
    match = match_tax(rate.label, rate.percentage, taxes=taxes)
    found = match.tax or next(iter(match.ambiguous), None)
    if found is None and rate.label == _NAMELESS:
        found = next((tax for tax in taxes if is_of_percentage(tax, rate.percentage)), None)
    return found.get("taxname") if found else ""


@dataclass(frozen=True, slots=True)
class ShopBase:
    """The shop's base address for the taxes of its products; `country` is alpha-2, `state` a
    code."""

    country: str
    state: str = ""
    postcode: str = ""
    city: str = ""


def product_rates(
    product: WooRecord, rates: Sequence[WooRecord], *, base: ShopBase
) -> list[WooRecord]:
    """The rates of a product's tax class at the shop's base: the best match of each priority.
    RecordUnreadable if one of the matching rates cannot be read.

    Like WooCommerce, an exact country and state are preferred; postcode and city must match.
    Mapping table "Products", tax_class.
    """
    if product.text("tax_status") not in ("", "taxable"):
        return []
    kind = product.text("tax_class") or "standard"
    fitting = [rate for rate in rates if _class(rate) == kind and _applies(rate, base)]
    for rate in fitting:
        rate.checked()
    best: dict[int, WooRecord] = {}
    for rate in sorted(fitting, key=_rank):
        best.setdefault(int(amount(rate.data.get("priority"))), rate)
    return list(best.values())


def _class(rate: WooRecord) -> str:
    return rate.text("class") or "standard"


def _applies(rate: WooRecord, base: ShopBase) -> bool:
    return (
        rate.text("country") in ("", base.country)
        and rate.text("state") in ("", base.state)
        and _fits(rate, "postcode", value=base.postcode, test=_postcode_fits)
        and _fits(rate, "city", value=base.city, test=str.__eq__)
    )


def _fits(rate: WooRecord, field: str, *, value: str, test: Any) -> bool:
    plural = "cities" if field == "city" else "postcodes"
    listed = rate.data.get(plural) or [rate.text(field)]
    wanted = [str(text).strip().upper() for text in listed if str(text).strip()]
    return not wanted or any(test(text, value.strip().upper()) for text in wanted)


def _postcode_fits(pattern: str, postcode: str) -> bool:
    low, dots, high = pattern.partition("...")
    if dots:
        return len(low) == len(postcode) == len(high) and low <= postcode <= high
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), postcode) is not None


def _rank(rate: WooRecord) -> tuple[bool, bool, bool, int, int]:
    narrow = bool(rate.data.get("postcodes") or rate.text("postcode"))
    return (
        not rate.text("country"),
        not rate.text("state"),
        not narrow,
        int(amount(rate.data.get("order"))),
        int(rate.id),
    )


def product_taxes(rates: Iterable[WooRecord], linked: Mapping[str, str]) -> str:
    """A product's `taxes` value from its rates; those without a Vtiger tax are left out.

    Rates with the same Vtiger tax are added; a compound rate includes its effect on the others.
    """
    total: dict[str, Decimal] = {}
    below = Decimal(0)
    for rate in sorted(rates, key=lambda rate: rate.data.get("compound") is True):
        percent = amount(rate.text("rate"))
        if rate.data.get("compound") is True:
            percent = percent * (100 + below) / 100
        below += percent
        field = linked.get(rate.id)
        if field:
            total[field] = total.get(field, Decimal(0)) + percent
    return taxes_text(total)
