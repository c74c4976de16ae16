"""A Vtiger order, or what changed of it, as a WooCommerce order write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.errors import System
from app.mapping.drafts import PatchDraft, changed_rules
from app.mapping.hazards import Fitted, email_hazard, unsafe_reason
from app.mapping.limits import WOO_TEXT_BYTES
from app.mapping.numbers import amount, decimal_text, find_decimal
from app.mapping.order_lines import Sold
from app.mapping.order_refs import Buyer, OrderRefs
from app.mapping.order_rows import fee_rows, line_rows, shipping_rows
from app.mapping.order_rules import ORDER_RULES
from app.mapping.paths import set_path
from app.mapping.row_values import fit_woo_row
from app.mapping.rules import FieldRule
from app.mapping.sales_orders import CREATED_VIA, has_shipping, with_shipping, woo_order
from app.mapping.text import decode_entities, restore_astral
from app.mapping.values import Patch, Value
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord

_UNSAFE = unsafe_reason(System.WOOCOMMERCE)
_SHIPPING = "shipping."
_PHONE_SIZE = 100
_PHONES = frozenset({"billing.phone", "shipping.phone"})
_EMAIL = "billing.email"
_FEE_NAME = "Adjustment from Vtiger"
_NO_STATUS = "No WooCommerce status is named for this one: add it to the store's status map."
_NO_QUANTITY = "WooCommerce takes whole quantities other than 0 only: the lines are left alone."
_NO_PRODUCT = "A line's product is not in the shop: the lines are left alone."
_NOTHING = "Comments, taxes and the adjustment of an order stay in Vtiger."
_LONG = f"WooCommerce keeps the old text if there are more than {WOO_TEXT_BYTES} bytes."
_LONG_PHONE = f"WooCommerce keeps the old phone if there are more than {_PHONE_SIZE} characters."
_ENCODED = "It contains a doubly encoded HTML entity, which would lose a level on the way back."


def woo_order_patch(
    changes: Mapping[str, Value],
    refs: OrderRefs,
    *,
    current: WooRecord | None,
    rules: Sequence[FieldRule] = ORDER_RULES,
    buyer: Buyer | None = None,
) -> Patch:
    """The body for POST (`current` None, for `buyer`) or PUT /orders that brings `changes` about.

    Lines are addressed by id, new ones added, others removed; they are left alone, with a note,
    if one has a fractional quantity, none, or a product that the shop does not have: with `lines`
    in `unwritten` an order must not be created. Taxes are WooCommerce's own. Contract page
    WooCommerce §3; recordings order_update_*, order_create_created_via.
    """
    writer = _Writer(refs, current, tuple(rules))
    for rule, value in changed_rules(changes, rules, target=System.WOOCOMMERCE):
        if value or current:
            writer.put(rule, value, changes=changes)
    body = writer.draft.body
    if current is None:
        body["created_via"] = CREATED_VIA
        _put_buyer(body, buyer or Buyer())
    elif "shipping" in body and not has_shipping(current.data):
        writer.complete_shipping(changes)
    return writer.draft.patch()


@dataclass(slots=True)
class _Writer:
    """A WooCommerce body in the making."""

    refs: OrderRefs
    current: WooRecord | None
    rules: tuple[FieldRule, ...]
    draft: PatchDraft = field(default_factory=PatchDraft)

    @property
    def data(self) -> Mapping[str, Any]:
        return self.current.data if self.current else {}

    @property
    def held(self) -> Mapping[str, Value]:
        return woo_order(self.current, self.refs, rules=self.rules).values if self.current else {}

    def put(self, rule: FieldRule, value: str, *, changes: Mapping[str, Value]) -> None:
        if rule.name == "lines":
            self._put_lines(value)
        elif rule.name == "status":
            self._put_status(value)
        elif rule.name == "currency":
            if value != self.data.get("currency"):
                self.draft.body["currency"] = value
        else:
            self._put_text(rule, value, changes=changes)

    def _put_status(self, value: str) -> None:
        status = self.refs.statuses.to_woo.get(value)
        if status is None:
            self.draft.note("status", Fitted(None, _UNSAFE, _NO_STATUS), value=value)
        elif self.refs.statuses.to_vtiger.get(str(self.data.get("status"))) != value:
            self.draft.body["status"] = status

    def _put_text(self, rule: FieldRule, value: str, *, changes: Mapping[str, Value]) -> None:
        value = restore_astral(value, self.held.get(rule.name) or "")
        fitted = self._write(rule, value, changes=changes, data=with_shipping(self.data))
        self.draft.note(rule.name, fitted, value=value)

    def _write(
        self, rule: FieldRule, value: str, *, changes: Mapping[str, Value], data: Mapping[str, Any]
    ) -> Fitted:
        given = changes.get(rule.given) or self.held.get(rule.given) or ""
        fitted, found = fit_woo_row(rule, value, data=data, given=given, fit=_fit)
        for path, content in found:
            set_path(self.draft.body, path, content)
        return fitted

    def complete_shipping(self, changes: Mapping[str, Value]) -> None:
        """A shipping address that was the billing one becomes its own: all of it is written."""
        held = self.held
        for rule in self.rules:
            kept = rule.name in self.draft.unwritten or rule.name not in changes
            value = held.get(rule.name) if kept else changes[rule.name]
            if value and rule.woo and rule.woo[0].startswith(_SHIPPING):
                self._write(rule, value, changes=changes, data=self.data)

    def _put_lines(self, value: str) -> None:
        sold = Sold.from_text(value)
        if not all(map(_is_whole, (line.quantity for line in sold.goods))):
            self.draft.note("lines", Fitted(None, "not_integer", _NO_QUANTITY), value=value)
            return
        rows, unknown = line_rows(self.current, sold.goods, refs=self.refs)
        if unknown:
            self.draft.note("lines", Fitted(None, "unknown_product", _NO_PRODUCT), value=value)
            return
        found = {
            "line_items": rows,
            "fee_lines": fee_rows(self.current, sold.fees),
            "shipping_lines": shipping_rows(self.current, sold.shipping),
        }
        self.draft.body |= {key: rows for key, rows in found.items() if rows}
        if not any(found.values()) and self.current is not None:
            self.draft.note("lines", Fitted(None, _UNSAFE, _NOTHING), value=value)


def _is_whole(quantity: str) -> bool:
    number = find_decimal(quantity)
    return number is not None and number != 0 and number == int(number)


def _fit(text: str, path: str) -> Fitted:
    """Text of an order, which WooCommerce keeps as it is (contract page readback, "orders ...")."""
    if path == _EMAIL and (hazard := email_hazard(text)):
        return Fitted(None, _UNSAFE, hazard)
    if path in _PHONES and len(text) > _PHONE_SIZE:
        return Fitted(None, "value_too_long", _LONG_PHONE)
    if decode_entities(text) != text:
        return Fitted(None, _UNSAFE, _ENCODED)
    if len(text.encode(errors="replace")) > WOO_TEXT_BYTES:
        return Fitted(None, "value_too_long", _LONG)
    return Fitted(text)


def _put_buyer(body: dict[str, Any], buyer: Buyer) -> None:
    if buyer.customer_id:
        body["customer_id"] = int(buyer.customer_id)
    texts = {
        "first_name": buyer.first_name,
        "last_name": buyer.last_name,
        "company": buyer.company,
        "email": "" if email_hazard(buyer.email) else buyer.email,
        "phone": buyer.phone if len(buyer.phone) <= _PHONE_SIZE else "",
    }
    billing = {name: text for name, text in texts.items() if text}
    if billing:
        body["billing"] = body.get("billing", {}) | billing


def total_delta(order: WooRecord, record: VtigerRecord) -> Decimal:
    """How much more Vtiger's grand total is than WooCommerce's, which has its own taxes."""
    return amount(record.get("hdnGrandTotal")) - amount(order.data.get("total"))


def adjusting_fee(delta: Decimal, *, places: int) -> dict[str, Any]:
    """The body that takes WooCommerce's total to Vtiger's by an untaxed fee line (`adjust`)."""
    amount_text = decimal_text(delta.quantize(Decimal(1).scaleb(-places)))
    fee = {"name": _FEE_NAME, "total": amount_text, "tax_status": "none"}
    return {"fee_lines": [fee]}
