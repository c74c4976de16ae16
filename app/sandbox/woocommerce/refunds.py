"""Refunds: objects of their own that reduce an order without changing its totals.

Contract page WooCommerce §3 (Refund); recordings order_refund_create, order_refunds_list.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from app.sandbox.woocommerce.errors import RestError
from app.sandbox.woocommerce.lineviews import LineView
from app.sandbox.woocommerce.links import item_links
from app.sandbox.woocommerce.metadata import set_meta
from app.sandbox.woocommerce.objects import ObjectTable
from app.sandbox.woocommerce.options import Options
from app.sandbox.woocommerce.orderitems import FeeLine, Item, LineItem, LineTax, ShippingLine
from app.sandbox.woocommerce.orders import Order, OrderTable, RefundNote
from app.sandbox.woocommerce.ordertotals import OrderTotals
from app.sandbox.woocommerce.php import scalar_text
from app.sandbox.woocommerce.phpnumber import (
    cleaned_price,
    fixed_text,
    number,
    stored_number,
    whole_number,
)
from app.sandbox.woocommerce.site import Site
from app.sandbox.woocommerce.stock import Stock

_ALLOW: Final = ("GET", "DELETE")
_ADMIN_ID: Final = 1
_FULL: Final = "Order fully refunded."

Params = Mapping[str, Any]


class RefundRefused(RestError):
    """Refused by wc_create_refund(): the envelope's `data` is the bare status."""

    def __init__(self, message: str) -> None:
        super().__init__("woocommerce_rest_cannot_create_order_refund", message, 500)

    def envelope(self) -> dict[str, Any]:
        return {**super().envelope(), "data": self.status}


class Refunds:
    """The refunds of one shop; `refunded` hears of an order that nothing is left of."""

    def __init__(
        self,
        site: Site,
        options: Options,
        *,
        table: ObjectTable,
        orders: OrderTable,
        totals: OrderTotals,
        lines: LineView,
        stock: Stock,
    ) -> None:
        self._site = site
        self._options = options
        self._table = table
        self._orders = orders
        self._totals = totals
        self._lines = lines
        self._stock = stock

    def create(
        self, order: Order, params: Params, *, settle: Callable[[Order, bool], None]
    ) -> dict[str, Any]:
        """Refund an amount and, for lines that are named, pieces; answers the refund.

        `settle` then saves the order, told whether nothing is left to refund. Raises
        RefundRefused for more than that.
        """
        amount = number(cleaned_price(params.get("amount")))
        left = self.left_of(order)
        if amount < 0 or fixed_text(left - amount, self._options.decimals).startswith("-"):
            raise RefundRefused("Invalid refund amount.")
        lines = [entry for entry in params.get("line_items") or () if isinstance(entry, Mapping)]
        refund = self._new(order, amount, scalar_text(params.get("reason")))
        refund.items = self._refunded_items(order, refund, lines)
        self._store(order, refund, amount)
        if params.get("api_restock", True):
            self._restock(order, lines)
        settle(order, fixed_text(left - amount, self._options.decimals) == self._zero())
        return self._table.get(refund.id)

    def refund_rest(self, order: Order) -> None:
        """What the status "refunded" brings: a refund of all that is left, without lines."""
        left = self.left_of(order)
        if fixed_text(left, self._options.decimals) != self._zero() and left > 0:
            self._store(order, self._new(order, left, _FULL), left)

    def left_of(self, order: Order) -> float:
        return number(order.totals["total"]) - sum(number(note.amount) for note in order.refunds)

    def delete(self, order: Order, refund_id: int) -> None:
        """Silently: neither an event nor a new date_modified."""
        order.refunds = [note for note in order.refunds if note.id != refund_id]
        self._table.remove(refund_id)

    def _zero(self) -> str:
        return fixed_text(0.0, self._options.decimals)

    def _new(self, order: Order, amount: float, reason: str) -> Order:
        now = self._site.now()
        refund = Order(self._orders.new_id(), now, now, "", currency=order.currency)
        refund.totals["total"] = stored_number(-amount)
        refund.texts["reason"] = reason
        return refund

    def _refunded_items(self, order: Order, refund: Order, lines: list[Params]) -> list[Item]:
        known = {item.id: item for item in order.items}
        for entry in lines:
            item = known.get(whole_number(entry.get("id")))
            if isinstance(item, (LineItem, ShippingLine, FeeLine)):
                refunded = _refunded(item, entry)
                if refunded is not None:
                    meta_id = self._orders.item_meta_ids
                    set_meta(refunded.meta, "_refunded_item_id", str(item.id), meta_id)
                    self._orders.add_item(refund, refunded)
        self._totals.sum_up_taxes(refund)
        return refund.items

    def _restock(self, order: Order, lines: list[Params]) -> None:
        known = {line.id: line for line in order.lines}
        for entry in lines:
            line = known.get(whole_number(entry.get("id")))
            if line is not None:
                self._stock.restock(line, whole_number(entry.get("quantity") or 0))

    def _store(self, order: Order, refund: Order, amount: float) -> None:
        text = stored_number(amount)
        order.refunds.insert(0, RefundNote(refund.id, refund.texts["reason"], text))
        self._table.load([self._render(order, refund, amount)])

    def _render(self, order: Order, refund: Order, amount: float) -> dict[str, Any]:
        url = self._site.rest_url(f"orders/{order.id}")
        lines = self._lines.render(refund, self._options.decimals)
        names = ("line_items", "shipping_lines", "tax_lines", "fee_lines")
        return {
            "id": refund.id,
            "parent_id": order.id,
            **self._site.dates("date_created", refund.created_at),
            "amount": fixed_text(amount, self._options.decimals),
            "reason": refund.texts["reason"],
            "refunded_by": _ADMIN_ID,
            "refunded_payment": False,
            "meta_data": [],
            **{name: lines[name] for name in names},
            "_links": {
                **item_links(f"{url}/refunds/{refund.id}", f"{url}/refunds", _ALLOW),
                "up": [{"href": url}],
            },
        }


def _refunded(
    item: LineItem | ShippingLine | FeeLine, entry: Params
) -> LineItem | ShippingLine | FeeLine | None:
    """The negative counterpart of a line; None where nothing of it is refunded."""
    taxes = _refunded_taxes(entry)
    amount, quantity = (
        _negative(entry.get("refund_total")),
        whole_number(entry.get("quantity") or 0),
    )
    if not number(amount) and not quantity and not taxes:
        return None
    if isinstance(item, LineItem):
        return _refunded_line(item, -quantity, amount, taxes=taxes)
    refunded = dataclasses.replace(item, id=0, total=amount, meta=[], shown={})
    refunded.taxes = {rate_id: LineTax(text) for rate_id, text in taxes.items()}
    return refunded


def _refunded_taxes(entry: Params) -> dict[int, str]:
    texts = {
        whole_number(tax["id"]): _negative(tax.get("refund_total"))
        for tax in entry.get("refund_tax") or ()
    }
    return {rate_id: text for rate_id, text in texts.items() if number(text)}


def _refunded_line(
    line: LineItem, quantity: int, amount: str, *, taxes: Mapping[int, str]
) -> LineItem:
    return LineItem(
        taxes={rate_id: LineTax(text, text) for rate_id, text in taxes.items()},
        name=line.name,
        product_id=line.product_id,
        variation_id=line.variation_id,
        quantity=quantity,
        tax_class=line.tax_class,
        subtotal=amount,
        total=amount,
    )


def _negative(value: Any) -> str:
    return stored_number(-number(cleaned_price(value)) or 0.0)
