"""The life of an order: every save and change of status, and what follows from it.

Contract page WooCommerce §1 (which event fires) and §3 (set_paid, date_paid, stock).
"""

from collections.abc import Callable
from typing import Final

from sandbox.woocommerce.customers import Customers, Emit
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.mailbox import Mailbox
from sandbox.woocommerce.metadata import meta_value, set_meta
from sandbox.woocommerce.orders import DRAFTS, Order, OrderTable
from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.site import Site
from sandbox.woocommerce.stock import TAKES_STOCK, Stock

_TRASH_STATUS: Final = "_wp_trash_meta_status"
_TRASH_TIME: Final = "_wp_trash_meta_time"
_PAID: Final = ("processing", "completed")
_GIVES_BACK: Final = ("pending", "cancelled")
_PAYABLE: Final = ("on-hold", "pending", "failed", "cancelled")


class OrderLife:
    """Saves orders of one shop and moves them from status to status.

    `refund_rest` refunds what is left of an order that is set to "refunded".
    """

    def __init__(
        self,
        site: Site,
        orders: OrderTable,
        customers: Customers,
        *,
        stock: Stock,
        needs_processing: Callable[[Order], bool],
        refund_rest: Callable[[Order], None],
        emit: Emit,
        mailbox: Mailbox,
    ) -> None:
        self.mailbox = mailbox
        self._site = site
        self._orders = orders
        self._customers = customers
        self._stock = stock
        self._needs_processing = needs_processing
        self._refund_rest = refund_rest
        self._emit = emit

    def complete_payment(self, order: Order, transaction_id: str) -> None:
        """set_paid: date_paid and the status that a paid order has, where it was not paid yet."""
        if order.status not in _PAYABLE:
            return
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
            self.mailbox.tell_status(order, "pending" if previous in DRAFTS else previous)

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
        order = self._orders.get(order_id)
        if order.status == "trash":
            message = "The order has already been deleted."
            raise RestError("woocommerce_rest_already_trashed", message, 410)
        now = self._site.now()
        set_meta(order.meta, _TRASH_STATUS, f"wc-{order.status}", self._orders.meta_ids)
        set_meta(order.meta, _TRASH_TIME, str(int(now.timestamp())), self._orders.meta_ids)
        order.status, order.modified_at = "trash", now
        self._stock.discount_sales(order)
        self._emit("order.deleted", order.id)
        return order

    def restore(self, order_id: int) -> Order:
        """wp-admin's Restore: order.restored."""
        order = self._orders.get(order_id)
        status = scalar_text(meta_value(order.meta, _TRASH_STATUS)).removeprefix("wc-")
        for key in (_TRASH_STATUS, _TRASH_TIME):
            set_meta(order.meta, key, None, self._orders.meta_ids)
        order.status, order.modified_at = status or "pending", self._site.now()
        if order.status in TAKES_STOCK:
            self._stock.count_sales(order)
        self._emit("order.restored", order.id)
        return order

    def delete(self, order_id: int) -> Order:
        """Gone for good: no order event, only the action topics of the hooks."""
        order = self._orders.get(order_id)
        self._emit("action.woocommerce_before_delete_order", order.id)
        self._stock.discount_sales(order)
        self._orders.remove(order)
        self._emit("action.woocommerce_delete_order", order.id)
        if order.status in _PAID and not any(
            o.customer_id == order.customer_id and o.status in _PAID for o in self._orders
        ):
            self._customers.unmark_as_paying(order.customer_id)
        return order
