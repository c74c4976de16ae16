"""Tax rates and Vtiger's Taxes as the same neutral values, and changes of those as requests."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.errors import System
from app.mapping.drafts import PatchDraft, changed_rules
from app.mapping.hazards import Fitted, fit_vtiger, unsafe_reason
from app.mapping.numbers import decimal_text, find_decimal, rounded
from app.mapping.paths import find_path, scalar_text
from app.mapping.rules import FieldRule
from app.mapping.tax_labels import label_forms
from app.mapping.text import canonical_text, collapse
from app.mapping.values import Mapped, Patch, PatchOptions, Value
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord

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
    "Vtiger loses a tax that is renamed through its API: rename it to {label!r} under "
    "Settings, Tax Management; percentage and orders stay in step meanwhile."
)
_NO_RATE = "It is no percentage."


def woo_tax(rate: WooRecord, *, label: str) -> Mapped:
    """A rate's values; `label` is its name made unique by `tax_labels` (recording tax_get)."""
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
    """The tax of that label (case aside) and percentage (3 decimals); deleted ones do not count,
    nor do those that cannot be read.

    Vtiger takes a label twice (recording 70-tax-create-dup-label), so there may be several: the
    caller ends as `ambiguous_match`. Contract page Vtiger §4.
    """
    wanted = _key(label, percentage)
    readable = (tax for tax in taxes if not tax.faults)
    found = [tax for tax in readable if _is_live(tax) and _vtiger_key(tax) == wanted]
    if len(found) > 1:
        return TaxMatch(None, tuple(found))
    return TaxMatch(found[0] if found else None)


def is_of_percentage(tax: VtigerRecord, percentage: Value) -> bool:
    """Whether a living Vtiger tax has this percentage, which is not 0, whatever its label."""
    wanted = _key("", percentage)[1]
    return _is_live(tax) and bool(wanted) and _key("", tax.get("percentage"))[1] == wanted


def match_rate(
    mapped: Mapped, rates: Sequence[WooRecord], *, labels: Mapping[str, str]
) -> list[str]:
    """Ids of the rates that a Vtiger tax may be, by label (unique or bare name) and percentage."""
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
    """The fields for create (`current` None) or revise of a Tax.

    Of an existing one only the percentage is written; a new label is noted `unsafe_in_vtiger`,
    for it blanks the tax's name. Contract page Vtiger §4, recordings 70-tax-update-rename-*.
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
    """The body for POST (`current` None) or PUT /taxes that brings `changes` about.

    A new rate is of `country` (alpha-2) and the standard class. A label that only tells the rate
    from others is no new name. Recordings tax_create, tax_update; contract page WooCommerce §2
    (`rate` keeps 4 decimals).
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
    message = f"{target.label} keeps {places} decimals of a percentage: rounded."
    return Fitted(decimal_text(kept), unsafe_reason(target), message)


def _fit_name(value: str) -> Fitted:
    name = collapse(value)
    if not name or "<" in name or "\\" in name:
        message = "WooCommerce would not keep this as the name of a rate."
        return Fitted(None, unsafe_reason(System.WOOCOMMERCE), message)
    return Fitted(name)
