"""The lines of an order in neutral form and as rows of either system, and the references that the
mapping of an order needs. Pure."""

import json
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from app.mapping.values import (
    amount,
    canonical_json,
    canonical_text,
    cut_at_word,
    decimal_text,
    decode_entities,
    markup_text,
    plain,
    replace_astral,
    rounded,
    shown_name,
)
from app.modules.orders.statuses import DEFAULT, StatusMap
from app.modules.orders.vtiger_totals import Rates
from app.modules.taxes.mapping import OrderRate, amount_unit, order_rates, pair_up, row_taxes
from app.parsing import find_decimal, rows_of
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord, find_id

# The references of an order: ids of other records, and settings of the store.


@dataclass(frozen=True, slots=True)
class WooItem:
    """A WooCommerce product as a line refers to it; `parent_id` is set for a variation."""

    id: str
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Buyer:
    """The buyer of a new WooCommerce order: the linked customer, if any, and the billing data."""

    customer_id: str | None = None
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class OrderRefs:
    """The records that an order refers to, and the store's setup.

    - `products`: Vtiger product by WooCommerce product or variation id; `items`: the reverse.
    - `kept`: Vtiger product by WooCommerce line id, for lines whose product the shop deleted.
    - `placeholder_id`, `fee_service_id`: setup records ("14x7", "26x8").
    - `tax_fields`: tax field by rate id (`order_tax_fields`); `all_tax_fields`: all that Vtiger
      has; `carried`: the taxes that each product and service carries, by Vtiger id.
    - `currency_id` ("21x1"), `conversion_rate`, `currency` (ISO code): one currency.
    - `decimals`: the decimals of the shop's prices.
    - `statuses`: the store's status table.
    - `agreed_texts`: the names of the shop's lines and fees in the base; `agreed_total`: its total
      there; None where there is no base.
    """

    store: str
    placeholder_id: str
    fee_service_id: str
    currency: str
    currency_id: str | None
    conversion_rate: str = "1"
    contact_id: str | None = None
    account_id: str | None = None
    products: Mapping[str, str] = field(default_factory=dict)
    items: Mapping[str, WooItem] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    tax_fields: Mapping[str, str] = field(default_factory=dict)
    all_tax_fields: tuple[str, ...] = ()
    carried: Mapping[str, Rates] = field(default_factory=dict)
    shipping_tax_field: str | None = "shtax1_sh_percent"
    decimals: int = 2
    agreed_texts: frozenset[str] | None = None
    agreed_total: str | None = None
    statuses: StatusMap = DEFAULT

    def without(self, gone: Collection[str]) -> "OrderRefs":
        """The references without these deleted Vtiger products: their lines get the
        placeholder."""
        products = {woo: own for woo, own in self.products.items() if own not in gone}
        kept = {line: own for line, own in self.kept.items() if own not in gone}
        return replace(self, products=products, kept=kept)


# The tax of each line as percentages by Vtiger tax field; the nominal rate where that is exact.

_PERCENT_PLACES = 3
_LARGEST_PERCENT = 10000


@dataclass(frozen=True, slots=True)
class OrderTaxes:
    """An order's rates by id, the tax field of each, and the smallest unit of its amounts."""

    rates: Mapping[str, OrderRate]
    fields: Mapping[str, str]
    unit: Decimal

    def percentages(self, row: Mapping[str, Any]) -> dict[str, Decimal]:
        """The percentages to send for a line or fee, by tax field; rates with one field are added.

        The nominal rate, compounded where it is compound, is used if it gives the row's tax to
        within a unit; else tax / net, with 3 decimals. Contract page Vtiger §10; recordings
        order_create_full_excl_tax (compound 2.5 % on 20 %), order_create_full_incl_tax.
        """
        net = amount(row.get("total"))
        taxes = row_taxes(row)
        below = self._below(rate_id for rate_id, _ in taxes)
        found: dict[str, Decimal] = {}
        for rate_id, tax in taxes:
            if field := self.fields.get(rate_id):
                percent = _percentage(
                    net, tax, nominal=self._nominal(rate_id, below), unit=self.unit
                )
                found[field] = found.get(field, Decimal(0)) + percent
        return found

    def _nominal(self, rate_id: str, below: Decimal) -> Decimal | None:
        rate = self.rates.get(rate_id)
        percent = find_decimal(rate.percentage) if rate else None
        if rate is None or percent is None:
            return None
        return percent * (100 + below) / 100 if rate.compound else percent

    def _below(self, rate_ids: Iterable[str]) -> Decimal:
        """The sum of the row's simple rates, to which its compound rates are applied on top."""
        rates = (self.rates.get(rate_id) for rate_id in rate_ids)
        simple = (rate.percentage for rate in rates if rate and not rate.compound)
        return sum(map(amount, simple), Decimal(0))

    def unmapped(self, row: Mapping[str, Any]) -> list[OrderRate]:
        """The rates that tax this row but have no Vtiger tax: the adjustment carries them."""
        missing = (key for key, tax in row_taxes(row) if tax and key not in self.fields)
        return [self.rates.get(key, OrderRate(key, "", "", compound=False)) for key in missing]


def _percentage(net: Decimal, tax: Decimal, *, nominal: Decimal | None, unit: Decimal) -> Decimal:
    if nominal is not None and abs(net * nominal / 100 - tax) <= unit:
        return rounded(nominal, _PERCENT_PLACES)
    return ratio(tax, net, places=_PERCENT_PLACES)


def ratio(tax: Decimal, net: Decimal, *, places: int) -> Decimal:
    """`tax` as a percentage of `net`; 0 if there is none that the column can store."""
    percent = rounded(tax / net * 100, places) if net else Decimal(0)
    return percent if abs(percent) < _LARGEST_PERCENT else Decimal(0)


def open_taxes(order: WooRecord, refs: OrderRefs) -> OrderTaxes:
    """The taxes of an order; the unit follows from the decimals of its total."""
    return OrderTaxes(
        rates={rate.id: rate for rate in order_rates(order)},
        fields=refs.tax_fields,
        unit=amount_unit(order),
    )


FEE_PREFIX = "WooCommerce fee: "
NO_ITEMS = "(no items)"
UNKNOWN_PRODUCT = "unknown"
"""The product of a Vtiger line whose product is not known; no record has such an id."""

_ENTITY_LEVELS = 5


@dataclass(frozen=True, slots=True, order=True)
class SoldLine:
    """One line. `product` is the Vtiger id, deleted products included; "" for a fee, which has no
    quantity; UNKNOWN_PRODUCT where Vtiger does not show it.

    Amounts are net of tax, for the whole line, as plain decimals: `subtotal` before and `total`
    after the discount. `text` is the product's name and options, or a fee's name.
    """

    product: str
    text: str
    quantity: str
    subtotal: str
    total: str


@dataclass(frozen=True, slots=True)
class Sold:
    """The composite value `lines` of an order; `total` includes tax and is never written back."""

    lines: tuple[SoldLine, ...]
    shipping: str
    total: str

    def to_text(self) -> str:
        """Canonical JSON with sorted lines: equal content gives equal text."""
        lines = [asdict(line) for line in sorted(self.lines)]
        return canonical_json({"lines": lines, "shipping": self.shipping, "total": self.total})

    @classmethod
    def from_text(cls, text: str) -> "Sold":
        """The inverse of `to_text`."""
        data = json.loads(text)
        lines = tuple(SoldLine(**line) for line in data["lines"])
        return cls(lines, data["shipping"], data["total"])

    @property
    def goods(self) -> tuple[SoldLine, ...]:
        return tuple(line for line in self.lines if line.product)

    @property
    def fees(self) -> tuple[SoldLine, ...]:
        return tuple(line for line in self.lines if not line.product)


def woo_rows(order: WooRecord, key: str) -> list[Mapping[str, Any]]:
    """An order's rows of one kind: `line_items`, `fee_lines`, `shipping_lines`, ..."""
    return rows_of(order.data.get(key))


def product_of(line: Mapping[str, Any], refs: OrderRefs) -> str:
    """The Vtiger product of a WooCommerce line: linked, kept from before, or the placeholder.

    A deleted product shows as 0 (contract page WooCommerce §3).
    """
    variation, product = find_id(line.get("variation_id")), find_id(line.get("product_id"))
    own = refs.products.get(variation or product or "")
    return own or refs.kept.get(str(line.get("id")), refs.placeholder_id)


def line_text(line: Mapping[str, Any]) -> str:
    """A line's name, then each option that the name does not contain ("Taille: M"), as plain text.

    Recording order_create_full_excl_tax: `meta_data` with `display_key` and `display_value`.
    """
    name = shown_name(str(line.get("name") or ""))
    return "\n".join([name, *(choice for choice in _choices(line) if choice)]).strip()


def _choices(line: Mapping[str, Any]) -> Iterator[str]:
    name = str(line.get("name") or "")
    for row in rows_of(line.get("meta_data")):
        key, value = row.get("display_key"), row.get("display_value")
        if isinstance(key, str) and isinstance(value, str) and not key.startswith("_"):
            shown = plain(markup_text(value))
            yield f"{plain(key)}: {shown}" if shown and shown not in name else ""


def is_sold(line: Mapping[str, Any]) -> bool:
    """Whether a WooCommerce line has a quantity or an amount."""
    return bool(amount(line.get("quantity")) or amount(line.get("total")))


def woo_sold(order: WooRecord, refs: OrderRefs) -> Sold:
    """The lines of a WooCommerce order (recordings order_*).

    Negative fees are in the total only, as in Vtiger.
    """
    goods = (woo_line(line, refs) for line in woo_rows(order, "line_items") if is_sold(line))
    fees = (woo_fee(fee) for fee in woo_rows(order, "fee_lines") if amount(fee.get("total")) > 0)
    return Sold(
        lines=(*goods, *fees),
        shipping=_text(amount(order.data.get("shipping_total"))),
        total=_text(amount(order.data.get("total"))),
    )


def woo_line(line: Mapping[str, Any], refs: OrderRefs) -> SoldLine:
    """One of an order's `line_items`; a subtotal below the total is ignored."""
    quantity = amount(line.get("quantity")) or Decimal(1)
    total = amount(line.get("total"))
    subtotal = amount(line.get("subtotal"))
    if subtotal < total or quantity < 0:
        subtotal = total
    return SoldLine(
        product=product_of(line, refs),
        text=settled(line_text(line)),
        quantity=_text(quantity),
        subtotal=_text(subtotal),
        total=_text(total),
    )


def woo_fee(fee: Mapping[str, Any]) -> SoldLine:
    """One of an order's `fee_lines`."""
    total = _text(amount(fee.get("total")))
    return SoldLine("", settled(fee_name(fee)), "1", total, total)


def fee_name(fee: Mapping[str, Any]) -> str:
    """A fee's name as plain text."""
    return shown_name(str(fee.get("name") or ""))


def vtiger_sold(record: VtigerRecord, refs: OrderRefs) -> Sold:
    """The lines of a Vtiger order from its `LineItems` (recording
    00-REFERENCE-so-retrieve-full-group).

    Services are fees. A discount of the whole order is distributed over the lines, as WooCommerce
    has none. Amounts have the shop's decimals; the adjustment is in the total only.
    """
    lines = [
        _vtiger_line(item, product, refs)
        for item, product in vtiger_items(record, refs)
        if not _is_empty(item, refs)
    ]
    discount = _order_discount(record, lines)
    return Sold(
        lines=tuple(_spread(lines, discount, places=refs.decimals)),
        shipping=_text(rounded(amount(record.get("hdnS_H_Amount")), refs.decimals)),
        total=_text(rounded(amount(record.get("hdnGrandTotal")), refs.decimals)),
    )


def vtiger_items(record: VtigerRecord, refs: OrderRefs) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The LineItems of a Vtiger order, each with the id of its product or service.

    A line whose product was deleted has no productid; its number is still in the data of the edit
    screen, LineItems_FinalDetails (recording deleted-product-retrieve).
    """
    details = record.data.get("LineItems_FinalDetails")
    shown = details if isinstance(details, Mapping) else {}
    prefix = refs.placeholder_id.partition("x")[0]
    for at, item in enumerate(rows_of(record.data.get("LineItems")), start=1):
        yield item, product_id_of(item) or _deleted_product(shown.get(str(at)), at, prefix)


def product_id_of(item: Mapping[str, Any]) -> str:
    """The productid of a Vtiger line: "" where the product was deleted ("" in 8.2, null in 8.4)."""
    return str(item.get("productid") or "")


def _deleted_product(details: object, at: int, prefix: str) -> str:
    number = details.get(f"hdnProductId{at}") if isinstance(details, Mapping) else None
    known = find_id(number)
    return f"{prefix}x{known}" if prefix and known else UNKNOWN_PRODUCT


def _is_empty(item: Mapping[str, Any], refs: OrderRefs) -> bool:
    """Whether it is the placeholder line of an order without lines: Vtiger requires one."""
    own = item.get("productid") == refs.placeholder_id and item.get("comment") == NO_ITEMS
    return own and not amount(item.get("listprice"))


def _vtiger_line(item: Mapping[str, Any], product: str, refs: OrderRefs) -> SoldLine:
    quantity = amount(item.get("quantity"))
    gross = quantity * amount(item.get("listprice"))
    off = amount(item.get("discount_amount"))
    net = gross - (off or gross * amount(item.get("discount_percent")) / 100)
    subtotal, total = (_text(rounded(value, refs.decimals)) for value in (gross, net))
    text = settled(str(item.get("comment") or item.get("product_name") or ""))
    if product == refs.fee_service_id or item.get("entity_type") == "Services":
        return SoldLine("", text.removeprefix(FEE_PREFIX), "1", total, total)
    return SoldLine(product, text, _text(quantity), subtotal, total)


def _order_discount(record: VtigerRecord, lines: Iterable[SoldLine]) -> Decimal:
    off = amount(record.get("hdnDiscountAmount"))
    if off:
        return max(off, Decimal(0))
    net = sum((Decimal(line.total) for line in lines), Decimal(0))
    return net * amount(record.get("hdnDiscountPercent")) / 100


def _spread(lines: Sequence[SoldLine], discount: Decimal, *, places: int) -> Iterator[SoldLine]:
    """The lines with the discount distributed in proportion to their totals."""
    open_total = sum((max(Decimal(line.total), Decimal(0)) for line in lines), Decimal(0))
    left = rounded(discount, places)
    for line in lines:
        total = max(Decimal(line.total), Decimal(0))
        share = rounded(left * total / open_total, places) if open_total else Decimal(0)
        left, open_total = left - share, open_total - total
        kept = _text(Decimal(line.total) - share)
        yield replace(line, total=kept, subtotal=line.subtotal if line.product else kept)


def decoded_text(text: str) -> str:
    """A text as it is after any number of writes and reads: with all levels of entities decoded.

    Contract page readback, LineItems.comment: Vtiger decodes named entities on each read.
    """
    for _ in range(_ENTITY_LEVELS):
        decoded = decode_entities(text)
        if decoded == text:
            break
        text = decoded
    return plain(text)


def settled(text: str) -> str:
    """A line's text in the form in which it is compared."""
    return canonical_text(decoded_text(text))


def _text(value: Decimal) -> str:
    return decimal_text(value)


# A WooCommerce order's lines and fees as Vtiger line items.

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
        """The item as a Vtiger row with every tax field, since those that are not sent could apply.

        The price has 8 decimals; its rounding difference is put into the discount where there is
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
    """The lines of an order, then its fees; an empty placeholder line if it has none.

    Lines without quantity or amount and negative fees are left out; lines without a known product
    get the placeholder. Mapping table "Sales orders"; recordings order_create_empty,
    order_create_negative_qty, order_create_unknown_sku_with_name.
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


# Neutral lines as the rows of a WooCommerce order: changed by id, added, or removed.

Row = dict[str, Any]
Held = tuple[Mapping[str, Any], SoldLine]

_NEW_SHIPPING = {"method_id": "flat_rate", "method_title": "Shipping"}

_LIKENESS: Sequence[Callable[[SoldLine], Hashable]] = (
    lambda line: line,
    lambda line: (line.product, line.text),
    lambda line: line.product,
)


def paired(
    held: Sequence[Held], wanted: Sequence[SoldLine]
) -> tuple[list[tuple[Mapping[str, Any], SoldLine, SoldLine]], list[Held], list[SoldLine]]:
    """Match rows with wanted lines: (row, its line, wanted line), rows left over, lines without a
    row.

    Equal lines are matched first, then those with the same product and text, then with the same
    product.
    """
    places = pair_up(wanted, [line for _, line in held], [(each, each) for each in _LIKENESS])
    of_wanted, of_held = (set(side) for side in zip(*places, strict=True)) if places else ((), ())
    return (
        [(*held[there], wanted[here]) for here, there in places],
        [row for place, row in enumerate(held) if place not in of_held],
        [line for place, line in enumerate(wanted) if place not in of_wanted],
    )


def kept_products(
    order: WooRecord, known: Iterable[SoldLine], *, refs: OrderRefs
) -> dict[str, str]:
    """For `OrderRefs.kept`: the products of an order's lines in `known`, the lines of the base, by
    line id.

    Lines are matched by text. Contract page WooCommerce §3: a deleted product's lines show
    product 0 and keep their name.
    """
    products = {line.text: line.product for line in known if line.product}
    lines = [(str(row.get("id")), woo_line(row, refs)) for row in woo_rows(order, "line_items")]
    return {line_id: products[line.text] for line_id, line in lines if line.text in products}


def line_rows(
    current: WooRecord | None, wanted: Sequence[SoldLine], *, refs: OrderRefs
) -> tuple[list[Row], list[SoldLine]]:
    """The `line_items` to send, and the lines that cannot be sent as their product is not in the
    shop.

    A row without `id` is appended, quantity 0 removes a row (contract page WooCommerce §3;
    recordings order_update_line_items_*).
    """
    rows = woo_rows(current, "line_items") if current else []
    pairs, gone, new = paired([(row, woo_line(row, refs)) for row in rows], wanted)
    changed: list[Row] = [
        {"id": row["id"], **_amounts(line)} for row, now, line in pairs if _differs(now, line)
    ]
    changed += [{"id": row["id"], "quantity": 0} for row, _ in gone]
    unknown = [line for line in new if line.product not in refs.items]
    added = [_new_line(line, refs) for line in new if line.product in refs.items]
    return changed + added, unknown


def _differs(now: SoldLine, line: SoldLine) -> bool:
    return (now.quantity, now.subtotal, now.total) != (line.quantity, line.subtotal, line.total)


def _amounts(line: SoldLine) -> Row:
    return {"quantity": int(line.quantity), "subtotal": line.subtotal, "total": line.total}


def _new_line(line: SoldLine, refs: OrderRefs) -> Row:
    item = refs.items[line.product]
    product = {"product_id": int(item.parent_id or item.id)}
    variation = {"variation_id": int(item.id)} if item.parent_id else {}
    return {**product, **variation, **_amounts(line)}


def fee_rows(current: WooRecord | None, wanted: Sequence[SoldLine]) -> list[Row]:
    """The `fee_lines` to send; a name of null removes one. Negative fees are not changed."""
    rows = [row for row in _rows(current, "fee_lines") if amount(row.get("total")) > 0]
    pairs, gone, new = paired([(row, woo_fee(row)) for row in rows], wanted)
    changed: list[Row] = [
        {"id": row["id"], "name": line.text, "total": line.total}
        for row, now, line in pairs
        if now != line
    ]
    changed += [{"id": row["id"], "name": None} for row, _ in gone]
    return changed + [{"name": line.text, "total": line.total} for line in new]


def shipping_rows(current: WooRecord | None, wanted: str) -> list[Row]:
    """The `shipping_lines` to send so that their sum is `wanted`; the first one takes the change.

    Recording order_update_shipping_appended: a row without `id` is added.
    """
    rows = list(_rows(current, "shipping_lines"))
    open_amount = Decimal(wanted)
    held = amount(current.data.get("shipping_total")) if current else Decimal(0)
    if held == open_amount:
        return []
    if not rows:
        return [{**_NEW_SHIPPING, "total": decimal_text(open_amount)}]
    first, *others = rows
    rest = sum((amount(row.get("total")) for row in others), Decimal(0))
    if rest <= open_amount:
        return [{"id": first["id"], "total": decimal_text(open_amount - rest)}]
    zeroed = [{"id": row["id"], "total": "0"} for row in others]
    return [{"id": first["id"], "total": decimal_text(open_amount)}, *zeroed]


def _rows(current: WooRecord | None, key: str) -> Iterable[Mapping[str, Any]]:
    return woo_rows(current, key) if current else ()
