"""Writes a Vtiger order to WooCommerce, which computes taxes and totals itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

from app.domain import NotFound, System, TotalPolicy, after_create
from app.mapping.paths import set_path, with_meta
from app.mapping.rules import (
    WOO_TEXT_BYTES,
    FieldRule,
    Fitted,
    PatchDraft,
    changed_rules,
    email_hazard,
    fit_woo_row,
    unsafe_reason,
)
from app.mapping.values import (
    FieldNote,
    Patch,
    Value,
    amount,
    decimal_text,
    decode_entities,
    restore_astral,
)
from app.modules.orders.lines import (
    Buyer,
    OrderRefs,
    Sold,
    WooItem,
    fee_rows,
    line_rows,
    shipping_rows,
    woo_rows,
)
from app.modules.orders.mapping import (
    CREATED_VIA,
    FOREIGN_ID_META,
    ORDER_RULES,
    has_shipping,
    with_shipping,
    woo_order,
)
from app.modules.orders.references import Buyers, CrmOrder, OrderReferences, ShopOrder
from app.modules.orders.vtiger_totals import INDIVIDUAL
from app.parsing import find_decimal, rows_of
from app.policies.repository import SyncPolicy
from app.runtime import Runtime
from app.tasks import offload
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooOrder, WooRecord

_UNSAFE = unsafe_reason(System.WOOCOMMERCE)
_SHIPPING = "shipping."
_PHONE_SIZE = 100
_PHONES = frozenset({"billing.phone", "shipping.phone"})
_EMAIL = "billing.email"
_FEE_NAME = "Adjustment from Vtiger"
_NO_QUANTITY = "WooCommerce accepts only whole quantities other than 0: the lines were not written."
_NO_PRODUCT = "A line's product is not in the shop: the lines were not written."
_NOTHING = "Comments, taxes and the adjustment of an order stay in Vtiger."
_LONG = f"WooCommerce ignores a text of more than {WOO_TEXT_BYTES} bytes."
_LONG_PHONE = f"WooCommerce ignores a phone number of more than {_PHONE_SIZE} characters."
_ENCODED = "It contains a doubly encoded HTML entity, which would lose a level on the way back."


def woo_order_patch(
    changes: Mapping[str, Value],
    refs: OrderRefs,
    *,
    current: WooRecord | None,
    rules: Sequence[FieldRule] = ORDER_RULES,
    buyer: Buyer | None = None,
) -> Patch:
    """The patch for POST (`current` None, for `buyer`) or PUT /orders that makes `changes`.

    Lines are changed by id, added, or removed. They are not written, with a note, if one of them
    has a fractional quantity, none, or a product that the shop does not have: with `lines` in
    `unwritten` an order must not be created. WooCommerce computes the taxes. Contract page
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
    """Builds the body of a WooCommerce order."""

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
        """The status that Vtiger's leads to, unless the shop's own agrees with it already: among
        several that do, Vtiger's does not choose."""
        statuses = self.refs.statuses
        status = statuses.to_woo.get(value)
        if status is None:
            note = statuses.find_note(System.VTIGER, value)
            fitted = Fitted(None, note.reason, note.message) if note else Fitted(None)
            self.draft.note("status", fitted, value=value)
        elif not statuses.agrees(str(self.data.get("status")), value):
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
        """Write all of the shipping address: without one, the order showed its billing address, so
        what does not change must be written as well."""
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
    """`text` for an order's `path`; WooCommerce stores it unchanged (contract page readback,
    "orders ...")."""
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
    """By how much Vtiger's grand total exceeds WooCommerce's."""
    return amount(record.get("hdnGrandTotal")) - amount(order.data.get("total"))


def adjusting_fee(delta: Decimal, *, places: int) -> dict[str, Any]:
    """The body that adds `delta` to WooCommerce's total by an untaxed fee line (`adjust`)."""
    amount_text = decimal_text(delta.quantize(Decimal(1).scaleb(-places)))
    fee = {"name": _FEE_NAME, "total": amount_text, "tax_status": "none"}
    return {"fee_lines": [fee]}


# The write, and the total that the setting `order_total` asks for.

DIFFERS = (
    "WooCommerce's own taxes and rounding give another total: Vtiger's is {delta} more. Set "
    "`order_total` to `adjust` to have a fee line compensate for it."
)
GROUPED = (
    "The sale is in the tax mode group, in which Vtiger's form starts with all of its taxes added "
    "up: set those that do not apply to 0 there, or choose the mode individual."
)
ADJUSTED = "A fee line of {delta} makes WooCommerce's total equal to that of Vtiger."


@dataclass(frozen=True, slots=True)
class WooOrderWritten:
    """The shop's response to a write, None if nothing was left to send; notes as in Patch."""

    order: WooOrder | None
    notes: tuple[FieldNote, ...]
    unwritten: frozenset[str]


@dataclass(frozen=True, slots=True)
class WooOrderWriter:
    """Creates and updates WooCommerce orders. Methods may raise DependencyNotReady and any
    RemoteError."""

    runtime: Runtime
    store: str
    policy: SyncPolicy
    rules: tuple[FieldRule, ...]
    references: OrderReferences
    buyers: Buyers

    @property
    def woo(self) -> WooClient:
        return self.runtime.stores[self.store]

    def patch_for_new(self, crm: CrmOrder, values: Mapping[str, Value]) -> Patch:
        """The patch that a create would send, without the buyer: its notes show what cannot be
        sent."""
        return woo_order_patch(values, crm.refs, current=None, rules=self.rules)

    async def create(self, crm: CrmOrder, values: Mapping[str, Value]) -> WooOrderWritten:
        """Create the order in the shop (recording order_create_created_via)."""
        patch = await self.new_order(crm, values)
        return await self.finish_create(await self.woo.create_order(patch.body), patch, crm)

    async def new_order(self, crm: CrmOrder, values: Mapping[str, Value]) -> Patch:
        """The patch that a create sends, with Vtiger's id as meta."""
        refs = await self._with_parents(crm.refs)
        buyer = await self.buyers.buyer_of(crm.record)
        plan = partial(woo_order_patch, values, refs, current=None, rules=self.rules, buyer=buyer)
        patch = await offload(plan, lines=len(rows_of(crm.record.data.get("LineItems"))))
        return replace(patch, body=with_meta(patch.body, FOREIGN_ID_META, crm.record.id))

    async def finish_create(
        self, created: WooOrder, patch: Patch, crm: CrmOrder
    ) -> WooOrderWritten:
        """The result of a create, after the total was adjusted if the setting asks for it."""
        with after_create():
            return await self._totalled(created, patch, crm)

    async def update(
        self, shop: ShopOrder, changes: Mapping[str, Value], *, crm: CrmOrder
    ) -> WooOrderWritten:
        """Write `changes`; lines are changed by id, added, or removed
        (order_update_line_items_*)."""
        refs = shop.refs
        if "lines" in changes:
            refs = await self._with_items(shop.refs, changes["lines"] or "")
        plan = partial(woo_order_patch, changes, refs, current=shop.order, rules=self.rules)
        patch = await offload(plan, lines=len(shop.order.lines))
        if not patch.body:
            return WooOrderWritten(None, patch.notes, patch.unwritten)
        updated = await self.woo.update_order(shop.order.id, patch.body)
        if not changes.keys() & {"lines", "currency"}:
            return WooOrderWritten(updated, patch.notes, patch.unwritten)
        return await self._totalled(updated, patch, crm)

    async def _with_items(self, refs: OrderRefs, lines: str) -> OrderRefs:
        """The references with the shop's products of the wanted lines, which are synced first."""
        wanted = {line.product for line in Sold.from_text(lines).goods}
        wanted -= {refs.placeholder_id, *refs.products.values()}
        for product_id in sorted(wanted):
            await self.references.sync_product(product_id)
        own = {product: WooItem(woo_id) for woo_id, product in refs.products.items()}
        items = {**own, **await self.references.items(wanted)}
        return await self._with_parents(replace(refs, items=items))

    async def _with_parents(self, refs: OrderRefs) -> OrderRefs:
        """The references with the parents of variations, which a line must have as well
        (order_create_full_excl_tax)."""
        parents = {
            product: WooItem(item.id, await self._parent_of(item.id))
            for product, item in refs.items.items()
        }
        return replace(refs, items=parents)

    async def _parent_of(self, product_id: str) -> str | None:
        read = partial(self._read_parent, product_id)
        return await self.runtime.memory.get(f"parent:{self.store}:{product_id}", read)

    async def _read_parent(self, product_id: str) -> str | None:
        try:
            return (await self.woo.get_product(product_id)).parent_id
        except NotFound:
            return None

    async def _totalled(self, order: WooOrder, patch: Patch, crm: CrmOrder) -> WooOrderWritten:
        """The result with a note if the totals differ; a fee line compensates for the difference if
        the setting is `adjust`."""
        delta = total_delta(order, crm.record)
        if not delta:
            return WooOrderWritten(order, patch.notes, patch.unwritten)
        text = DIFFERS
        if self.policy.order_total is TotalPolicy.ADJUST:
            text, order = ADJUSTED, await self._adjust(order, crm)
        shown = decimal_text(delta)
        if crm.record.get("hdnTaxType") != INDIVIDUAL:
            text = f"{text} {GROUPED}"
        note = FieldNote("lines", "total_differs", text.format(delta=shown), shown)
        return WooOrderWritten(order, (*patch.notes, note), patch.unwritten)

    async def _adjust(self, order: WooOrder, crm: CrmOrder) -> WooOrder:
        """Add the fee line. A negative fee reduces the tax as well, whatever its tax status, and is
        then corrected in proportion (contract page WooCommerce §3)."""
        delta, places = total_delta(order, crm.record), crm.refs.decimals
        before = {row.get("id") for row in woo_rows(order, "fee_lines")}
        adjusted = await self.woo.update_order(order.id, adjusting_fee(delta, places=places))
        effect = delta - total_delta(adjusted, crm.record)
        new = [row["id"] for row in woo_rows(adjusted, "fee_lines") if row.get("id") not in before]
        if effect in (delta, 0) or not new:
            return adjusted
        body = adjusting_fee(delta * delta / effect, places=places)
        body["fee_lines"][0]["id"] = new[0]
        return await self.woo.update_order(order.id, body)
