"""What the mapping table "Products" makes of a WooCommerce product, written down once more.

Nothing here calls the mapping: a test that compares with it has two opinions.
"""

import html
import re
from collections.abc import Collection, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Product = Mapping[str, Any]
Row = Mapping[str, Any]


def fields(product: Product, parent: Product | None) -> dict[str, str]:
    """The fields of a Vtiger product; of a variation, named after its parent."""
    price = Decimal(product["regular_price"] or 0)
    name = words(product["name"])
    if parent is not None:
        choices = ", ".join(choice["option"] for choice in product["attributes"])
        name = f"{words(parent['name'])} – {choices}"
    found = {
        "productname": name,
        "productcode": product["sku"],
        "unit_price": f"{price.quantize(Decimal('0.00001'), ROUND_HALF_UP):.8f}",
        "discontinued": "1" if product["status"] == "publish" else "0",
        "currency_id": "21x1",
        "cf_855": str(product["id"]),
    }
    if product["manage_stock"] is True:
        found["qtyinstock"] = f"{Decimal(product['stock_quantity'] or 0):.3f}"
    if categories := (parent or product).get("categories"):
        found["productcategory"] = words(categories[0]["name"])
    return found


def words(text: str) -> str:
    """HTML as text, however it is spaced."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def faults(
    product: Product, parent: Product | None, listed: Row, *, taxes: Collection[str]
) -> Iterator[str]:
    """Where a Vtiger product is not what the table says; `taxes`: those of its tax class."""
    for name, value in fields(product, parent).items():
        if listed[name] != value:
            yield f"{name}: {listed[name]!r} is not {value!r}"
    if words(listed["description"]) != words(product["description"]):
        yield f"description: {listed['description']!r} is not {product['description']!r}"
    carried = {key for key in listed if re.fullmatch(r"tax\d+", key) and listed[key]}
    if carried != set(taxes):
        yield f"taxes: {sorted(carried)} are not {sorted(taxes)}"
