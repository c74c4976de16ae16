"""The default table of products: simple products and variations against Vtiger's Products."""

from app.errors import System
from app.mapping.rules import FieldRule
from app.records import Direction

_TO_VTIGER = Direction.WOO_TO_VTIGER

PRODUCT_RULES: tuple[FieldRule, ...] = (
    FieldRule("name", ("name",), "productname", required=frozenset({System.VTIGER})),
    FieldRule("sku", ("sku",), "productcode"),
    FieldRule("price", ("regular_price",), "unit_price", transform="number"),
    FieldRule("description", ("description",), "description", direction=_TO_VTIGER),
    FieldRule("stock", ("stock_quantity",), "qtyinstock", transform="number"),
    FieldRule("status", ("status",), "discontinued"),
    FieldRule("category", ("categories",), "productcategory", direction=_TO_VTIGER),
    FieldRule("website", ("permalink",), "website", direction=_TO_VTIGER),
    FieldRule("taxes", ("tax_class",), "tax1", direction=_TO_VTIGER),
)
