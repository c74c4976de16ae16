"""What a reader of the log must know of an order's money: lines on the placeholder, adjustments."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from app.mapping.numbers import amount, decimal_text
from app.mapping.order_lines import fee_name, is_sold, line_text, product_of, woo_rows
from app.mapping.order_refs import OrderRefs
from app.mapping.order_taxes import OrderTaxes
from app.mapping.values import FieldNote
from app.woocommerce.schemas import WooRecord

LINES = "lines"

_UNKNOWN = "The product is not known in Vtiger: the line is on the placeholder product."
_NOTHING = "The line has neither quantity nor amount: it was left out."
_NEGATIVE = "A negative fee: the adjustment carries it."
_LOST = "Tax {label} {percent} % has no Vtiger tax: the adjustment carries its amount."
_LACKING = "{product} does not carry {fields}: the adjustment carries the tax of its lines."
_OFF = (
    "The adjustment carries {rest}: WooCommerce's total is not the sum of its lines and taxes, "
    "or tax could not be shown on the lines."
)


def money_notes(
    order: WooRecord,
    refs: OrderRefs,
    *,
    taxes: OrderTaxes,
    lacking: Mapping[str, frozenset[str]],
    rest: Decimal,
) -> tuple[FieldNote, ...]:
    """Notes on `lines`: reasons unknown_product, tax_unavailable, adjustment.

    `rest` is what the adjustment holds beyond rounding and negative fees. Nothing here keeps the
    order from being written: its total is right all the same.
    """
    return (
        *_line_notes(order, refs),
        *_fee_notes(order),
        *_tax_notes(order, taxes),
        *_lacking_notes(lacking),
        *_rest_note(rest),
    )


def _line_notes(order: WooRecord, refs: OrderRefs) -> Iterator[FieldNote]:
    for line in woo_rows(order, "line_items"):
        if not is_sold(line):
            yield FieldNote(LINES, "filtered", _NOTHING, line_text(line))
        elif product_of(line, refs) == refs.placeholder_id:
            yield FieldNote(LINES, "unknown_product", _UNKNOWN, line_text(line))


def _fee_notes(order: WooRecord) -> Iterator[FieldNote]:
    for fee in woo_rows(order, "fee_lines"):
        if amount(fee.get("total")) < 0:
            value = f"{fee_name(fee)}: {fee['total']}"
            yield FieldNote(LINES, "adjustment", _NEGATIVE, value)


def _tax_notes(order: WooRecord, taxes: OrderTaxes) -> Iterator[FieldNote]:
    rows = (*woo_rows(order, "line_items"), *woo_rows(order, "fee_lines"))
    lost = {rate.id: rate for row in rows for rate in taxes.lost(row)}
    for rate in lost.values():
        message = _LOST.format(label=rate.label or f"#{rate.id}", percent=rate.percentage or "?")
        yield FieldNote(LINES, "tax_unavailable", message, rate.label)


def _lacking_notes(lacking: Mapping[str, frozenset[str]]) -> Iterator[FieldNote]:
    for product, fields in sorted(lacking.items()):
        message = _LACKING.format(product=product, fields=", ".join(sorted(fields)))
        yield FieldNote(LINES, "tax_unavailable", message, product)


def _rest_note(rest: Decimal) -> Iterator[FieldNote]:
    if rest:
        text = decimal_text(rest)
        yield FieldNote(LINES, "adjustment", _OFF.format(rest=text), text)
