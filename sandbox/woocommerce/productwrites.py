"""How a request lands in a product or variation: the setters and their silent corrections.

Contract pages WooCommerce §2 (numbers are strings, text) and readback, "products ...".
"""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.woocommerce.catalog import PARENT_CLASS, Row, is_variable, is_variation, stock_of
from sandbox.woocommerce.errors import FatalError
from sandbox.woocommerce.kses import kses_post
from sandbox.woocommerce.php import scalar_text, stripslashes, trim
from sandbox.woocommerce.phpnumber import cleaned_price, number, whole_number
from sandbox.woocommerce.slugs import slug_of

Params = Mapping[str, Any]

_POST_TEXTS: Final[tuple[str, ...]] = ("name", "description", "short_description")
_TEXT_BYTES: Final = 65535
_EMPTY: Final = ("", "0")
_PLAIN: Final = (
    "featured",
    "catalog_visibility",
    "virtual",
    "downloadable",
    "download_limit",
    "download_expiry",
    "external_url",
    "button_text",
    "tax_status",
    "backorders",
    "low_stock_amount",
    "sold_individually",
    "reviews_allowed",
    "upsell_ids",
    "cross_sell_ids",
    "purchase_note",
    "default_attributes",
    "grouped_products",
    "menu_order",
    "global_unique_id",
    "images",
    "image",
    "tags",
)


def write_fields(row: Row, params: Params, *, tax_classes: list[str]) -> None:
    """Everything but SKU, meta data, attributes and categories."""
    for name in _PLAIN:
        if params.get(name) is not None and name in row:
            row[name] = params[name]
    for name in ("regular_price", "sale_price", "weight"):
        if params.get(name) is not None:
            row[name] = cleaned_price(params[name])
    dimensions = params.get("dimensions")
    for name in dimensions if isinstance(dimensions, Mapping) else ():
        if name in row["dimensions"] and dimensions is not None:
            row["dimensions"] = {**row["dimensions"], name: cleaned_price(dimensions[name])}
    if params.get("tax_class") is not None:
        row["tax_class"] = _tax_class(scalar_text(params["tax_class"]), row, tax_classes)
    _write_stock(row, params)


def _tax_class(name: str, row: Row, known: list[str]) -> str:
    """An unknown class is silently the standard one."""
    allowed = (*known, PARENT_CLASS) if is_variation(row) else known
    return name if name in allowed else ""


def _write_stock(row: Row, params: Params) -> None:
    if params.get("manage_stock") is not None:
        row["manage_stock"] = params["manage_stock"]
    if params.get("stock_status") is not None:
        row["stock_status"] = params["stock_status"]
    if row["manage_stock"] is True and params.get("stock_quantity") is not None:
        row["stock_quantity"] = whole_number(params["stock_quantity"])


def write_texts(row: Row, params: Params, *, is_new: bool) -> None:
    """Name, texts and status, as the posts table takes them.

    A changed text costs the other two a level of backslashes; a text too long for its column, and
    a post that would be all empty, leave the post as it was.
    """
    given = {name: _cleaned(params[name]) for name in _POST_TEXTS if _is_given(params, name, row)}
    texts: dict[str, str] = {name: row[name] for name in _POST_TEXTS if name in row}
    texts.update(given)
    if is_new and texts.get("name") in _EMPTY and "name" in texts:
        texts["name"] = "Product"
    elif texts.get("short_description") in _EMPTY and not is_new:
        texts["short_description"] = row["short_description"]
    if any(name in given and given[name] != row[name] for name in given) and not is_new:
        texts = {
            name: text if name in given else stripslashes(text) for name, text in texts.items()
        }
    if "name" in texts:
        texts["name"] = trim(texts["name"])
    if _is_storable(texts) and (is_new or not _is_all_empty(given)):
        row.update(texts)
        _write_status(row, params)


def _is_given(params: Params, name: str, row: Row) -> bool:
    if name not in row or (name == "name" and is_variation(row)):
        return False
    return params.get(name) is not None


def _cleaned(value: Any) -> str:
    if isinstance(value, (list, dict)):
        raise FatalError
    return kses_post(stripslashes(scalar_text(value)))


def _is_storable(texts: Params) -> bool:
    return all(
        len(text.encode()) <= _TEXT_BYTES for name, text in texts.items() if name != "description"
    )


def _is_all_empty(given: Params) -> bool:
    return len(given) == len(_POST_TEXTS) and all(text in _EMPTY for text in given.values())


def _write_status(row: Row, params: Params) -> None:
    if params.get("status") is None:
        return
    status = scalar_text(params["status"]) or "draft"
    row["status"] = "publish" if status == "future" else status


def settle(row: Row) -> None:
    """What WooCommerce corrects on every save: sale price, stock, and what follows from them.

    The price of a variable product follows its variations instead.
    """
    if not is_variable(row):
        _settle_price(row)
    _settle_stock(row)
    row["price_html"] = None
    if not is_variation(row):
        row["related_ids"] = None
        row["shipping_required"] = not row["virtual"]
        row["shipping_taxable"] = not row["virtual"] and row["tax_status"] != "none"


def _settle_price(row: Row) -> None:
    if row["sale_price"] != "" and number(row["sale_price"]) >= number(row["regular_price"]):
        row["sale_price"] = ""
    row["on_sale"] = row["sale_price"] != ""
    row["price"] = row["sale_price"] if row["on_sale"] else row["regular_price"]
    row["purchasable"] = row["price"] != ""


def _settle_stock(row: Row) -> None:
    if row["manage_stock"] is not True:
        row |= {"stock_quantity": None, "backorders": "no", "low_stock_amount": None}
    else:
        row["stock_quantity"] = stock_of(row)
        row["stock_status"] = _stock_status(row)
    row["backorders_allowed"] = row["backorders"] in ("yes", "notify")
    row["backordered"] = row["stock_status"] == "onbackorder"


def _stock_status(row: Row) -> str:
    if stock_of(row) > 0:
        return "instock"
    return "onbackorder" if row["backorders"] != "no" else "outofstock"


def sync_parent(parent: Row, children: list[Row]) -> None:
    """A variable product costs what its cheapest variation does, and is in stock with any."""
    parent["variations"] = sorted(child["id"] for child in children)
    prices = sorted((c["price"] for c in children if c["price"] != ""), key=number)
    parent["price"] = prices[0] if prices else ""
    parent["purchasable"] = bool(prices)
    parent["on_sale"] = any(child["on_sale"] for child in children)
    parent["price_html"] = parent["related_ids"] = None
    if parent["manage_stock"] is not True:
        found = {child["stock_status"] for child in children}
        ranked = ("instock", "onbackorder", "outofstock")
        parent["stock_status"] = next((s for s in ranked if s in found), "outofstock")


def attribute_of(entry: Params) -> dict[str, Any]:
    """An attribute of a variable product, as it is shown."""
    name = scalar_text(entry.get("name"))
    return {
        "id": whole_number(entry.get("id") or 0),
        "name": name,
        "slug": scalar_text(entry.get("slug")) or name,
        "position": whole_number(entry.get("position") or 0),
        "visible": bool(entry.get("visible", False)),
        "variation": bool(entry.get("variation", False)),
        "options": [scalar_text(option) for option in entry.get("options") or ()],
    }


def chosen_option(entry: Params, parent: Row) -> dict[str, Any] | None:
    """The option of a variation; None for an attribute that its parent does not have."""
    wanted_id, name = whole_number(entry.get("id") or 0), scalar_text(entry.get("name"))
    for attribute in parent["attributes"]:
        is_same = attribute["id"] == wanted_id if wanted_id else attribute["name"] == name
        if is_same:
            slug = attribute["slug"] if wanted_id else slug_of(attribute["name"])
            option = scalar_text(entry.get("option"))
            return {"id": wanted_id, "name": attribute["name"], "slug": slug, "option": option}
    return None
