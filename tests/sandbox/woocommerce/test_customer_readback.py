"""Every recorded read-back probe of customers, replayed against the sandbox."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.woocommerce.users import Meta, User
from tests.sandbox.woocommerce.probes import ABSENT, Probe, replay
from tests.sandbox.woocommerce.shopfront import START, Front, read_recordings

pytestmark = pytest.mark.anyio

META_KEY = "probe"


class CustomerProbes:
    """Customers as the probes wrote them: nested fields dotted, `meta` one meta entry."""

    path = "/customers"
    created_together = (
        "first_name",
        "last_name",
        "billing.company",
        "billing.address_1",
        "billing.city",
        "billing.phone",
        "shipping.address_1",
        "meta",
    )

    def __init__(self, front: Front) -> None:
        self._users = front.shop.users
        self._numbers = itertools.count(1)

    def prepare(self, probe: Probe) -> int:
        number = next(self._numbers)
        user_id = self._users.ids.next()
        email = f"probe-{number}@probe.example"
        user = User(user_id, email, f"probe-{number}", "customer", created_at=START)
        group, _, name = probe.field.rpartition(".")
        if probe.field == "meta":
            known = probe.before != ABSENT
            user.meta = [Meta(number, META_KEY, probe.before)] if known else []
        elif group:
            getattr(user, group)[name] = probe.before
        elif probe.field == "email":
            user.email = probe.before
        else:
            setattr(user, name, probe.before)
        self._users.add(user)
        return user_id

    def body(self, field: str, value: Any) -> dict[str, Any]:
        if field == "meta":
            return {"meta_data": [{"key": META_KEY, "value": value}]}
        group, _, name = field.rpartition(".")
        return {group: {name: value}} if group else {name: value}

    def new_body(self, fields: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {"email": f"new-{next(self._numbers)}@probe.example"}
        for field, value in fields.items():
            for key, part in self.body(field, value).items():
                body[key] = body.get(key, {}) | part if isinstance(part, dict) else part
        return body

    def read(self, item: Mapping[str, Any], field: str) -> Any:
        if field == "meta":
            values = [m["value"] for m in item["meta_data"] if m["key"] == META_KEY]
            return values[0] if values else ABSENT
        group, _, name = field.rpartition(".")
        return item[group][name] if group else item[name]


async def test_every_recorded_customer_write_reads_back_the_same(front: Front) -> None:
    module = CustomerProbes(front)
    probes = [Probe.of(row) for row in read_recordings("readback-customers.jsonl.gz")]
    wrong = []
    for probe in probes:
        result = await replay(probe, front.api, module)
        if (result.status, result.code, result.read_back) != (
            probe.status,
            probe.code,
            probe.read_back,
        ):
            wrong.append((probe, result))
    report = "\n".join(f"{probe}\n    {result}" for probe, result in wrong[:40])
    share = 1 - len(wrong) / len(probes)
    assert share >= 0.999, f"{len(wrong)} of {len(probes)} differ:\n{report}"
