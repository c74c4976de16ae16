"""WooCommerce 10.0.2's REST API and webhooks, imitated in memory from recordings of a real shop.

What a shop sells, orders and tells is proven by living a recorded month again: the same calls
send the same webhooks, to the cent. `Shop.storefront` and `Shop.admin` act without HTTP.

Deliberately not simulated: plugins, caches and multisite; the storefront and wp-admin over HTTP,
the Store API and other REST namespaces; OPTIONS and schema discovery, `_embed`, form-encoded
bodies; users of any key other than administrator and shop manager; password checks; meta keys that
WooCommerce maps to fields (`billing_*` and the like are dropped); attributes of the few tags kept
inside user names; MySQL's collations beyond case; the resulting load; downloads, reviews,
images, shipping classes, grouped and external products beyond keeping what is written; terms of
categories, tags and attributes; scheduled sales; limits, dates, counts and product lists of
coupons; coupons' own emails and restrictions; HPOS off; notes that WooCommerce writes itself;
`wc_last_active` of users; the cart (a checkout's lines are computed as any order's are).
Unlike stock WordPress, webhooks may be delivered to loopback addresses and any port.
"""

from sandbox.woocommerce.app import create_shop_app
from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.shop import Shop
from sandbox.woocommerce.shopdata import ShopData, ShopDataError, check_shop_data, parse_shop_data
from sandbox.woocommerce.storefront import Purchase

__all__ = [
    "ApiKey",
    "Purchase",
    "Shop",
    "ShopData",
    "ShopDataError",
    "check_shop_data",
    "create_shop_app",
    "parse_shop_data",
]
