"""The lines of orders and refunds as REST shows them (recordings order_get_*).

What a line says of its product follows the catalogue.
"""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.woocommerce.catalog import Catalog, is_variation
from sandbox.woocommerce.metadata import render_line_meta, render_meta
from sandbox.woocommerce.options import Options
from sandbox.woocommerce.orderitems import (
    CouponLine,
    FeeLine,
    LineItem,
    ShippingLine,
    Taxes,
    TaxLine,
)
from sandbox.woocommerce.orders import Order
from sandbox.woocommerce.phpnumber import fixed_text, json_number, number
from sandbox.woocommerce.slugs import slug_of

_FROM_CATALOG: Final = ("sku", "image", "parent_name")


class LineView:
    """Renders the lines of one shop's orders."""

    def __init__(self, options: Options, catalog: Catalog) -> None:
        self._options = options
        self._catalog = catalog

    def render(self, order: Order, places: int) -> dict[str, Any]:
        """All lines by the name of their list, amounts with so many places."""
        return {
            "line_items": [self._line(line, places) for line in order.lines],
            "tax_lines": [_tax_line(line, places) for line in order.tax_lines],
            "shipping_lines": [self._shipping(line, places) for line in order.shipping_lines],
            "fee_lines": [self._fee(line, places) for line in order.fees],
            "coupon_lines": [_coupon(line) for line in order.coupons],
        }

    def _line(self, line: LineItem, places: int) -> dict[str, Any]:
        taxes = line.taxes.values()
        body = {
            "id": line.id,
            "name": line.name,
            "product_id": line.product_id,
            "variation_id": line.variation_id,
            "quantity": line.quantity,
            "tax_class": line.tax_class,
            "subtotal": fixed_text(number(line.subtotal), places),
            "subtotal_tax": self._tax_sum([tax.subtotal for tax in taxes], places),
            "total": fixed_text(number(line.total), places),
            "total_tax": self._tax_sum([tax.total for tax in taxes], places),
            "taxes": _taxes(line.taxes, places),
            "meta_data": render_line_meta(line.meta, self._labels(line)),
            **self._with_price(line),
        }
        if self._catalog.find(line.ordered_id) is None:
            return {**body, **line.shown}
        shown = {key: line.shown[key] for key in line.shown if key not in _FROM_CATALOG}
        return {**body, **shown}

    def _with_price(self, line: LineItem) -> dict[str, Any]:
        about = self.about_product(line.ordered_id)
        price = json_number(number(line.total) / (line.quantity or 1))
        return {"sku": about["sku"], "price": price, **about}

    def about_product(self, product_id: int) -> dict[str, Any]:
        """What a line says of its product or variation; 0 is none."""
        product = self._catalog.find(product_id)
        is_variant = product is not None and is_variation(product)
        parent_name = self._catalog.parent(product)["name"] if product and is_variant else None
        return {
            "sku": self._catalog.shown_sku(product) if product else None,
            "image": {"id": 0 if is_variant or not product else "", "src": ""},
            "parent_name": parent_name,
        }

    def _labels(self, line: LineItem) -> dict[str, str]:
        """How the attributes of a variation are called, and their values."""
        parent, variation = (
            self._catalog.find(key) for key in (line.product_id, line.variation_id)
        )
        labels = {slug_of(a["slug"]): a["name"] for a in (parent or {}).get("attributes", ())}
        for attribute in variation["attributes"] if variation else ():
            key = f"{attribute['slug']}={attribute_value(attribute)}"
            labels[key] = attribute["option"]
        return labels

    def _shipping(self, line: ShippingLine, places: int) -> dict[str, Any]:
        return {
            "id": line.id,
            "method_title": line.method_title or "Shipping",
            "method_id": line.method_id,
            "instance_id": line.instance_id,
            "total": fixed_text(number(line.total), places),
            "total_tax": self._tax_sum([tax.total for tax in line.taxes.values()], places),
            "taxes": _taxes(line.taxes, places),
            "tax_status": line.tax_status,
            "meta_data": render_line_meta(line.meta, {}),
            **line.shown,
        }

    def _fee(self, line: FeeLine, places: int) -> dict[str, Any]:
        return {
            "id": line.id,
            "name": line.name,
            "tax_class": line.tax_class,
            "tax_status": line.tax_status,
            "amount": "",
            "total": fixed_text(number(line.total), places),
            "total_tax": self._tax_sum([tax.total for tax in line.taxes.values()], places),
            "taxes": _taxes(line.taxes, places),
            "meta_data": render_line_meta(line.meta, {}),
            **line.shown,
        }

    def _tax_sum(self, amounts: list[str], places: int) -> str:
        """Added up when read, so that it follows the shop's rounding of today."""
        total = sum(self._options.round_line_tax(number(amount)) for amount in amounts)
        return fixed_text(total, places)


def _taxes(taxes: Taxes, places: int) -> list[dict[str, Any]]:
    return [
        {
            "id": rate_id,
            "total": fixed_text(number(tax.total), places),
            "subtotal": fixed_text(number(tax.subtotal), places) if tax.subtotal else "",
        }
        for rate_id, tax in taxes.items()
    ]


def _tax_line(line: TaxLine, places: int) -> dict[str, Any]:
    return {
        "id": line.id,
        "rate_code": line.rate_code,
        "rate_id": line.rate_id,
        "label": line.label,
        "compound": line.is_compound,
        "tax_total": fixed_text(number(line.tax_total), places),
        "shipping_tax_total": fixed_text(number(line.shipping_tax_total), places),
        "rate_percent": json_number(line.percent),
        "meta_data": render_meta(line.meta),
    }


def _coupon(line: CouponLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "code": line.code,
        "discount": line.discount,
        "discount_tax": line.discount_tax,
        "meta_data": render_line_meta(line.meta, {}),
        "discount_type": line.discount_type,
        "nominal_amount": json_number(line.nominal_amount),
        "free_shipping": line.is_free_shipping,
    }


def attribute_value(attribute: Mapping[str, Any]) -> str:
    """What a line stores of an attribute: a slug for those of the shop, else the text."""
    option = str(attribute["option"])
    return option.lower().replace(" ", "-") if attribute["slug"].startswith("pa_") else option
