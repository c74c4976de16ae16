"""Paths in WooCommerce objects, such as `billing.city` and `meta:vat_number`, and the fields that
users may map."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.mapping.values import Value, plain
from app.parsing import find_list, rows_of

# The fields of WooCommerce's customers, products and orders that users may map beside meta.
#
# Contract page WooCommerce §2, §3; contract page readback, "WooCommerce"; recordings customer_get,
# product_get_simple, order_create_full_excl_tax.


@dataclass(frozen=True, slots=True)
class WooField:
    """One field. `type` is its type in REST: text, email, decimal, integer, boolean, choice, date,
    datetime, list (of names, read-only). `reserved`: why users may not map it, "" if they may."""

    path: str
    label: str
    type: str = "text"
    writable: bool = True
    choices: tuple[str, ...] = ()
    reserved: str = ""


_KEPT = "The sync maintains it."
STAMP = "It changes with every write of the sync."
_LINES = "Lines are synced as a whole, by the default row `lines`."
TAXED = "Taxes are synced by the module taxes and the default row `taxes`."

_PARTS = {
    "first_name": "first name",
    "last_name": "last name",
    "company": "company",
    "address_1": "address line 1",
    "address_2": "address line 2",
    "city": "city",
    "postcode": "postcode",
    "country": "country",
    "state": "state",
    "phone": "phone",
}


def _address(block: str) -> Iterator[WooField]:
    for part, label in _PARTS.items():
        yield WooField(f"{block}.{part}", f"{block.title()} {label}")


def _read(path: str, label: str, type_: str = "text") -> WooField:
    return WooField(path, label, type_, writable=False)


def _held(path: str, reason: str) -> WooField:
    return WooField(path, path, writable=False, reserved=reason)


_CREATED = _read("date_created_gmt", "Created", "datetime")
_MODIFIED = (_held("date_modified", STAMP), _held("date_modified_gmt", STAMP))

CUSTOMER_FIELDS = (
    WooField("email", "E-mail", "email"),
    WooField("first_name", "First name"),
    WooField("last_name", "Last name"),
    *_address("billing"),
    WooField("billing.email", "Billing e-mail", "email"),
    *_address("shipping"),
    _read("id", "Customer id", "integer"),
    _read("username", "Username"),
    _read("role", "Role"),
    _read("is_paying_customer", "Has paid an order", "boolean"),
    _read("avatar_url", "Picture"),
    _CREATED,
    *_MODIFIED,
    _held("password", "Passwords stay in the shop."),
)

PRODUCT_FIELDS = (
    WooField("name", "Name"),
    WooField("slug", "Slug"),
    WooField("sku", "SKU"),
    WooField("global_unique_id", "GTIN, UPC, EAN or ISBN"),
    WooField("short_description", "Short description"),
    WooField("purchase_note", "Purchase note"),
    WooField("sale_price", "Sale price", "decimal"),
    WooField("weight", "Weight", "decimal"),
    WooField("dimensions.length", "Length", "decimal"),
    WooField("dimensions.width", "Width", "decimal"),
    WooField("dimensions.height", "Height", "decimal"),
    WooField("shipping_class", "Shipping class"),
    WooField("menu_order", "Menu order", "integer"),
    WooField("low_stock_amount", "Low stock threshold", "integer"),
    WooField("featured", "Featured", "boolean"),
    WooField("virtual", "Virtual", "boolean"),
    WooField("downloadable", "Downloadable", "boolean"),
    WooField("sold_individually", "Sold individually", "boolean"),
    WooField("reviews_allowed", "Reviews allowed", "boolean"),
    WooField("backorders", "Backorders", "choice", choices=("no", "notify", "yes")),
    WooField(
        "catalog_visibility",
        "Catalogue visibility",
        "choice",
        choices=("visible", "catalog", "search", "hidden"),
    ),
    WooField("external_url", "External URL"),
    WooField("button_text", "Button text"),
    WooField("regular_price", "Regular price", "decimal"),
    WooField("description", "Description", writable=False),
    WooField("status", "Status", writable=False),
    _read("id", "Product id", "integer"),
    _read("type", "Type"),
    _read("permalink", "Permalink"),
    _read("price", "Current price", "decimal"),
    _read("on_sale", "On sale", "boolean"),
    _read("purchasable", "Can be bought", "boolean"),
    _read("total_sales", "Sales", "integer"),
    _read("stock_quantity", "Stock quantity", "decimal"),
    _read("stock_status", "Stock status"),
    _read("date_on_sale_from_gmt", "On sale from", "datetime"),
    _read("date_on_sale_to_gmt", "On sale until", "datetime"),
    _read("average_rating", "Average rating", "decimal"),
    _read("rating_count", "Ratings", "integer"),
    _read("categories", "Categories", "list"),
    _read("tags", "Tags", "list"),
    _CREATED,
    *_MODIFIED,
    _held("parent_id", _KEPT),
    _held("manage_stock", "The default row `stock` maintains it."),
    _held("tax_class", TAXED),
    _held("tax_status", TAXED),
    _held("attributes", "Name one: attribute:Color."),
)

ORDER_FIELDS = (
    *_address("billing"),
    WooField("billing.email", "Billing e-mail", "email"),
    *_address("shipping"),
    WooField("customer_note", "Customer's note"),
    WooField("payment_method", "Payment method (code)"),
    WooField("payment_method_title", "Payment method"),
    WooField("transaction_id", "Transaction id"),
    _read("id", "Order id", "integer"),
    _read("number", "Order number"),
    _read("order_key", "Order key"),
    _read("status", "Status"),
    _read("currency", "Currency"),
    _read("created_via", "Created via"),
    _read("customer_id", "Customer id", "integer"),
    _read("customer_ip_address", "Customer's IP address"),
    _read("customer_user_agent", "Customer's browser"),
    _read("discount_total", "Discount", "decimal"),
    _read("discount_tax", "Discount tax", "decimal"),
    _read("shipping_total", "Shipping", "decimal"),
    _read("shipping_tax", "Shipping tax", "decimal"),
    _read("cart_tax", "Tax of the lines", "decimal"),
    _read("total", "Total", "decimal"),
    _read("total_tax", "Total tax", "decimal"),
    _read("prices_include_tax", "Prices include tax", "boolean"),
    _read("date_paid_gmt", "Paid", "datetime"),
    _read("date_completed_gmt", "Completed", "datetime"),
    _read("coupon_lines", "Coupons", "list"),
    _read("shipping_lines", "Shipping methods", "list"),
    _CREATED,
    *_MODIFIED,
    *(_held(path, _LINES) for path in ("line_items", "fee_lines", "tax_lines", "refunds")),
    _held("parent_id", _KEPT),
    _held("cart_hash", STAMP),
    _held("version", _KEPT),
)


META = "meta:"
ATTRIBUTE = "attribute:"
LIST = "|##|"
"""The prefix of each element of a list that is read as one text."""

_NAMES = ("name", "code", "method_title")


def find_path(data: Mapping[str, Any], path: str, *, many: bool = False) -> Value:
    """The plain text at `path` of a REST object; None if there is none, or no single value.

    `many`: a list of texts is read as well, in the form of `listed`. Of objects in lists the names
    are read (categories, coupons, shipping methods). A meta key that no row has is "".
    """
    found = find_raw(data, path)
    return _list_text(found) if many and isinstance(found, list) else scalar_text(found)


def find_raw(data: Mapping[str, Any], path: str) -> Any:
    """The JSON value at `path`, None if there is none."""
    if path.startswith(META):
        return _find_meta(data, path[len(META) :])
    if path.startswith(ATTRIBUTE):
        return _find_attribute(data, path[len(ATTRIBUTE) :])
    found = _walk(data, path)
    objects = isinstance(found, list) and any(isinstance(each, Mapping) for each in found)
    return ", ".join(_names(found)) if objects else found


def _find_meta(data: Mapping[str, Any], key: str) -> Any:
    """The value of a meta key; "" if no row has it, None if that is not known, as a row is not an
    object."""
    listed = find_list(data.get("meta_data"))
    if listed is None:
        return None
    rows = rows_of(listed)
    unknown = "" if len(rows) == len(listed) else None
    return next((row.get("value") for row in rows if row.get("key") == key), unknown)


def _find_attribute(data: Mapping[str, Any], name: str) -> Any:
    """A product's options of an attribute, or a variation's option (product_get_variation_by_id);
    "" if there is no such attribute, None if that is not known."""
    listed = find_list(data.get("attributes"))
    rows = rows_of(listed)
    for row in rows:
        if str(row.get("name", "")).casefold() == name.casefold():
            options = find_list(row.get("options")) or ()
            return row.get("option") or ", ".join(map(str, options))
    return "" if listed is not None and len(rows) == len(listed) else None


def _names(rows: list[Any]) -> Iterator[str]:
    for row in rows:
        names = (row.get(key) for key in _NAMES) if isinstance(row, Mapping) else ()
        yield from (str(name) for name in [next(filter(None, names), None)] if name)


def _list_text(found: list[Any]) -> Value:
    texts = [scalar_text(each) for each in found]
    return None if None in texts else listed([text or "" for text in texts])


def listed(words: Sequence[str]) -> str:
    """The words as one text, each after LIST."""
    return " ".join(f"{LIST} {word}" for word in words)


def _walk(data: Mapping[str, Any], path: str) -> Any:
    found: Any = data
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def scalar_text(found: Any) -> Value:
    """A JSON scalar as plain text (true is "1", false is "", as both systems return them); None for
    anything else."""
    if isinstance(found, bool):
        return "1" if found else ""
    return plain(str(found)) if isinstance(found, str | int | float) else None


def set_path(body: dict[str, Any], path: str, value: Any) -> None:
    """Set `value` at `path` of a request body; missing objects are added."""
    if path.startswith(META):
        body.setdefault("meta_data", []).append({"key": path[len(META) :], "value": value})
        return
    *parents, last = path.split(".")
    for part in parents:
        body = body.setdefault(part, {})
    body[last] = value


def with_meta(body: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    """The request body with a meta row added."""
    return {**body, "meta_data": [*body.get("meta_data", ()), {"key": key, "value": value}]}
