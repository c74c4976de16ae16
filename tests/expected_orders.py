"""What the mapping table "Sales orders" makes of a WooCommerce order, written down once more.

Nothing here calls the mapping: a test that compares with it has two opinions. Plain reading of the
table's rows, for the orders of one shop in EUR.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.expected_products import words

Order = Mapping[str, Any]
Row = Mapping[str, Any]

STATUSES = {
    "pending": "Created",
    "on-hold": "Created",
    "processing": "Approved",
    "completed": "Delivered",
    "cancelled": "Cancelled",
    "refunded": "Cancelled",
    "failed": "Cancelled",
}
COUNTRIES = {"": "", "FR": "France", "US": "United States", "GB": "United Kingdom"}
STATES = {("US", "CA"): "California"}
PLACEHOLDER = "WC-PLACEHOLDER"
CENT = Decimal("0.01")


def header(order: Order) -> dict[str, str]:
    """The fields of the order's head that do not depend on other records."""
    return {
        "subject": f"WooCommerce order #{order['number']}",
        "vtiger_purchaseorder": f"WC-main-{order['id']}",
        "sostatus": STATUSES[order["status"]],
        "description": description(order),
        "hdnTaxType": "individual",
        **address("bill", order["billing"]),
        **address("ship", shipping_of(order)),
    }


def shipping_of(order: Order) -> Row:
    """Shipping falls back to billing."""
    parts = ("address_1", "address_2", "city", "postcode", "state", "country")
    own = any(order["shipping"][part] for part in parts)
    return order["shipping" if own else "billing"]  # type: ignore[no-any-return]


def address(prefix: str, block: Row) -> dict[str, str]:
    country, state = block["country"], block["state"]
    street = "\n".join(filter(None, (block["address_1"], block["address_2"])))
    return {
        f"{prefix}_street": street or "-",
        f"{prefix}_city": block["city"],
        f"{prefix}_code": block["postcode"],
        f"{prefix}_state": STATES.get((country, state), state),
        f"{prefix}_country": COUNTRIES[country],
    }


def description(order: Order) -> str:
    refunded = -sum((Decimal(refund["total"]) for refund in order["refunds"]), Decimal(0))
    told = f"Refunded in WooCommerce: {refunded} {order['currency']}" if refunded else ""
    return "\n\n".join(filter(None, (order["customer_note"], told)))


def account(order: Order) -> str:
    """Company, else the person, else something: Vtiger cannot be without."""
    billing = order["billing"]
    person = f"{billing['first_name']} {billing['last_name']}".strip()
    return billing["company"] or person or billing["email"] or "Guest"


def faults(order: Order, sale: Row, codes: Mapping[str, str]) -> list[str]:
    """Where a sales order is not what the table says; `codes`: part number by Vtiger product."""
    wanted = header(order)
    found = [
        f"{name}: {sale[name]!r} is not {wanted[name]!r}"
        for name in wanted
        if sale[name] != wanted[name]
    ]
    return [*found, *_money_faults(order, sale), *_line_faults(order, sale["LineItems"], codes)]


def _money_faults(order: Order, sale: Row) -> Iterator[str]:
    total, shipping = Decimal(order["total"]), Decimal(order["shipping_total"])
    if Decimal(sale["hdnGrandTotal"]) != total:
        yield f"total: {sale['hdnGrandTotal']} is not {total}"
    if Decimal(sale["hdnS_H_Amount"]) != shipping:
        yield f"shipping: {sale['hdnS_H_Amount']} is not {shipping}"
    parts = ("hdnSubTotal", "hdnS_H_Amount", "txtAdjustment")
    tax = Decimal(sale["hdnGrandTotal"]) - sum((Decimal(sale[part]) for part in parts), Decimal(0))
    if abs(tax - Decimal(order["shipping_tax"])) > CENT:
        yield f"shipping tax: {tax} is not {order['shipping_tax']}"
    given_back = [fee for fee in order["fee_lines"] if Decimal(fee["total"]) < 0]
    negative = sum(
        (Decimal(fee["total"]) + Decimal(fee["total_tax"]) for fee in given_back), Decimal(0)
    )
    if abs(Decimal(sale["txtAdjustment"]) - negative) > 5 * CENT:
        yield f"adjustment: {sale['txtAdjustment']} is more than rounding"


def _line_faults(order: Order, lines: Sequence[Row], codes: Mapping[str, str]) -> Iterator[str]:
    fees = [fee for fee in order["fee_lines"] if Decimal(fee["total"]) > 0]
    if not order["line_items"] and not fees:
        if [Decimal(line["listprice"]) for line in lines] != [0]:
            yield "an order without lines needs one that costs nothing"
        return
    if len(lines) != len(order["line_items"]) + len(fees):
        yield f"{len(lines)} lines"
        return
    goods, services = lines[: len(order["line_items"])], lines[len(order["line_items"]) :]
    for row, line in zip(order["line_items"], goods, strict=True):
        code = row["sku"] if row["sku"] in codes.values() else PLACEHOLDER
        if codes.get(line["productid"]) != code:
            yield f"product: {line['productid']} is not {code}"
        if Decimal(line["quantity"]) != row["quantity"]:
            yield f"quantity: {line['quantity']} is not {row['quantity']}"
        gross = Decimal(line["quantity"]) * Decimal(line["listprice"])
        if row["quantity"] > 0 and abs(gross - Decimal(row["subtotal"])) > CENT:
            yield f"gross: {gross} is not {row['subtotal']}"
        yield from _shared_faults(row, line, name=words(row["name"]))
    for row, line in zip(fees, services, strict=True):
        yield from _shared_faults(row, line, name=f"WooCommerce fee: {row['name']}")


def _shared_faults(row: Row, line: Row, *, name: str) -> Iterator[str]:
    gross = Decimal(line["quantity"]) * Decimal(line["listprice"])
    net = gross - Decimal(line["discount_amount"])
    if abs(net - Decimal(row["total"])) > Decimal("0.000001"):
        yield f"net: {net} is not {row['total']}"
    rates = (Decimal(line[key] or 0) for key in line if key.startswith("tax"))
    tax = net * sum(rates, Decimal(0)) / 100
    if abs(tax - Decimal(row["total_tax"])) > 2 * CENT:
        yield f"tax: {tax} is not {row['total_tax']}"
    wanted = "\n".join(filter(None, (name, *_choices(row))))
    if line["comment"] != wanted:
        yield f"comment: {line['comment']!r} is not {wanted!r}"


def _choices(row: Row) -> Iterator[str]:
    """The variation and other choices that the name does not tell."""
    for meta in row["meta_data"]:
        key, value = meta.get("display_key"), meta.get("display_value")
        if isinstance(value, str) and not str(key).startswith("_") and value not in row["name"]:
            yield f"{key}: {value}"
