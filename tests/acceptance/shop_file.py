"""A shop of any size as a file of `sandbox --shop-data` would have it: people, goods, sales."""

from decimal import Decimal
from itertools import cycle
from typing import Any

from sandbox.woocommerce.shopdata import ShopData, check_shop_data

Row = dict[str, Any]

FIRST_CUSTOMER, FIRST_PRODUCT, FIRST_ORDER = 1, 200_000, 400_000
SETTINGS = {
    "general/woocommerce_default_country": "FR",
    "general/woocommerce_currency": "EUR",
    "general/woocommerce_calc_taxes": "yes",
}
TAX = {
    "id": 1,
    "country": "FR",
    "state": "",
    "postcodes": [],
    "cities": [],
    "rate": "20.0000",
    "name": "TVA 20",
    "priority": 1,
    "compound": False,
    "shipping": True,
    "order": 0,
    "class": "standard",
}
NOTHING = ("discount_total", "discount_tax", "shipping_total", "shipping_tax")
STATUSES = ("processing", "completed", "on-hold")


def shop_of(customers: int, products: int, orders: int, *, guests: bool = False) -> ShopData:
    """Every third customer is a company; an order sells one or two products, taxed at 20 %. With
    `guests` every other order is one of somebody without an account."""
    people = [_customer(number) for number in range(customers)]
    goods = [_product(number) for number in range(products)]
    return check_shop_data(
        {
            "customers": people,
            "products": goods,
            "orders": [
                _order(number, _guest(number) if guests and number % 2 else person, goods)
                for number, person in zip(range(orders), cycle(people), strict=False)
            ],
            "taxes": [
                {**TAX, "compound": False, "shipping": True, "order": 0, "class": "standard"}
            ],
            "settings": SETTINGS,
        }
    )


def _dates(day: str) -> Row:
    moment = f"{day}T09:00:00"
    names = ("date_created", "date_created_gmt", "date_modified", "date_modified_gmt")
    return dict.fromkeys(names, moment)


def _customer(number: int) -> Row:
    name = {"first_name": f"Anna{number}", "last_name": f"Berg{number}"}
    address = {
        **name,
        "company": f"Berg {number} SARL" if number % 3 == 0 else "",
        "address_1": f"{number} Rue Haute",
        "address_2": "",
        "city": "Lyon",
        "postcode": "69001",
        "country": "FR",
        "state": "",
        "phone": f"+33 4 {number:08}",
    }
    email = f"anna{number}@shop.example"
    return {
        "id": FIRST_CUSTOMER + number,
        "email": email,
        "username": f"anna{number}",
        "role": "customer",
        **name,
        "billing": {**address, "email": email},
        "shipping": address,
        "meta_data": [],
        **_dates("2026-01-05"),
    }


def _guest(number: int) -> Row:
    address = {**_customer(number)["billing"], "email": f"guest{number}@mail.example"}
    return {"id": 0, "billing": address, "shipping": address}


def _product(number: int) -> Row:
    price = f"{5 + number % 90}.{number % 100:02}"
    return {
        "id": FIRST_PRODUCT + number,
        "name": f"Article {number}",
        "slug": f"article-{number}",
        "type": "simple",
        "status": "publish",
        "sku": f"ART-{number}",
        "regular_price": price,
        "price": price,
        "sale_price": "",
        "description": f"Article number {number}.",
        "manage_stock": True,
        "stock_quantity": number % 50,
        "tax_class": "",
        "tax_status": "taxable",
        "meta_data": [],
        "categories": [],
        **_dates("2026-01-06"),
    }


def _order(number: int, person: Row, goods: list[Row]) -> Row:
    items = (number % len(goods), (number * 7 + 3) % len(goods))
    lines = [_line(number, place, goods[item]) for place, item in enumerate(dict.fromkeys(items))]
    net = sum((Decimal(line["total"]) for line in lines), Decimal(0))
    tax = sum((Decimal(line["total_tax"]) for line in lines), Decimal(0))
    return {
        "id": FIRST_ORDER + number,
        "number": str(FIRST_ORDER + number),
        "status": STATUSES[number % 3],
        "currency": "EUR",
        "customer_id": person["id"],
        "customer_note": "",
        "created_via": "checkout",
        "prices_include_tax": False,
        "billing": person["billing"],
        "shipping": person["shipping"],
        "line_items": lines,
        "tax_lines": [_tax_line(number, tax)],
        **{name: [] for name in ("shipping_lines", "fee_lines", "coupon_lines", "refunds")},
        "meta_data": [],
        **dict.fromkeys(
            ("discount_total", "discount_tax", "shipping_total", "shipping_tax"), "0.00"
        ),
        "cart_tax": str(tax),
        "total_tax": str(tax),
        "total": str(net + tax),
        **_dates("2026-02-07"),
    }


def _line(number: int, place: int, product: Row) -> Row:
    count = 1 + number % 3
    net = Decimal(product["price"]) * count
    tax = (net / 5).quantize(Decimal("0.01"))
    return {
        "id": 1_000_000 + number * 10 + place,
        "name": product["name"],
        "product_id": product["id"],
        "variation_id": 0,
        "quantity": count,
        "tax_class": "",
        "sku": product["sku"],
        "price": float(product["price"]),
        "subtotal": str(net),
        "total": str(net),
        "subtotal_tax": str(tax),
        "total_tax": str(tax),
        "taxes": [{"id": 1, "total": str(tax), "subtotal": str(tax)}],
        "meta_data": [],
    }


def _tax_line(number: int, tax: Decimal) -> Row:
    return {
        "id": 9_000_000 + number,
        "rate_code": "FR-TVA-20-1",
        "rate_id": 1,
        "label": "TVA 20",
        "compound": False,
        "tax_total": str(tax),
        "shipping_tax_total": "0.00",
        "rate_percent": 20,
        "meta_data": [],
    }
