"""What a shop does with its orders, whoever asks: REST, the storefront or wp-admin.

Each change is one synchronous step that fires the events of contract page WooCommerce §1.
"""

import copy
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from app.sandbox.woocommerce.coupons import OrderCoupons
from app.sandbox.woocommerce.customers import Customers
from app.sandbox.woocommerce.errors import RestError
from app.sandbox.woocommerce.metadata import meta_value, set_meta
from app.sandbox.woocommerce.options import Options
from app.sandbox.woocommerce.orderitems import LineItem
from app.sandbox.woocommerce.orders import DRAFTS, Order, OrderTable
from app.sandbox.woocommerce.ordertotals import OrderTotals
from app.sandbox.woocommerce.orderviews import TOTALS
from app.sandbox.woocommerce.orderwrites import OrderWriter
from app.sandbox.woocommerce.php import scalar_text
from app.sandbox.woocommerce.site import Site
from app.sandbox.woocommerce.stock import TAKES_STOCK, Stock
from app.sandbox.woocommerce.wordpress import sanitize_text_field

Emit = Callable[[str, int], None]
Params = Mapping[str, Any]

TRASH_STATUS: Final = "_wp_trash_meta_status"
TRASH_TIME: Final = "_wp_trash_meta_time"
_GIVES_BACK: Final = ("pending", "cancelled")
_PAID: Final = ("processing", "completed")
_PAYABLE: Final = ("on-hold", "pending", "failed", "cancelled")
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
        stock: Stock,
        needs_processing: Callable[[Order], bool],
        refund_rest: Callable[[Order], None],
        emit: Emit,
    ) -> None:
        self._site = site
        self._options = options
        self._orders = orders
        self._customers = customers
        self._writer = writer
        self._totals = totals
        self._coupons = coupons
        self._stock = stock
        self._needs_processing = needs_processing
        self._refund_rest = refund_rest
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
            self.save(order, order.status)
        if params.get("status"):
            self.set_status(order, params["status"])
        else:
            self.save(order, order.status)
        if params.get("set_paid") is True and order.status in _PAYABLE:
            self._complete_payment(order, scalar_text(params.get("transaction_id")))

    def _complete_payment(self, order: Order, transaction_id: str) -> None:
        if transaction_id:
            order.texts["transaction_id"] = transaction_id
        order.paid_at = order.paid_at or self._site.now()
        self.set_status(order, self._paid_status(order))
        self._pay(order)

    def _pay(self, order: Order) -> None:
        if order.customer_id:
            self._customers.mark_as_paying(order.customer_id)

    def save(self, order: Order, previous: str) -> None:
        """Store an order whose status was `previous` and tell it."""
        order.modified_at = self._site.now()
        customer = self._customers.find(order.customer_id)
        if customer is not None and not order.billing["email"]:
            order.billing["email"] = customer.email
        if "trash" in (previous, order.status):
            return
        has_left_drafts = previous in DRAFTS and order.status not in DRAFTS
        self._emit("order.created" if has_left_drafts else "order.updated", order.id)

    def set_status(self, order: Order, status: str) -> None:
        """Save with a new status; stock, sales and payment follow it."""
        previous, order.status = order.status, status
        if previous != status:
            self._set_dates(order)
        self.save(order, previous)
        if previous != status:
            self._follow(order)

    def _paid_status(self, order: Order) -> str:
        """Cash on delivery counts as paid once the order is completed."""
        is_cash = order.texts.get("payment_method") == "cod"
        return "processing" if self._needs_processing(order) and not is_cash else "completed"

    def _set_dates(self, order: Order) -> None:
        now = self._site.now()
        if order.paid_at is None and order.status in (self._paid_status(order), "completed"):
            order.paid_at = now
        if order.status == "completed":
            order.completed_at = now

    def _follow(self, order: Order) -> None:
        if order.status == "completed":
            self._pay(order)
        if order.status in TAKES_STOCK:
            self._stock.take(order)
            self._stock.count_sales(order)
        elif order.status in _GIVES_BACK:
            self._stock.give_back(order)
            if order.status == "cancelled":
                self._stock.discount_sales(order)
        if order.status == "refunded":
            self._refund_rest(order)

    def trash(self, order_id: int) -> Order:
        """Into the trash: order.deleted. Raises woocommerce_rest_already_trashed (410)."""
        order = self.get(order_id)
        if order.status == "trash":
            message = "The order has already been deleted."
            raise RestError("woocommerce_rest_already_trashed", message, 410)
        now = self._site.now()
        set_meta(order.meta, TRASH_STATUS, f"wc-{order.status}", self._orders.meta_ids)
        set_meta(order.meta, TRASH_TIME, str(int(now.timestamp())), self._orders.meta_ids)
        order.status, order.modified_at = "trash", now
        self._stock.discount_sales(order)
        self._emit("order.deleted", order.id)
        return order

    def restore(self, order_id: int) -> Order:
        """wp-admin's Restore: order.restored."""
        order = self.get(order_id)
        status = scalar_text(meta_value(order.meta, TRASH_STATUS)).removeprefix("wc-")
        for key in (TRASH_STATUS, TRASH_TIME):
            set_meta(order.meta, key, None, self._orders.meta_ids)
        order.status, order.modified_at = status or "pending", self._site.now()
        if order.status in TAKES_STOCK:
            self._stock.count_sales(order)
        self._emit("order.restored", order.id)
        return order

    def delete(self, order_id: int) -> Order:
        """Gone for good: no order event, only the action topics of the hooks."""
        order = self.get(order_id)
        self._emit("action.woocommerce_before_delete_order", order.id)
        self._stock.discount_sales(order)
        self._orders.remove(order)
        self._emit("action.woocommerce_delete_order", order.id)
        if order.status in _PAID and not any(
            o.customer_id == order.customer_id and o.status in _PAID for o in self._orders
        ):
            self._customers.unmark_as_paying(order.customer_id)
        return order

    def forget_customer(self, user_id: int) -> None:
        """A deleted customer's orders become guests' orders, without an event."""
        for order in self._orders:
            if order.customer_id == user_id:
                order.customer_id = 0

    def forget_product(self, product_id: int) -> None:
        """Lines of a product or variation that is gone lose its id, without an event."""
        for order in self._orders:
            for line in order.lines:
                _forget(line, product_id)


def _forget(line: LineItem, product_id: int) -> None:
    if line.variation_id == product_id:
        line.variation_id = 0
    elif line.product_id == product_id:
        line.product_id = line.variation_id = 0
        line.shown.clear()


def _keep_written_lines(stored: Order, written: Order) -> None:
    """A refused request leaves the lines that it had written by then."""
    known = {item.id for item in stored.items}
    stored.items = [item for item in written.items if item.id in known]
