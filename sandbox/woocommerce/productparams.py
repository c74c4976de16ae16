"""The arguments that /products and its variations declare, as WordPress checks them.

Recordings err_product_price_number, product_price_*; contract page readback, "products
...".
"""

from typing import Final

from sandbox.woocommerce.paging import CONTEXT
from sandbox.woocommerce.posts import POST_PARAMS
from sandbox.woocommerce.schema import Param, Schema

_TEXT: Final = {"type": "string"}
_BOOLEAN: Final = {"type": "boolean"}
_INTEGER: Final = {"type": "integer"}
_LIST: Final = {"type": "array"}
_IDS: Final = {"type": "array", "items": _INTEGER}
_STATUSES: Final = ["draft", "pending", "private", "publish", "future", "auto-draft", "trash"]
_STOCK_STATUSES: Final = ["instock", "outofstock", "onbackorder"]
_META: Final = {"type": "object", "properties": {"id": _INTEGER, "key": _TEXT}}


def _one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


_TAXED: Final = _one_of("taxable", "shipping", "none")
_BACKORDERS: Final = _one_of("no", "notify", "yes")
_DIMENSIONS: Final = {
    "type": "object",
    "properties": dict.fromkeys(("length", "width", "height"), _TEXT),
}
_SHARED: Final = {
    "description": Param(_TEXT),
    "sku": Param(_TEXT),
    "global_unique_id": Param(_TEXT),
    "regular_price": Param(_TEXT),
    "sale_price": Param(_TEXT),
    "status": Param({"type": "string", "enum": _STATUSES}),
    "virtual": Param(_BOOLEAN),
    "downloadable": Param(_BOOLEAN),
    "download_limit": Param(_INTEGER),
    "download_expiry": Param(_INTEGER),
    "tax_status": Param(_TAXED),
    "tax_class": Param(_TEXT),
    "stock_quantity": Param(_INTEGER),
    "stock_status": Param({"type": "string", "enum": _STOCK_STATUSES}),
    "backorders": Param(_BACKORDERS),
    "weight": Param(_TEXT),
    "dimensions": Param(_DIMENSIONS),
    "shipping_class": Param(_TEXT),
    "menu_order": Param(_INTEGER),
    "meta_data": Param({"type": "array", "items": _META}),
    "attributes": Param({"type": "array", "items": {"type": "object"}}),
}
PRODUCT_PARAMS: Final = {
    **_SHARED,
    "name": Param(_TEXT),
    "slug": Param(_TEXT),
    "type": Param(_one_of("simple", "grouped", "external", "variable")),
    "featured": Param(_BOOLEAN),
    "catalog_visibility": Param(_one_of("visible", "catalog", "search", "hidden")),
    "short_description": Param(_TEXT),
    "external_url": Param(_TEXT),
    "button_text": Param(_TEXT),
    "manage_stock": Param(_BOOLEAN),
    "sold_individually": Param(_BOOLEAN),
    "reviews_allowed": Param(_BOOLEAN),
    "upsell_ids": Param(_IDS),
    "cross_sell_ids": Param(_IDS),
    "parent_id": Param(_INTEGER),
    "purchase_note": Param(_TEXT),
    "categories": Param(_LIST),
    "tags": Param(_LIST),
    "images": Param(_LIST),
    "default_attributes": Param(_LIST),
    "grouped_products": Param(_IDS),
}
VARIATION_PARAMS: Final = {**_SHARED, "manage_stock": Param({"type": "mixed"})}
ITEM_PARAMS: Final = {"id": Param(_INTEGER), "context": CONTEXT}
DELETE_PARAMS: Final = {"id": Param(_INTEGER), "force": Param(_BOOLEAN, default=False)}
LIST_PARAMS: Final = {
    **POST_PARAMS,
    "sku": Param(_TEXT),
    "slug": Param(_TEXT),
    "type": Param(_TEXT),
}
