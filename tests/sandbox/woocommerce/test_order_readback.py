"""Every recorded read-back probe of orders, replayed against the sandbox."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.woocommerce.orderitems import FeeLine, LineItem, ShippingLine
from sandbox.woocommerce.orders import Order
from sandbox.woocommerce.users import Meta
from tests.sandbox.woocommerce.probes import ABSENT, Batches, Probe, replay
from tests.sandbox.woocommerce.shopfront import Front, read_recordings

pytestmark = pytest.mark.anyio

META_KEY = "_probe"
LISTS = {"line": "line_items", "fee": "fee_lines", "shipping": "shipping_lines"}


class OrderProbes:
    """Orders with one line, one fee and one shipping line each, as the probes had them."""

    path = "/orders"
    created_together = (
        "billing.first_name",
        "billing.company",
        "billing.address_1",
        "billing.phone",
        "shipping.city",
        "customer_note",
        "line.name",
        "meta",
    )

    def __init__(self, front: Front) -> None:
        self._trade = front.shop.trade
        self._numbers = itertools.count(1)
        self._line_ids: dict[str, int] = {}

    def prepare(self, probe: Probe) -> int:
        order = self._new_order()
        group, _, name = probe.field.rpartition(".")
        if probe.field == "meta":
            known = probe.before != ABSENT
            order.meta = [Meta(next(self._numbers), META_KEY, probe.before)] if known else []
        elif probe.field == "customer_note":
            order.texts["customer_note"] = probe.before
        elif is_line(probe.field):
            self._prepare_line(order, group, name, probe.before)
        else:
            getattr(order, group)[name] = probe.before
        return order.id

    def _new_order(self) -> Order:
        order = self._trade.order_book.draft(
            created_via="rest-api", order_id=self._trade.orders.new_id()
        )
        line = LineItem(name="RB line product", quantity=2, subtotal="20.00", total="20.00")
        fee, shipping = FeeLine(name="Fee", total="3.00"), ShippingLine(method_id="flat_rate")
        for name, item in (("line", line), ("fee", fee), ("shipping", shipping)):
            self._trade.orders.add_item(order, item)
            self._line_ids[name] = item.id
        self._trade.orders.add(order)
        return order

    def _prepare_line(self, order: Order, group: str, name: str, before: Any) -> None:
        item = next(item for item in order.items if item.id == self._line_ids[group])
        if before == ABSENT:
            order.items.remove(item)
        else:
            setattr(item, name, before)

    def body(self, field: str, value: Any) -> dict[str, Any]:
        group, _, name = field.rpartition(".")
        if field == "meta":
            return {"meta_data": [{"key": META_KEY, "value": value}]}
        if is_line(field):
            return {LISTS[group]: [{"id": self._line_ids[group], name: value}]}
        return {group: {name: value}} if group else {name: value}

    def new_body(self, fields: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for field, value in fields.items():
            if field == "line.name":
                line = {"sku": "UNKNOWN", "name": value, "quantity": 1, "total": "1"}
                body["line_items"] = [line]
                continue
            for key, part in self.body(field, value).items():
                body[key] = body.get(key, {}) | part if isinstance(part, dict) else part
        return body

    def batches(self) -> Batches:
        other = self._new_order().id
        return Batches(
            item=self._batch_item,
            deadly_item=lambda: {"id": other, "billing": {"first_name": ["a"]}},
        )

    def _batch_item(self, probe: Probe) -> dict[str, Any]:
        """An item carried all fields at once, so a line that was gone spoiled the others."""
        body = self.body(probe.field, probe.sent)
        if probe.code == "woocommerce_rest_invalid_item_id":
            body["line_items"] = [{"id": 1_000_000, "name": probe.sent}]
        return body

    def read(self, item: Mapping[str, Any], field: str) -> Any:
        group, _, name = field.rpartition(".")
        if field == "meta":
            values = [m["value"] for m in item["meta_data"] if m["key"] == META_KEY]
            return values[0] if values else ABSENT
        if is_line(field):
            return item[LISTS[group]][0][name] if item[LISTS[group]] else ABSENT
        return item[group][name] if group else item[name]


def is_line(field: str) -> bool:
    """`shipping.total` is a shipping line's, other `shipping.*` are of the address."""
    return field.startswith(("line.", "fee.")) or field == "shipping.total"


async def test_every_recorded_order_write_reads_back_the_same(front: Front) -> None:
    module = OrderProbes(front)
    probes = [Probe.of(row) for row in read_recordings("readback-orders.jsonl.gz")]
    batches, wrong = module.batches(), []
    for probe in probes:
        result = await replay(probe, front.api, module, batches)
        if (result.status, result.code, result.read_back) != (
            probe.status,
            probe.code,
            probe.read_back,
        ):
            wrong.append((probe, result))
    report = "\n".join(f"{probe}\n    {result}" for probe, result in wrong[:40])
    assert wrong == [], f"{len(wrong)} of {len(probes)} differ:\n{report}"
