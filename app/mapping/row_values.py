"""One row's value, read from either system's record and made ready to be written to the other."""

from collections.abc import Callable, Mapping
from typing import Any

from app.errors import System
from app.mapping.hazards import Fitted, fit_vtiger, unsafe_reason
from app.mapping.paths import LIST, find_path, find_raw, scalar_text
from app.mapping.rules import FieldRule
from app.mapping.text import collapse
from app.mapping.values import PatchOptions, Value

WRONG_TYPE = "wrong_type"

Fit = Callable[[str, str], Fitted]
"""A text for a path, as the module's hazards have it."""

_YES = frozenset({"1", "yes", "true", "on"})
_STRUCTURE = "The shop holds a list or an object there, which this transform would overwrite."
_CHOICE = "WooCommerce takes one of {choices} there."
_NEEDED = "WooCommerce cannot have it empty."


def read_woo(rule: FieldRule, data: Mapping[str, Any], given: str) -> Value:
    """The neutral value of a REST object; None if it has no such field."""
    constant = rule.constant(System.WOOCOMMERCE)
    if constant is not None:
        return constant
    return rule.lens.read_woo(woo_texts(rule, data), given)


def woo_texts(rule: FieldRule, data: Mapping[str, Any]) -> list[Value]:
    return [find_path(data, path, many=rule.lens.many) for path in rule.woo]


def read_vtiger(rule: FieldRule, raw: Any, given: str) -> Value:
    """The neutral value of a Vtiger field; `raw` is what the record holds, None if nothing."""
    constant = rule.constant(System.VTIGER)
    text = scalar_text(raw)
    if constant is not None or text is None:
        return constant
    return rule.lens.read_vtiger(text, given)


def fit_vtiger_row(
    rule: FieldRule, value: str, *, given: str, size: int | None, options: PatchOptions
) -> Fitted:
    """The text for the Vtiger field. Wrong types are not sent: Vtiger answers HTTP 500 to a price
    that is no number (contract page Vtiger §0.4)."""
    if fault := rule.lens.fault(value, System.VTIGER, given=given):
        return Fitted(None, rule.lens.fault_reason, fault)
    text = rule.lens.vtiger_text(value, given, size=size)
    return fit_vtiger(text, size, options=options)


def fit_woo_row(
    rule: FieldRule, value: str, *, data: Mapping[str, Any], given: str, fit: Fit
) -> tuple[Fitted, list[tuple[str, Any]]]:
    """What is to be noted, and the JSON values by path; none if one of them cannot be sent."""
    if refused := _refusal(rule, value, data, given=given):
        return refused, []
    wanted = rule.lens.write_woo(value, woo_texts(rule, data), given)
    fitted = [
        (path, _fit(rule, text, path, fit=fit))
        for path, text in zip(rule.woo, wanted, strict=True)
        if text is not None
    ]
    bad = next((each for _, each in fitted if each.text is None), None)
    noted = bad or next((each for _, each in fitted if each.reason), Fitted(value))
    sent = [(path, _json(rule, each.text or "")) for path, each in fitted]
    return noted, [] if bad else sent


def _refusal(rule: FieldRule, value: str, data: Mapping[str, Any], *, given: str) -> Fitted | None:
    if fault := rule.lens.fault(value, System.WOOCOMMERCE, given=given):
        return Fitted(None, rule.lens.fault_reason, fault)
    held = [find_raw(data, path) for path in rule.woo]
    if any(isinstance(each, Mapping | list) and not _is_read(rule, each) for each in held):
        return Fitted(None, unsafe_reason(System.WOOCOMMERCE), _STRUCTURE)
    return None


def _is_read(rule: FieldRule, held: object) -> bool:
    """Whether the transform understands what it would overwrite; an empty list is nothing."""
    listed = isinstance(held, list) and None not in map(scalar_text, held)
    return not held or (rule.lens.many and listed)


def _fit(rule: FieldRule, text: str, path: str, *, fit: Fit) -> Fitted:
    field = rule.shop
    if field is not None and field.choices and text not in field.choices:
        message = _CHOICE.format(choices=", ".join(field.choices))
        return Fitted(None, WRONG_TYPE, message)
    if field is not None and field.type == "integer" and not text.strip():
        return Fitted(None, WRONG_TYPE, _NEEDED)
    return fit(text, path)


def _json(rule: FieldRule, text: str) -> Any:
    """Meta and texts as text; what has a type of its own in REST in that type."""
    kind = rule.shop.type if rule.shop else ""
    if kind == "boolean":
        return text.strip().casefold() in _YES
    if kind == "integer":
        return int(text)
    if rule.lens.many and LIST in text:
        return [word for word in map(collapse, text.split(LIST)) if word]
    return text
