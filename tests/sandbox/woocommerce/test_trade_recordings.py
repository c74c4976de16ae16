"""The recorded calls on products, taxes, coupons and orders, made in their order on one shop.

What happened in the laboratory between them, but was not kept, happens here too: MEANWHILE.
"""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import pytest

from sandbox.woocommerce.shopdata import check_shop_data
from sandbox.woocommerce.storefront import Purchase
from tests.sandbox.woocommerce.likeness import differences
from tests.sandbox.woocommerce.shopfront import Front, read_recordings

pytestmark = pytest.mark.anyio

Row = dict[str, Any]

EXCHANGES = {row["name"]: row for row in read_recordings("trade-exchanges.jsonl.gz")}
CUSTOMER = next(r for r in read_recordings("exchanges.jsonl.gz") if r["name"] == "customer_create")
CREATED_WITH_A_POST: Final = re.compile(r"/(products|orders|coupons)(/\d+/(variations|refunds))?$")
LINES: Final = ("line_items", "shipping_lines", "fee_lines", "tax_lines", "coupon_lines")
INCLUDING: Final = "tax/woocommerce_prices_include_tax"
# The Store API is not served: the storefront acts without HTTP.
NOT_SERVED: Final = "store_checkout_"
LAB_URL: Final = "https://127.0.0.1:8082"
NUMBERED: Final = re.compile(
    r"/(products|products/attributes|orders|coupons|taxes)(/\d+/(variations|refunds))?$"
)
LAST: Final = 10**6
WITHIN_A_SECOND: Final = (
    "tax_batch_with_errors",
    "tax_create_bad",
    "order_update_line_items_no_id",
    "order_update_line_items_id_quantity",
    "order_update_line_items_delete",
    "order_update_line_items_qty0",
)
ADDRESS: Final = {
    "first_name": "A",
    "last_name": "B",
    "address_1": "x",
    "city": "Paris",
    "postcode": "75001",
    "country": "FR",
    "email": "a@lab.example",
}


def path_of(row: Row) -> str:
    return str(row["request"]["url"].split("/wc/v3")[1])


def moment_of(row: Row) -> datetime:
    headers = dict(row["response"]["headers"])
    return parsedate_to_datetime(headers["Date"]).astimezone(UTC)


def order_of(row: Row) -> tuple[datetime, bool, int, str]:
    """By the clock; within a second first what was created, last what was refused or deleted."""
    name, response = row["name"], row["response"]
    is_late = response["status"] >= 400 or row["request"]["method"] == "DELETE"
    is_created = response["status"] == 201 and bool(NUMBERED.search(path_of(row)))
    if name in WITHIN_A_SECOND:
        return moment_of(row), is_late, LAST + WITHIN_A_SECOND.index(name), name
    return moment_of(row), is_late, response["body"]["id"] if is_created else LAST, name


class Lab:
    """The shop of the laboratory, brought to the ids and settings of each recording."""

    def __init__(self) -> None:
        classes = {"standard": "Standard rate", "reduced-rate": "Reduced rate"}
        classes["zero-rate"] = "Zero rate"
        data = {
            "customers": [CUSTOMER["response"]["body"]],
            "tax_classes": [{"slug": slug, "name": name} for slug, name in classes.items()],
        }
        self.front = Front(check_shop_data(data))
        self.shop = self.front.shop

    async def answer(self, row: Row) -> httpx.Response:
        self.front.clock.now = moment_of(row)
        if row["name"] in MEANWHILE:
            await MEANWHILE[row["name"]](self)
        self._align(row)
        request = row["request"]
        body = request["body"]
        content = body if isinstance(body, str) else json.dumps(body)
        return await self.front.api.request(
            request["method"],
            path_of(row),
            content=None if body is None else content,
            headers={"Content-Type": "application/json"},
        )

    def _align(self, row: Row) -> None:
        """Use up the ids that the laboratory had used up by then."""
        body = row["response"]["body"]
        if row["request"]["method"] != "POST" or row["response"]["status"] != 201:
            return
        if CREATED_WITH_A_POST.search(path_of(row)):
            self.shop.trade.post_ids.skip(body["id"] - 1)
        lines = [line["id"] for name in LINES for line in body.get(name, [])]
        if lines:
            self.shop.trade.orders.item_ids.skip(min(lines) - 1)
        if "prices_include_tax" in body:
            self.shop.settings[INCLUDING] = "yes" if body["prices_include_tax"] else "no"

    async def call(self, method: str, path: str, body: Row | None = None) -> None:
        assert (await self.front.api.request(method, path, json=body)).is_success


async def trash_a_sku(lab: Lab) -> None:
    await lab.call("POST", "/products", {"name": "To be trashed", "sku": "TR"})
    await lab.call("DELETE", f"/products/{lab.shop.trade.post_ids.next() - 1}")


async def add_a_class(lab: Lab) -> None:
    await lab.call("POST", "/taxes/classes", {"name": "OAuth class"})


async def set_up_orders(lab: Lab) -> None:
    await lab.call("PUT", "/taxes/1", {"rate": "20"})
    await lab.call("PUT", "/products/10", {"stock_quantity": 600})
    lab.shop.trade.post_ids.skip(25)
    coupon = {"code": "promo10", "discount_type": "percent", "amount": "10"}
    await lab.call("POST", "/coupons", coupon)


def paid_order(order_id: int, line_id: int) -> Callable[[Lab], Awaitable[None]]:
    async def make(lab: Lab) -> None:
        lab.shop.trade.post_ids.skip(order_id - 1)
        lab.shop.trade.orders.item_ids.skip(line_id - 1)
        lines = [{"product_id": 10, "quantity": 1}]
        order = {"billing": ADDRESS, "line_items": lines, "set_paid": True}
        await lab.call("POST", "/orders", order)

    return make


async def trash_order_40(lab: Lab) -> None:
    lab.shop.admin.restore_order(40)


async def trash_order_41(lab: Lab) -> None:
    await paid_order(41, 41)(lab)
    await lab.call("DELETE", "/orders/41")


async def buy_as_guest(lab: Lab) -> None:
    lab.shop.trade.post_ids.skip(46)
    form = EXCHANGES["store_checkout_post_guest"]["request"]["body"]
    purchase = Purchase(
        billing=form["billing_address"],
        shipping=form["shipping_address"],
        payment_method_title="COD",
        customer_note=form["customer_note"],
    )
    lab.shop.storefront.checkout([(10, 2)], purchase)


async def ship_once_more(lab: Lab) -> None:
    body = {"shipping_lines": [{"method_id": "flat_rate", "total": "3"}]}
    await lab.call("PUT", "/orders/55", body)


async def edit_in_the_admin(lab: Lab) -> None:
    lab.shop.admin.edit_product(10, {"name": "Café & Thé admin", "regular_price": "22.00"})


MEANWHILE: Final[dict[str, Callable[[Lab], Awaitable[None]]]] = {
    "product_sku_of_trashed": trash_a_sku,
    "tax_classes_list": add_a_class,
    "order_create_full_excl_tax": set_up_orders,
    "order_trash": paid_order(40, 38),
    "order_force_delete": trash_order_40,
    "order_restore_via_put": trash_order_41,
    "order_get_guest_storefront": buy_as_guest,
    "order_update_shipping_appended": ship_once_more,
    "order_create_created_via": edit_in_the_admin,
}


# Where the laboratory's history between the recordings still shows: what it was is not known.
UNLIKE: Final = {
    "product_search_sku": re.compile(r"stock_quantity$"),
    "variations_list": re.compile(r"^$"),
    "products_list_modified_after_gmt": re.compile(r""),
    "order_note_create": re.compile(r"\.(id|href)$"),
    "order_notes_list": re.compile(r"\.(id|href)$"),
    "order_restore_via_put": re.compile(r"^\.meta_data"),
    "order_get_guest_storefront": re.compile(
        r"^\.(date_created|meta_data|\w+_lines|line_items.*id$)"
    ),
    "order_update_add_coupon": re.compile(r"^\.coupon_lines\[0\]\.id$"),
}


async def test_every_recorded_call_gets_the_recorded_answer() -> None:
    lab = Lab()
    wrong: list[tuple[Any, ...]] = []
    for row in sorted(EXCHANGES.values(), key=order_of):
        if row["name"].startswith(NOT_SERVED):
            continue
        answer, recorded = await lab.answer(row), row["response"]
        if answer.status_code != recorded["status"]:
            wrong.append((row["name"], answer.status_code, answer.text))
            continue
        known = UNLIKE.get(row["name"], re.compile("never$"))
        found = differences(rebased(answer), recorded["body"])
        wrong += [
            (row["name"], *difference) for difference in found if not known.search(difference[0])
        ]
    assert wrong == []


async def test_every_recorded_call_gets_the_recorded_headers() -> None:
    lab, wrong = Lab(), []
    for row in sorted(EXCHANGES.values(), key=order_of):
        if row["name"].startswith(NOT_SERVED):
            continue
        answer, recorded = await lab.answer(row), dict(row["response"]["headers"])
        location = answer.headers.get("Location", "").replace("https://shop.example", LAB_URL)
        if row["name"] not in UNLIKE and (answer.headers.get("Allow"), location) != (
            recorded.get("Allow"),
            recorded.get("Location", ""),
        ):
            wrong.append((row["name"], answer.headers.get("Allow"), location))
    assert wrong == []


def rebased(answer: httpx.Response) -> Any:
    return json.loads(json.dumps(answer.json()).replace("https://shop.example/", f"{LAB_URL}/"))
