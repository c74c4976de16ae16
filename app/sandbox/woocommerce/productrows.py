"""Blank rows of products and variations: every key that REST shows, in its order."""

from datetime import datetime
from typing import Any

from app.sandbox.woocommerce.catalog import Row
from app.sandbox.woocommerce.site import Site

_UNCATEGORIZED = {"id": 15, "name": "Uncategorized", "slug": "uncategorized"}


def new_product(product_id: int, kind: str, site: Site) -> Row:
    """A product of a type, with WooCommerce's defaults (recording product_create_no_name)."""
    now = site.now()
    return {
        "id": product_id,
        "name": "",
        "slug": "",
        "permalink": "",
        **site.dates("date_created", now),
        **site.dates("date_modified", now),
        "type": kind,
        "status": "publish",
        "featured": False,
        "catalog_visibility": "visible",
        "description": "",
        "short_description": "",
        "sku": "",
        **_prices(),
        "total_sales": 0,
        **_kind_of_goods(),
        "external_url": "",
        "button_text": "",
        "tax_status": "taxable",
        "tax_class": "",
        "manage_stock": False,
        "stock_quantity": None,
        "backorders": "no",
        "backorders_allowed": False,
        "backordered": False,
        "low_stock_amount": None,
        "sold_individually": False,
        "weight": "",
        "dimensions": _dimensions(),
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
        "categories": [dict(_UNCATEGORIZED)],
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
        "stock_status": "outofstock" if kind == "variable" else "instock",
        "has_options": kind == "variable",
        "post_password": "",
        "global_unique_id": "",
    }


def new_variation(variation_id: int, parent_id: int, site: Site) -> Row:
    """A variation with WooCommerce's defaults (recording variation_create)."""
    now = site.now()
    return {
        "id": variation_id,
        "type": "variation",
        **site.dates("date_created", now),
        **site.dates("date_modified", now),
        "description": "",
        "permalink": "",
        "sku": "",
        "global_unique_id": "",
        **_prices(),
        "status": "publish",
        "purchasable": False,
        **_kind_of_goods(),
        "tax_status": "taxable",
        "tax_class": "parent",
        "manage_stock": False,
        "stock_quantity": None,
        "stock_status": "instock",
        "backorders": "no",
        "backorders_allowed": False,
        "backordered": False,
        "low_stock_amount": None,
        "weight": "",
        "dimensions": _dimensions(),
        "shipping_class": "",
        "shipping_class_id": 0,
        "image": None,
        "attributes": [],
        "menu_order": 0,
        "meta_data": [],
        "name": "",
        "parent_id": parent_id,
    }


def touch(row: Row, moment: datetime, site: Site) -> None:
    """Set date_modified."""
    row |= site.dates("date_modified", moment)


def _prices() -> dict[str, Any]:
    return {
        "price": "",
        "regular_price": "",
        "sale_price": "",
        "date_on_sale_from": None,
        "date_on_sale_from_gmt": None,
        "date_on_sale_to": None,
        "date_on_sale_to_gmt": None,
        "on_sale": False,
        "purchasable": False,
    }


def _kind_of_goods() -> dict[str, Any]:
    return {
        "virtual": False,
        "downloadable": False,
        "downloads": [],
        "download_limit": -1,
        "download_expiry": -1,
    }


def _dimensions() -> dict[str, str]:
    return {"length": "", "width": "", "height": ""}
