"""The shop as a whole: its tables, its webhooks, and what may be done to it without HTTP."""

from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx

from sandbox.woocommerce.backoffice import BackOffice
from sandbox.woocommerce.country_routes import CountryRoutes
from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.customer_routes import CustomerRoutes
from sandbox.woocommerce.customers import Customers
from sandbox.woocommerce.delivery import Courier
from sandbox.woocommerce.mailbox import Mailbox
from sandbox.woocommerce.rest import Route
from sandbox.woocommerce.setting_routes import EMAIL_VALUES
from sandbox.woocommerce.shopdata import ShopData
from sandbox.woocommerce.site import Clock, Site, utc_now
from sandbox.woocommerce.storefront import Storefront
from sandbox.woocommerce.trade import Trade
from sandbox.woocommerce.userload import load_user
from sandbox.woocommerce.users import User, UserTable, render_user
from sandbox.woocommerce.webhook_routes import WebhookRoutes
from sandbox.woocommerce.webhooks import WebhookCenter

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
    the way of webhooks. `customers`, `trade` and `webhooks` are usable directly, `storefront` and
    `admin` are the people in front of it: `await webhooks.flush()` is a run of WP-Cron. What the
    shop would mail lies in `mailbox`. All
    changes are synchronous, so one event loop keeps them atomic.
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
        self.settings: dict[str, Any] = {**_DEFAULT_SETTINGS, **EMAIL_VALUES}
        self.mailbox = Mailbox(self.site, self.settings)
        self.tax_classes: dict[str, str] = {}
        self._courier = Courier(transport)
        self.webhooks = WebhookCenter(self.site, self._view, self._courier)
        self.customers = Customers(self.site, self.users, self._emit, self.mailbox)
        self.trade = Trade(
            self.site,
            self.settings,
            self.tax_classes,
            customers=self.customers,
            emit=self._emit,
            mailbox=self.mailbox,
        )
        self.storefront = Storefront(self.trade, self.customers)
        self.admin = BackOffice(self.trade, self._emit)
        self._views = self.trade.views()
        self._load(data or ShopData())

    def routes(self) -> list[Route]:
        return [
            *CustomerRoutes(self.site, self.users, self.customers).routes(),
            *WebhookRoutes(self.site, self.webhooks).routes(),
            *CountryRoutes(self.site).routes(),
            *self.trade.routes(),
        ]

    async def aclose(self) -> None:
        await self._courier.aclose()

    def _emit(self, topic: str, object_id: int) -> None:
        if topic == "customer.deleted":
            self.trade.order_book.forget_customer(object_id)
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
        classes = {row["slug"]: row["name"] for row in data.tax_classes}
        self.tax_classes.update(classes or _DEFAULT_CLASSES)
        self.settings.update(data.settings)
        self.trade.load(data)

    def _administrator(self) -> User:
        now = self.site.now()
        return User(_ADMIN_ID, "admin@shop.example", "admin", "administrator", created_at=now)
