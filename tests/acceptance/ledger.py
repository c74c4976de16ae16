"""Whether a shop and the CRM hold the same orders, products, taxes and people.

Asked of the two systems, with arithmetic of its own: neither our tables nor our mapping of orders
and products are trusted here.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from app.woocommerce.client import WooClient
from tests.agreement import find_people
from tests.setting import STORE
from tests.world import World

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
CENT = Decimal("0.01")
FIELD = 30
CITY = 40
ROUNDED = 2
"""Yen have no decimals: each part of such an order may be half a yen off."""


def number(value: object) -> Decimal:
    return Decimal(str(value or "0"))


def cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Shop:
    """What the shop shows over REST: orders and products that are not in the trash."""

    orders: Sequence[Row]
    products: Mapping[str, Row]
    customers: Mapping[str, Row]
    rates: Mapping[str, Row]

    @property
    def guests(self) -> dict[str, Row]:
        """The latest order of each person without an account, by e-mail."""
        known = {row["email"].casefold() for row in self.customers.values()}
        found: dict[str, Row] = {}
        for order in sorted(self.orders, key=lambda row: (row["date_created_gmt"], row["id"])):
            email = order["billing"]["email"].casefold()
            if not order["customer_id"] and email and email not in known:
                found[email] = order
        return found


async def read_shop(woo: WooClient) -> Shop:
    products = {one.id: one.data async for one in woo.each_product()}
    for parent_id in [key for key, row in products.items() if row["type"] == "variable"]:
        products |= {one.id: one.data async for one in woo.each_variation(parent_id)}
    orders = [one.data async for one in woo.each_order() if "draft" not in one.status]
    customers = {one.id: one.data async for one in woo.each_customer(role="customer")}
    rates = {one.id: one.data async for one in woo.each_tax_rate()}
    return Shop(orders, products, customers, rates)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Both systems side by side; each method tells what is wrong."""

    shop: Shop
    world: World

    def _rows(self, module: str) -> list[dict[str, Any]]:
        return self.world.sandbox.crm.records(module)

    def taxes(self) -> Iterator[str]:
        """Every rate of an order has a tax: of its percentage now, or of then if it is gone."""
        rows = self.world.sandbox.crm.database.live("Tax")
        known = {number(row.values["percentage"]) for row in rows}
        used = {self._percent(line) for order in self.shop.orders for line in order["tax_lines"]}
        yield from (f"no tax of {percent} %" for percent in sorted(used - known - {Decimal(0)}))
        labels = [row.values["taxlabel"].casefold() for row in rows]
        yield from (f"two taxes {name}" for name, count in Counter(labels).items() if count > 1)

    def _percent(self, line: Row) -> Decimal:
        rate = self.shop.rates.get(str(line["rate_id"]))
        return number(rate["rate"] if rate else line["rate_percent"])

    def products(self) -> Iterator[str]:
        """Each product and variation that is sold is one of Vtiger's, which says the same."""
        rows = {row["id"]: row for row in self._rows("Products")}
        codes = Counter(row["productcode"] for row in rows.values() if row["productcode"])
        yield from (f"two products {code}" for code, count in codes.items() if count > 1)
        for product_id, product in self.shop.products.items():
            if product["type"] in ("simple", "variation") and product["status"] != "draft":
                twin = rows.get(_meta(product, "_vtiger_id"))
                faults = _product_faults(product, twin) if twin else ["is not in Vtiger"]
                yield from (f"product {product_id}: {fault}" for fault in faults)

    def orders(self) -> Iterator[str]:
        sales = self._rows("SalesOrder")
        numbers = Counter(row["vtiger_purchaseorder"] for row in sales)
        yield from (f"{name} is there twice" for name, count in numbers.items() if count > 1)
        by_number = {row["vtiger_purchaseorder"]: row for row in sales}
        for order in self.shop.orders:
            sale = by_number.get(f"WC-{STORE}-{order['id']}")
            faults = list(self._order_faults(order, sale)) if sale else ["is not in Vtiger"]
            yield from (f"order {order['id']}: {fault}" for fault in faults)

    def _order_faults(self, order: Row, sale: Row) -> Iterator[str]:
        wanted = {
            "total": cents(number(order["total"])),
            "tax": cents(number(order["total_tax"])),
            "status": STATUSES[order["status"]],
            "shipping": cents(number(order["shipping_total"])),
            "lines": sorted(_shop_lines(order)),
            "city": order["billing"]["city"].strip()[:FIELD],
            "postcode": order["billing"]["postcode"].strip()[:FIELD],
            "buyer": self._buyer(order),
            "currency": order["currency"],
            "roundings": True,
        }
        found = self._shown(order, sale)
        yield from (
            f"{name} is {found[name]!r} in Vtiger, {value!r} in the shop"
            for name, value in wanted.items()
            if found[name] != value
        )
        yield from self._product_faults(order, sale)

    def _shown(self, order: Row, sale: Row) -> dict[str, object]:
        currencies = self.world.sandbox.crm.database.live("Currency")
        codes = {f"21x{row.number}": row.values["currency_code"] for row in currencies}
        contact = self.world.get_contact(sale["contact_id"]) if sale["contact_id"] else {}
        return {
            "total": cents(number(sale["hdnGrandTotal"])),
            "tax": cents(_crm_tax(order, sale)),
            "status": sale["sostatus"],
            "shipping": cents(number(sale["hdnS_H_Amount"])),
            "lines": sorted(_crm_lines(sale)),
            "city": sale["bill_city"],
            "postcode": sale["bill_code"],
            "buyer": contact.get("email", "").casefold(),
            "currency": codes[sale["currency_id"]],
            "roundings": abs(_rest(order, sale)) < ROUNDED,
        }

    def _buyer(self, order: Row) -> str:
        if not order["customer_id"]:
            return str(order["billing"]["email"]).casefold()
        return str(self.shop.customers[str(order["customer_id"])]["email"]).casefold()

    def _product_faults(self, order: Row, sale: Row) -> Iterator[str]:
        """Each line that names a living product names its twin in Vtiger."""
        named = (str(row["variation_id"] or row["product_id"]) for row in order["line_items"])
        twins = {_meta(self.shop.products.get(key, {}), "_vtiger_id") for key in named}
        missing = twins - {line["productid"] for line in sale["LineItems"]} - {None}
        yield from (f"no line of product {product_id}" for product_id in missing)

    async def people(self) -> list[str]:
        """Customers agree field by field; each guest is one contact, as the latest order has it."""
        found = await find_people(self.world.runtime.stores[STORE], self.world.runtime.vtiger)
        contacts = {row["email"].casefold(): row for row in self._rows("Contacts")}
        known = {row["email"].casefold() for row in self.shop.customers.values()}
        return [
            *(f"{email} exists twice" for email in found.doubles()),
            *(f"{email} is no contact" for email in sorted(known - contacts.keys())),
            *found.differences(),
            *(
                f"guest {email}: {fault}"
                for email, order in self.shop.guests.items()
                for fault in _guest_faults(order, contacts.get(email))
            ),
        ]

    async def faults(self) -> list[str]:
        return [*self.taxes(), *self.products(), *self.orders(), *await self.people()]


async def open_ledger(world: World) -> Ledger:
    return Ledger(await read_shop(world.runtime.stores[STORE]), world)


def _meta(row: Row, key: str) -> str | None:
    return next((each["value"] for each in row.get("meta_data", ()) if each["key"] == key), None)


def _product_faults(product: Row, twin: Row) -> Iterator[str]:
    if twin["productcode"] != product["sku"]:
        yield f"part number {twin['productcode']!r}, SKU {product['sku']!r}"
    if product["regular_price"] and number(twin["unit_price"]) != number(product["regular_price"]):
        yield f"price {twin['unit_price']}, not {product['regular_price']}"
    if (twin["discontinued"] == "1") != (product["status"] == "publish"):
        yield f"active {twin['discontinued']}, status {product['status']}"
    stock = product["stock_quantity"] if product["manage_stock"] is True else twin["qtyinstock"]
    if number(twin["qtyinstock"]) != number(stock):
        yield f"stock {twin['qtyinstock']}, not {stock}"


def _guest_faults(order: Row, contact: Row | None) -> Iterator[str]:
    if contact is None:
        yield "is no contact"
        return
    billing = order["billing"]
    for name, field in (("phone", "phone"), ("city", "mailingcity"), ("postcode", "mailingzip")):
        if billing[name].strip()[:CITY] != contact[field]:
            yield f"{field} is {contact[field]!r}, not {billing[name]!r}"


def _shop_lines(order: Row) -> Iterator[tuple[Decimal, Decimal]]:
    """Quantity and net amount of what was sold; negative fees are no lines in Vtiger."""
    for row in order["line_items"]:
        if row["quantity"] or number(row["total"]):
            yield number(row["quantity"] or 1), cents(number(row["total"]))
    for fee in order["fee_lines"]:
        if number(fee["total"]) > 0:
            yield Decimal(1), cents(number(fee["total"]))


def _crm_lines(sale: Row) -> Iterator[tuple[Decimal, Decimal]]:
    for line in sale["LineItems"]:
        if line["comment"] != "(no items)":
            gross = number(line["quantity"]) * number(line["listprice"])
            yield number(line["quantity"]), cents(gross - number(line["discount_amount"]))


def _crm_tax(order: Row, sale: Row) -> Decimal:
    """What is left of the grand total without the net amounts, but for what the shop's own
    total is off the sum of its parts."""
    rows = [*order["line_items"], *order["fee_lines"]]
    net = sum((number(row["total"]) for row in rows), number(order["shipping_total"]))
    off = number(order["total"]) - net - number(order["total_tax"])
    fees = (number(fee["total"]) for fee in order["fee_lines"])
    taken = sum((fee for fee in fees if fee < 0), Decimal(0))
    return number(sale["hdnGrandTotal"]) - number(sale["pre_tax_total"]) - taken - off


def _rest(order: Row, sale: Row) -> Decimal:
    """What Vtiger's adjustment holds beside negative fees: no tax, but what is rounded away."""
    fees = [fee for fee in order["fee_lines"] if number(fee["total"]) < 0]
    taken = sum((number(fee["total"]) + number(fee["total_tax"]) for fee in fees), Decimal(0))
    return number(sale["txtAdjustment"]) - taken
