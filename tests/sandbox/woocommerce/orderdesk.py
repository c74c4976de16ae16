"""A shop with a few goods and rates to order from, and what tests do with orders there."""

from typing import Any

from sandbox.woocommerce.shopdata import ShopData, check_shop_data
from tests.sandbox.woocommerce.shopfront import Front

FRENCH = {"first_name": "A", "last_name": "B", "country": "FR", "city": "Paris"}
GERMAN = {**FRENCH, "country": "DE", "city": "Berlin"}

Row = dict[str, Any]


def goods() -> ShopData:
    """Mug 10.00 (stock 5), book 20.00 at the reduced rate, voucher without tax or stock."""
    stocked = {"manage_stock": True, "stock_quantity": 5}
    return check_shop_data(
        {
            "products": [
                {
                    "id": 1,
                    "status": "publish",
                    "name": "Mug",
                    "sku": "MUG",
                    **priced("10"),
                    **stocked,
                },
                {
                    "id": 2,
                    "status": "publish",
                    "name": "Book",
                    "sku": "BOOK",
                    **priced("20"),
                    "tax_class": "reduced-rate",
                },
                {
                    "id": 3,
                    "status": "publish",
                    "name": "Voucher",
                    "sku": "V",
                    **priced("50"),
                    "tax_status": "none",
                },
            ],
            "taxes": [
                tax_rate(1, "FR", "20.0000"),
                tax_rate(2, "FR", "5.5000", **{"class": "reduced-rate"}),
                tax_rate(3, "DE", "19.0000"),
                tax_rate(4, "DE", "7.0000", **{"class": "reduced-rate"}),
            ],
            "coupons": [coupon(7, "tenth", "percent", "10"), coupon(8, "five", "fixed_cart", "5")],
            "customers": [{"id": 5, "email": "ann@shop.example"}],
        }
    )


def priced(price: str) -> Row:
    return {"price": price, "regular_price": price, "purchasable": True}


def tax_rate(rate_id: int, country: str, rate: str, **fields: Any) -> Row:
    return {
        "id": rate_id,
        "country": country,
        "state": "",
        "postcode": "",
        "city": "",
        "rate": rate,
        "name": f"VAT {country}",
        "priority": 1,
        "compound": False,
        "shipping": True,
        "order": 0,
        "class": "standard",
        "postcodes": [],
        "cities": [],
        **fields,
    }


def coupon(coupon_id: int, code: str, kind: str, amount: str) -> Row:
    return {
        "id": coupon_id,
        "code": code,
        "discount_type": kind,
        "amount": amount,
        "status": "publish",
    }


class Desk:
    """Orders made, changed and read over REST."""

    def __init__(self) -> None:
        self.front = Front(goods())
        self.api = self.front.api

    async def order(self, *lines: Row, **body: Any) -> Row:
        body = {"billing": FRENCH, "line_items": list(lines), **body}
        answer = await self.api.post("/orders", json=body)
        assert answer.status_code == 201, answer.text
        order: Row = answer.json()
        return order

    async def put(self, order_id: int, **body: Any) -> Row:
        answer = await self.api.put(f"/orders/{order_id}", json=body)
        assert answer.status_code == 200, answer.text
        order: Row = answer.json()
        return order

    async def read(self, order_id: int) -> Row:
        order: Row = (await self.api.get(f"/orders/{order_id}")).json()
        return order

    async def stock(self, product_id: int = 1) -> int:
        product = (await self.api.get(f"/products/{product_id}")).json()
        return int(product["stock_quantity"])


def line(product_id: int, quantity: int = 1, **fields: Any) -> Row:
    return {"product_id": product_id, "quantity": quantity, **fields}
