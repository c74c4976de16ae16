"""How a request lands in an order: addresses, texts and lines, before anything is computed.

Contract pages WooCommerce §3 (lines with and without id) and readback, "orders ...".
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from sandbox.woocommerce.catalog import Catalog, Row, is_variation, unit_price
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.lineviews import attribute_value
from sandbox.woocommerce.metadata import set_meta, write_meta
from sandbox.woocommerce.ordercolumns import fitting_text, stored_text, write_address, write_note
from sandbox.woocommerce.orderitems import FeeLine, Item, LineItem, ShippingLine
from sandbox.woocommerce.orders import ORDER_BILLING, ORDER_SHIPPING, Order, OrderTable
from sandbox.woocommerce.ordertaxes import OrderTaxes
from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.phpnumber import cleaned_price, whole_number
from sandbox.woocommerce.stock import TAKES_STOCK, Stock
from sandbox.woocommerce.wordpress import sanitize_text_field

ItemT = TypeVar("ItemT", bound=Item)

_TEXTS: Final = ("payment_method", "payment_method_title", "transaction_id")
_REFERENCES: Final = ("product_id", "method_id", "method_title", "name", "code")


class OrderWriter:
    """Writes requests into orders of one shop; `classes` are the tax classes a line may have."""

    def __init__(
        self,
        orders: OrderTable,
        catalog: Catalog,
        taxes: OrderTaxes,
        *,
        stock: Stock,
        classes: Callable[[], list[str]],
    ) -> None:
        self._orders = orders
        self._catalog = catalog
        self._taxes = taxes
        self._stock = stock
        self._classes = classes

    def write(self, order: Order, params: Mapping[str, Any]) -> None:
        """Everything but coupons and status; raises RestError, with what it wrote so far."""
        for name in ("currency", "customer_id"):
            if params.get(name) is not None:
                setattr(order, name, params[name])
        for name in _TEXTS:
            if params.get(name) is not None:
                order.texts[name] = sanitize_text_field(scalar_text(params[name]))
        self._write_items(order, params)
        write_meta(order.meta, params.get("meta_data"), self._orders.meta_ids)
        write_note(order, params.get("customer_note"))
        write_address(order.billing, params.get("billing"), ORDER_BILLING)
        write_address(order.shipping, params.get("shipping"), ORDER_SHIPPING)

    def _write_items(self, order: Order, params: Mapping[str, Any]) -> None:
        writers = {
            "line_items": self._write_line,
            "shipping_lines": self._write_shipping,
            "fee_lines": self._write_fee,
        }
        for name, write in writers.items():
            value = params.get(name)
            if value is not None:
                order.needs_processing = None
            for posted in value if isinstance(value, list) else ():
                if isinstance(posted, Mapping):
                    self._write_item(order, posted, write)
        self._orders.number(order.items)
        order.items.sort(key=lambda item: item.id)

    def _write_item(self, order: Order, posted: Mapping[str, Any], write: Any) -> None:
        if _is_removal(posted):
            self._remove(order, posted.get("id"))
        else:
            write(order, posted)

    def _remove(self, order: Order, item_id: Any) -> None:
        for item in order.items:
            if item.id == item_id:
                if isinstance(item, LineItem):
                    self._stock.give_back_line(item)
                order.items.remove(item)
                return

    def _write_line(self, order: Order, posted: Mapping[str, Any]) -> None:
        line = _known(order, posted, LineItem)
        product = self._product(posted, is_new=line is None)
        target = line or LineItem()
        if product is not None and product["id"] != target.ordered_id:
            self._set_product(target, product)
            if line is None:
                quantity = whole_number(posted.get("quantity", 1))
                self._set_price(target, product, max(0, quantity))
        self._write_line_fields(target, posted)
        write_meta(target.meta, posted.get("meta_data"), self._orders.item_meta_ids)
        if line is None:
            order.items.append(target)
        if order.id and order.status in TAKES_STOCK and self._stock.adjust(target):
            self._orders.number([target])

    def _product(self, posted: Mapping[str, Any], *, is_new: bool) -> Row | None:
        if posted.get("sku"):
            return self._catalog.find_by_sku(scalar_text(posted["sku"]))
        reference = posted.get("variation_id") or posted.get("product_id")
        if reference:
            return self._catalog.find(whole_number(reference))
        if is_new:
            message = "Product ID or SKU is required."
            raise RestError("woocommerce_rest_required_product_reference", message, 400)
        return None

    def _set_product(self, line: LineItem, product: Row) -> None:
        line.name = self._catalog.title(product)
        line.tax_class = self._catalog.tax_class(product)
        line.product_id, line.variation_id = product["id"], 0
        line.shown.clear()
        if is_variation(product):
            line.product_id, line.variation_id = product["parent_id"], product["id"]
            for attribute in product["attributes"]:
                value = attribute_value(attribute)
                set_meta(line.meta, attribute["slug"], value, self._orders.item_meta_ids)

    def _set_price(self, line: LineItem, product: Row, quantity: int) -> None:
        price = unit_price(product)
        if price is None:
            line.set_total("")
            return
        total = self._taxes.net_price(price * quantity, line.tax_class)
        line.set_total(total)
        line.set_subtotal(total)

    def _write_line_fields(self, line: LineItem, posted: Mapping[str, Any]) -> None:
        if posted.get("name") is not None:
            line.name = fitting_text(stored_text(posted["name"]), line.name)
        if posted.get("quantity") is not None:
            line.quantity = whole_number(posted["quantity"])
            line.shown.pop("price", None)
        if posted.get("total") is not None:
            line.set_total(scalar_text(posted["total"]))
        if posted.get("subtotal") is not None:
            line.set_subtotal(scalar_text(posted["subtotal"]))
        if posted.get("tax_class") is not None:
            line.tax_class = self._class(posted["tax_class"], "product")

    def _class(self, value: Any, kind: str) -> str:
        slug = scalar_text(value)
        if slug and slug not in self._classes():
            code = f"order_item_{kind}_invalid_tax_class"
            raise RestError(code, "Invalid tax class", 400)
        return slug

    def _write_shipping(self, order: Order, posted: Mapping[str, Any]) -> None:
        line = _known(order, posted, ShippingLine)
        if line is None and not posted.get("method_id"):
            message = "Shipping method ID is required."
            raise RestError("woocommerce_rest_invalid_shipping_item", message, 400)
        target = line or ShippingLine()
        for name in ("method_id", "method_title", "instance_id"):
            if posted.get(name) is not None:
                setattr(target, name, scalar_text(posted[name]))
        self._finish(order, target, posted, is_new=line is None)

    def _write_fee(self, order: Order, posted: Mapping[str, Any]) -> None:
        line = _known(order, posted, FeeLine)
        if line is None and not posted.get("name"):
            raise RestError("woocommerce_rest_invalid_fee_item", "Fee name is required.", 400)
        target = line or FeeLine()
        if posted.get("name") is not None:
            target.name = stored_text(posted["name"])
        if posted.get("tax_class") is not None:
            target.tax_class = self._class(posted["tax_class"], "fee")
        if posted.get("tax_status") is not None:
            target.tax_status = "none" if posted["tax_status"] == "none" else "taxable"
        self._finish(order, target, posted, is_new=line is None)

    def _finish(
        self, order: Order, item: ShippingLine | FeeLine, posted: Mapping[str, Any], *, is_new: bool
    ) -> None:
        if posted.get("total") is not None:
            item.total = cleaned_price(posted["total"])
        write_meta(item.meta, posted.get("meta_data"), self._orders.item_meta_ids)
        if is_new:
            order.items.append(item)


def _known(order: Order, posted: Mapping[str, Any], kind: type[ItemT]) -> ItemT | None:
    """The line that a request names; None for one without id, which is appended."""
    if not posted.get("id"):
        return None
    for item in order.of_kind(kind):
        if item.id == posted["id"]:
            return item
    message = "Order item ID provided is not associated with order."
    raise RestError("woocommerce_rest_invalid_item_id", message, 400)


def _is_removal(posted: Mapping[str, Any]) -> bool:
    if any(name in posted and posted[name] is None for name in _REFERENCES):
        return True
    return posted.get("quantity") == 0 and not isinstance(posted["quantity"], (str, bool, float))
