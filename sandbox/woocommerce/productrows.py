"""Blank rows of products and variations: every key that REST shows, in its order."""

import copy
from datetime import datetime
from typing import Final

from sandbox.woocommerce.catalog import Row
from sandbox.woocommerce.site import Site

_DATES: Final = ("date_created", "date_created_gmt", "date_modified", "date_modified_gmt")
_PRICES: Final[Row] = {
    "price": "",
    "regular_price": "",
    "sale_price": "",
    "date_on_sale_from": None,
    "date_on_sale_from_gmt": None,
    "date_on_sale_to": None,
    "date_on_sale_to_gmt": None,
    "on_sale": False,
}
_GOODS: Final[Row] = {
    "virtual": False,
    "downloadable": False,
    "downloads": [],
    "download_limit": -1,
    "download_expiry": -1,
}
_STOCK: Final[Row] = {
    "backorders": "no",
    "backorders_allowed": False,
    "backordered": False,
    "low_stock_amount": None,
}
_SIZE: Final[Row] = {"weight": "", "dimensions": {"length": "", "width": "", "height": ""}}
_PRODUCT: Final[Row] = {
    "id": 0,
    "name": "",
    "slug": "",
    "permalink": "",
    **dict.fromkeys(_DATES),
    "type": "simple",
    "status": "publish",
    "featured": False,
    "catalog_visibility": "visible",
    "description": "",
    "short_description": "",
    "sku": "",
    **_PRICES,
    "purchasable": False,
    "total_sales": 0,
    **_GOODS,
    "external_url": "",
    "button_text": "",
    "tax_status": "taxable",
    "tax_class": "",
    "manage_stock": False,
    "stock_quantity": None,
    **_STOCK,
    "sold_individually": False,
    **_SIZE,
    "shipping_required": True,
    "shipping_taxable": True,
    "shipping_class": "",
    "shipping_class_id": 0,
    "reviews_allowed": True,
    "average_rating": "0.00",
    "rating_count": 0,
    "upsell_ids": [],
    "cross_sell_ids": [],
    "parent_id": 0,
    "purchase_note": "",
    "categories": [{"id": 15, "name": "Uncategorized", "slug": "uncategorized"}],
    "brands": [],
    "tags": [],
    "images": [],
    "attributes": [],
    "default_attributes": [],
    "variations": [],
    "grouped_products": [],
    "menu_order": 0,
    "price_html": None,
    "related_ids": None,
    "meta_data": [],
    "stock_status": "instock",
    "has_options": False,
    "post_password": "",
    "global_unique_id": "",
}
_VARIATION: Final[Row] = {
    "id": 0,
    "type": "variation",
    **dict.fromkeys(_DATES),
    "description": "",
    "permalink": "",
    "sku": "",
    "global_unique_id": "",
    **_PRICES,
    "status": "publish",
    "purchasable": False,
    **_GOODS,
    "tax_status": "taxable",
    "tax_class": "parent",
    "manage_stock": False,
    "stock_quantity": None,
    "stock_status": "instock",
    **_STOCK,
    **_SIZE,
    "shipping_class": "",
    "shipping_class_id": 0,
    "image": None,
    "attributes": [],
    "menu_order": 0,
    "meta_data": [],
    "name": "",
    "parent_id": 0,
}


def new_product(product_id: int, kind: str, site: Site) -> Row:
    """A product of a type, with WooCommerce's defaults (recording product_create_no_name)."""
    row = _blank(_PRODUCT, product_id, site)
    if kind == "variable":
        row |= {"stock_status": "outofstock", "has_options": True}
    return {**row, "type": kind}


def new_variation(variation_id: int, parent_id: int, site: Site) -> Row:
    """A variation with WooCommerce's defaults (recording variation_create)."""
    return {**_blank(_VARIATION, variation_id, site), "parent_id": parent_id}


def _blank(defaults: Row, row_id: int, site: Site) -> Row:
    now = site.now()
    row = copy.deepcopy(defaults)
    row |= {"id": row_id, **site.dates("date_created", now), **site.dates("date_modified", now)}
    return row


def touch(row: Row, moment: datetime, site: Site) -> None:
    """Set date_modified."""
    row |= site.dates("date_modified", moment)
