"""What the shop's staff does in wp-admin, with the events that this fires.

Contract page WooCommerce §1; recordings hook_admin_*, hook_product_deleted_spurious_page.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.woocommerce.catalog import Row
from sandbox.woocommerce.customers import Emit
from sandbox.woocommerce.metadata import set_meta
from sandbox.woocommerce.orders import Order
from sandbox.woocommerce.trade import Trade

_TEXTS = ("name", "description", "short_description")
_SOURCE = "_wc_order_attribution_source_type"


class BackOffice:
    """wp-admin of one shop."""

    def __init__(self, trade: Trade, emit: Emit) -> None:
        self._trade = trade
        self._emit = emit

    def create_order(
        self,
        cart: Iterable[tuple[int, int]] = (),
        *,
        customer_id: int = 0,
        billing: Mapping[str, str] | None = None,
        status: str = "pending",
    ) -> Order:
        """Added by hand: order.updated, then order.created; totals are 0 until recalculated."""
        orders, book = self._trade.orders, self._trade.order_book
        order = book.draft(created_via="admin", order_id=orders.new_id())
        order.status, order.customer_id = "auto-draft", customer_id
        order.prices_include_tax = False
        lines = [{"product_id": key, "quantity": quantity} for key, quantity in cart]
        params = {"billing": billing or {}, "line_items": lines}
        book.write(order, params, recalculate=False)
        set_meta(order.meta, _SOURCE, "admin", orders.meta_ids)
        orders.add(order)
        self._trade.order_life.save(order, order.status)
        self._trade.order_life.set_status(order, status)
        return order

    def recalculate_order(self, order_id: int) -> Order:
        """The button "Recalculate": order.updated."""
        book = self._trade.order_book
        order = book.get(order_id)
        book.write(order, {})
        self._trade.order_life.save(order, order.status)
        return order

    def restore_order(self, order_id: int) -> Order:
        """order.restored."""
        return self._trade.order_life.restore(order_id)

    def restore_product(self, product_id: int) -> Row:
        """product.updated, then product.restored."""
        return self._trade.product_book.restore(product_id)

    def publish_product(self, fields: Mapping[str, Any]) -> Row:
        """A product added by hand: product.created and product.updated (hook_admin_product_*)."""
        row = self._trade.product_book.create(fields)
        self._emit("product.updated", row["id"])
        return row

    def edit_product(self, product_id: int, fields: Mapping[str, Any]) -> Row:
        """product.updated, once a save; an administrator's texts are stored as typed."""
        row = self._trade.product_book.update(product_id, fields)
        row |= {name: fields[name] for name in _TEXTS if name in fields}
        return row

    def trash_page(self) -> int:
        """Some page is trashed, and webhooks take it for a product; answers its id."""
        page_id = self._trade.post_ids.next()
        self._emit("product.deleted", page_id)
        return page_id

    def restore_page(self, page_id: int) -> None:
        """product.restored, whose body is the error of a product that does not exist."""
        self._emit("product.restored", page_id)
