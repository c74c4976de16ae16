"""What a shop does with its orders, whoever asks: REST, the storefront or wp-admin.

Each change is one synchronous step that fires the events of contract page WooCommerce §1.
"""

import copy
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sandbox.woocommerce.coupons import OrderCoupons
from sandbox.woocommerce.customers import Customers, Emit
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.options import Options
from sandbox.woocommerce.orderitems import LineItem
from sandbox.woocommerce.orderlife import OrderLife
from sandbox.woocommerce.orders import Order, OrderTable
from sandbox.woocommerce.ordertotals import OrderTotals
from sandbox.woocommerce.orderviews import TOTALS, is_payable
from sandbox.woocommerce.orderwrites import OrderWriter
from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.site import Site
from sandbox.woocommerce.wordpress import sanitize_text_field

Params = Mapping[str, Any]

_RECALCULATED: Final = (
    "billing",
    "shipping",
    "line_items",
    "shipping_lines",
    "fee_lines",
    "coupon_lines",
)


class OrderBook:
    """The order operations over one shop's table."""

    def __init__(
        self,
        site: Site,
        options: Options,
        *,
        orders: OrderTable,
        customers: Customers,
        writer: OrderWriter,
        totals: OrderTotals,
        coupons: OrderCoupons,
        life: OrderLife,
        needs_processing: Callable[[Order], bool],
        emit: Emit,
    ) -> None:
        self._site = site
        self._options = options
        self._orders = orders
        self._customers = customers
        self._writer = writer
        self._totals = totals
        self._coupons = coupons
        self._life = life
        self._needs_processing = needs_processing
        self._emit = emit

    def get(self, order_id: int) -> Order:
        return self._orders.get(order_id)

    def create(self, params: Params) -> Order:
        """A new order over REST: order.created and order.updated, then what its status does."""
        order = self.draft(created_via="rest-api", order_id=0)
        created_via = params.get("created_via")
        if created_via:
            order.texts["created_via"] = sanitize_text_field(scalar_text(created_via))
        self._writer.write(order, params)
        self._check_customer(params)
        order.id = self._orders.new_id()
        self._totals.recalculate(order)
        self._orders.add(order)
        self._emit("order.created", order.id)
        self._finish(order, params, is_new=True)
        return order

    def draft(self, *, created_via: str, order_id: int) -> Order:
        """An empty order that is not in the table yet."""
        now = self._site.now()
        order = Order(order_id, now, now, f"wc_order_{secrets.token_urlsafe(10)[:13]}")
        order.currency = self._options.currency
        order.prices_include_tax = self._options.prices_include_tax
        order.texts["created_via"] = created_via
        order.totals = dict.fromkeys(TOTALS, "0")
        return order

    def write(self, order: Order, params: Params, *, recalculate: bool = True) -> None:
        """Fill in an order outside REST; nothing is told yet."""
        self._writer.write(order, params)
        if recalculate:
            self._totals.recalculate(order)

    def apply_coupons(self, order: Order, codes: Iterable[str]) -> None:
        """Raises RestError for a coupon that does not exist."""
        self._coupons.replace(order, [{"code": code} for code in codes])

    def update(self, order_id: int, params: Params) -> Order:
        """Any write bumps date_modified and fires order.updated; a trashed order fires nothing."""
        stored = self.get(order_id)
        order = copy.deepcopy(stored)
        try:
            self._writer.write(order, params)
            self._check_customer(params)
            self._totals.remember_charges(order, stored)
            if any(params.get(name) is not None for name in _RECALCULATED):
                self._totals.recalculate(order)
        except RestError:
            _keep_written_lines(stored, order)
            raise
        self._orders.add(order)
        self._finish(order, params, is_new=False)
        return order

    def _check_customer(self, params: Params) -> None:
        customer_id = params.get("customer_id")
        if customer_id and self._customers.find(customer_id) is None:
            message = "Customer ID is invalid."
            raise RestError("woocommerce_rest_invalid_customer_id", message, 400)

    def _finish(self, order: Order, params: Params, *, is_new: bool) -> None:
        if params.get("coupon_lines") is not None:
            self._coupons.replace(order, params["coupon_lines"])
        if is_new:
            self._life.save(order, order.status)
        if params.get("status"):
            self._life.set_status(order, params["status"])
        else:
            self._life.save(order, order.status)
        if params.get("set_paid") is True and (is_new or is_payable(order)):
            self._life.complete_payment(order, scalar_text(params.get("transaction_id")))

    def forget_customer(self, user_id: int) -> None:
        """A deleted customer's orders become guests' orders: modified, but without an event."""
        for order in self._orders:
            if order.customer_id == user_id:
                order.customer_id, order.modified_at = 0, self._site.now()

    def forget_product(self, product_id: int) -> None:
        """Lines of a product or variation that goes lose its id, without an event."""
        for order in self._orders:
            lines = [line for line in order.lines if product_id in _references(line)]
            if lines:
                order.needs_processing = self._needs_processing(order)
            for line in lines:
                line.forget(product_id)


def _references(line: LineItem) -> tuple[int, int]:
    return line.product_id, line.variation_id


def _keep_written_lines(stored: Order, written: Order) -> None:
    """A refused request leaves the lines that it had written by then."""
    known = {item.id for item in stored.items}
    stored.items = [item for item in written.items if item.id in known]
