"""Tax rates and classes: how they are stored, told and chosen."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.woocommerce.taxrates import TaxPlace, TaxRate, find_rates, tax_amounts
from tests.sandbox.woocommerce.shopfront import Front

pytestmark = pytest.mark.anyio

ACTIONS = tuple(f"action.woocommerce_tax_rate_{verb}" for verb in ("added", "updated", "deleted"))


async def added(front: Front, **rate: Any) -> dict[str, Any]:
    answer = await front.api.post("/taxes", json=rate)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    return row


async def test_rates_are_told_by_action_topics_but_not_without_a_change(front: Front) -> None:
    await front.subscribe(*ACTIONS)
    rate_id = (await added(front, country="FR", rate="20", name="TVA"))["id"]
    await front.api.put(f"/taxes/{rate_id}", json={"rate": "20.0000"})
    assert await front.flushed() == [ACTIONS[0]]
    assert front.receiver.bodies == [{"action": "woocommerce_tax_rate_added", "arg": rate_id}]

    await front.api.put(f"/taxes/{rate_id}", json={"rate": "21"})
    await front.api.delete(f"/taxes/{rate_id}", params={"force": True})

    assert await front.flushed() == [ACTIONS[1], ACTIONS[2]]


async def test_rates_are_stored_in_their_own_spelling(front: Front) -> None:
    rate = await added(front, country="de", rate="abc", cities=["Berlin"], postcodes=["1*", "20"])

    assert (rate["country"], rate["rate"]) == ("DE", "0.0000")
    assert (rate["cities"], rate["city"]) == (["BERLIN"], "BERLIN")
    assert (rate["postcodes"], rate["postcode"]) == (["1*", "20"], "20")


async def test_a_class_is_made_named_once_and_goes_with_its_rates(front: Front) -> None:
    created = await front.api.post("/taxes/classes", json={"name": "Réduit 5,5"})
    assert (created.status_code, created.json()["slug"]) == (201, "reduit-55")
    again = await front.api.post("/taxes/classes", json={"name": "Réduit 5,5"})
    assert again.json()["code"] == "woocommerce_rest_tax_class_exists"
    rate = await added(front, rate="5.5", **{"class": "reduit-55"})

    deleted = await front.api.delete("/taxes/classes/reduit-55", params={"force": True})

    assert deleted.json()["name"] == "Réduit 5,5"
    assert (await front.api.get(f"/taxes/{rate['id']}")).status_code == 404
    refused = await front.api.post("/taxes", json={"rate": "1", "class": "reduit-55"})
    assert refused.json()["code"] == "rest_invalid_param"


async def test_rates_and_classes_are_not_trashed(front: Front) -> None:
    rate_id = (await added(front, rate="1"))["id"]

    for path in (f"/taxes/{rate_id}", "/taxes/classes/zero-rate"):
        assert (await front.api.delete(path)).status_code == 501


def rate(rate_id: int, percent: str, **fields: Any) -> dict[str, Any]:
    blank = {"country": "", "state": "", "postcodes": [], "cities": [], "class": "standard"}
    rest = {"priority": 1, "compound": False, "shipping": True, "order": 0}
    return {**blank, **rest, "id": rate_id, "rate": percent, **fields}


def chosen(rows: list[dict[str, Any]], *place: str, tax_class: str = "") -> list[int]:
    return [found.id for found in find_rates(rows, tax_class, TaxPlace(*place))]


def test_of_each_priority_the_most_specific_rate_applies() -> None:
    rows = [
        rate(1, "1"),
        rate(2, "2", country="FR"),
        rate(3, "3", country="FR", postcodes=["75*"]),
        rate(4, "4", country="FR", priority=2, cities=["PARIS"]),
        rate(5, "5", country="FR", **{"class": "reduced-rate"}),
    ]

    assert chosen(rows, "US") == [1]
    assert chosen(rows, "FR", "", "69001", "Lyon") == [2]
    assert chosen(rows, "fr", "", "75001", " Paris ") == [3, 4]
    assert chosen(rows, "FR", tax_class="reduced-rate") == [5]


def test_postcodes_are_ranges_beginnings_or_themselves() -> None:
    rows = [rate(1, "1", country="DE", postcodes=["20000...29999", "1*", "SW1A 2AA"])]

    for postcode in ("20000", "29999", "10115", "sw1a2aa"):
        assert chosen(rows, "DE", "", postcode) == [1], postcode
    for postcode in ("30000", "2000x", "SW1A"):
        assert chosen(rows, "DE", "", postcode) == [], postcode


percents = st.integers(1, 4000).map(lambda hundredths: hundredths / 100)
rate_lists = st.lists(st.tuples(percents, st.booleans()), min_size=1, max_size=3).map(
    lambda rates: [
        TaxRate(n, p, is_compound=c, is_for_shipping=True) for n, (p, c) in enumerate(rates)
    ]
)


@given(cents=st.integers(0, 10**8), rates=rate_lists)
def test_tax_taken_out_of_a_gross_price_is_the_tax_put_on_the_net_one(
    cents: int, rates: list[TaxRate]
) -> None:
    gross = cents / 100
    within = tax_amounts(gross, rates, inclusive=True, precision=6)
    net = gross - sum(within.values())
    upon = tax_amounts(net, rates, inclusive=False, precision=6)

    assert sum(upon.values()) == pytest.approx(sum(within.values()), abs=1e-4)


@given(cents=st.integers(-(10**8), 10**8), rates=rate_lists)
def test_compound_rates_tax_the_other_tax_too(cents: int, rates: list[TaxRate]) -> None:
    price = cents / 100
    taxes = tax_amounts(price, rates, inclusive=False, precision=6)
    simple = sum(price * r.percent / 100 for r in rates if not r.is_compound)

    for found in (r for r in rates if not r.is_compound):
        assert taxes[found.id] == pytest.approx(price * found.percent / 100, abs=1e-5)
    for found in [r for r in rates if r.is_compound][:1]:
        assert taxes[found.id] == pytest.approx((price + simple) * found.percent / 100, abs=1e-5)
