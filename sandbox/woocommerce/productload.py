"""Products and variations of a file into their tables, so that they are shown as exported."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.woocommerce.productrows import new_product, new_variation
from sandbox.woocommerce.shopdata import ShopDataError
from sandbox.woocommerce.site import Site

Remember = Callable[[str], None]

_TEXTS = ("description", "short_description")
_KINDS: Mapping[str, type] = {
    "attributes": list,
    "dimensions": dict,
    "meta_data": list,
    "name": str,
    "price": str,
    "regular_price": str,
    "sale_price": str,
    "sku": str,
    "type": str,
    "description": str,
    "short_description": str,
}


def load_product(
    row: Mapping[str, Any], place: str, site: Site, remember: Remember
) -> dict[str, Any]:
    """A product's row; `remember` hears of texts that are HTML already."""
    blank = new_product(row["id"], str(row.get("type", "simple")), site)
    return _loaded(row, blank, place, remember)


def load_variation(
    row: Mapping[str, Any], place: str, site: Site, remember: Remember
) -> dict[str, Any]:
    """The same for a variation, whose file has its parent's id inside."""
    loaded = _loaded(row, new_variation(row["id"], row["parent_id"], site), place, remember)
    loaded["price_html"] = None
    return loaded


def _loaded(
    row: Mapping[str, Any], blank: dict[str, Any], place: str, remember: Remember
) -> dict[str, Any]:
    for name, kind in _KINDS.items():
        if name in row and not isinstance(row[name], kind):
            raise ShopDataError(f"{place}: {name!r} is not what WooCommerce shows there")
    for name in _TEXTS:
        if name in row:
            remember(row[name])
    return {**blank, **row}
