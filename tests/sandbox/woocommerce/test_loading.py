"""Shops from files: a real one loads whole, a wrong one is refused by name."""

import json
from typing import Any

import pytest

from sandbox.woocommerce.shop import Shop
from sandbox.woocommerce.shopdata import ShopDataError, check_shop_data, parse_shop_data
from tests.sandbox.woocommerce.shopfront import Front, read_month

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def month() -> dict[str, Any]:
    return read_month()


async def everything(front: Front, path: str, **query: str) -> list[Any]:
    """All objects of a collection, page by page."""
    found: list[Any] = []
    page = 1
    while True:
        params = {**query, "per_page": "100", "page": str(page)}
        answer = await front.api.get(path, params=params)
        found += answer.json()
        if page >= int(answer.headers["X-WP-TotalPages"]):
            return found
        page += 1


def by_id(objects: list[Any]) -> list[Any]:
    return sorted(objects, key=lambda item: item["id"])


def rebased(value: Any) -> Any:
    """The recorded object as this shop shows it: addresses are its own."""
    return json.loads(json.dumps(value).replace("https://127.0.0.1:8082/", "https://shop.example/"))


async def test_a_real_shop_is_shown_as_it_was_exported(month: dict[str, Any]) -> None:
    front = Front(check_shop_data(month))
    trashed = {"status": "trash"}

    assert by_id(await everything(front, "/customers")) == rebased(month["customers"])
    assert by_id(await everything(front, "/coupons")) == rebased(month["coupons"])
    assert by_id(await everything(front, "/taxes")) == by_id(rebased(month["taxes"]))
    for path in ("products", "orders"):
        shown = await everything(front, f"/{path}") + await everything(front, f"/{path}", **trashed)
        assert by_id(shown) == rebased(by_id(month[path]))


async def test_variations_and_refunds_are_shown_below_their_parents(month: dict[str, Any]) -> None:
    front = Front(check_shop_data(month))

    for parent, variations in month["variations"].items():
        shown = await everything(front, f"/products/{parent}/variations")
        assert [item["id"] for item in by_id(shown)] == [v["id"] for v in by_id(variations)]
    for parent, refunds in month["refunds"].items():
        shown = await everything(front, f"/orders/{parent}/refunds")
        assert [item["id"] for item in by_id(shown)] == [r["id"] for r in by_id(refunds)]


async def test_new_ids_follow_the_loaded_ones(month: dict[str, Any]) -> None:
    front = Front(check_shop_data(month))
    last = max(customer["id"] for customer in month["customers"])

    created = await front.api.post("/customers", json={"email": "new@shop.example"})

    assert created.json()["id"] == last + 1


def test_an_empty_object_is_an_empty_shop() -> None:
    shop = Shop(parse_shop_data("{}"))

    assert [user.role for user in shop.users] == ["administrator"]


def test_settings_may_be_given_as_rest_objects() -> None:
    setting = {"group_id": "general", "id": "woocommerce_currency", "value": "CHF"}
    shop = Shop(check_shop_data({"settings": [setting]}))

    assert shop.settings["general/woocommerce_currency"] == "CHF"


def test_modification_times_are_taken_from_whichever_field_is_there() -> None:
    customers = [
        {"id": 5, "email": "a@b.example", "date_modified_gmt": "2026-07-01T10:00:00"},
        {"id": 6, "email": "c@b.example", "date_modified": "2026-07-01T12:00:00"},
        {"id": 7, "email": "d@b.example"},
    ]
    shop = Shop(check_shop_data({"customers": customers}))
    first, second, third = (shop.customers.get(number).modified_at for number in (5, 6, 7))

    assert first == second is not None
    assert third is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "shop data is not JSON"),
        ("[]", "shop data must be one JSON object"),
        ('{"older": {}}', "unknown part 'older'"),
        ('{"customers": {}}', "customers must be a list of objects"),
        ('{"customers": [3]}', r"customers\[0\] must be an object"),
        ('{"customers": [{"id": 2}]}', r"customers\[0\] has no 'email'"),
        ('{"customers": [{"id": "2", "email": ""}]}', "'id' must be a whole number"),
        ('{"products": [{"id": true, "status": ""}]}', "'id' must be a whole number"),
        (
            '{"customers": [{"id": 2, "email": "a@b.c"}, {"id": 3, "email": "A@b.c"}]}',
            r"customers\[1\]: 'email' 'a@b.c' is taken",
        ),
        ('{"coupons": [{"id": 2, "code": "a"}, {"id": 2, "code": "b"}]}', r"coupons\[1\]: 'id' 2"),
        ('{"variations": []}', "variations must be an object of lists"),
        ('{"variations": {"x": []}}', "'x' is not the id of a parent"),
        ('{"refunds": {"4": [{}]}}', r"refunds\[4\]\[0\] has no 'id'"),
        ('{"settings": 3}', "settings must be an object"),
        ('{"settings": {"currency": "EUR"}}', "'currency' must be written \"group/id\""),
        ('{"settings": [{"id": "x"}]}', r"settings\[0\] must be an object with group_id"),
    ],
)
def test_a_wrong_file_is_refused_and_the_place_named(text: str, message: str) -> None:
    with pytest.raises(ShopDataError, match=message):
        parse_shop_data(text)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("first_name", 3, "'first_name' must be text"),
        ("billing", "x", "'billing' must be an object"),
        ("billing", {"city": None}, "billing: 'city' must be text"),
        ("date_created", "yesterday", "'date_created' is not a date: 'yesterday'"),
        ("date_modified_gmt", 17, "'date_modified' is not a date: 17"),
        ("meta_data", [{"key": "a"}], "'meta_data' must be a list of objects with id"),
    ],
)
def test_a_wrong_customer_is_refused_and_its_field_named(
    field: str, value: object, message: str
) -> None:
    data = check_shop_data({"customers": [{"id": 2, "email": "a@b.example", field: value}]})

    with pytest.raises(ShopDataError, match=rf"customers\[0\]: {message}"):
        Shop(data)
