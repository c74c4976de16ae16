"""The taxes of an order: which rates apply where, on lines, fees and shipping.

Contract page WooCommerce §3: tax comes from the address, the shop's base if there is none.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sandbox.woocommerce.catalog import Catalog, is_taxable
from sandbox.woocommerce.options import Options
from sandbox.woocommerce.orderitems import FeeLine, Item, LineItem, LineTax, ShippingLine, Taxes
from sandbox.woocommerce.orders import Order
from sandbox.woocommerce.phpnumber import number, stored_number
from sandbox.woocommerce.taxrates import TaxPlace, TaxRate, find_rates, tax_amounts

_PICKUP_METHODS: Final = ("legacy_local_pickup", "local_pickup")

Rates = Iterable[Mapping[str, Any]]


class OrderTaxes:
    """Tax of orders under one shop's options, rates and classes (slugs in their order)."""

    def __init__(
        self, options: Options, rates: Rates, classes: Callable[[], list[str]], catalog: Catalog
    ) -> None:
        self._options = options
        self._rates = rates
        self._classes = classes
        self._catalog = catalog

    def place(self, order: Order) -> TaxPlace:
        """Where the order is taxed: its address, or the shop's for pickup and for none."""
        based_on = self._options.tax_based_on
        if based_on == "shipping" and not order.shipping["country"]:
            based_on = "billing"
        address = order.billing if based_on == "billing" else order.shipping
        is_picked_up = any(s.method_id in _PICKUP_METHODS for s in order.shipping_lines)
        if based_on == "base" or is_picked_up or not address["country"]:
            return self.base_place()
        names = ("country", "state", "postcode", "city")
        return TaxPlace(*(address[name] for name in names))

    def base_place(self) -> TaxPlace:
        return TaxPlace(*self._options.base_country)

    def rates(self, tax_class: str, place: TaxPlace) -> list[TaxRate]:
        return find_rates(self._rates, tax_class, place)

    def line_rates(self, order: Order, line: LineItem) -> list[TaxRate]:
        """The rates of a line; none for one that is not taxable."""
        product = self._catalog.find(line.ordered_id)
        if not self._options.taxes_enabled or not is_taxable(product):
            return []
        return self.rates(line.tax_class, self.place(order))

    def amounts(
        self, price: float, rates: list[TaxRate], *, inclusive: bool = False
    ) -> dict[int, float]:
        return tax_amounts(price, rates, inclusive=inclusive, precision=self._options.precision)

    def net_price(self, price: float, tax_class: str) -> float:
        """A catalogue price without the tax of the shop's own place that it may include."""
        if not self._options.prices_include_tax:
            return price
        rates = self.rates(tax_class, self.base_place())
        return price - sum(self.amounts(price, rates, inclusive=True).values())

    def apply(self, order: Order) -> None:
        """Compute the taxes of every line, fee and shipping line anew."""
        place = self.place(order)
        for line in order.lines:
            line.set_taxes(self._line_taxes(order, line))
        for fee in order.fees:
            fee.set_taxes(self._fee_taxes(order, fee, place))
        shipping_class = self._shipping_class(order)
        for shipping in order.shipping_lines:
            is_taxed = shipping_class is not None and shipping.tax_status == "taxable"
            rates = self.rates(shipping_class or "", place) if is_taxed else []
            shipping.set_taxes(
                self._totals(number(shipping.total), [r for r in rates if r.is_for_shipping])
            )

    def _line_taxes(self, order: Order, line: LineItem) -> Taxes:
        rates = self.line_rates(order, line)
        totals = _texts(self.amounts(number(line.total), rates))
        subtotals = _texts(self.amounts(number(line.subtotal), rates))
        if sum(map(number, subtotals.values())) < sum(map(number, totals.values())):
            subtotals = totals
        return {rate_id: LineTax(text, subtotals[rate_id]) for rate_id, text in totals.items()}

    def _fee_taxes(self, order: Order, fee: FeeLine, place: TaxPlace) -> Taxes:
        total = number(fee.total)
        if not self._options.taxes_enabled:
            return {}
        if total < 0:
            return self._discount_taxes(order, total, place)
        is_taxed = fee.tax_status == "taxable"
        return self._totals(total, self.rates(fee.tax_class, place) if is_taxed else [])

    def _discount_taxes(self, order: Order, total: float, place: TaxPlace) -> Taxes:
        """A negative fee takes tax off in the proportion of the classes it reduces.

        WooCommerce reads these from the database: they are those of the last save.
        """
        costs = order.charges if order.charges is not None else self.charges(order.items)
        whole = sum(costs.values())
        sums: dict[int, float] = {}
        for tax_class, cost in costs.items():
            if tax_class is None or not whole:
                continue
            share = self.amounts(total * (cost / whole), self.rates(tax_class, place))
            for rate_id, amount in share.items():
                sums[rate_id] = sums.get(rate_id, 0.0) + amount
        return {rate_id: LineTax(text) for rate_id, text in _texts(sums).items()}

    def charges(self, items: Iterable[Item]) -> dict[str | None, float]:
        """What is charged by tax class, None for what is not taxable."""
        listed = list(items)
        classes = self._classes_of([item for item in listed if isinstance(item, LineItem)])
        charges: dict[str | None, float] = {**dict.fromkeys(classes, 0.0), None: 0.0}
        for item in listed:
            if isinstance(item, (LineItem, FeeLine, ShippingLine)) and number(item.total) > 0:
                tax_class = self._class_of(item, classes)
                charges[tax_class] = charges.get(tax_class, 0.0) + number(item.total)
        return {tax_class: total for tax_class, total in charges.items() if total}

    def _class_of(self, item: LineItem | FeeLine | ShippingLine, classes: list[str]) -> str | None:
        if isinstance(item, LineItem):
            return item.tax_class if is_taxable(self._catalog.find(item.ordered_id)) else None
        if item.tax_status != "taxable":
            return None
        if isinstance(item, FeeLine):
            return item.tax_class
        return classes[0] if classes else ""

    def _classes_of(self, lines: Iterable[LineItem]) -> list[str]:
        taxed = ("taxable", "shipping")
        found = {}
        for line in lines:
            product = self._catalog.find(line.ordered_id)
            if product is None or product["tax_status"] in taxed:
                found[line.tax_class] = True
        return list(found)

    def _shipping_class(self, order: Order) -> str | None:
        """Shipping inherits the class of the lines, the standard one first."""
        if not self._options.taxes_enabled:
            return None
        found = self._classes_of(order.lines)
        return next((name for name in ("", *self._classes()) if name in found), None)

    def _totals(self, price: float, rates: list[TaxRate]) -> Taxes:
        texts = _texts(self.amounts(price, rates))
        return {rate_id: LineTax(text) for rate_id, text in texts.items()}


def _texts(amounts: Mapping[int, float]) -> dict[int, str]:
    return {rate_id: stored_number(amount) for rate_id, amount in amounts.items()}
