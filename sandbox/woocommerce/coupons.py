"""Coupons on orders: applied, removed and spread anew over the lines.

Contract page WooCommerce §3: coupon_lines of a PUT re-apply the coupons over manual totals.
"""

import json
from collections.abc import Mapping
from typing import Any

from sandbox.woocommerce.catalog import Catalog
from sandbox.woocommerce.discounts import Discounts
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.metadata import set_meta
from sandbox.woocommerce.objects import ObjectTable
from sandbox.woocommerce.options import Options
from sandbox.woocommerce.orderitems import CouponLine
from sandbox.woocommerce.orders import Order, OrderTable
from sandbox.woocommerce.ordertaxes import OrderTaxes
from sandbox.woocommerce.ordertotals import OrderTotals
from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.phpnumber import json_number, number, stored_number
from sandbox.woocommerce.wordpress import sanitize_text_field

Coupon = Mapping[str, Any]


class OrderCoupons:
    """The coupons of one shop as its orders use them."""

    def __init__(
        self,
        options: Options,
        coupons: ObjectTable,
        orders: OrderTable,
        *,
        catalog: Catalog,
        taxes: OrderTaxes,
        totals: OrderTotals,
    ) -> None:
        self._options = options
        self._coupons = coupons
        self._orders = orders
        self._catalog = catalog
        self._taxes = taxes
        self._totals = totals

    def replace(self, order: Order, lines: Any) -> None:
        """Make the coupons of an order those of a request's `coupon_lines`."""
        coupons = [self._coupon(line) for line in lines if isinstance(line, Mapping)]
        for line in order.coupons:
            order.items.remove(line)
            self._spread(order)
        for coupon in coupons:
            self._apply(order, coupon)

    def _coupon(self, line: Mapping[str, Any]) -> Coupon:
        if line.get("id"):
            message = "Coupon item ID is readonly."
            raise RestError("woocommerce_rest_coupon_item_id_readonly", message, 400)
        code = sanitize_text_field(scalar_text(line.get("code"))).lower()
        if not code:
            raise RestError("woocommerce_rest_invalid_coupon", "Coupon code is required.", 400)
        coupon = self._find(code)
        if coupon is None:
            message = f'Coupon "{code}" cannot be applied because it does not exist.'
            raise RestError("woocommerce_rest_invalid_coupon", message, 400)
        return coupon

    def _find(self, code: str) -> Coupon | None:
        rows = (row for row in self._coupons if row["status"] == "publish")
        return next((row for row in rows if row["code"].lower() == code.lower()), None)

    def _apply(self, order: Order, coupon: Coupon) -> None:
        if any(line.code.lower() == coupon["code"].lower() for line in order.coupons):
            message = f'Coupon code "{coupon["code"]}" already applied!'
            raise RestError("woocommerce_rest_invalid_coupon", message, 400)
        line = CouponLine(
            code=coupon["code"],
            discount_type=coupon["discount_type"],
            nominal_amount=number(coupon["amount"]),
            is_free_shipping=bool(coupon.get("free_shipping")),
        )
        set_meta(line.meta, "coupon_info", _short_info(coupon), self._orders.item_meta_ids)
        self._orders.add_item(order, line)
        self._spread(order)

    def _spread(self, order: Order) -> None:
        """Lines fall back to their subtotals, then every coupon is taken off again."""
        for line in order.lines:
            line.set_total(line.subtotal)
        discounts = Discounts.of(order, self._options, self._catalog)
        for coupon_line in order.coupons:
            discounts.apply(self._find(coupon_line.code) or _remembered(coupon_line))
        for coupon_line in order.coupons:
            self._write_discount(order, coupon_line, discounts.amounts(coupon_line.code))
        self._take_off(order, discounts.by_line())
        self._totals.recalculate(order)

    def _write_discount(
        self, order: Order, coupon_line: CouponLine, amounts: Mapping[int, float]
    ) -> None:
        discount, discount_tax = sum(amounts.values()), 0.0
        lines = {line.id: line for line in order.lines}
        for line_id, amount in amounts.items():
            rates = self._taxes.line_rates(order, lines[line_id])
            taxes = self._taxes.amounts(amount, rates, inclusive=order.prices_include_tax)
            tax = self._options.round_line_tax(sum(taxes.values()))
            discount_tax += tax
            discount -= tax if order.prices_include_tax else 0.0
        coupon_line.discount = stored_number(discount)
        coupon_line.discount_tax = stored_number(discount_tax)

    def _take_off(self, order: Order, amounts: Mapping[int, float]) -> None:
        for line in order.lines:
            amount = amounts.get(line.id, 0.0)
            if order.prices_include_tax:
                rates = self._taxes.line_rates(order, line)
                amount -= sum(self._taxes.amounts(amount, rates, inclusive=True).values())
            line.set_total(max(0.0, number(line.total) - amount))


def _remembered(line: CouponLine) -> Coupon:
    """A coupon that was deleted since goes on as the order knows it."""
    return {
        "code": line.code,
        "discount_type": line.discount_type,
        "amount": stored_number(line.nominal_amount),
    }


def _short_info(coupon: Coupon) -> str:
    kind = coupon["discount_type"]
    amount = json_number(number(coupon["amount"]))
    info = [coupon["id"], coupon["code"], None if kind == "fixed_cart" else kind, amount]
    if coupon.get("free_shipping"):
        info.append(True)
    return json.dumps(info, separators=(",", ":")).replace("/", "\\/")
