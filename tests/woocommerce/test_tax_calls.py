"""The calls about tax rates and settings: what each asks, and what it makes of the answers."""

from collections.abc import Awaitable, Callable

import pytest

from app.domain import NotFound, Rejected, RemoteError
from app.domain import ResponseUnreadable as Unreadable
from app.woocommerce.client import WooClient
from tests.scripted import json_answer
from tests.woocommerce.shop import listing, open_shop, recorded, recorded_json

pytestmark = pytest.mark.anyio

ROOT = "/wp-json/wc/v3/taxes"

Call = Callable[[WooClient], Awaitable[object]]


async def test_get_tax_rate() -> None:
    client, shop = open_shop(recorded("tax_get"))
    found = await client.get_tax_rate("1")
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query) == ("GET", f"{ROOT}/1", {})
    assert (found.id, found.rate, found.text("name")) == ("1", "20.0000", "TVA 20")
    assert (found.modified_at, found.created_at) == (None, None)


async def test_all_tax_rates_are_listed_by_id() -> None:
    rows = recorded_json("tax_list_paged")
    client, shop = open_shop(listing(*rows, total=2))
    assert [one.rate async for one in client.each_tax_rate()] == ["20.0000", "2.5000"]
    asked = shop.asked[0]
    assert (asked.method, asked.path) == ("GET", ROOT)
    assert asked.query == {"orderby": "id", "order": "asc", "page": "1", "per_page": "100"}


async def test_no_rate_is_missed_when_one_is_deleted_meanwhile() -> None:
    full = [{"id": number} for number in range(1, 101)]
    client, shop = open_shop(
        listing(*full, total=101),
        listing(total=100),  # 7 was deleted: 101 moved up
        listing(*full[:6], *full[7:], {"id": 101}, total=100),
        listing(total=100),
    )
    found = [int(one.id) async for one in client.each_tax_rate()]
    assert found == list(range(1, 102))
    assert [asked.query["page"] for asked in shop.asked] == ["1", "2", "1", "2"]


async def test_create_tax_rate() -> None:
    client, shop = open_shop(recorded("tax_create"))
    body = {"country": "FR", "rate": "20.0000", "name": "TVA 20", "class": "standard"}
    made = await client.create_tax_rate(body)
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query, asked.json) == ("POST", ROOT, {}, body)
    assert (made.id, made.rate) == ("1", "20.0000")


async def test_a_rate_that_is_no_number_becomes_nothing_and_shows_it() -> None:
    client, _ = open_shop(recorded("tax_create_bad"))
    made = await client.create_tax_rate({"country": "XX", "rate": "abc", "name": "bad"})
    assert made.rate == "0.0000"


async def test_update_tax_rate() -> None:
    client, shop = open_shop(recorded("tax_update"))
    changed = await client.update_tax_rate("1", {"rate": "20.5"})
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query) == ("PUT", f"{ROOT}/1", {})
    assert (asked.json, changed.rate) == ({"rate": "20.5"}, "20.5000")


async def test_delete_tax_rate_is_forced() -> None:
    client, shop = open_shop(recorded("tax_delete"))
    gone = await client.delete_tax_rate("4")
    asked = shop.asked[0]
    assert (asked.method, asked.path) == ("DELETE", f"{ROOT}/4")
    assert (asked.query, asked.json) == ({"force": "true"}, None)
    assert (gone.id, gone.rate) == ("4", "19.0000")


@pytest.mark.parametrize(
    ("group", "name", "recording", "value"),
    [
        ("general", "woocommerce_currency", "settings_general_woocommerce_currency", "EUR"),
        (
            "tax",
            "woocommerce_prices_include_tax",
            "settings_tax_woocommerce_prices_include_tax",
            "no",
        ),
    ],
)
async def test_get_setting(group: str, name: str, recording: str, value: str) -> None:
    client, shop = open_shop(recorded(recording))
    assert await client.get_setting(group, name) == value
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query) == (
        "GET",
        f"/wp-json/wc/v3/settings/{group}/{name}",
        {},
    )


@pytest.mark.parametrize("data", [{"value": ["FR", "BE"]}, {"value": None}, {}, []])
async def test_a_setting_that_holds_no_text(data: object) -> None:
    client, _ = open_shop(json_answer(data))
    with pytest.raises(Unreadable, match="general/woocommerce_currency"):
        await client.get_setting("general", "woocommerce_currency")


@pytest.mark.parametrize(
    "code", ["rest_setting_setting_invalid", "rest_setting_setting_group_invalid"]
)
async def test_a_setting_that_does_not_exist(code: str) -> None:
    answer = {"code": code, "message": "Invalid setting.", "data": {"status": 404}}
    client, _ = open_shop(json_answer(answer, status=404))
    with pytest.raises(NotFound):
        await client.get_setting("general", "nope")


def get(client: WooClient) -> Awaitable[object]:
    return client.get_tax_rate("999999")


def create(client: WooClient) -> Awaitable[object]:
    return client.create_tax_rate({"class": "nope"})


def update(client: WooClient) -> Awaitable[object]:
    return client.update_tax_rate("999999", {})


def delete(client: WooClient) -> Awaitable[object]:
    return client.delete_tax_rate("999999")


@pytest.mark.parametrize(
    ("call", "recording", "kind"),
    [
        (get, "err_tax_404", NotFound),
        (create, "tax_create_bad_class", Rejected),
        (update, "err_tax_404", NotFound),
        (delete, "err_tax_404", NotFound),
        (delete, "err_tax_delete_no_force", Rejected),
    ],
)
async def test_recorded_refusals(call: Call, recording: str, kind: type[RemoteError]) -> None:
    client, shop = open_shop(recorded(recording))
    with pytest.raises(RemoteError) as caught:
        await call(client)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.ambiguous) == (recorded_json(recording)["code"], False)
    assert len(shop.asked) == 1
