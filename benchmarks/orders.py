"""What an order of as many lines as are synced costs, step by step: `make bench`.

Steps that are long run in a thread, beside the event loop. Figures are milliseconds of the
processor in one go.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

import orjson

from app.modules.orders.lines import OrderRefs, Sold, WooItem
from app.modules.orders.mapping import vtiger_order, woo_order
from app.modules.orders.money import same_goods
from app.modules.orders.to_vtiger import plan_order
from app.modules.orders.to_woocommerce import woo_order_patch
from app.parsing import MOST_LINES, parse_json
from app.vtiger.client import ORDERS
from app.vtiger.schemas import VtigerOrder
from app.woocommerce.schemas import WooOrder

T = TypeVar("T")

LINES = MOST_LINES
MORE = 10 * LINES
PRICE, TAX = Decimal("10.00"), Decimal("2.00")
TAXES = tuple(f"tax{number}" for number in range(1, 9))


def run() -> dict[str, float]:
    """Milliseconds of each step, in the order of an order's way."""
    times: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        start = time.process_time()
        found = work()
        times[name] = (time.process_time() - start) * 1000
        return found

    body = orjson.dumps(_order(LINES))
    data = timed("JSON of the shop read", lambda: parse_json(body))
    order = timed("read into known types", lambda: WooOrder.parse(data).checked())
    refs = _refs()
    values = timed("values of the shop's order (thread)", lambda: woo_order(order, refs)).values
    plan = timed("the write to Vtiger planned (thread)", lambda: plan_order(order, refs))
    timed("JSON for Vtiger written", lambda: orjson.dumps(plan.fields))
    answer = {**plan.fields, "id": "6x1", "hdnGrandTotal": data["total"], "pre_tax_total": "1"}
    crm = timed("Vtiger's answer read", lambda: VtigerOrder.parse(answer, ORDERS))
    timed("planned over lines of Vtiger (thread)", lambda: plan_order(order, refs, current=crm))
    timed("values of Vtiger's order (thread)", lambda: vtiger_order(crm, refs))
    lines = values["lines"] or ""
    timed("lines of both compared (thread)", lambda: same_goods(lines, lines))
    changes = {"lines": _edited(lines)}
    timed(
        "the write to the shop planned (thread)",
        lambda: woo_order_patch(changes, refs, current=order),
    )
    huge = _order(MORE)
    timed(f"an order of {MORE:,} lines refused", lambda: WooOrder.parse(huge).faults)
    return times


def _order(count: int) -> dict[str, Any]:
    address = {"first_name": "Zoë", "address_1": "1 rue de la Paix", "city": "Paris"}
    return {
        "id": 5,
        "status": "processing",
        "currency": "EUR",
        "total": str((PRICE + TAX) * count),
        "total_tax": str(TAX * count),
        "shipping_total": "0.00",
        "shipping_tax": "0.00",
        "billing": address,
        "shipping": address,
        "line_items": [_line(number) for number in range(1, count + 1)],
        "fee_lines": [],
        "shipping_lines": [],
        "tax_lines": [{"rate_id": 1, "label": "VAT", "rate_percent": 20, "compound": False}],
    }


def _line(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Product {number}",
        "product_id": number,
        "variation_id": 0,
        "quantity": 1,
        "subtotal": str(PRICE),
        "total": str(PRICE),
        "total_tax": str(TAX),
        "taxes": [{"id": 1, "total": str(TAX)}],
        "meta_data": [],
    }


def _refs() -> OrderRefs:
    products = {str(number): f"14x{number}" for number in range(1, LINES + 1)}
    return OrderRefs(
        store="main",
        placeholder_id="14x900000",
        fee_service_id="26x1",
        currency="EUR",
        currency_id=None,
        products=products,
        items={vtiger_id: WooItem(woo_id) for woo_id, vtiger_id in products.items()},
        tax_fields={"1": "tax1"},
        all_tax_fields=TAXES,
        carried=dict.fromkeys(products.values(), dict.fromkeys(TAXES, Decimal(0))),
        agreed_texts=frozenset(f"Product {number}" for number in range(1, LINES + 1)),
        agreed_total="0",
    )


def _edited(lines: str) -> str:
    """Every line called otherwise, so that none is found by its name."""
    sold = Sold.from_text(lines)
    changed = (replace(line, text=f"{line.text}!", quantity="2") for line in sold.lines)
    return Sold(tuple(changed), sold.shipping, sold.total).to_text()
