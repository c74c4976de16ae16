"""What wc/v3 promises of the objects that are read (contract page WooCommerce §2, §3).

Recordings order_create_full_excl_tax, order_get_with_refund, customer_get, product_get_simple,
product_get_variation_by_id, tax_get; every body of the month.
"""

from app.json_shapes import Shape

STAMPS = frozenset({"date_created_gmt", "date_modified_gmt"})
META = Shape(texts=frozenset({"key"}))
_META_ROWS = {"meta_data": META}
_BY_KEY = frozenset({"meta_data"})

ADDRESS = Shape(
    texts=frozenset({"first_name", "last_name", "company", "address_1", "address_2", "city"})
    | {"state", "postcode", "country", "email", "phone"}
)
LINE_TAX = Shape(numbers=frozenset({"total"}), ids=frozenset({"id"}))
_TAXED_ROWS = {"taxes": LINE_TAX, **_META_ROWS}
LINE_ITEM = Shape(
    texts=frozenset({"name", "sku"}),
    numbers=frozenset({"subtotal", "total_tax"}),
    amounts=frozenset({"quantity", "total"}),
    ids=frozenset({"id", "product_id", "variation_id"}),
    rows=_TAXED_ROWS,
    found_by_key=_BY_KEY,
)
FEE_LINE = Shape(
    texts=frozenset({"name"}),
    numbers=frozenset({"total_tax"}),
    amounts=frozenset({"total"}),
    ids=frozenset({"id"}),
    rows=_TAXED_ROWS,
    found_by_key=_BY_KEY,
)
SHIPPING_LINE = Shape(
    texts=frozenset({"method_title"}),
    numbers=frozenset({"total_tax"}),
    amounts=frozenset({"total"}),
    ids=frozenset({"id"}),
    rows=_TAXED_ROWS,
    found_by_key=_BY_KEY,
)
TAX_LINE = Shape(
    texts=frozenset({"label", "rate_code"}),
    numbers=frozenset({"rate_percent", "tax_total", "shipping_tax_total"}),
    ids=frozenset({"rate_id"}),
)
REFUND = Shape(texts=frozenset({"reason"}), amounts=frozenset({"total"}), ids=frozenset({"id"}))
COUPON_LINE = Shape(texts=frozenset({"code"}))

ORDER = Shape(
    times=STAMPS,
    texts=frozenset({"number", "customer_note", "created_via"})
    | {"payment_method", "payment_method_title", "transaction_id"},
    words=frozenset({"status", "currency"}),
    numbers=frozenset({"total_tax", "shipping_tax"}),
    amounts=frozenset({"total", "shipping_total"}),
    ids=frozenset({"customer_id"}),
    objects={"billing": ADDRESS, "shipping": ADDRESS},
    rows={
        "line_items": LINE_ITEM,
        "fee_lines": FEE_LINE,
        "shipping_lines": SHIPPING_LINE,
        "tax_lines": TAX_LINE,
        "coupon_lines": COUPON_LINE,
        "refunds": REFUND,
        **_META_ROWS,
    },
    needed=frozenset({"line_items"}),
    counted=frozenset({"line_items", "fee_lines", "shipping_lines", "tax_lines", "refunds"}),
    found_by_key=_BY_KEY | {"refunds"},
)
CUSTOMER = Shape(
    times=STAMPS,
    texts=frozenset({"email", "first_name", "last_name", "role", "username"}),
    objects={"billing": ADDRESS, "shipping": ADDRESS},
    rows=_META_ROWS,
    found_by_key=_BY_KEY,
)
PRODUCT = Shape(
    times=STAMPS,
    texts=frozenset({"name", "sku", "description", "short_description"})
    | {"tax_status", "tax_class", "permalink", "catalog_visibility"},
    words=frozenset({"type", "status"}),
    numbers=frozenset({"regular_price", "stock_quantity"}),
    ids=frozenset({"parent_id"}),
    rows={
        "categories": Shape(texts=frozenset({"name", "slug"})),
        "tags": Shape(texts=frozenset({"name"})),
        "attributes": Shape(texts=frozenset({"name", "option"}), lists=frozenset({"options"})),
        **_META_ROWS,
    },
    found_by_key=_BY_KEY | {"categories", "attributes"},
)
TAX_RATE = Shape(
    texts=frozenset({"name", "class", "country", "state", "city", "postcode"}),
    numbers=frozenset({"priority", "order"}),
    amounts=frozenset({"rate"}),
    lists=frozenset({"cities", "postcodes"}),
)
ANYTHING = Shape()
