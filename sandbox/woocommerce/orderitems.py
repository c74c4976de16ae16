"""The lines of an order as they are stored: amounts are texts, with all their decimals.

Contract page WooCommerce §3: `subtotal` and `total` are net, whatever the shop's settings.
"""

from dataclasses import dataclass, field
from typing import Any

from sandbox.woocommerce.phpnumber import cleaned_price, is_numeric, number, stored_number
from sandbox.woocommerce.users import Meta


@dataclass(slots=True)
class LineTax:
    """What one rate takes on a line, after (`total`) and before discount."""

    total: str
    subtotal: str = ""


Taxes = dict[int, LineTax]


@dataclass(slots=True)
class Item:
    """What all lines have. `shown` holds rendered values of a loaded line that its stored ones
    no longer tell; a change forgets them."""

    id: int = 0
    taxes: Taxes = field(default_factory=dict)
    meta: list[Meta] = field(default_factory=list)
    shown: dict[str, Any] = field(default_factory=dict)

    def set_taxes(self, taxes: Taxes) -> None:
        for key in ("total_tax", "subtotal_tax", "taxes"):
            self.shown.pop(key, None)
        self.taxes = taxes


@dataclass(slots=True)
class LineItem(Item):
    """A product's line; `product_id` 0 is a line whose product is not known (any more)."""

    name: str = ""
    product_id: int = 0
    variation_id: int = 0
    quantity: int = 1
    tax_class: str = ""
    subtotal: str = ""
    total: str = "0"

    def set_total(self, amount: str | float) -> None:
        """Also raises the subtotal, which is never below the total."""
        self.total = _amount(amount)
        self.shown.pop("price", None)
        if not self.subtotal or number(self.subtotal) < number(self.total):
            self.subtotal = self.total

    def set_subtotal(self, amount: str | float) -> None:
        self.subtotal = _amount(amount)
        if number(self.subtotal) < number(self.total):
            self.subtotal = self.total

    def forget(self, product_id: int) -> None:
        """Its product or variation is gone."""
        if self.variation_id == product_id:
            self.variation_id = 0
        elif self.product_id == product_id:
            self.product_id = self.variation_id = 0
            self.shown.clear()

    @property
    def ordered_id(self) -> int:
        """The id of what was ordered: the variation, else the product."""
        return self.variation_id or self.product_id


@dataclass(slots=True)
class FeeLine(Item):
    """A fee, or with a negative total a discount by hand."""

    name: str = ""
    tax_class: str = ""
    tax_status: str = "taxable"
    total: str = "0"


@dataclass(slots=True)
class ShippingLine(Item):
    method_title: str = ""
    method_id: str = ""
    instance_id: str = ""
    total: str = "0"
    tax_status: str = "taxable"


@dataclass(slots=True)
class TaxLine(Item):
    """What one rate takes on the whole order, as the rate was when it was last computed."""

    rate_id: int = 0
    rate_code: str = ""
    label: str = ""
    is_compound: bool = False
    percent: float = 0.0
    tax_total: str = "0"
    shipping_tax_total: str = "0"


@dataclass(slots=True)
class CouponLine(Item):
    code: str = ""
    discount: str = "0"
    discount_tax: str = "0"
    discount_type: str = "fixed_cart"
    nominal_amount: float = 0.0
    is_free_shipping: bool = False


def _amount(amount: str | float) -> str:
    if isinstance(amount, float):
        return stored_number(amount)
    text = cleaned_price(amount)
    return text if is_numeric(text) else "0"
