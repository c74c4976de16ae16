"""What holds for the totals of every order, whatever is in it (contract page WooCommerce
month)."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.woocommerce.shop import Shop
from tests.sandbox.woocommerce.orderdesk import FRENCH, GERMAN, goods

Row = dict[str, Any]

tenths = st.one_of(st.integers(0, 10**6), st.integers(0, 10**5).map(lambda cents: cents * 10))
prices = tenths.map(lambda tenth: f"{tenth / 1000:.3f}")
lines = st.builds(
    lambda product, quantity, price: {
        "product_id": product,
        "quantity": quantity,
        "subtotal": price,
        "total": price,
    },
    st.sampled_from([1, 2, 3, 999]),
    st.integers(1, 12),
    prices,
)
fees = st.builds(
    lambda total, kind: {"name": "Fee", "total": total, "tax_class": kind},
    st.integers(-(10**4), 10**4).map(lambda cents: f"{cents / 100:.2f}"),
    st.sampled_from(["", "reduced-rate"]),
)
orders = st.fixed_dictionaries(
    {
        "billing": st.sampled_from([FRENCH, GERMAN, {}]),
        "line_items": st.lists(lines, min_size=1, max_size=5),
        "fee_lines": st.lists(fees, max_size=2),
        "shipping_lines": st.lists(prices, max_size=2).map(
            lambda totals: [{"method_id": "flat_rate", "total": total} for total in totals]
        ),
        "coupon_lines": st.sampled_from([[], [{"code": "tenth"}], [{"code": "five"}]]),
    }
)


def made(params: Row, **options: str) -> Row:
    shop = Shop(goods())
    shop.settings |= {f"tax/woocommerce_{name}": value for name, value in options.items()}
    order = shop.trade.order_book.create(params)
    view: Row = shop.trade.views()["order"](order.id)
    return view


def amount(text: str) -> Decimal:
    return Decimal(text)


@given(params=orders, including=st.sampled_from(["yes", "no"]))
@settings(deadline=None, max_examples=60)
def test_a_total_is_the_sum_of_what_is_shown(params: Row, including: str) -> None:
    order = made(params, prices_include_tax=including)
    parts = [*order["line_items"], *order["fee_lines"]]
    net = sum((amount(part["total"]) for part in parts), amount(order["shipping_total"]))

    assert amount(order["total"]) == net + amount(order["total_tax"])
    assert amount(order["total_tax"]) == amount(order["cart_tax"]) + amount(order["shipping_tax"])
    taxes = sum(
        (amount(t["tax_total"]) + amount(t["shipping_tax_total"]) for t in order["tax_lines"]),
        Decimal(0),
    )
    assert taxes == amount(order["total_tax"])


@given(params=orders)
@settings(deadline=None, max_examples=60)
def test_no_line_costs_less_than_nothing_or_more_than_before_its_discount(params: Row) -> None:
    order = made({**params, "fee_lines": []})

    for line in order["line_items"]:
        assert 0 <= amount(line["total"]) <= amount(line["subtotal"])
    discounts = [amount(line["subtotal"]) - amount(line["total"]) for line in order["line_items"]]
    assert amount(order["discount_total"]) == sum(discounts)
    # Half a cent of a line lets WooCommerce take a fixed amount off more than once.
    if all(line["subtotal"].endswith("0") for line in params["line_items"]):
        for coupon in order["coupon_lines"]:
            assert amount(coupon["discount"]) == sum(discounts)


@given(params=orders, round_at=st.sampled_from(["yes", "no"]))
@settings(deadline=None, max_examples=40)
def test_computing_an_order_again_changes_nothing(params: Row, round_at: str) -> None:
    shop = Shop(goods())
    shop.settings["tax/woocommerce_tax_round_at_subtotal"] = round_at
    view = shop.trade.views()["order"]
    order = shop.trade.order_book.create({**params, "fee_lines": []})
    before = view(order.id)

    shop.trade.order_book.update(order.id, {"billing": {}})

    after = view(order.id)
    assert {key: after[key] for key in after if "date" not in key} == {
        key: before[key] for key in before if "date" not in key
    }
