"""How coupons are spread over the lines of an order: WC_Discounts, in cents.

Recordings order_create_full_excl_tax, order_update_add_coupon; contract page
WooCommerce month.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.woocommerce.catalog import Catalog
from sandbox.woocommerce.options import Options
from sandbox.woocommerce.orderitems import LineItem
from sandbox.woocommerce.orders import Order
from sandbox.woocommerce.phpnumber import number, php_round

Coupon = Mapping[str, Any]


@dataclass(slots=True)
class _Entry:
    """A line as a coupon sees it: its price in cents, gross where prices include tax."""

    line: LineItem
    price: float
    has_product: bool


@dataclass(slots=True)
class Discounts:
    """Cents taken off each line, by coupon code and line id."""

    options: Options
    entries: list[_Entry]
    by_coupon: dict[str, dict[int, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, order: Order, options: Options, catalog: Catalog) -> "Discounts":
        """Nothing taken off yet; the dearer by piece come first."""
        entries = []
        for line in order.lines:
            price = _cents(number(line.subtotal), options)
            if order.prices_include_tax:
                price += _cents(_subtotal_tax(line, options), options)
            has_product = catalog.find(line.ordered_id) is not None
            entries.append(_Entry(line, price, has_product))
        entries.sort(key=lambda entry: -(entry.price / (entry.line.quantity or 1)))
        return cls(options, entries)

    def amounts(self, code: str) -> dict[int, float]:
        """What a coupon takes off each line, in the currency."""
        return {key: self._money(cents) for key, cents in self.by_coupon[code].items()}

    def by_line(self) -> dict[int, float]:
        """What all coupons together take off each line, in the currency."""
        sums: dict[int, float] = {}
        for taken in self.by_coupon.values():
            for line_id, cents in taken.items():
                sums[line_id] = sums.get(line_id, 0.0) + cents
        return {line_id: self._money(cents) for line_id, cents in sums.items()}

    def apply(self, coupon: Coupon) -> None:
        """Take a coupon off; percentages count from undiscounted prices."""
        taken = dict.fromkeys((entry.line.id for entry in self.entries), 0.0)
        self.by_coupon[coupon["code"]] = taken
        is_for_cart = coupon["discount_type"] == "fixed_cart"
        entries = [
            entry
            for entry in self.entries
            if entry.line.quantity > 0
            and self._left(entry) > 0
            and (entry.has_product or is_for_cart)
        ]
        amount = number(coupon["amount"])
        if coupon["discount_type"] == "percent":
            self._take_percent(taken, entries, amount)
        elif coupon["discount_type"] == "fixed_product":
            self._take_each(taken, entries, _cents(amount, self.options))
        else:
            self._take_together(taken, entries, _cents(amount, self.options))

    def _left(self, entry: _Entry) -> float:
        """The cents of a line that are still to be paid."""
        taken = sum(cents.get(entry.line.id, 0.0) for cents in self.by_coupon.values())
        return float(abs(int(php_round(entry.price - taken))))

    def _take_percent(self, taken: dict[int, float], entries: list[_Entry], percent: float) -> None:
        given = whole = 0.0
        for entry in entries:
            quantity = entry.line.quantity
            price = (php_round(entry.price) / quantity) * quantity
            discount = min(self._left(entry), float(math.floor(price * (percent / 100))))
            discount = php_round(discount, half_down=True)
            whole += price
            given += discount
            taken[entry.line.id] += discount
        due = php_round(whole * (percent / 100), half_down=True)
        if given < due:
            self._take_remainder(taken, entries, due - given)

    def _take_each(self, taken: dict[int, float], entries: list[_Entry], cents: float) -> float:
        given = 0.0
        for entry in entries:
            discount = min(self._left(entry), cents * entry.line.quantity)
            taken[entry.line.id] += discount
            given += discount
        return given

    def _take_together(self, taken: dict[int, float], entries: list[_Entry], cents: float) -> None:
        """Evenly by piece, again and again until less than a cent a piece is left."""
        entries = [entry for entry in entries if self._left(entry) > 0]
        pieces = sum(entry.line.quantity for entry in entries)
        if not pieces:
            return
        each = math.floor(abs(cents / pieces))
        if each > 0:
            given = self._take_each(taken, entries, float(each))
            if 0 < given < cents:
                self._take_together(taken, entries, cents - given)
        elif cents > 0:
            self._take_remainder(taken, entries, cents)

    def _take_remainder(self, taken: dict[int, float], entries: list[_Entry], cents: float) -> None:
        """A cent from each piece in turn until the rest is used up."""
        given = 0.0
        for entry in entries:
            for _ in range(entry.line.quantity):
                discount = min(self._left(entry), 1.0)
                taken[entry.line.id] += discount
                given += discount
                if given >= cents:
                    return

    def _money(self, cents: float) -> float:
        return cents / 10.0**self.options.decimals


def _subtotal_tax(line: LineItem, options: Options) -> float:
    return sum(options.round_line_tax(number(tax.subtotal)) for tax in line.taxes.values())


def _cents(amount: float, options: Options) -> float:
    """Cents with the four places that WooCommerce keeps of them."""
    places = options.precision - options.decimals
    return php_round(amount * 10.0**options.decimals, places)
