"""A WooCommerce order's lines and fees as Vtiger line items, exact to the column's last digit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.mapping.numbers import amount, decimal_text, rounded
from app.mapping.order_lines import (
    FEE_PREFIX,
    NO_ITEMS,
    decoded_text,
    fee_name,
    is_sold,
    line_text,
    product_of,
    woo_rows,
)
from app.mapping.order_refs import OrderRefs
from app.mapping.order_taxes import OrderTaxes
from app.mapping.text import cut_at_word, replace_astral
from app.woocommerce.schemas import WooRecord

_PRICE_PLACES = 8
_QUANTITY_PLACES = 3
_COMMENT_SIZE = 5000
_NEGLIGIBLE = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class LineItem:
    """One line item: `total` is net after discount, `percentages` by tax field; `product` an id."""

    product: str
    comment: str
    quantity: Decimal
    subtotal: Decimal
    total: Decimal
    percentages: Mapping[str, Decimal]

    def to_fields(self, place: int, refs: OrderRefs) -> dict[str, str]:
        """The item as Vtiger takes it, every tax field named: those not sent could count.

        The price has 8 decimals; what it cannot express goes into the discount where there is
        one, or where it is not negligible. Contract page Vtiger §3, §10.
        """
        price = rounded(self.subtotal / self.quantity, _PRICE_PLACES)
        discount = price * self.quantity - self.total
        fields = {
            "productid": self.product,
            "sequence_no": str(place),
            "quantity": decimal_text(self.quantity),
            "listprice": decimal_text(price),
            "comment": self.comment,
        }
        if self.subtotal != self.total or abs(discount) > _NEGLIGIBLE:
            fields["discount_amount"] = decimal_text(rounded(discount, _PRICE_PLACES))
        return fields | self._taxes(refs)

    def _taxes(self, refs: OrderRefs) -> dict[str, str]:
        known = (*refs.all_tax_fields, *refs.carried.get(self.product, {}))
        none = dict.fromkeys(known, "0")
        return none | {name: decimal_text(percent) for name, percent in self.percentages.items()}


def order_items(order: WooRecord, refs: OrderRefs, *, taxes: OrderTaxes) -> list[LineItem]:
    """The lines of an order, then its fees; a line of nothing for an order without any.

    Lines without quantity or amount are left out, those without a known product go on the
    placeholder, negative fees are not here. Mapping table "Sales orders"; recordings
    order_create_empty, order_create_negative_qty, order_create_unknown_sku_with_name.
    """
    items = [*_goods(order, refs, taxes=taxes), *_fees(order, refs, taxes=taxes)]
    zero = Decimal(0)
    return items or [LineItem(refs.placeholder_id, NO_ITEMS, Decimal(1), zero, zero, {})]


def _goods(order: WooRecord, refs: OrderRefs, *, taxes: OrderTaxes) -> Iterator[LineItem]:
    for line in filter(is_sold, woo_rows(order, "line_items")):
        total, subtotal = amount(line.get("total")), amount(line.get("subtotal"))
        quantity = rounded(amount(line.get("quantity")), _QUANTITY_PLACES) or Decimal(1)
        yield LineItem(
            product=product_of(line, refs),
            comment=comment_of(line_text(line)),
            quantity=quantity,
            subtotal=total if subtotal < total or quantity < 0 else subtotal,
            total=total,
            percentages=taxes.percentages(line),
        )


def _fees(order: WooRecord, refs: OrderRefs, *, taxes: OrderTaxes) -> Iterator[LineItem]:
    for fee in woo_rows(order, "fee_lines"):
        total = amount(fee.get("total"))
        if total > 0:
            comment = comment_of(FEE_PREFIX + fee_name(fee))
            percentages = taxes.percentages(fee)
            yield LineItem(
                refs.fee_service_id, comment, Decimal(1), total, total, percentages=percentages
            )


def comment_of(text: str) -> str:
    """A line's text as the comment of a Vtiger line."""
    return cut_at_word(replace_astral(decoded_text(text)), _COMMENT_SIZE)
