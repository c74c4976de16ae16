"""Everything a shop sells with, wired together: catalogue, taxes, coupons, orders and refunds."""

from collections.abc import Callable
from typing import Any

from sandbox.woocommerce.attribute_routes import AttributeRoutes
from sandbox.woocommerce.catalog import Catalog
from sandbox.woocommerce.coupon_routes import CouponRoutes
from sandbox.woocommerce.coupons import OrderCoupons
from sandbox.woocommerce.customers import Customers, Emit
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.lineviews import LineView
from sandbox.woocommerce.mailbox import Mailbox
from sandbox.woocommerce.notes import NoteRoutes
from sandbox.woocommerce.objects import ObjectTable
from sandbox.woocommerce.options import Options
from sandbox.woocommerce.order_routes import OrderRoutes
from sandbox.woocommerce.orderbook import OrderBook
from sandbox.woocommerce.orderlife import OrderLife
from sandbox.woocommerce.orderload import load_order, load_refund
from sandbox.woocommerce.orders import DRAFTS, OrderTable
from sandbox.woocommerce.ordertaxes import OrderTaxes
from sandbox.woocommerce.ordertotals import OrderTotals
from sandbox.woocommerce.orderviews import OrderView
from sandbox.woocommerce.orderwrites import OrderWriter
from sandbox.woocommerce.product_routes import ProductRoutes
from sandbox.woocommerce.productbook import ProductBook
from sandbox.woocommerce.productload import load_product, load_variation
from sandbox.woocommerce.productviews import ProductView
from sandbox.woocommerce.refund_routes import RefundRoutes
from sandbox.woocommerce.refunds import Refunds
from sandbox.woocommerce.rest import Route
from sandbox.woocommerce.setting_routes import SettingRoutes
from sandbox.woocommerce.shopdata import ShopData
from sandbox.woocommerce.site import Sequence, Site
from sandbox.woocommerce.stock import Stock
from sandbox.woocommerce.tax_routes import TaxRoutes
from sandbox.woocommerce.taxbook import TaxBook
from sandbox.woocommerce.variation_routes import VariationRoutes


class Trade:
    """The tables and operations of one shop's trade; `emit` takes a topic and an id."""

    def __init__(
        self,
        site: Site,
        settings: dict[str, Any],
        tax_classes: dict[str, str],
        *,
        customers: Customers,
        emit: Emit,
        mailbox: Mailbox,
    ) -> None:
        self._mailbox = mailbox
        self._site = site
        self._settings = settings
        self._tax_classes = tax_classes
        self._customers = customers
        self._emit = emit
        self.options = Options(settings)
        self._make_tables()
        self._make_catalog()
        self._make_orders()

    def _make_tables(self) -> None:
        posts, rates = Sequence(), Sequence()
        self.post_ids = posts
        self.products = ObjectTable(self._site, posts, _invalid_id("product"))
        self.variations = ObjectTable(self._site, posts, _invalid_id("product_variation"))
        self.orders = OrderTable(posts)
        self.coupons = ObjectTable(self._site, posts, _invalid_id("shop_coupon"))
        missing_rate = RestError("woocommerce_rest_invalid_id", "Invalid resource ID.", 404)
        self.taxes = ObjectTable(self._site, rates, missing_rate)

    def _make_catalog(self) -> None:
        self.tax_book = TaxBook(self._site, self.taxes, self._tax_classes, self._emit)
        self.catalog = Catalog(self.products, self.variations)
        self._order_taxes = OrderTaxes(self.options, self.taxes, self.tax_book.slugs, self.catalog)
        self.product_view = ProductView(self._site, self.options, self.catalog, self._order_taxes)
        self.product_book = ProductBook(
            self._site,
            self.catalog,
            tax_classes=self.tax_book.slugs,
            gone=self._forget_product,
            emit=self._emit,
        )

    def _make_orders(self) -> None:
        orders, taxes, options = self.orders, self._order_taxes, self.options
        stock = Stock(self.catalog, orders, self.product_book.save)
        totals = OrderTotals(options, taxes, self.taxes, orders)
        self._order_view = OrderView(self._site, options, self.catalog)
        self.refunds = Refunds(
            self._site,
            options,
            orders=orders,
            totals=totals,
            lines=LineView(options, self.catalog),
            stock=stock,
        )
        self.order_life = OrderLife(
            self._site,
            orders,
            self._customers,
            stock=stock,
            needs_processing=self._order_view.needs_processing,
            refund_rest=self.refunds.refund_rest,
            emit=self._emit,
            mailbox=self._mailbox,
        )
        self.order_book = OrderBook(
            self._site,
            options,
            orders=orders,
            customers=self._customers,
            writer=OrderWriter(
                orders, self.catalog, taxes, stock=stock, classes=self.tax_book.slugs
            ),
            totals=totals,
            coupons=OrderCoupons(
                options, self.coupons, orders, catalog=self.catalog, taxes=taxes, totals=totals
            ),
            life=self.order_life,
            needs_processing=self._order_view.needs_processing,
            emit=self._emit,
        )

    def routes(self) -> list[Route]:
        site, options = self._site, self.options
        catalog, book, view = self.catalog, self.product_book, self.product_view
        return [
            *ProductRoutes(site, catalog, book, view).routes(),
            *AttributeRoutes(site, book.attributes).routes(),
            *VariationRoutes(site, catalog, book, view).routes(),
            *OrderRoutes(
                site, self.orders, self.order_book, life=self.order_life, view=self._order_view
            ).routes(),
            *RefundRoutes(site, self.orders, life=self.order_life, refunds=self.refunds).routes(),
            *NoteRoutes(site, self.orders, self._mailbox).routes(),
            *CouponRoutes(site, options, self.coupons, self._emit).routes(),
            *TaxRoutes(site, self.taxes, self._tax_classes, self.tax_book).routes(),
            *SettingRoutes(site, self._settings).routes(),
        ]

    def views(self) -> dict[str, Callable[[int], dict[str, Any]]]:
        """How webhooks render the objects of each resource; each raises its 404."""
        return {
            "product": lambda key: self.product_view.product(self.product_book.get(key)),
            "order": lambda key: self._order_view.render(self.orders.get(key)),
            "coupon": lambda key: self.coupons.render(self.coupons.get(key)),
        }

    def _forget_product(self, product_id: int) -> None:
        self.order_book.forget_product(product_id)
        self.refunds.forget_product(product_id)

    def load(self, data: ShopData) -> None:
        """Take over a file; raises ShopDataError for an order or product that is not one."""
        remember = self.product_view.remember_rendered
        self.products.load(
            load_product(row, f"products[{index}]", self._site, remember)
            for index, row in enumerate(data.products)
        )
        self.variations.load(
            load_variation(row, f"variations[{index}]", self._site, remember)
            for index, row in enumerate(data.variations)
        )
        for index, row in enumerate(data.orders):
            order = load_order(row, f"orders[{index}]", self._site)
            self.orders.add(order)
            if order.status not in (*DRAFTS, "trash"):
                self.orders.statuses.setdefault(order.status, order.status)
        for index, row in enumerate(data.refunds):
            self.refunds.load(load_refund(row, f"refunds[{index}]", self._site))
        self.coupons.load(data.coupons)
        self.taxes.load(data.taxes)
        self.product_book.take_over()


def _invalid_id(kind: str) -> RestError:
    return RestError(f"woocommerce_rest_{kind}_invalid_id", "Invalid ID.", 404)
