"""The shop's customers at its block checkout: a draft order first, then the order.

Contract page WooCommerce §1 (order.updated before order.created); recordings store_checkout_*,
hook_storefront_*.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import md5
from typing import Final

from sandbox.woocommerce.customers import Customers
from sandbox.woocommerce.kses import kses_post
from sandbox.woocommerce.metadata import set_meta
from sandbox.woocommerce.orderitems import LineItem, ShippingLine, TaxLine
from sandbox.woocommerce.orders import Order
from sandbox.woocommerce.slugs import slug_of
from sandbox.woocommerce.trade import Trade

_METHOD: Final = {"method_id": "flat_rate", "method_title": "Flat rate", "instance_id": "1"}
_DRAFT_ORDER: Final[tuple[type, ...]] = (TaxLine, LineItem, ShippingLine)
_PAYMENTS: Final = {"bacs": "on-hold", "cheque": "on-hold"}

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a checkout form holds: addresses, how to pay, a note; `shipping` None is billing.

    `shipping_total` is the net cost of the flat rate.
    """

    billing: Fields
    shipping: Fields | None = None
    payment_method: str = "cod"
    payment_method_title: str = "Cash on delivery"
    customer_note: str = ""
    shipping_total: str = "0"
    coupons: tuple[str, ...] = field(default=())


class Storefront:
    """Checkouts of one shop. A cart is pairs of a product's or variation's id and a quantity."""

    def __init__(self, trade: Trade, customers: Customers) -> None:
        self._trade = trade
        self._customers = customers

    def open_checkout(
        self, cart: Iterable[tuple[int, int]], *, customer_id: int = 0, shipping_total: str = "0"
    ) -> Order:
        """The page is opened: a checkout-draft, told by order.updated only."""
        orders, book = self._trade.orders, self._trade.order_book
        order = book.draft(created_via="store-api", order_id=orders.new_id())
        order.status, order.customer_id = "checkout-draft", customer_id
        order.texts |= {"customer_ip_address": "127.0.0.1", "customer_user_agent": "sandbox"}
        order.texts["payment_method"] = "bacs"
        country = self._trade.options.base_country[0]
        order.billing["country"] = order.shipping["country"] = country
        lines = [{"product_id": key, "quantity": quantity} for key, quantity in cart]
        shipping = {**_METHOD, "total": shipping_total}
        book.write(order, {"line_items": lines, "shipping_lines": [shipping]})
        self._decorate(order)
        orders.add(order)
        self._trade.order_life.save(order, order.status)
        return order

    def _decorate(self, order: Order) -> None:
        """What the checkout writes beside the order itself, and the ids in its own order."""
        orders = self._trade.orders
        goods = ", ".join(f"{line.name} &times; {line.quantity}" for line in order.lines)
        for line in order.shipping_lines:
            set_meta(line.meta, "Items", goods, orders.item_meta_ids)
        for key in ("_coupons_hash", "_fees_hash", "_shipping_hash", "_taxes_hash"):
            set_meta(
                order.meta,
                key,
                md5(f"{key}{goods}".encode(), usedforsecurity=False).hexdigest(),
                orders.meta_ids,
            )
        set_meta(order.meta, "is_vat_exempt", "no", orders.meta_ids)
        ids = sorted(item.id for item in order.items)
        order.items.sort(key=lambda item: _DRAFT_ORDER.index(type(item)))
        for item, item_id in zip(order.items, ids, strict=True):
            item.id = item_id

    def place(self, order: Order, purchase: Purchase, *, create_account: bool = False) -> Order:
        """The order is placed: the account if wanted, order.created, then the stock."""
        book = self._trade.order_book
        self._trade.order_life.save(order, order.status)
        billing = _encoded(purchase.billing)
        shipping = _encoded(purchase.shipping or purchase.billing)
        if create_account:
            order.customer_id = self._register(billing, shipping)
        form = {
            "billing": billing,
            "shipping": {name: text for name, text in shipping.items() if name != "email"},
            "payment_method": purchase.payment_method,
            "payment_method_title": purchase.payment_method_title,
            "customer_note": purchase.customer_note.replace("\r\n", "\n"),
        }
        order.items = [item for item in order.items if not isinstance(item, TaxLine)]
        book.write(order, form)
        self._renumber(order)
        if purchase.coupons:
            book.apply_coupons(order, purchase.coupons)
        self._trade.order_life.set_status(
            order, _PAYMENTS.get(purchase.payment_method, "processing")
        )
        return order

    def _renumber(self, order: Order) -> None:
        """Placing an order makes its tax lines and lines anew."""
        for item in order.lines:
            item.id = 0
        self._trade.orders.number(order.lines)
        order.items.sort(key=lambda item: item.id)

    def checkout(
        self,
        cart: Iterable[tuple[int, int]],
        purchase: Purchase,
        *,
        customer_id: int = 0,
        create_account: bool = False,
    ) -> Order:
        """Both steps at once, as a guest, a registered customer or one who registers now."""
        order = self.open_checkout(
            cart, customer_id=customer_id, shipping_total=purchase.shipping_total
        )
        return self.place(order, purchase, create_account=create_account)

    def _register(self, billing: Fields, shipping: Fields) -> int:
        """customer.updated comes with the addresses, after customer.created."""
        username = _username(billing)
        user = self._customers.register(billing["email"], role="customer", username=username)
        names = {name: billing.get(name, "") for name in ("first_name", "last_name")}
        self._customers.update(user.id, {**names, "billing": billing, "shipping": shipping})
        self._customers.welcome(user)
        return user.id


def _username(billing: Fields) -> str:
    """Made of the names, "" where they have no Latin letters."""
    names = (slug_of(billing.get(name, "")) for name in ("first_name", "last_name"))
    parts = [name for name in names if name and "%" not in name]
    return ".".join(parts)


def _encoded(address: Fields) -> dict[str, str]:
    """The checkout cleans what is typed into it: a company "A & B" is stored "A &amp; B"."""
    return {name: kses_post(text) for name, text in address.items()}
