"""An order's totals from its lines: WC_Abstract_Order::calculate_totals(), double by double.

Contract page WooCommerce §3 (rounding); recordings order_create_full_*.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.woocommerce.errors import FatalError
from sandbox.woocommerce.metadata import meta_value
from sandbox.woocommerce.objects import ObjectTable
from sandbox.woocommerce.options import Options
from sandbox.woocommerce.orderitems import TaxLine
from sandbox.woocommerce.orders import Order, OrderTable
from sandbox.woocommerce.ordertaxes import OrderTaxes
from sandbox.woocommerce.phpnumber import (
    begins_numeric,
    fixed_text,
    number,
    php_round,
    stored_number,
)
from sandbox.woocommerce.stock import REDUCED
from sandbox.woocommerce.taxrates import rate_code

Sums = dict[int, float]


class OrderTotals:
    """Recomputes orders; tax lines are kept by rate, made and removed as rates come and go."""

    def __init__(
        self, options: Options, taxes: OrderTaxes, rates: ObjectTable, orders: OrderTable
    ) -> None:
        self._options = options
        self._taxes = taxes
        self._rates = rates
        self._orders = orders

    def recalculate(self, order: Order) -> None:
        """Taxes, then totals. Raises FatalError for a fee that is not a number."""
        decimals = self._options.decimals
        subtotal, total = self._sum_of_lines(order, "subtotal"), self._sum_of_lines(order, "total")
        shipping = sum(php_round(number(s.total), decimals) for s in order.shipping_lines)
        fees = self._sum_of_fees(order, total + shipping)
        self._taxes.apply(order)
        cart_tax, shipping_tax = self.sum_up_taxes(order)
        order.totals |= {
            "shipping_total": stored_number(shipping),
            "discount_total": stored_number(php_round(subtotal - total, decimals)),
            "discount_tax": stored_number(self._options.round_tax(_discount_tax(order))),
        }
        whole = total + fees + shipping + cart_tax + shipping_tax
        order.totals["total"] = fixed_text(php_round(whole, decimals), decimals)
        order.charges = self._taxes.charges(order.items)

    def remember_charges(self, order: Order, stored: Order) -> None:
        """Before an update is computed: known lines are saved already, of new ones only those
        that took stock."""
        written = {item.id: item for item in order.items}
        known = {item.id for item in stored.items}
        saved = [written.get(item.id, item) for item in stored.items]
        saved += [i for i in order.items if i.id not in known and meta_value(i.meta, REDUCED)]
        order.charges = self._taxes.charges(saved)

    def _sum_of_lines(self, order: Order, name: str) -> float:
        """In cents while adding, each rounded unless the shop rounds at subtotal."""
        factor = 10.0**self._options.decimals
        cents = [number(getattr(line, name)) * factor for line in order.lines]
        if not self._options.rounds_at_subtotal:
            cents = [php_round(value) for value in cents]
        return sum(cents) / factor

    def _sum_of_fees(self, order: Order, charged: float) -> float:
        """A negative fee cannot take off more than there is."""
        fees = 0.0
        for fee in order.fees:
            if not begins_numeric(fee.total):
                raise FatalError
            limit = -php_round(charged + fees, self._options.decimals)
            if number(fee.total) < limit < 0:
                fee.total = stored_number(limit)
            fees += number(fee.total)
        return fees

    def sum_up_taxes(self, order: Order) -> tuple[float, float]:
        """Write the tax lines; answers the tax on goods and fees, and on shipping, as stored."""
        cart, shipping = self._cart_taxes(order), self._shipping_taxes(order)
        self._write_tax_lines(order, cart, shipping)
        cart_tax, shipping_tax = (stored_number(sum(s.values())) for s in (cart, shipping))
        tax = php_round(number(cart_tax) + number(shipping_tax), self._options.decimals)
        order.totals |= {
            "cart_tax": cart_tax,
            "shipping_tax": shipping_tax,
            "total_tax": stored_number(tax),
        }
        return number(cart_tax), number(shipping_tax)

    def _cart_taxes(self, order: Order) -> Sums:
        sums: Sums = {}
        for item in (*order.lines, *order.fees):
            for rate_id, tax in item.taxes.items():
                amount = self._options.round_line_tax(number(tax.total))
                sums[rate_id] = sums.get(rate_id, 0.0) + amount
        return sums

    def _shipping_taxes(self, order: Order) -> Sums:
        sums: Sums = {}
        for item in order.shipping_lines:
            for rate_id, tax in item.taxes.items():
                amount = self._options.round_line_tax(number(tax.total))
                sums[rate_id] = sums.get(rate_id, 0.0) + amount
        return sums

    def _write_tax_lines(self, order: Order, cart: Sums, shipping: Sums) -> None:
        wanted = [*cart, *(rate_id for rate_id in shipping if rate_id not in cart)]
        known = {line.rate_id: line for line in order.tax_lines}
        order.items = [
            item for item in order.items if not isinstance(item, TaxLine) or item.rate_id in wanted
        ]
        for rate_id in wanted:
            line = known.get(rate_id) or TaxLine(rate_id=rate_id)
            describe(line, self._rates.find(rate_id))
            line.tax_total = stored_number(cart.get(rate_id, 0.0))
            line.shipping_tax_total = stored_number(shipping.get(rate_id, 0.0))
            if not line.id:
                self._orders.add_item(order, line)


def describe(line: TaxLine, rate: Mapping[str, Any] | None) -> None:
    """Take over what the rate is called now; a rate that is gone leaves the line as it was."""
    if rate is None:
        return
    line.rate_code = rate_code(rate)
    line.label = rate["name"] or "Tax"
    line.is_compound = bool(rate["compound"])
    line.percent = number(rate["rate"])


def _discount_tax(order: Order) -> float:
    taxes = [tax for line in order.lines for tax in line.taxes.values()]
    total = subtotal = 0.0
    for tax in taxes:
        total += number(tax.total)
        subtotal += number(tax.subtotal)
    return subtotal - total
