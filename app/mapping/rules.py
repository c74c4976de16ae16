"""Field rules: reading their values from either record, fitting them to what a target accepts, and
comparing them with the base. Pure.

Contract page readback: the rules of both systems, "Lossy" and "Worst of all"."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.domain import Direction, System, WriteCondition
from app.mapping.paths import LIST, META, WooField, find_path, find_raw, scalar_text
from app.mapping.places import Places, shipped_places
from app.mapping.transforms import (
    PLACED,
    PLAIN,
    YES,
    Constant,
    Text,
    TransformOptions,
    find_transform,
)
from app.mapping.values import (
    SURROGATES,
    Agreed,
    Base,
    FieldNote,
    Mapped,
    Patch,
    PatchOptions,
    Value,
    base_from_json,
    base_to_json,
    collapse,
    cut_at_word,
    decode_entities,
    replace_astral,
)

# The number of characters that each Vtiger field stores; Vtiger cuts longer text silently.
#
# Contract page readback, table N, and recording field-columns. Fields that are not listed have no
# limit (description), or a length that is not known here (custom fields).

CONTACT_SIZES: Mapping[str, int] = {
    "firstname": 40,
    "lastname": 80,
    "phone": 50,
    "mobile": 50,
    "homephone": 50,
    "otherphone": 50,
    "fax": 50,
    "assistantphone": 50,
    "email": 100,
    "secondaryemail": 100,
    "salutationtype": 200,
    "leadsource": 200,
    "title": 50,
    "department": 30,
    "assistant": 30,
    "mailingstreet": 250,
    "otherstreet": 250,
    "mailingcity": 40,
    "othercity": 40,
    "mailingstate": 30,
    "otherstate": 50,
    "mailingzip": 30,
    "otherzip": 30,
    "mailingcountry": 40,
    "othercountry": 30,
    "mailingpobox": 30,
    "otherpobox": 30,
}

ACCOUNT_NAME_SIZE = 100

PRODUCT_SIZES: Mapping[str, int] = {
    "productname": 100,
    "productcode": 40,
    "productcategory": 200,
    "website": 100,
    "manufacturer": 200,
    "usageunit": 200,
    "serial_no": 200,
    "vendor_part_no": 200,
    "mfr_part_no": 200,
    "productsheet": 200,
    "glacct": 200,
}

ORDER_SIZES: Mapping[str, int] = {
    "subject": 100,
    "customerno": 100,
    "vtiger_purchaseorder": 200,
    "carrier": 200,
    "pending": 200,
    "sostatus": 200,
    "bill_street": 250,
    "ship_street": 250,
    "bill_city": 30,
    "ship_city": 30,
    "bill_state": 30,
    "ship_state": 30,
    "bill_code": 30,
    "ship_code": 30,
    "bill_country": 30,
    "ship_country": 30,
    "bill_pobox": 30,
    "ship_pobox": 30,
}

WOO_TEXT_BYTES = 65535


# Field rules.


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One row of a mapping table.

    - `woo`: the WooCommerce paths that the transform reads and writes; `vtiger`: the Vtiger field.
    - `required`: the systems that refuse a record without the value.
    - `given`: the name of the rule whose value the transform needs (a state needs its country).
    - `size`: the number of characters that the Vtiger field stores, where the tables above do not
      have it.
    - `custom`: a user's row; `shop`: its WooCommerce field, where that has a type.
    - `mark`: a digest of what the row maps, "" for a default row. A base is only compared with a
      row of the same name and mark.
    - `places`: the countries and states of the shop, for the transforms that use them.
    """

    name: str
    woo: tuple[str, ...]
    vtiger: str
    direction: Direction = Direction.BOTH
    transform: str = "text"
    write: WriteCondition = WriteCondition.ALWAYS
    required: frozenset[System] = frozenset()
    given: str = ""
    size: int | None = None
    options: TransformOptions = PLAIN
    shop: WooField | None = None
    custom: bool = False
    mark: str = ""
    places: Places = field(default_factory=shipped_places, compare=False, repr=False)

    @property
    def transform_pair(self) -> Text:
        """The transform with the options of this row."""
        placed = PLACED.get(self.transform)
        return placed(self.places) if placed else find_transform(self.transform, self.options)

    @property
    def is_place(self) -> bool:
        """Whether the transform uses the shop's countries and states."""
        return self.transform in PLACED

    @property
    def is_meta(self) -> bool:
        return any(path.startswith(META) for path in self.woo)

    def constant(self, system: System) -> Value:
        """The row's constant if this side has no field, else None."""
        transform_pair, has_field = (
            self.transform_pair,
            self.woo if system is System.WOOCOMMERCE else self.vtiger,
        )
        return (
            transform_pair.value if isinstance(transform_pair, Constant) and not has_field else None
        )

    def canonical(self, value: str | None) -> str | None:
        """`value` in the form in which it is compared; None stays None."""
        return None if value is None else self.transform_pair.canonical(value)

    def same(self, left: str | None, right: str | None) -> bool:
        """Whether two neutral values are equal in canonical form; None differs from ""."""
        return self.canonical(left) == self.canonical(right)


def effective_rules(
    defaults: Sequence[FieldRule], custom: Sequence[FieldRule]
) -> tuple[FieldRule, ...]:
    """The defaults, each replaced by the custom row of its name, then the other custom rows.

    A custom row with direction `off` switches a default off; it stays in the table, since a state
    may still need the value of its country.
    """
    rows = {rule.name: rule for rule in defaults} | {rule.name: rule for rule in custom}
    return tuple(rows.values())


def sorted_by_given(rules: Sequence[FieldRule]) -> list[FieldRule]:
    """The rules, sorted so that a rule comes after the one named by its `given`."""
    return sorted(rules, key=lambda rule: bool(rule.given))


def rules_at(rules: Sequence[FieldRule], places: Places) -> tuple[FieldRule, ...]:
    """The rules with the countries and states of one shop."""
    return tuple(replace(rule, places=places) if rule.is_place else rule for rule in rules)


# Conversion: one side's values as the other system would show them after a write.
#
# Two records may differ permanently: a street that is too long for the CRM, an emoji that it cannot
# store. Such a difference is explained if converting one side gives the values of the other.

Convert = Callable[[Mapped], tuple[Mapped, frozenset[str]]]
"""Returns values as the other system would show them, and the names that would not be sent."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The conversions of one module in both directions; their losses are on contract page
    readback."""

    rules: Sequence[FieldRule]
    to_vtiger: Convert
    to_woo: Convert

    def is_explained(self, name: str, woo: Mapped, vtiger: Mapped) -> bool:
        """Whether the field differs only because the target alters or refuses the value.

        `woo` and `vtiger` are both sides as read; a field that one of them does not have is
        explained.
        """
        if woo.get(name) is None or vtiger.get(name) is None:
            return True
        rule = next(rule for rule in self.rules if rule.name == name)
        converted, left_out = self.to_vtiger(woo)
        if name in left_out or rule.same(converted.get(name) or "", vtiger.get(name) or ""):
            return True
        converted, left_out = self.to_woo(vtiger)
        return name in left_out or rule.same(converted.get(name) or "", woo.get(name) or "")

    def converted_names(self, woo: Mapped, vtiger: Mapped) -> frozenset[str]:
        """Fields of which one side has what the other side's value would become there.

        A merge treats them as equal: they are not edits, but were written by the sync (text cut to
        the target's size), perhaps by a call whose response was lost.
        """
        in_vtiger, _ = self.to_vtiger(woo)
        in_woo, _ = self.to_woo(vtiger)
        return frozenset(
            rule.name
            for rule in self.rules
            if _matches(rule, vtiger, in_vtiger) or _matches(rule, woo, in_woo)
        )


def _matches(rule: FieldRule, side: Mapped, converted: Mapped) -> bool:
    text = converted.get(rule.name) or ""
    return bool(text) and rule.same(text, side.get(rule.name))


# The stored base of a pair: its keys are the name and the mark of the row.
#
# A user's row that maps other fields than before, under the same name, starts without a base, so
# that values of the old fields are not taken for changes of the new ones. Decision 6.

_MARK = "#"


def _key(rule: FieldRule) -> str:
    return f"{rule.name}{_MARK}{rule.mark}" if rule.mark else rule.name


def read_base(data: Mapping[str, Any], rules: Sequence[FieldRule]) -> dict[str, Agreed]:
    """The base by row name, without entries of an earlier version of a row; entries of rows that
    are not in `rules` are kept."""
    keys = {_key(rule): rule.name for rule in rules}
    names = set(keys.values())
    return {
        keys.get(key, key): agreed
        for key, agreed in base_from_json(data).items()
        if key in keys or key.partition(_MARK)[0] not in names
    }


def write_base(base: Base, rules: Sequence[FieldRule]) -> dict[str, list[Value]]:
    """The inverse of `read_base`."""
    keys = {rule.name: _key(rule) for rule in rules}
    return base_to_json({keys.get(name, name): agreed for name, agreed in base.items()})


def read_values(data: Mapping[str, Any], rules: Collection[FieldRule]) -> dict[str, Value]:
    """Stored values of one side, by row name, without those of rows that have changed."""
    keys = {_key(rule): rule.name for rule in rules}
    return {keys[key]: value for key, value in data.items() if key in keys}


def write_values(values: Mapping[str, Value], rules: Collection[FieldRule]) -> dict[str, Value]:
    """The inverse of `read_values`."""
    keys = {rule.name: _key(rule) for rule in rules}
    return {keys[name]: value for name, value in values.items()}


def holds(
    rule: FieldRule, base: Base, value: Value, *, system: System, exact: Value = None
) -> bool:
    """Whether a side's value equals the base, in its own terms as well if `exact` is given. True
    for a row that is off, and for a user's row whose field the record does not have."""
    if rule.direction is Direction.OFF or (rule.custom and value is None):
        return True
    agreed = base.get(rule.name)
    if agreed is None or not rule.same(value, agreed.on(system)):
        return False
    return not agreed.has_moved(system, exact)


_SCRIPT = re.compile(r"script.*/script", re.IGNORECASE)
_SERIALISED = re.compile(r"\s*(?:N;|[aOsCE]:[0-9]+:|[bid]:[0-9.E+-]+;)")
PERCENT_HEX = re.compile("%[0-9A-Fa-f]{2}")
_NAME_MARKUP = re.compile("<|&#|%[0-9A-Fa-f]{2}")
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%'*+/=?^_`{|}~.-]+")
_DOMAIN_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")

_SANITISED_NAMES = frozenset({"first_name", "last_name"})
_EMAIL_PATHS = frozenset({"email", "billing.email"})
_EMAIL_SIZE = 100


@dataclass(frozen=True, slots=True)
class Fitted:
    """A text that is fitted to its target; None is not sent. `reason` and `message` say what was
    changed, or why it is not sent."""

    text: str | None
    reason: str = ""
    message: str = ""


def unsafe_reason(target: System) -> str:
    """The reason code of a value that `target` would alter."""
    return f"unsafe_in_{target}"


def fit_vtiger(text: str, size: int | None, *, options: PatchOptions) -> Fitted:
    """`text` for a Vtiger field that stores `size` characters (None: any number).

    Four-byte characters are replaced by U+FFFD, as Vtiger would store `????`. Text that is still
    entity-encoded after decoding is not sent: a revise would decode it, a create would not.
    """
    if hazard := _vtiger_hazard(text):
        return Fitted(None, unsafe_reason(System.VTIGER), hazard)
    storable = replace_astral(text)
    if size is not None and len(storable) > size:
        return _too_long(cut_at_word(storable, size), f"{size} characters", options)
    if storable != text:
        message = "Vtiger cannot store four-byte characters: each was replaced by U+FFFD."
        return Fitted(storable, unsafe_reason(System.VTIGER), message)
    return Fitted(text)


def _vtiger_hazard(text: str) -> str:
    if SURROGATES.search(text):
        return "It is not valid Unicode: Vtiger refuses the whole record."
    if decode_entities(text) != text:
        return "It contains a doubly encoded HTML entity, which Vtiger decodes on some writes only."
    if _SCRIPT.search(text):
        return "Vtiger encodes every value that looks like a script."
    return ""


def fit_woo(text: str, path: str, *, options: PatchOptions) -> Fitted:
    """`text` for a customer's `path`. Runs of blanks in names are collapsed, as in WooCommerce."""
    if path in _EMAIL_PATHS:
        return _fit_email(text)
    name = path in _SANITISED_NAMES
    text = collapse(text) if name else text
    if hazard := _woo_hazard(text, path) or (_name_hazard(text) if name else ""):
        return Fitted(None, unsafe_reason(System.WOOCOMMERCE), hazard)
    encoded = text.encode()
    if len(encoded) > WOO_TEXT_BYTES:
        cut = encoded[:WOO_TEXT_BYTES].decode(errors="ignore")
        return _too_long(cut, f"{WOO_TEXT_BYTES} bytes", options)
    return Fitted(text)


def _woo_hazard(text: str, path: str) -> str:
    if SURROGATES.search(text):
        return "It is not valid Unicode: WooCommerce refuses the whole record."
    if decode_entities(text) != text:
        return "It contains a doubly encoded HTML entity, which would lose a level on the way back."
    if path.startswith(META):
        return ""
    if "\\" in text:
        return "WooCommerce removes backslashes."
    return "WooCommerce would store it as PHP data." if _SERIALISED.match(text) else ""


def _name_hazard(text: str) -> str:
    if text == "0":
        return 'WooCommerce empties the name "0".'
    if _NAME_MARKUP.search(text):
        return "WooCommerce removes tags, entities and percent codes from names."
    return ""


def _fit_email(text: str) -> Fitted:
    hazard = email_hazard(text)
    return Fitted(None, unsafe_reason(System.WOOCOMMERCE), hazard) if hazard else Fitted(text)


def email_hazard(text: str) -> str:
    """Why WooCommerce would refuse or erase this address; "" if it stores it unchanged.

    Contract page readback, "customers email": WordPress's is_email, `&` erases, 100 characters.
    """
    if "&" in text:
        return "WooCommerce would erase an address with an ampersand."
    if len(text) > _EMAIL_SIZE:
        return f"WooCommerce accepts at most {_EMAIL_SIZE} characters of address."
    if PERCENT_HEX.search(text):
        return "WooCommerce removes percent codes from addresses."
    return "" if _is_email(text) else "WooCommerce does not accept this as an e-mail address."


def _is_email(text: str) -> bool:
    local, _, domain = text.partition("@")
    labels = domain.split(".")
    return (
        len(text) >= 6
        and _LOCAL_PART.fullmatch(local) is not None
        and len(labels) >= 2
        and all(_DOMAIN_PART.fullmatch(label) for label in labels)
    )


def _too_long(cut: str, room: str, options: PatchOptions) -> Fitted:
    is_cut = options.too_long == "cut"
    message = f"It is longer than the {room} that the field stores: "
    message += "cut at a word." if is_cut else "not written."
    return Fitted(cut if is_cut else None, "value_too_long", message)


# Building patches.


@dataclass(slots=True)
class PatchDraft:
    """Collects the body and the notes of a patch; `apart` as in Patch."""

    body: dict[str, Any] = field(default_factory=dict)
    notes: list[FieldNote] = field(default_factory=list)
    unwritten: set[str] = field(default_factory=set)
    apart: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, fitted: Fitted, *, value: str) -> None:
        """Add a note with the reason of `fitted`, if it has one; a text of None is not sent."""
        if fitted.reason:
            self.notes.append(FieldNote(name, fitted.reason, fitted.message, value))
        if fitted.text is None:
            self.unwritten.add(name)

    def patch(self) -> Patch:
        return Patch(self.body, tuple(self.notes), frozenset(self.unwritten), self.apart)


def changed_rules(
    changes: Mapping[str, Value], rules: Sequence[FieldRule], *, target: System
) -> Iterator[tuple[FieldRule, str]]:
    """The rules whose value changes and may be written to `target`, each with that value."""
    for rule in rules:
        value = changes.get(rule.name)
        if value is not None and rule.direction.allows(target):
            yield rule, value


# Reading one row's value from either system's record, and fitting it to the other.

WRONG_TYPE = "wrong_type"

Fit = Callable[[str, str], Fitted]
"""Fits a text to a WooCommerce path, by the rules of the module."""

_STRUCTURE = "The shop has a list or an object there, which this transform would overwrite."
_CHOICE = "WooCommerce accepts one of {choices} there."
_NEEDED = "WooCommerce does not accept an empty value."


def read_woo(rule: FieldRule, data: Mapping[str, Any], given: str) -> Value:
    """The neutral value of a REST object; None if it has no such field."""
    constant = rule.constant(System.WOOCOMMERCE)
    if constant is not None:
        return constant
    return rule.transform_pair.read_woo(woo_texts(rule, data), given)


def woo_texts(rule: FieldRule, data: Mapping[str, Any]) -> list[Value]:
    return [find_path(data, path, many=rule.transform_pair.many) for path in rule.woo]


def read_vtiger(rule: FieldRule, raw: Any, given: str) -> Value:
    """The neutral value of a Vtiger field; `raw` is the record's value, None if it has none."""
    constant = rule.constant(System.VTIGER)
    text = scalar_text(raw)
    if constant is not None or text is None:
        return constant
    return rule.transform_pair.read_vtiger(text, given)


def fit_vtiger_row(
    rule: FieldRule, value: str, *, given: str, size: int | None, options: PatchOptions
) -> Fitted:
    """The text for the Vtiger field. Wrong types are not sent: Vtiger answers HTTP 500 to a price
    that is not a number (contract page Vtiger §0.4)."""
    if fault := rule.transform_pair.fault(value, System.VTIGER, given=given):
        return Fitted(None, rule.transform_pair.fault_reason, fault)
    text = rule.transform_pair.vtiger_text(value, given, size=size)
    return fit_vtiger(text, size, options=options)


def fit_woo_row(
    rule: FieldRule, value: str, *, data: Mapping[str, Any], given: str, fit: Fit
) -> tuple[Fitted, list[tuple[str, Any]]]:
    """The fitted value to be noted, and the JSON values by path; no values if one of them cannot be
    sent."""
    if refused := _refusal(rule, value, data, given=given):
        return refused, []
    wanted = rule.transform_pair.write_woo(value, woo_texts(rule, data), given)
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
    if fault := rule.transform_pair.fault(value, System.WOOCOMMERCE, given=given):
        return Fitted(None, rule.transform_pair.fault_reason, fault)
    held = [find_raw(data, path) for path in rule.woo]
    if any(isinstance(each, Mapping | list) and not _is_read(rule, each) for each in held):
        return Fitted(None, unsafe_reason(System.WOOCOMMERCE), _STRUCTURE)
    return None


def _is_read(rule: FieldRule, held: object) -> bool:
    """Whether the transform can read the value that it would overwrite; an empty list counts as
    none."""
    listed = isinstance(held, list) and None not in map(scalar_text, held)
    return not held or (rule.transform_pair.many and listed)


def _fit(rule: FieldRule, text: str, path: str, *, fit: Fit) -> Fitted:
    field = rule.shop
    if field is not None and field.choices and text not in field.choices:
        message = _CHOICE.format(choices=", ".join(field.choices))
        return Fitted(None, WRONG_TYPE, message)
    if field is not None and field.type == "integer" and not text.strip():
        return Fitted(None, WRONG_TYPE, _NEEDED)
    return fit(text, path)


def _json(rule: FieldRule, text: str) -> Any:
    """The JSON value of a text: in the type of the REST field; meta and texts are strings."""
    kind = rule.shop.type if rule.shop else ""
    if kind == "boolean":
        return text.strip().casefold() in YES
    if kind == "integer":
        return int(text)
    if rule.transform_pair.many and LIST in text:
        return [word for word in map(collapse, text.split(LIST)) if word]
    return text
