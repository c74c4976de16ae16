"""Any order that a shop can make, in one create call: Vtiger's total is WooCommerce's."""

import json
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import given, settings

from app.modules.orders.lines import woo_rows
from app.modules.orders.to_vtiger import plan_order
from app.modules.orders.vtiger_totals import Rates
from app.vtiger.client import render_element
from app.woocommerce.schemas import WooRecord
from sandbox.vtiger.crm import Crm
from tests.mapping.generated_orders import orders
from tests.mapping.orders import TAX_FIELDS, refs_for

NONE = dict.fromkeys(TAX_FIELDS, "0")
LAST_DIGITS = Decimal("0.000001")
"""Vtiger keeps 14 significant digits of a total (contract page Vtiger §10): far below a cent."""
CARRIED: Rates = dict.fromkeys(TAX_FIELDS, Decimal(0))


@dataclass(slots=True)
class Stock:
    """A CRM whose products and fee service carry every tax. Orders leave them as they are."""

    crm: Crm = field(default_factory=Crm)
    account: str = ""
    placeholder: str = ""
    fee_service: str = ""
    products: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        user = self.crm.users.all()[0]
        for name in TAX_FIELDS[3:]:
            self.crm.actors["Tax"].create({"taxlabel": name, "percentage": "1"}, user)
        self.account = self.create("Accounts", accountname="Acme")["id"]
        self.placeholder = self.product("Placeholder")
        self.fee_service = self.create("Services", servicename="Fee", **NONE)["id"]
        self.products = {str(number): self.product(f"P{number}") for number in range(10, 19)}

    def product(self, name: str) -> str:
        return str(self.create("Products", productname=name, unit_price="1", **NONE)["id"])

    def create(self, module: str, **fields: Any) -> dict[str, Any]:
        """As the API would, from what can be sent to it."""
        sent = json.loads(render_element({"assigned_user_id": "19x1", **fields}))
        user = self.crm.users.all()[-1]
        return self.crm.entities[module].create(sent, user).answer


@cache
def stock() -> Stock:
    return Stock()


@given(orders())
@settings(max_examples=60, deadline=None)
def test_every_order_has_its_total_after_one_create(order: WooRecord) -> None:
    held = stock()
    known = {str(line["product_id"]) for line in woo_rows(order, "line_items")} - {"0"}
    items = [*held.products.values(), held.placeholder, held.fee_service]
    named = refs_for(
        order,
        account_id=held.account,
        contact_id=None,
        placeholder_id=held.placeholder,
        fee_service_id=held.fee_service,
        products={key: value for key, value in held.products.items() if key in known},
    )
    plan = plan_order(order, replace(named, carried=dict.fromkeys(items, CARRIED)))
    sale_id = held.create("SalesOrder", **plan.fields)["id"]

    shown = held.crm.record(sale_id)
    assert abs(Decimal(shown["hdnGrandTotal"]) - Decimal(order.text("total"))) < LAST_DIGITS
    assert len(shown["LineItems"]) == len(plan.fields["LineItems"])
