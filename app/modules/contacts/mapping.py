"""The mapping of contacts: customers and Vtiger contacts as neutral values, patches of them, and
the default rows. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from app.domain import System
from app.mapping.paths import META, find_path, set_path
from app.mapping.rules import (
    ACCOUNT_NAME_SIZE,
    CONTACT_SIZES,
    Conversion,
    FieldRule,
    Fitted,
    PatchDraft,
    changed_rules,
    email_hazard,
    fit_vtiger,
    fit_vtiger_row,
    fit_woo,
    fit_woo_row,
    read_vtiger,
    read_woo,
    sorted_by_given,
)
from app.mapping.values import Mapped, Patch, PatchOptions, Value, restore_astral
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord

# The default table of contacts: a customer's fields against those of a Vtiger contact.

_VTIGER = frozenset({System.VTIGER})
_WOO = frozenset({System.WOOCOMMERCE})


def _address(block: str, prefix: str) -> tuple[FieldRule, ...]:
    country = f"{prefix}_country"
    return (
        FieldRule(
            f"{prefix}_street",
            (f"{block}.address_1", f"{block}.address_2"),
            f"{prefix}street",
            transform="street",
        ),
        FieldRule(f"{prefix}_city", (f"{block}.city",), f"{prefix}city"),
        FieldRule(f"{prefix}_zip", (f"{block}.postcode",), f"{prefix}zip"),
        FieldRule(
            f"{prefix}_state",
            (f"{block}.state",),
            f"{prefix}state",
            transform="state",
            given=country,
        ),
        FieldRule(country, (f"{block}.country",), f"{prefix}country", transform="country"),
    )


CONTACT_RULES: tuple[FieldRule, ...] = (
    FieldRule("first_name", ("first_name", "billing.first_name"), "firstname"),
    FieldRule("last_name", ("last_name", "billing.last_name"), "lastname", required=_VTIGER),
    FieldRule("email", ("email",), "email", transform="email", required=_WOO),
    FieldRule("phone", ("billing.phone",), "phone", transform="phone"),
    FieldRule("mobile", ("shipping.phone",), "mobile", transform="phone"),
    FieldRule("company", ("billing.company",), "account_id", transform="company"),
    *_address("billing", "mailing"),
    *_address("shipping", "other"),
)


COMPANY = "company"
FOREIGN_ID_LABEL = "WooCommerce ID"
WOO_META_KEY = "vtiger_id"

_MISSING = "missing_required_field"


def woo_contact(customer: WooRecord, rules: Sequence[FieldRule]) -> Mapped:
    """A customer's mapped values. A missing last name is derived: company, else e-mail local part.

    `customer.data` is the REST object (recording customer_get); contract page WooCommerce §2.
    """
    values = _woo_values(customer.data, rules)
    if "last_name" not in values or not _blank(values["last_name"]):
        return Mapped(values)
    derived = _stand_in_name(values)
    if not derived:
        return Mapped(values)
    return Mapped(values | {"last_name": derived}, frozenset({"last_name"}))


def woo_guest(customer: WooRecord, rules: Sequence[FieldRule]) -> Mapped:
    """The mapped values of a guest. Blank values are None: a field that the buyer left blank in an
    order is not a request to clear it in the contact."""
    mapped = woo_contact(customer, rules)
    known = {name: None if _blank(value) else value for name, value in mapped.values.items()}
    return Mapped(known, mapped.derived)


def _woo_values(data: Mapping[str, Any], rules: Sequence[FieldRule]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for rule in sorted_by_given(rules):
        values[rule.name] = read_woo(rule, data, values.get(rule.given) or "")
    return values


def _stand_in_name(values: Mapping[str, Value]) -> str:
    company = (values.get(COMPANY) or "").strip()
    return company or (values.get("email") or "").partition("@")[0].strip()


def vtiger_contact(
    record: VtigerRecord, rules: Sequence[FieldRule], *, account_name: Value
) -> Mapped:
    """A Vtiger contact's mapped values; `account_name` is that of its Account, "" if none.

    `record.data` is a retrieve answer (recording 21-retrieve-contact-full); contract page
    Vtiger §1.
    """
    return Mapped(_vtiger_values(record.data, rules, account_name))


def _vtiger_values(
    data: Mapping[str, Any], rules: Sequence[FieldRule], account_name: Value
) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for rule in sorted_by_given(rules):
        raw = account_name if rule.name == COMPANY else data.get(rule.vtiger)
        values[rule.name] = read_vtiger(rule, raw, values.get(rule.given) or "")
    return values


def missing_required(mapped: Mapped, target: System, rules: Sequence[FieldRule]) -> list[str]:
    """The names of required values without which `target` cannot create the record: empty, not
    written by their rule, or an e-mail that would be refused.

    Contract page Vtiger §1 (lastname), WooCommerce §2 (missing, empty or malformed e-mail: 400).
    """
    return [
        rule.name
        for rule in rules
        if target in rule.required and not _acceptable(rule, mapped.get(rule.name), target)
    ]


def _acceptable(rule: FieldRule, value: Value, target: System) -> bool:
    if _blank(value) or not rule.direction.allows(target):
        return False
    email_to_woo = rule.transform == "email" and target is System.WOOCOMMERCE
    return not (email_to_woo and email_hazard(value or ""))


def _blank(value: Value) -> bool:
    return value is None or not value.strip()


def woo_foreign_id(customer: WooRecord) -> str | None:
    """The Vtiger id in a customer's meta; None if there is none."""
    return find_path(customer.data, META + WOO_META_KEY) or None


def woo_patch(
    changes: Mapping[str, Value],
    rules: Sequence[FieldRule],
    *,
    current: WooRecord | None,
    options: PatchOptions,
) -> Patch:
    """The patch for POST (`current` None) or PUT /customers that makes `changes`.

    A field that WooCommerce would alter, erase or refuse is left out with a note. The billing
    e-mail is set to the account's on create only, as WooCommerce does not keep them equal.
    Contract pages readback ("customers ...") and WooCommerce §2.
    """
    draft = PatchDraft()
    data = current.data if current else {}
    held = _woo_values(data, rules)
    for rule, value in changed_rules(changes, rules, target=System.WOOCOMMERCE):
        given = _given(rule, changes, held)
        if _blank(value) and System.WOOCOMMERCE in rule.required:
            draft.note(rule.name, Fitted(None, _MISSING, "WooCommerce needs it."), value=value)
        elif value or current:
            value = restore_astral(value, held.get(rule.name) or "")
            _write_woo(draft, rule, value, data=data, given=given, options=options)
    own = "email" in draft.body.get("billing", {})
    if current is None and "email" in draft.body and not own:
        set_path(draft.body, "billing.email", draft.body["email"])
    return draft.patch()


def _given(rule: FieldRule, changes: Mapping[str, Value], held: Mapping[str, Value]) -> str:
    change = changes.get(rule.given)
    return (held.get(rule.given) or "") if change is None else change


def _write_woo(
    draft: PatchDraft,
    rule: FieldRule,
    value: str,
    *,
    data: Mapping[str, Any],
    given: str,
    options: PatchOptions,
) -> None:
    fit = partial(fit_woo, options=options)
    fitted, found = fit_woo_row(rule, value, data=data, given=given, fit=fit)
    draft.note(rule.name, fitted, value=value)
    for path, content in found:
        set_path(draft.body, path, content)


def vtiger_patch(
    changes: Mapping[str, Value],
    rules: Sequence[FieldRule],
    *,
    current: VtigerRecord | None,
    options: PatchOptions,
) -> Patch:
    """The patch for create (`current` None) or revise of a contact that makes `changes`.

    The company is in `Patch.apart` under COMPANY, since the Account is another record. On create a
    required value that cannot be sent is replaced by another one. Contract page readback, Vtiger.
    """
    draft = PatchDraft()
    held = _vtiger_values(current.data if current else {}, rules, None)
    for rule, value in changed_rules(changes, rules, target=System.VTIGER):
        if _blank(value) and System.VTIGER in rule.required:
            draft.note(rule.name, Fitted(None, _MISSING, "Vtiger needs it."), value=value)
        elif value or current:
            given = _given(rule, changes, held)
            fitted = _fit_rule(rule, value, given=given, options=options)
            if fitted.text is None and current is None and System.VTIGER in rule.required:
                fitted = _stand_in(fitted, changes, rule)
            draft.note(rule.name, fitted, value=value)
            if fitted.text is not None:
                _put_vtiger(draft, rule, fitted.text)
    return draft.patch()


def _put_vtiger(draft: PatchDraft, rule: FieldRule, text: str) -> None:
    if rule.name == COMPANY:
        draft.apart[COMPANY] = text
    else:
        draft.body[rule.vtiger] = text


def _size(rule: FieldRule) -> int | None:
    if rule.name == COMPANY:
        return ACCOUNT_NAME_SIZE
    return rule.size or CONTACT_SIZES.get(rule.vtiger)


def _fit_rule(rule: FieldRule, value: str, *, given: str, options: PatchOptions) -> Fitted:
    return fit_vtiger_row(rule, value, given=given, size=_size(rule), options=options)


def _stand_in(refused: Fitted, changes: Mapping[str, Value], rule: FieldRule) -> Fitted:
    """A substitute for a required value that cannot be sent, so that the record can be created."""
    cut = PatchOptions(too_long="cut")
    own = changes.get(rule.name) or ""
    for candidate in (own, _stand_in_name(changes), _stand_in_name({**changes, COMPANY: ""}), "-"):
        fitted = fit_vtiger(candidate, _size(rule), options=cut)
        if fitted.text:
            return replace(refused, text=fitted.text)
    return refused


# Conversion: a customer's values as Vtiger would show them, and the reverse.


def contact_conversion(rules: Sequence[FieldRule], options: PatchOptions) -> Conversion:
    """The conversion of contacts; contract page readback."""

    def to_vtiger(woo: Mapped) -> tuple[Mapped, frozenset[str]]:
        patch = vtiger_patch(woo.values, rules, current=None, options=options)
        record = VtigerRecord("", "", patch.body)
        company = patch.apart.get(COMPANY, "")
        return vtiger_contact(record, rules, account_name=company), patch.unwritten

    def to_woo(vtiger: Mapped) -> tuple[Mapped, frozenset[str]]:
        patch = woo_patch(vtiger.values, rules, current=None, options=options)
        return woo_contact(WooRecord(patch.body), rules), patch.unwritten

    return Conversion(rules, to_vtiger, to_woo)


def is_explained(
    name: str, woo: Mapped, vtiger: Mapped, *, rules: Sequence[FieldRule], options: PatchOptions
) -> bool:
    """Whether the field differs only because the target alters or refuses the value."""
    return contact_conversion(rules, options).is_explained(name, woo, vtiger)


def converted_names(
    woo: Mapped, vtiger: Mapped, *, rules: Sequence[FieldRule], options: PatchOptions
) -> frozenset[str]:
    """Fields of which one side has what the other side's value would become there."""
    return contact_conversion(rules, options).converted_names(woo, vtiger)
