"""Orders as a WooCommerce shop computes them: any taxes, coupons, fees, decimals, prices."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from app.woocommerce.schemas import WooRecord

PERCENTAGES = ("20", "5.5", "19", "7", "8.875", "2.1", "0", "21.5", "25", "9.9755", "2.5")


class Shop(NamedTuple):
    """What rules the arithmetic: price decimals, the way prices are entered, the order's rates."""

    places: int
    inclusive: bool
    rates: tuple[tuple[str, Decimal, bool], ...]

    def shown(self, value: Decimal) -> str:
        return str(value.quantize(Decimal(1).scaleb(-self.places), ROUND_HALF_UP))

    def money(self, cents: int) -> Decimal:
        return Decimal(cents).scaleb(-self.places)


@st.composite
def shops(draw: st.DrawFn) -> Shop:
    percentages = draw(st.lists(st.sampled_from(PERCENTAGES), min_size=0, max_size=4))
    rates = tuple(
        (str(number), Decimal(percent), draw(st.booleans()))
        for number, percent in enumerate(percentages, start=1)
    )
    return Shop(draw(st.integers(0, 3)), draw(st.booleans()), rates)


@st.composite
def orders(draw: st.DrawFn, *, shop: Shop | None = None) -> WooRecord:
    """An order whose `total` is the sum of what it shows, or a unit beside it."""
    shop = shop or draw(shops())
    lines = [draw(_lines(shop, number)) for number in range(draw(st.integers(1, 8)))]
    fees = [draw(_fees(shop, number)) for number in range(draw(st.integers(0, 3)))]
    shipping = draw(_row(shop, st.integers(0, 9999)))
    rows = [*lines, *fees, shipping]
    tax = sum((Decimal(row["total_tax"]) for row in rows), Decimal(0))
    net = sum((Decimal(row["total"]) for row in rows), Decimal(0))
    stray = shop.money(draw(st.integers(-2, 2))) if shop.inclusive else Decimal(0)
    data: dict[str, Any] = {
        "id": 77,
        "number": "77",
        "status": draw(st.sampled_from(["pending", "processing", "completed", "refunded"])),
        "currency": "EUR",
        "total": shop.shown(net + tax + stray),
        "total_tax": shop.shown(tax + stray),
        "shipping_total": shipping["total"],
        "shipping_tax": shipping["total_tax"],
        "line_items": lines,
        "fee_lines": fees,
        "shipping_lines": [{"id": 900, **shipping}] if Decimal(shipping["total"]) else [],
        "tax_lines": [_tax_line(rate) for rate in shop.rates],
        "refunds": [],
        "billing": {"first_name": "Ann", "last_name": "B", "address_1": "1 Way", "country": "FR"},
        "shipping": {},
        "customer_note": draw(st.sampled_from(["", "ring twice", "a\n\nb"])),
    }
    return WooRecord(data)


def _tax_line(rate: tuple[str, Decimal, bool]) -> dict[str, Any]:
    rate_id, percent, compound = rate
    number = float(percent)
    return {
        "rate_id": int(rate_id),
        "label": f"VAT {rate_id}",
        "rate_percent": int(number) if number == int(number) else number,
        "compound": compound,
    }


@st.composite
def _row(draw: st.DrawFn, shop: Shop, cents: st.SearchStrategy[int]) -> dict[str, Any]:
    """Net total and its taxes, each rounded by itself, by some of the shop's rates."""
    own = [rate for rate in shop.rates if draw(st.booleans())]
    entered = shop.money(draw(cents))
    net = entered / (1 + _burden(own)) if shop.inclusive else entered
    taxes = [{"id": int(key), "total": shop.shown(net * part)} for key, part in _parts(own)]
    tax = sum((Decimal(str(entry["total"])) for entry in taxes), Decimal(0))
    return {"total": shop.shown(net), "total_tax": shop.shown(tax), "taxes": taxes}


def _burden(rates: list[tuple[str, Decimal, bool]]) -> Decimal:
    return sum((part for _, part in _parts(rates)), Decimal(0))


def _parts(rates: list[tuple[str, Decimal, bool]]) -> list[tuple[str, Decimal]]:
    """Each rate as a part of net: compound ones on top of the simple ones."""
    simple = sum((percent for _, percent, compound in rates if not compound), Decimal(0)) / 100
    return [
        (key, percent / 100 * (1 + simple if compound else 1)) for key, percent, compound in rates
    ]


@st.composite
def _lines(draw: st.DrawFn, shop: Shop, number: int) -> dict[str, Any]:
    quantity = draw(st.integers(1, 60))
    row = draw(_row(shop, st.integers(0, 500_000)))
    coupon = shop.money(draw(st.one_of(st.just(0), st.integers(0, 5000))))
    deleted = draw(st.integers(0, 9)) == 0
    return {
        "id": 100 + number,
        "name": f"Thing {number}",
        "product_id": 0 if deleted else 10 + number,
        "variation_id": 0,
        "quantity": quantity,
        "subtotal": shop.shown(Decimal(row["total"]) + coupon),
        "meta_data": [],
        **row,
    }


@st.composite
def _fees(draw: st.DrawFn, shop: Shop, number: int) -> dict[str, Any]:
    row = draw(_row(shop, st.integers(-3000, 3000)))
    return {"id": 500 + number, "name": f"Fee {number}", **row}
