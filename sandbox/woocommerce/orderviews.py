"""Orders as REST and webhooks show them, key by key (recordings order_get_*, order_create_*)."""

import html
import re
from collections.abc import Mapping
from typing import Any, Final

from sandbox.woocommerce.catalog import Catalog
from sandbox.woocommerce.lineviews import LineView
from sandbox.woocommerce.links import ALL_METHODS, item_links
from sandbox.woocommerce.metadata import render_meta
from sandbox.woocommerce.options import Options
from sandbox.woocommerce.orders import Order
from sandbox.woocommerce.phpnumber import fixed_text, number
from sandbox.woocommerce.setting_routes import DEFINITIONS
from sandbox.woocommerce.site import Site

VERSION: Final = "10.0.2"
TOTALS: Final = (
    "discount_total",
    "discount_tax",
    "shipping_total",
    "shipping_tax",
    "cart_tax",
    "total",
    "total_tax",
)
TEXTS: Final = (
    "payment_method",
    "payment_method_title",
    "transaction_id",
    "customer_ip_address",
    "customer_user_agent",
    "created_via",
    "customer_note",
)
_EDITABLE: Final = ("pending", "on-hold", "auto-draft")
_PAYABLE: Final = ("pending", "failed", "checkout-draft")
_CURRENCY_NAME: Final = re.compile(r".*\((.+)\) — \w+$")
CURRENCIES: Final[Mapping[str, str]] = DEFINITIONS["general/woocommerce_currency"]["options"]


class OrderView:
    """Renders orders of one shop; what a line says of its product follows the catalogue."""

    def __init__(self, site: Site, options: Options, catalog: Catalog) -> None:
        self._site = site
        self._options = options
        self._catalog = catalog
        self._lines = LineView(options, catalog)

    def render(self, order: Order, *, decimals: int | None = None) -> dict[str, Any]:
        """The REST object; `decimals` is the request's dp, None for the shop's setting."""
        places = self._options.decimals if decimals is None else decimals
        dates = _dates(order, self._site)
        body = {
            "id": order.id,
            "parent_id": 0,
            "status": order.status,
            "currency": order.currency,
            "version": VERSION,
            "prices_include_tax": order.prices_include_tax,
            "date_created": dates["date_created"],
            "date_modified": dates["date_modified"],
            **{key: fixed_text(number(order.totals.get(key, "0")), places) for key in TOTALS},
            "customer_id": order.customer_id,
            "order_key": order.order_key,
            "billing": dict(order.billing),
            "shipping": dict(order.shipping),
            **{key: order.texts.get(key, "") for key in TEXTS},
            "date_completed": dates["date_completed"],
            "date_paid": dates["date_paid"],
            "cart_hash": order.texts.get("cart_hash", ""),
            "number": str(order.id),
            "meta_data": render_meta(order.meta),
        }
        return {**body, **self._lines.render(order, places), **self._state(order, places, dates)}

    def _state(self, order: Order, places: int, dates: dict[str, Any]) -> dict[str, Any]:
        site = self._site
        self_url, orders_url = site.rest_url(f"orders/{order.id}"), site.rest_url("orders")
        templates = {"embeddable": True, "href": f"{self_url}/actions/email_templates"}
        customer = {"customer": [{"href": site.rest_url(f"customers/{order.customer_id}")}]}
        path = f"checkout/order-pay/{order.id}/?pay_for_order=true&key={order.order_key}"
        return {
            "refunds": [
                {
                    "id": note.id,
                    "reason": note.reason,
                    "total": f"-{fixed_text(number(note.amount), places)}",
                }
                for note in order.refunds
            ],
            "payment_url": f"{site.base_url}/{path}",
            "is_editable": order.status in _EDITABLE,
            "needs_payment": is_payable(order),
            "needs_processing": self.needs_processing(order),
            **{key: dates[key] for key in dates if key.endswith("_gmt")},
            "currency_symbol": currency_symbol(order.currency),
            "_links": {
                **item_links(self_url, orders_url, ALL_METHODS),
                "email_templates": [templates],
                **(customer if order.customer_id else {}),
            },
        }

    def needs_processing(self, order: Order) -> bool:
        """Whether anything in it must be sent; a line without product need not."""
        if order.needs_processing is not None:
            return order.needs_processing
        products = [self._catalog.find(line.ordered_id) for line in order.lines]
        return any(p is not None and not (p["virtual"] and p["downloadable"]) for p in products)


def _dates(order: Order, site: Site) -> dict[str, Any]:
    return {
        **site.dates("date_created", order.created_at),
        **site.dates("date_modified", order.modified_at),
        **site.dates("date_completed", order.completed_at),
        **site.dates("date_paid", order.paid_at),
    }


def is_payable(order: Order) -> bool:
    """Whether its customer may still pay it."""
    return order.status in _PAYABLE and number(order.totals["total"]) > 0


def currency_symbol(code: str) -> str:
    """The sign that WooCommerce's own list of currencies names."""
    found = _CURRENCY_NAME.match(CURRENCIES.get(code, ""))
    return html.unescape(found[1]) if found else ""
