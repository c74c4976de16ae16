"""WooCommerce 10.0.2's REST API and webhooks, imitated in memory from recordings of a real shop.

Deliberately not simulated: plugins, caches and multisite; the storefront, wp-admin and other REST
namespaces; OPTIONS and schema discovery, `_embed`, form-encoded bodies; users of any key other
than administrator and shop manager; password checks; meta keys that WooCommerce maps to fields
(`billing_*` and the like are dropped); attributes of the few tags kept inside names; MySQL's
collations beyond case; the resulting load. Unlike stock WordPress, webhooks may be delivered to
loopback addresses and any port.
"""

from app.sandbox.woocommerce.app import create_shop_app
from app.sandbox.woocommerce.credentials import ApiKey
from app.sandbox.woocommerce.shop import Shop
from app.sandbox.woocommerce.shopdata import (
    ShopData,
    ShopDataError,
    check_shop_data,
    parse_shop_data,
)

__all__ = [
    "ApiKey",
    "Shop",
    "ShopData",
    "ShopDataError",
    "check_shop_data",
    "create_shop_app",
    "parse_shop_data",
]
