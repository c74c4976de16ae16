"""What one side's values would be in the other, had they just been carried over there. Pure.

Two records may differ for good: a street longer than the CRM keeps, an emoji that it cannot
store. Such a difference is explained if carrying one side over gives what the other holds.
"""

from collections.abc import Sequence

from app.mapping.contacts import COMPANY, vtiger_contact, vtiger_patch, woo_contact, woo_patch
from app.mapping.rules import FieldRule
from app.mapping.values import Mapped, PatchOptions
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord


def is_explained(
    name: str, woo: Mapped, vtiger: Mapped, *, rules: Sequence[FieldRule], options: PatchOptions
) -> bool:
    """Whether the field differs only by what the target does to it, or refuses of it.

    Contract page readback; `woo` and `vtiger` are both sides as read.
    """
    rule = next(rule for rule in rules if rule.name == name)
    carried, left_out = _to_vtiger(woo, rules, options)
    if name in left_out or rule.same(carried.get(name) or "", vtiger.get(name) or ""):
        return True
    carried, left_out = _to_woo(vtiger, rules, options)
    return name in left_out or rule.same(carried.get(name) or "", woo.get(name) or "")


def carried_names(
    woo: Mapped, vtiger: Mapped, *, rules: Sequence[FieldRule], options: PatchOptions
) -> frozenset[str]:
    """Fields of which one side holds just what the other's value becomes there.

    A merge takes them for equal: nobody edited them, they were carried over (text cut to the
    target's size), perhaps by a call whose answer was lost.
    """
    there, _ = _to_vtiger(woo, rules, options)
    back, _ = _to_woo(vtiger, rules, options)
    return frozenset(
        rule.name
        for rule in rules
        if _holds(rule, vtiger, there) or _holds(rule, woo, back)
    )


def _holds(rule: FieldRule, side: Mapped, carried: Mapped) -> bool:
    text = carried.get(rule.name) or ""
    return bool(text) and rule.same(text, side.get(rule.name))


def _to_vtiger(
    woo: Mapped, rules: Sequence[FieldRule], options: PatchOptions
) -> tuple[Mapped, frozenset[str]]:
    patch = vtiger_patch(woo.values, rules, current=None, options=options)
    record = VtigerRecord("", "", patch.body)
    company = patch.apart.get(COMPANY, "")
    return vtiger_contact(record, rules, account_name=company), patch.unwritten


def _to_woo(
    vtiger: Mapped, rules: Sequence[FieldRule], options: PatchOptions
) -> tuple[Mapped, frozenset[str]]:
    patch = woo_patch(vtiger.values, rules, current=None, options=options)
    return woo_contact(WooRecord(patch.body), rules), patch.unwritten
