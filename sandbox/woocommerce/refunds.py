"""Refunds: objects of their own that reduce an order without changing its totals.

Contract page WooCommerce §3 (Refund); recordings order_refund_create, order_refunds_list.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.lineviews import LineView
from sandbox.woocommerce.links import item_links
from sandbox.woocommerce.metadata import set_meta
from sandbox.woocommerce.options import Options
from sandbox.woocommerce.orderitems import FeeLine, LineItem, LineTax, ShippingLine
from sandbox.woocommerce.orders import Order, OrderTable, Refund, RefundNote
from sandbox.woocommerce.ordertotals import OrderTotals
from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.phpnumber import (
    cleaned_price,
    fixed_text,
    number,
    stored_number,
    whole_number,
)
from sandbox.woocommerce.site import Site
from sandbox.woocommerce.stock import Stock

_ALLOW: Final = ("GET", "DELETE")
_LINES: Final = ("line_items", "shipping_lines", "tax_lines", "fee_lines")
_FULL: Final = "Order fully refunded."

Params = Mapping[str, Any]


class RefundRefused(RestError):
    """Refused by wc_create_refund(): the envelope's `data` is the bare status."""

    def __init__(self, message: str) -> None:
        super().__init__("woocommerce_rest_cannot_create_order_refund", message, 500)

    def envelope(self) -> dict[str, Any]:
        return {**super().envelope(), "data": self.status}


class Refunds:
    """The refunds of one shop, by id."""

    def __init__(
        self,
        site: Site,
        options: Options,
        *,
        orders: OrderTable,
        totals: OrderTotals,
        lines: LineView,
        stock: Stock,
    ) -> None:
        self._site = site
        self._options = options
        self._rows: dict[int, Refund] = {}
        self._orders = orders
        self._totals = totals
        self._lines = lines
        self._stock = stock

    def create(
        self, order: Order, params: Params, *, settle: Callable[[Order, bool], None]
    ) -> Refund:
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
        self._fill(refund.body, order, lines)
        self._store(order, refund)
        if params.get("api_restock", True):
            self._restock(order, lines)
        settle(order, fixed_text(left - amount, self._options.decimals) == self._zero())
        return refund

    def load(self, refund: Refund) -> None:
        """Take over a refund of a file."""
        self._rows[refund.body.id] = refund
        self._orders.skip_ids(refund.body)

    def of(self, order: Order) -> list[Refund]:
        return [self._rows[note.id] for note in order.refunds if note.id in self._rows]

    def get(self, order: Order, refund_id: int) -> Refund:
        """A refund of this order; raises the 404 of refunds."""
        refund = self._rows.get(refund_id)
        if refund is None:
            message = "Invalid ID."
            raise RestError("woocommerce_rest_shop_order_refund_invalid_id", message, 404)
        if refund.order_id != order.id:
            message = "Invalid order refund ID."
            raise RestError("woocommerce_rest_invalid_order_refund_id", message, 404)
        return refund

    def forget_product(self, product_id: int) -> None:
        """Lines of a product or variation that goes lose its id."""
        for refund in self._rows.values():
            for line in refund.body.lines:
                line.forget(product_id)

    def refund_rest(self, order: Order) -> None:
        """What the status "refunded" brings: a refund of all that is left, without lines."""
        left = self.left_of(order)
        if fixed_text(left, self._options.decimals) != self._zero() and left > 0:
            self._store(order, self._new(order, left, _FULL))

    def left_of(self, order: Order) -> float:
        return number(order.totals["total"]) - sum(number(note.amount) for note in order.refunds)

    def delete(self, order: Order, refund_id: int) -> None:
        """Silently: neither an event nor a new date_modified."""
        order.refunds = [note for note in order.refunds if note.id != refund_id]
        del self._rows[refund_id]

    def _zero(self) -> str:
        return fixed_text(0.0, self._options.decimals)

    def _new(self, order: Order, amount: float, reason: str) -> Refund:
        now = self._site.now()
        body = Order(self._orders.new_id(), now, now, "", currency=order.currency)
        return Refund(order.id, stored_number(amount), reason, body)

    def _fill(self, body: Order, order: Order, lines: list[Params]) -> None:
        known = {item.id: item for item in order.items}
        for entry in lines:
            item = known.get(whole_number(entry.get("id")))
            if isinstance(item, (LineItem, ShippingLine, FeeLine)):
                refunded = _refunded(item, entry)
                if refunded is not None:
                    meta_ids = self._orders.item_meta_ids
                    set_meta(refunded.meta, "_refunded_item_id", str(item.id), meta_ids)
                    self._orders.add_item(body, refunded)
        self._totals.sum_up_taxes(body)

    def _restock(self, order: Order, lines: list[Params]) -> None:
        known = {line.id: line for line in order.lines}
        for entry in lines:
            line = known.get(whole_number(entry.get("id")))
            if line is not None:
                self._stock.restock(line, whole_number(entry.get("quantity") or 0))

    def _store(self, order: Order, refund: Refund) -> None:
        note = RefundNote(refund.body.id, refund.reason, refund.amount)
        order.refunds.insert(0, note)
        self._rows[note.id] = refund

    def render(self, refund: Refund) -> dict[str, Any]:
        """The REST object (recording order_refund_create)."""
        places, body = self._options.decimals, refund.body
        url = self._site.rest_url(f"orders/{refund.order_id}")
        lines = self._lines.render(body, places)
        return {
            "id": body.id,
            **self._site.dates("date_created", body.created_at),
            "amount": fixed_text(number(refund.amount), places),
            "reason": refund.reason,
            "refunded_by": refund.refunded_by,
            "refunded_payment": refund.is_paid_back,
            "meta_data": [],
            **{name: lines[name] for name in _LINES},
            "_links": {
                **item_links(f"{url}/refunds/{body.id}", f"{url}/refunds", _ALLOW),
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
