"""Stock and sales as orders move them, with the product.updated that every movement fires.

Contract page WooCommerce §1 (which event fires); recording
hook_storefront_guest_checkout_2_product_updated.
"""

from collections.abc import Callable
from typing import Any, Final

from sandbox.woocommerce.catalog import Catalog, stock_of
from sandbox.woocommerce.metadata import meta_value, set_meta
from sandbox.woocommerce.orderitems import LineItem
from sandbox.woocommerce.orders import Order, OrderTable
from sandbox.woocommerce.php import integer

TAKES_STOCK: Final = ("processing", "completed", "on-hold")
REDUCED: Final = "_reduced_stock"
RESTOCKED: Final = "_restock_refunded_items"

Row = dict[str, Any]


class Stock:
    """Moves the stock of one shop; `save` stores a product as WooCommerce would after a change."""

    def __init__(self, catalog: Catalog, orders: OrderTable, save: Callable[[Row], None]) -> None:
        self._catalog = catalog
        self._orders = orders
        self._save = save

    def take(self, order: Order) -> None:
        """Once an order: what its lines sell leaves the stock."""
        if order.has_reduced_stock:
            return
        order.has_reduced_stock = True
        for line in order.lines:
            holder = self._holder(line)
            if holder is not None and not meta_value(line.meta, REDUCED):
                self._move(holder, -line.quantity)
                self._note(line, line.quantity)

    def give_back(self, order: Order) -> None:
        """A cancelled order returns what it took."""
        if not order.has_reduced_stock:
            return
        order.has_reduced_stock = False
        for line in order.lines:
            self.give_back_line(line)
            set_meta(line.meta, REDUCED, None, self._orders.item_meta_ids)

    def give_back_line(self, line: LineItem) -> None:
        """A line is removed: what it took comes back."""
        holder, taken = self._holder(line), integer(meta_value(line.meta, REDUCED))
        if holder is not None and taken:
            self._move(holder, taken)

    def adjust(self, line: LineItem) -> bool:
        """A line of an order that has taken stock was written; answers whether it took more."""
        holder, taken = self._holder(line), integer(meta_value(line.meta, REDUCED))
        due = line.quantity - integer(meta_value(line.meta, RESTOCKED))
        if holder is None or taken == due:
            return False
        self._move(holder, taken - due)
        self._note(line, due)
        return True

    def restock(self, line: LineItem, quantity: int) -> None:
        """Refunded goods come back, as far as they had been taken."""
        holder, taken = self._holder(line), integer(meta_value(line.meta, REDUCED))
        if holder is None or not taken or not quantity:
            return
        self._move(holder, min(quantity, taken))
        self._note(line, taken - min(quantity, taken))
        before = integer(meta_value(line.meta, RESTOCKED))
        set_meta(line.meta, RESTOCKED, before + quantity, self._orders.item_meta_ids)

    def count_sales(self, order: Order) -> None:
        """Once an order: total_sales of its products grow, silently."""
        if not order.has_counted_sales:
            self._add_sales(order, 1)

    def discount_sales(self, order: Order) -> None:
        """A cancelled, trashed or deleted order is no sale."""
        if order.has_counted_sales:
            self._add_sales(order, -1)

    def _add_sales(self, order: Order, sign: int) -> None:
        order.has_counted_sales = sign > 0
        for line in order.lines:
            product = self._catalog.products.find(line.product_id)
            if product is not None:
                product["total_sales"] = integer(product["total_sales"]) + sign * line.quantity

    def _holder(self, line: LineItem) -> Row | None:
        product = self._catalog.find(line.ordered_id)
        return self._catalog.stock_holder(product) if product else None

    def _move(self, holder: Row, quantity: int) -> None:
        holder["stock_quantity"] = stock_of(holder) + quantity
        self._save(holder)

    def _note(self, line: LineItem, quantity: int) -> None:
        set_meta(line.meta, REDUCED, str(quantity), self._orders.item_meta_ids)
