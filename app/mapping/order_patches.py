"""A WooCommerce order, or what changed of it, as one SalesOrder write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.errors import System
from app.mapping.drafts import PatchDraft, changed_rules
from app.mapping.hazards import fit_vtiger
from app.mapping.limits import ORDER_SIZES
from app.mapping.order_plan import MoneyPlan, plan_money
from app.mapping.order_refs import OrderRefs
from app.mapping.order_rules import ORDER_RULES
from app.mapping.row_values import fit_vtiger_row
from app.mapping.rules import FieldRule
from app.mapping.sales_orders import (
    NO_STREET,
    join_description,
    purchase_order,
    split_description,
    woo_order,
)
from app.mapping.text import plain
from app.mapping.values import FieldNote, PatchOptions, Value
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord

_MONEY = frozenset({"lines", "currency"})
_DESCRIPTION = frozenset({"note", "refunded"})
_APART = _MONEY | _DESCRIPTION
_REFERENCES = frozenset({"contact", "account"})


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """One SalesOrder write: `fields` for create or revise, {} if nothing is left to write.

    `money` is None if the lines are not written. `notes` and `unwritten` as in Patch; notes on
    `lines` tell what the adjustment holds, the lines are written all the same.
    """

    fields: dict[str, Any]
    money: MoneyPlan | None
    notes: tuple[FieldNote, ...]
    unwritten: frozenset[str]

    @property
    def lacking(self) -> Mapping[str, frozenset[str]]:
        """Taxes that products and the fee service should carry before this is written."""
        return self.money.lacking if self.money else {}


def plan_order(
    order: WooRecord,
    refs: OrderRefs,
    *,
    rules: Sequence[FieldRule] = ORDER_RULES,
    options: PatchOptions | None = None,
    changes: Mapping[str, Value] | None = None,
    current: VtigerRecord | None = None,
) -> OrderPlan:
    """The whole order for create (`current` None), or `changes` (None: all) for revise.

    Lines go whole or not at all, with every money field; any revise carries conversion_rate,
    which Vtiger would reset. Contract page Vtiger §3, §10; recording 00-REFERENCE-so-*.
    """
    header = _Header(
        order, refs, rules=tuple(rules), options=options or PatchOptions(), current=current
    )
    wanted = header.held if changes is None else changes
    values = {rule.name: v for rule, v in changed_rules(wanted, rules, target=System.VTIGER)}
    header.put(values)
    has_money = current is None or _MONEY & values.keys()
    money = plan_money(order, refs, held=current) if has_money else None
    fields = {**header.draft.body, **(money.fields if money else {})}
    if current is None:
        fields = _identity(order, refs) | fields
    elif fields:
        fields.setdefault("conversion_rate", _conversion_rate(current, refs))
    notes = (*header.draft.notes, *(money.notes if money else ()))
    return OrderPlan(fields, money, notes, frozenset(header.draft.unwritten))


def _identity(order: WooRecord, refs: OrderRefs) -> dict[str, Any]:
    """What only a create says; invoicestatus is demanded but not kept (contract page Vtiger
    §3)."""
    return {
        "vtiger_purchaseorder": purchase_order(refs.store, order.id),
        "invoicestatus": "Created",
        "sostatus": refs.statuses.first,
    }


def _conversion_rate(current: VtigerRecord, refs: OrderRefs) -> str:
    return current.get("conversion_rate") or refs.conversion_rate


class _Header:
    """The fields of an order beside its money, being put into a draft."""

    def __init__(
        self,
        order: WooRecord,
        refs: OrderRefs,
        *,
        rules: Sequence[FieldRule],
        options: PatchOptions,
        current: VtigerRecord | None,
    ) -> None:
        self.draft = PatchDraft()
        self.held = woo_order(order, refs, rules=rules).values
        self._refs, self._rules, self._options, self._current = refs, rules, options, current

    def put(self, values: Mapping[str, Value]) -> None:
        if self._current is None:
            values = {**self._stand_ins(values), **values}
        for rule, value in changed_rules(values, self._rules, target=System.VTIGER):
            if rule.name in _REFERENCES:
                self._put_reference(rule, value)
            elif rule.name not in _APART and (value or self._current or rule.required):
                self._put_text(rule, value, values=values)
        if any(values.get(name) for name in _DESCRIPTION) or (
            self._current and _DESCRIPTION & values.keys()
        ):
            self._put_description(values)

    def _stand_ins(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """A street that the order does not have at all (billing null, `[]`, without its key) is
        stood in for like an empty one."""
        streets = [rule for rule in self._rules if rule.required and rule.transform == "street"]
        return {rule.name: "" for rule in streets if values.get(rule.name) is None}

    def _put_reference(self, rule: FieldRule, value: str) -> None:
        found = value if rule.name == "contact" else self._refs.account_id
        if found:
            self.draft.body[rule.vtiger] = found

    def _put_text(self, rule: FieldRule, value: str, *, values: Mapping[str, Value]) -> None:
        given = values.get(rule.given) or self.held.get(rule.given) or ""
        size = rule.size or ORDER_SIZES.get(rule.vtiger)
        fitted = fit_vtiger_row(rule, value, given=given, size=size, options=self._options)
        if self._needs_stand_in(rule, fitted.text):
            fitted = replace(fitted, text=NO_STREET)
        self.draft.note(rule.name, fitted, value=value)
        if fitted.text is not None:
            self.draft.body[rule.vtiger] = fitted.text

    def _needs_stand_in(self, rule: FieldRule, text: Value) -> bool:
        """Vtiger refuses an order without them, and a revise that would blank one."""
        if not rule.required or (text or "").strip():
            return False
        return self._current is None or text is not None

    def _put_description(self, values: Mapping[str, Value]) -> None:
        """Note and refund share a field: the one that does not change stays as Vtiger has it."""
        shown = plain(self._current.get("description")) if self._current else ""
        note, refunded = split_description(shown)
        wanted = values.get("note"), values.get("refunded")
        note = note if wanted[0] is None else wanted[0]
        refunded = refunded if wanted[1] is None else wanted[1]
        text = join_description(note, refunded)
        fitted = fit_vtiger(text, None, options=self._options)
        for name in sorted(_DESCRIPTION & values.keys()):
            self.draft.note(name, fitted, value=text)
        if fitted.text is not None:
            self.draft.body["description"] = fitted.text
