"""The calls about products: what each asks of the shop, and what it makes of recorded answers."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from app.domain import Duplicate, InvalidInput, NotFound, Rejected, RemoteError
from app.domain import ResponseUnreadable as Unreadable
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooProduct
from tests.scripted import json_answer
from tests.woocommerce.shop import listing, open_shop, recorded, recorded_json

pytestmark = pytest.mark.anyio

ROOT = "/wp-json/wc/v3/products"
PAGE = {"orderby": "id", "order": "asc", "per_page": "100"}
SIMPLE = WooProduct.parse({"id": 10, "type": "simple", "parent_id": 0})
VARIATION = WooProduct.parse({"id": 18, "type": "variation", "parent_id": 17})
GROUPED = WooProduct.parse({"id": 10, "type": "grouped", "parent_id": 20})
TRASHED = WooProduct.parse({"id": 12, "type": "simple", "parent_id": 0})

Call = Callable[[WooClient], Awaitable[WooProduct]]


async def test_a_product_is_read_in_its_plain_text() -> None:
    client, shop = open_shop(recorded("product_get_simple"))
    found = await client.get_product("10")
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query) == ("GET", f"{ROOT}/10", {"context": "edit"})
    assert (found.id, found.type, found.sku) == ("10", "simple", "LAB-SIMPLE-1")
    assert (found.status, found.parent_id) == ("publish", None)
    assert found.meta("_vtiger_id") == "14x77"
    assert found.data == recorded_json("product_get_simple")


async def test_a_variation_is_read_like_any_product() -> None:
    client, shop = open_shop(recorded("product_get_variation_by_id"))
    found = await client.get_product("18")
    assert shop.asked[0].path == f"{ROOT}/18"
    assert (found.type, found.parent_id, found.text("name")) == (
        "variation",
        "17",
        "T-shirt - Rouge, S",
    )


async def test_a_trashed_product_says_so() -> None:
    client, _ = open_shop(recorded("product_get_trashed"))
    assert (await client.get_product("12")).status == "trash"


async def test_a_product_that_is_gone() -> None:
    client, _ = open_shop(recorded("err_product_404"))
    with pytest.raises(NotFound):
        await client.get_product("999999")


async def test_a_sku_is_looked_for_in_any_case_and_without_the_blanks_around_it() -> None:
    client, shop = open_shop(recorded("product_search_sku"))
    found = await client.search_products_by_sku(" lab-Simple-1 ")
    assert [one.id for one in found] == ["10"]
    asked = shop.asked[0]
    assert (asked.method, asked.path) == ("GET", ROOT)
    assert asked.query == {"sku": "lab-Simple-1", "per_page": "100", "context": "edit"}


async def test_a_sku_with_commas_and_blanks_is_compared_whole() -> None:
    skus = ["A", "B 2", "A,B 2", "a,b 2 "]
    rows = [{"id": number, "sku": sku} for number, sku in enumerate(skus, 1)]
    client, shop = open_shop(json_answer(rows))
    assert [one.id for one in await client.search_products_by_sku("A,B 2")] == ["3", "4"]
    assert shop.asked[0].query["sku"] == "A,B 2"
    assert [one.id for one in await client.search_products_by_sku("B 2")] == ["2"]


@pytest.mark.parametrize("sku", ["", "  "])
async def test_no_product_has_an_empty_sku(sku: str) -> None:
    client, shop = open_shop(json_answer([{"id": 1, "sku": ""}]))
    assert await client.search_products_by_sku(sku) == []
    assert shop.asked == []


async def test_all_products_but_the_trash_are_listed_by_id() -> None:
    client, shop = open_shop(listing({"id": 10}, {"id": 21}, total=2))
    assert [one.id async for one in client.each_product()] == ["10", "21"]
    asked = shop.asked[0]
    assert (asked.method, asked.path) == ("GET", ROOT)
    assert asked.query == {**PAGE, "status": "any", "context": "edit", "page": "1"}


async def test_changes_are_asked_for_in_bare_utc_whatever_the_zone_of_the_moment() -> None:
    moment = datetime(2026, 11, 24, 1, 48, tzinfo=timezone(timedelta(hours=4, minutes=30)))
    client, shop = open_shop(recorded("products_list_modified_after_gmt"))
    assert [one.id async for one in client.each_product(moment)] == ["21"]
    # The same filter as in the recording, whose order by change is not ours.
    sent = shop.asked[0].query
    assert (sent["modified_after"], sent["dates_are_gmt"]) == ("2026-11-23T21:18:00", "true")
    assert sent["status"] == "any"


async def test_a_moment_without_a_zone_is_refused_before_anything_is_asked() -> None:
    client, shop = open_shop(listing(total=0))
    with pytest.raises(InvalidInput):
        client.each_product(datetime(2026, 11, 24))  # noqa: DTZ001
    assert shop.asked == []


async def test_no_product_is_missed_when_others_are_deleted_meanwhile() -> None:
    def rows(*numbers: int) -> list[dict[str, Any]]:
        return [{"id": number} for number in numbers]

    client, shop = open_shop(
        listing(*rows(*range(1, 101)), total=203),
        listing(*rows(*range(104, 204)), total=200),  # 1 to 3 are gone: 101 to 103 moved up
        listing(*rows(*range(4, 104)), total=200),
        listing(*rows(*range(104, 204)), total=200),
        listing(total=200),
    )
    found = [int(one.id) async for one in client.each_product()]
    assert found == list(range(1, 204))
    assert [asked.query["page"] for asked in shop.asked] == ["1", "2", "1", "2", "3"]


async def test_variations_are_listed_below_their_parent() -> None:
    rows = sorted(recorded_json("variations_list"), key=lambda row: int(row["id"]))
    client, shop = open_shop(listing(*rows, total=2))
    found = [one async for one in client.each_variation("17")]
    assert [(one.id, one.parent_id, one.sku) for one in found] == [
        ("18", "17", "TS-R-S"),
        ("19", "17", "TS-B-M"),
    ]
    asked = shop.asked[0]
    assert (asked.method, asked.path) == ("GET", f"{ROOT}/17/variations")
    assert asked.query == {**PAGE, "status": "any", "context": "edit", "page": "1"}


async def test_the_variations_of_a_product_that_is_gone() -> None:
    client, _ = open_shop(recorded("err_product_404"))
    with pytest.raises(NotFound):
        await anext(client.each_variation("999999"))


@pytest.mark.parametrize("parent_id", ["", "0", "17/variations/18"])
async def test_a_parent_that_is_none_reaches_no_address(parent_id: str) -> None:
    client, shop = open_shop(listing(total=0))
    with pytest.raises(InvalidInput):
        client.each_variation(parent_id)
    assert shop.asked == []


async def test_create_product() -> None:
    client, shop = open_shop(recorded("product_create_simple"))
    body = {"name": "Café & Thé", "sku": "LAB-SIMPLE-1", "regular_price": "19.99"}
    made = await client.create_product(body)
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query, asked.json) == ("POST", ROOT, {}, body)
    assert (made.id, made.sku) == ("10", "LAB-SIMPLE-1")


def test_writes_are_answered_in_plain_text_unasked() -> None:
    """Recordings only: the same product, as its creation and as a plain read show it."""
    written = WooProduct.parse(recorded_json("product_create_simple"))
    viewed = WooProduct.parse(recorded_json("product_get_simple"))
    assert written.text("short_description") == "Ligne 1\nLigne 2"
    assert viewed.text("short_description") == "<p>Ligne 1<br />\nLigne 2</p>\n"


@pytest.mark.parametrize(
    ("product", "path", "recording"),
    [
        (SIMPLE, f"{ROOT}/10", "product_update_price"),
        (VARIATION, f"{ROOT}/17/variations/18", "variation_update"),
        (GROUPED, f"{ROOT}/10", "product_update_price"),
    ],
)
async def test_an_update_goes_where_the_product_is(
    product: WooProduct, path: str, recording: str
) -> None:
    client, shop = open_shop(recorded(recording))
    changed = await client.update_product(product, {"regular_price": "12.00"})
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query) == ("PUT", path, {})
    assert asked.json == {"regular_price": "12.00"}
    assert changed.data == recorded_json(recording)


async def test_the_answer_to_a_variation_can_be_written_again() -> None:
    client, shop = open_shop(recorded("variation_update"))
    changed = await client.update_product(VARIATION, {"regular_price": "12.00"})
    await client.update_product(changed, {"sku": "TS-R-M"})
    assert shop.asked[1].path == f"{ROOT}/17/variations/18"


@pytest.mark.parametrize(
    ("product", "path", "recording", "force"),
    [
        (TRASHED, f"{ROOT}/12", "product_trash", "false"),
        (VARIATION, f"{ROOT}/17/variations/18", "variation_delete_noforce", "true"),
    ],
)
async def test_products_are_trashed_and_variations_deleted(
    product: WooProduct, path: str, recording: str, force: str
) -> None:
    client, shop = open_shop(recorded(recording))
    gone = await client.trash_product(product)
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query) == ("DELETE", path, {"force": force})
    assert asked.json is None
    assert gone.status == "publish"


def create(client: WooClient) -> Awaitable[WooProduct]:
    return client.create_product({"name": "x"})


def update(client: WooClient) -> Awaitable[WooProduct]:
    return client.update_product(SIMPLE, {"sku": "x"})


def trash(client: WooClient) -> Awaitable[WooProduct]:
    return client.trash_product(SIMPLE)


@pytest.mark.parametrize(
    ("call", "recording", "kind"),
    [
        (create, "err_product_price_number", Rejected),
        (create, "err_product_duplicate_sku", Duplicate),
        (create, "product_sku_of_trashed", Duplicate),
        (update, "err_product_duplicate_sku", Duplicate),
        (update, "err_product_404", NotFound),
        (trash, "err_product_already_trashed", NotFound),
        (trash, "err_product_404", NotFound),
    ],
)
async def test_recorded_refusals(call: Call, recording: str, kind: type[RemoteError]) -> None:
    client, shop = open_shop(recorded(recording))
    with pytest.raises(RemoteError) as caught:
        await call(client)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.ambiguous) == (recorded_json(recording)["code"], False)
    assert len(shop.asked) == 1


@pytest.mark.parametrize(
    ("recording", "holder"), [("err_product_duplicate_sku", "10"), ("product_sku_of_trashed", None)]
)
async def test_the_holder_of_a_sku_is_named_unless_it_is_in_the_trash(
    recording: str, holder: str | None
) -> None:
    client, _ = open_shop(recorded(recording))
    with pytest.raises(Duplicate) as caught:
        await client.create_product({"name": "x", "sku": "TR"})
    assert caught.value.holder_id == holder


@pytest.mark.parametrize("data", [{"id": 1}, [{"sku": "A"}], "text", None])
async def test_an_answer_that_is_no_list_of_products(data: object) -> None:
    client, _ = open_shop(json_answer(data))
    with pytest.raises(Unreadable):
        await client.search_products_by_sku("A")
