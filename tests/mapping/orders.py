"""Orders to map: recorded ones, and what either system makes of what is written to it."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from decimal import Decimal
from typing import Any

from app.mapping.values import amount, decimal_text, rounded
from app.modules.orders.lines import OrderRefs, WooItem, woo_rows
from app.modules.orders.mapping import ORDER_RULES
from app.modules.orders.vtiger_totals import Rates, predict
from app.modules.taxes.mapping import order_rates
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.mapping.records import RECORDINGS

PLACEHOLDER, FEE_SERVICE = "14x1", "26x2"
TAX_FIELDS = tuple(f"tax{number}" for number in range(1, 9))
EVERY_TAX: Rates = dict.fromkeys(TAX_FIELDS, Decimal(0))


def read_lines(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(RECORDINGS / name, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def recorded_order(name: str) -> WooRecord:
    """The order that a recorded exchange or delivery shows."""
    rows = read_lines("woocommerce/orders.jsonl.gz")
    return WooRecord(next(row["body"] for row in rows if row["name"] == name))


def recorded_orders() -> Iterator[tuple[str, WooRecord]]:
    """Every order body that was ever recorded, with where it is from."""
    for row in read_lines("woocommerce/orders.jsonl.gz"):
        bodies = row["body"] if isinstance(row["body"], list) else [row["body"]]
        yield from _orders(row["name"], bodies)
    yield from month_orders()
    for row in read_lines("woocommerce/month-deliveries.jsonl.gz"):
        if row["body"].startswith("{"):
            yield from _orders(f"delivery {row['n']}", [json.loads(row["body"])])


def month_orders() -> Iterator[tuple[str, WooRecord]]:
    path = RECORDINGS / "woocommerce" / "month-final-state.json.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        state = json.load(file)
    yield from _orders("final state", state["orders"])


def _orders(name: str, bodies: Sequence[Any]) -> Iterator[tuple[str, WooRecord]]:
    for body in bodies:
        if isinstance(body, dict) and "line_items" in body and "total" in body:
            yield name, WooRecord(body)


def made_line(**fields: Any) -> dict[str, Any]:
    """A line of 10.00 of product 5."""
    whole = {"id": 1, "name": "Thing", "product_id": 5, "variation_id": 0, "quantity": 1}
    return {**whole, "subtotal": "10.00", "total": "10.00", "total_tax": "0.00", **fields}


def made_order(**fields: Any) -> WooRecord:
    """An order of that line."""
    whole = {"id": 7, "number": "7", "currency": "EUR", "total": "10.00"}
    return WooRecord({**whole, "line_items": [made_line()], **fields})


def made_item(**fields: str) -> dict[str, str]:
    """A line item as Vtiger shows it: 2 x 10.00 of 14x5."""
    whole = {"productid": "14x5", "quantity": "2.000", "listprice": "10.00000000"}
    return {**whole, "discount_amount": "0.00000000", "discount_percent": "0.000", **fields}


def made_sales_order(*items: dict[str, str], **fields: Any) -> VtigerRecord:
    return VtigerRecord("6x9", "SalesOrder", {"id": "6x9", "LineItems": list(items), **fields})


def refs_for(order: WooRecord, *, carried: bool = True, **changes: Any) -> OrderRefs:
    """Made-up ids for everything that an order names; products carry every tax, or none."""
    pairs = [(line["variation_id"], line["product_id"]) for line in woo_rows(order, "line_items")]
    found = [
        WooItem(str(variation or product), str(product) if variation else None)
        for variation, product in pairs
        if product
    ]
    products = {item.id: f"14x{item.id}0" for item in found}
    everything = [*products.values(), PLACEHOLDER, FEE_SERVICE]
    settings: dict[str, Any] = {
        "store": "main",
        "placeholder_id": PLACEHOLDER,
        "fee_service_id": FEE_SERVICE,
        "currency": order.text("currency"),
        "currency_id": "21x1",
        "contact_id": "12x5",
        "account_id": "11x6",
        "products": products,
        "items": {products[item.id]: item for item in found},
        "tax_fields": {r.id: f"tax{n}" for n, r in enumerate(order_rates(order), start=3)},
        "all_tax_fields": TAX_FIELDS,
        "carried": dict.fromkeys(everything, EVERY_TAX) if carried else {},
        "decimals": len(order.text("total").partition(".")[2]),
    }
    return OrderRefs(**{**settings, **changes})


def retrieved(
    fields: Mapping[str, Any], refs: OrderRefs, *, before: VtigerRecord | None = None
) -> VtigerRecord:
    """What a retrieve shows after `fields` were created, or revised over `before`."""
    blank = {rule.vtiger: "" for rule in ORDER_RULES}
    data = {**blank, **(before.data if before else {}), **fields}
    if "LineItems" in fields:
        data["hdnGrandTotal"] = f"{predict(fields, refs.carried).grand_total:f}"
        data["LineItems"] = [_item(item) for item in fields["LineItems"]]
    return VtigerRecord("6x9", "SalesOrder", {"id": "6x9", **data})


def _item(item: Mapping[str, Any]) -> dict[str, str]:
    return {
        **item,
        "parent_id": "6xArray",
        "quantity": f"{rounded(amount(item['quantity']), 3):f}",
        "listprice": f"{rounded(amount(item['listprice']), 8):f}",
        "discount_amount": f"{rounded(amount(item.get('discount_amount', '0')), 8):f}",
        "discount_percent": "0.000",
        "entity_type": "Services" if item["productid"].startswith("26x") else "Products",
    }


_ROWS = ("line_items", "fee_lines", "shipping_lines")


def after_put(order: WooRecord, body: Mapping[str, Any]) -> WooRecord:
    """An order after PUT: rows by id, appended or removed, addresses merged, total as before.

    Contract page WooCommerce §3, "Update".
    """
    data = deepcopy(dict(order.data))
    for key, value in body.items():
        if key in _ROWS:
            data[key] = _after_rows(list(data.get(key, ())), value)
        elif key in ("billing", "shipping"):
            data[key] = {**data.get(key, {}), **value}
        else:
            data[key] = value
    shipping = sum((amount(row["total"]) for row in data.get("shipping_lines", ())), Decimal(0))
    return WooRecord({**data, "shipping_total": decimal_text(shipping)})


def _after_rows(
    rows: list[dict[str, Any]], sent: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    for row in sent:
        held = next((r for r in rows if r["id"] == row.get("id")), None)
        if held is None:
            assert "id" not in row, "a row of another order"
            rows.append({"id": 1000 + len(rows), "variation_id": 0, **row})
        elif row.get("quantity") == 0 or row.get("name", "") is None:
            rows.remove(held)
        else:
            held.update(row)
    return rows
