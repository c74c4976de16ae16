"""Products and variations as REST and webhooks show them (recordings product_get_*, variation_*).

A row is a REST object with its texts as context=edit shows them; what is None in `price_html`
and `related_ids` is made up when it is shown.
"""

import html
from secrets import SystemRandom
from typing import Any, Final
from urllib.parse import quote_plus, unquote

from sandbox.woocommerce.catalog import Catalog, Row, is_variable, is_variation
from sandbox.woocommerce.links import ALL_METHODS, item_links
from sandbox.woocommerce.options import Options
from sandbox.woocommerce.ordertaxes import OrderTaxes
from sandbox.woocommerce.orderviews import currency_symbol
from sandbox.woocommerce.phpnumber import fixed_text, number
from sandbox.woocommerce.posttext import rendered_description, rendered_excerpt
from sandbox.woocommerce.site import Site
from sandbox.woocommerce.slugs import slug_of

_RELATED: Final = 5
_OF_THE_PARENT: Final = {
    "featured": False,
    "catalog_visibility": "visible",
    "short_description": "",
    "total_sales": "0",
    "external_url": "",
    "button_text": "",
    "sold_individually": False,
    "shipping_required": True,
    "shipping_taxable": True,
    "reviews_allowed": False,
    "average_rating": "0.00",
    "rating_count": 0,
    "upsell_ids": [],
    "cross_sell_ids": [],
    "purchase_note": "",
    "categories": [],
    "brands": [],
    "tags": [],
    "default_attributes": [],
    "variations": [],
    "grouped_products": [],
    "has_options": False,
    "post_password": "",
    "related_ids": [],
}


class ProductView:
    """Renders rows of one catalogue."""

    def __init__(self, site: Site, options: Options, catalog: Catalog, taxes: OrderTaxes) -> None:
        self._site = site
        self._options = options
        self._catalog = catalog
        self._taxes = taxes
        self._random = SystemRandom()
        self._rendered: set[str] = set()

    def remember_rendered(self, text: str) -> None:
        """A text that came as HTML from a file is shown as it came."""
        self._rendered.add(text)

    def product(self, row: Row, *, context: str = "view") -> dict[str, Any]:
        """A product, or a variation in a product's shape, for context view or edit."""
        shape = self._variation_as_product(row, context) if is_variation(row) else row
        body = {key: value for key, value in shape.items() if key != "_links"}
        if context == "view":
            body |= self._rendered_texts(row)
        if body["price_html"] is None:
            body["price_html"] = self._price_html(row)
        if body["related_ids"] is None:
            body["related_ids"] = self._related(row)
        if context == "edit" and not is_variation(row):
            template = f"{self._site.base_url}/product/%pagename%/"
            slug = unquote(slug_of(row["name"]))
            body |= {"permalink_template": template, "generated_slug": slug}
            body["average_rating"] = body["average_rating"].removesuffix(".00")
        return {**body, "permalink": self.permalink(row), "_links": self._links(row)}

    def variation(self, row: Row, *, context: str = "view") -> dict[str, Any]:
        """A variation in its own shape."""
        body = {key: value for key, value in row.items() if key not in ("slug", "price_html")}
        if context == "view":
            body["description"] = self._description(row["description"])
            body["tax_class"] = self._catalog.tax_class(row)
        base = self._site.rest_url(f"products/{row['parent_id']}")
        links = item_links(f"{base}/variations/{row['id']}", f"{base}/variations", ALL_METHODS)
        return {
            **body,
            "sku": self._catalog.shown_sku(row),
            **self._catalog.shown_stock(row),
            "permalink": self.permalink(row),
            "_links": {**links, "up": [{"href": base}]},
        }

    def permalink(self, row: Row) -> str:
        base = self._site.base_url
        if is_variation(row):
            pairs = "&".join(
                f"attribute_{item['slug']}={_query_value(item)}" for item in row["attributes"]
            )
            parent = self._catalog.parent(row)
            return f"{base}/product/{parent.get('slug', '')}/?{pairs}"
        if row["status"] in ("draft", "pending", "auto-draft", "trash") or not row["slug"]:
            return f"{base}/?post_type=product&p={row['id']}"
        return f"{base}/product/{row['slug']}/"

    def _rendered_texts(self, row: Row) -> dict[str, str]:
        texts = {"description": self._description(row["description"])}
        if not is_variation(row):
            short = row["short_description"]
            known = short in self._rendered
            texts["short_description"] = short if known else rendered_excerpt(short)
        return texts

    def _description(self, text: str) -> str:
        return text if text in self._rendered else rendered_description(text)

    def _related(self, row: Row) -> list[int]:
        """Another choice every time: leave it out of comparisons."""
        others = [
            other["id"]
            for other in self._catalog.products
            if other["id"] != row["id"] and other["status"] == "publish"
        ]
        return self._random.sample(others, min(_RELATED, len(others)))

    def _variation_as_product(self, row: Row, context: str) -> Row:
        """For editing it shows its own SKU and stock, but that its parent manages the stock."""
        shown = self._catalog.shown_stock(row)
        if context == "edit":
            shown = {key: value for key, value in shown.items() if key == "manage_stock"}
        own = {key: value for key, value in row.items() if key != "image"}
        return {
            **_OF_THE_PARENT,
            **own,
            "name": self._catalog.title(row),
            "slug": slug_of(self._catalog.title(row)),
            **shown,
            "sku": row["sku"] if context == "edit" else self._catalog.shown_sku(row),
            "images": [row["image"]] if row["image"] else [],
            "tax_class": self._catalog.tax_class(row),
            "price_html": row.get("price_html"),
        }

    def _links(self, row: Row) -> dict[str, Any]:
        base = self._site.rest_url("products")
        links = item_links(f"{base}/{row['id']}", base, ALL_METHODS)
        if is_variation(row):
            return {**links, "up": [{"href": f"{base}/{row['parent_id']}"}]}
        return links

    def _price_html(self, row: Row) -> str:
        if row["price"] == "":
            return ""
        if is_variable(row):
            return self._range_html(row)
        price = self._money(row, row["price"])
        if not row["on_sale"]:
            return _amount_html(price, self._symbol())
        regular = self._money(row, row["regular_price"])
        symbol = self._symbol()
        return (
            f'<del aria-hidden="true">{_amount_html(regular, symbol)}</del> '
            f'<span class="screen-reader-text">Original price was: {symbol}{regular}.</span>'
            f'<ins aria-hidden="true">{_amount_html(price, symbol)}</ins>'
            f'<span class="screen-reader-text">Current price is: {symbol}{price}.</span>'
        )

    def _range_html(self, row: Row) -> str:
        priced = [c for c in self._catalog.children(row["id"]) if c["price"] != ""]
        priced.sort(key=lambda child: number(child["price"]))
        if not priced:
            return ""
        symbol = self._symbol()
        low, high = (self._money(child, child["price"]) for child in (priced[0], priced[-1]))
        if low == high:
            return _amount_html(low, symbol)
        hidden = ' aria-hidden="true"'
        return (
            f"{_amount_html(low, symbol, hidden)} <span{hidden}>&ndash;</span> "
            f"{_amount_html(high, symbol, hidden)}"
            f'<span class="screen-reader-text">Price range: {symbol}{low} through '
            f"{symbol}{high}</span>"
        )

    def _money(self, row: Row, price: str) -> str:
        """Shown without tax, thousands apart."""
        taxed = row["tax_status"] == "taxable"
        tax_class = self._catalog.tax_class(row)
        amount = self._taxes.net_price(number(price), tax_class) if taxed else number(price)
        whole, point, fraction = fixed_text(amount, self._options.decimals).partition(".")
        return f"{int(whole):,}{point}{fraction}"

    def _symbol(self) -> str:
        symbol = currency_symbol(self._options.currency)
        return "&euro;" if symbol == "€" else html.escape(symbol)


def _amount_html(price: str, symbol: str, attributes: str = "") -> str:
    return (
        f'<span class="woocommerce-Price-amount amount"{attributes}><bdi>'
        f'<span class="woocommerce-Price-currencySymbol">{symbol}</span>{price}</bdi></span>'
    )


def _query_value(attribute: dict[str, Any]) -> str:
    option = str(attribute["option"])
    return slug_of(option) if attribute["slug"].startswith("pa_") else quote_plus(option)
