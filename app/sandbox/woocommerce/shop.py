"""The shop as a whole: its tables, its webhooks, and what may be done to it without HTTP."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx

from app.sandbox.woocommerce.coupon_routes import CouponRoutes
from app.sandbox.woocommerce.credentials import ApiKey
from app.sandbox.woocommerce.customer_routes import CustomerRoutes
from app.sandbox.woocommerce.customers import Customers
from app.sandbox.woocommerce.delivery import Courier
from app.sandbox.woocommerce.errors import RestError
from app.sandbox.woocommerce.objects import ObjectTable
from app.sandbox.woocommerce.order_routes import OrderRoutes
from app.sandbox.woocommerce.product_routes import ProductRoutes
from app.sandbox.woocommerce.rest import Route
from app.sandbox.woocommerce.setting_routes import SettingRoutes
from app.sandbox.woocommerce.shopdata import ShopData
from app.sandbox.woocommerce.site import Clock, Sequence, Site, utc_now
from app.sandbox.woocommerce.tax_routes import TaxRoutes
from app.sandbox.woocommerce.userload import load_user
from app.sandbox.woocommerce.users import User, UserTable, render_user
from app.sandbox.woocommerce.webhook_routes import WebhookRoutes
from app.sandbox.woocommerce.webhooks import WebhookCenter

_DEFAULT_SETTINGS: Final = {
    "general/woocommerce_currency": "EUR",
    "general/woocommerce_price_num_decimals": "2",
    "general/woocommerce_calc_taxes": "yes",
    "general/woocommerce_default_country": "FR",
    "tax/woocommerce_prices_include_tax": "no",
    "tax/woocommerce_tax_round_at_subtotal": "no",
    "tax/woocommerce_tax_based_on": "shipping",
}
_DEFAULT_CLASSES: Final = {
    "standard": "Standard rate",
    "reduced-rate": "Reduced rate",
    "zero-rate": "Zero rate",
}
_ADMIN_ID: Final = 1


class Shop:
    """One WooCommerce shop held in memory.

    `clock` gives aware UTC; `timezone` is the site's; `transport` stands in for the network on
    the way of webhooks. `customers` and `webhooks` are usable directly: `await webhooks.flush()`
    is a run of WP-Cron. All changes are synchronous, so one event loop keeps them atomic.
    """

    def __init__(
        self,
        data: ShopData | None = None,
        *,
        clock: Clock = utc_now,
        timezone: str = "Europe/Paris",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.site = Site(clock, ZoneInfo(timezone))
        self.users = UserTable(self.site)
        self.settings: dict[str, Any] = dict(_DEFAULT_SETTINGS)
        self.tax_classes: dict[str, str] = {}
        self._make_tables()
        self._courier = Courier(transport)
        self.webhooks = WebhookCenter(self.site, self._view, self._courier)
        self.customers = Customers(self.site, self.users, self._emit)
        self._make_routes()
        self._load(data or ShopData())

    def _make_tables(self) -> None:
        posts, rates = Sequence(), Sequence()
        self.products = ObjectTable(self.site, posts, _invalid_id("product"))
        self.variations = ObjectTable(self.site, posts, _invalid_id("product_variation"))
        self.orders = ObjectTable(self.site, posts, _invalid_id("shop_order"))
        self.refunds = ObjectTable(self.site, posts, _invalid_id("shop_order_refund"))
        self.coupons = ObjectTable(self.site, posts, _invalid_id("shop_coupon"))
        missing_rate = RestError("woocommerce_rest_invalid_id", "Invalid resource ID.", 404)
        self.taxes = ObjectTable(self.site, rates, missing_rate)

    def _make_routes(self) -> None:
        self._products = ProductRoutes(self.site, self.products, self.variations)
        self._orders = OrderRoutes(self.site, self.orders, self.refunds)
        self._coupons = CouponRoutes(self.site, self.coupons)
        self._views: Mapping[str, Callable[[int], dict[str, Any]]] = {
            "product": self._products.view,
            "order": self._orders.view,
            "coupon": self._coupons.view,
        }

    def routes(self) -> list[Route]:
        return [
            *CustomerRoutes(self.site, self.users, self.customers).routes(),
            *WebhookRoutes(self.site, self.webhooks).routes(),
            *self._products.routes(),
            *self._orders.routes(),
            *self._coupons.routes(),
            *TaxRoutes(self.site, self.taxes, self.tax_classes).routes(),
            *SettingRoutes(self.site, self.settings).routes(),
        ]

    async def aclose(self) -> None:
        await self._courier.aclose()

    def _emit(self, topic: str, object_id: int) -> None:
        if topic == "customer.deleted":
            self._orders.forget_customer(object_id)
        self.webhooks.emit(topic, object_id)

    def _view(self, resource: str, object_id: int, owner: ApiKey) -> dict[str, Any]:
        if resource == "customer":
            user = self.customers.get(object_id)
            return render_user(user, self.site, by_admin=owner.is_admin)
        return self._views[resource](object_id)

    def _load(self, data: ShopData) -> None:
        for index, row in enumerate(data.customers):
            self.users.add(load_user(row, f"customers[{index}]", self.site))
        if self.users.find(_ADMIN_ID) is None:
            self.users.add(self._administrator())
        self.products.load(data.products)
        self.variations.load(data.variations)
        self.orders.load(data.orders)
        self.refunds.load(data.refunds)
        self.coupons.load(data.coupons)
        self.taxes.load(data.taxes)
        classes = {row["slug"]: row["name"] for row in data.tax_classes}
        self.tax_classes.update(classes or _DEFAULT_CLASSES)
        self.settings.update(data.settings)

    def _administrator(self) -> User:
        now = self.site.now()
        return User(_ADMIN_ID, "admin@shop.example", "admin", "administrator", created_at=now)


def _invalid_id(kind: str) -> RestError:
    return RestError(f"woocommerce_rest_{kind}_invalid_id", "Invalid ID.", 404)
