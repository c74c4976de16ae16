"""Customers over REST: unique addresses, paging, search, meta, permissions, batches."""

import asyncio

import httpx
import pytest

from tests.sandbox.woocommerce.shopfront import MANAGER, Front, created

pytestmark = pytest.mark.anyio


def ids(answer: httpx.Response) -> list[int]:
    return [item["id"] for item in answer.json()]


async def test_of_parallel_creates_with_one_address_one_wins(front: Front) -> None:
    body = {"email": "Zoe@shop.example"}
    answers = await asyncio.gather(*(front.api.post("/customers", json=body) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 7


async def test_an_address_is_unique_across_roles(front: Front) -> None:
    front.shop.customers.register("ed@shop.example", role="editor")

    answer = await front.api.post("/customers", json={"email": "ED@shop.example"})

    assert answer.json()["code"] == "registration-error-email-exists"


async def test_an_address_is_free_again_after_its_owner_changed_or_left(front: Front) -> None:
    first = await created(front, "zoe@shop.example")
    await front.api.put(f"/customers/{first}", json={"email": "other@shop.example"})
    second = await created(front, "zoe@shop.example")
    await front.api.delete(f"/customers/{second}", params={"force": True})

    assert await created(front, "zoe@shop.example") == second + 1


async def test_only_customers_are_listed_unless_all_are_asked_for(front: Front) -> None:
    front.shop.customers.register("ed@shop.example", role="editor")
    customer = await created(front, "zoe@shop.example")

    default = await front.api.get("/customers")
    everyone = await front.api.get("/customers", params={"role": "all", "orderby": "id"})
    by_email = await front.api.get("/customers", params={"email": "ed@shop.example"})

    assert (ids(default), ids(everyone), ids(by_email)) == ([customer], [1, 2, 3], [])


async def test_pages_are_counted_and_linked(front: Front) -> None:
    for number in range(5):
        await created(front, f"c{number}@shop.example")
    query: dict[str, str | int] = {"per_page": 2, "page": 2, "orderby": "id", "order": "asc"}

    page = await front.api.get("/customers", params=query)
    beyond = await front.api.get("/customers", params={**query, "page": 9})

    assert (ids(page), page.headers["X-WP-Total"], page.headers["X-WP-TotalPages"]) == (
        [4, 5],
        "5",
        "3",
    )
    assert 'page=1&orderby=id&order=asc>; rel="prev"' in page.headers["Link"]
    assert 'page=3&orderby=id&order=asc>; rel="next"' in page.headers["Link"]
    assert (beyond.status_code, beyond.json()) == (200, [])


async def test_customers_are_found_by_part_of_their_address_or_user_name(front: Front) -> None:
    zoe = await created(front, "zoe.muller@shop.example")
    await created(front, "other@shop.example")

    assert ids(await front.api.get("/customers", params={"search": "MÜLLER"})) == [zoe]
    assert ids(await front.api.get("/customers", params={"search": "zoe.muller@"})) == [zoe]


async def test_included_customers_come_in_the_order_asked_for(front: Front) -> None:
    first, second = await created(front, "a@shop.example"), await created(front, "b@shop.example")
    query = {"include": f"{second},{first}", "orderby": "include"}

    assert ids(await front.api.get("/customers", params=query)) == [second, first]
    assert ids(await front.api.get("/customers", params={"exclude": first})) == [second]


async def test_every_write_bumps_the_modification_time_even_an_empty_one(front: Front) -> None:
    customer = await created(front, "zoe@shop.example")
    front.clock.pass_seconds(61)

    answer = await front.api.put(f"/customers/{customer}", json={})

    assert answer.json()["date_modified"] == "2026-11-23T22:16:59"
    assert answer.json()["date_modified_gmt"] == "2026-11-23T21:16:59"


async def test_meta_is_set_in_place_by_key_and_deleted_by_null(front: Front) -> None:
    meta = [{"key": "vtiger_id", "value": "12x1"}, {"key": "_vtiger_id", "value": "hidden"}]
    customer = await created(front, "zoe@shop.example", password="x", meta_data=meta)
    path = f"/customers/{customer}"

    before = (await front.api.get(path)).json()["meta_data"]
    changed = {"meta_data": [{"key": "vtiger_id", "value": "12x2"}]}
    after = (await front.api.put(path, json=changed)).json()["meta_data"]
    gone = {"meta_data": [{"id": before[0]["id"], "key": "vtiger_id", "value": None}]}

    assert after == [{**before[0], "value": "12x2"}]
    assert (await front.api.put(path, json=gone)).json()["meta_data"] == []


async def test_a_name_changes_again_with_the_next_write_of_any_field(front: Front) -> None:
    customer = await created(front, "zoe@shop.example")
    path = f"/customers/{customer}"

    written = (await front.api.put(path, json={"last_name": "Fish & Chips > 2"})).json()
    later = (await front.api.put(path, json={"billing": {"city": "Paris"}})).json()

    assert written["last_name"] == "Fish & Chips > 2"
    assert later["last_name"] == "Fish &amp; Chips &gt; 2"


@pytest.mark.parametrize("email", [None, "a&b@shop.example"])
async def test_some_addresses_erase_the_stored_one(front: Front, email: str | None) -> None:
    customer = await created(front, "zoe@shop.example")

    answer = await front.api.put(f"/customers/{customer}", json={"email": email})

    assert (answer.status_code, answer.json()["email"]) == (200, "")


async def test_changing_the_case_of_ones_own_address_is_refused(front: Front) -> None:
    customer = await created(front, "zoe@shop.example")

    answer = await front.api.put(f"/customers/{customer}", json={"email": "ZOE@shop.example"})

    assert answer.json()["code"] == "woocommerce_rest_customer_invalid_email"


async def test_user_names_come_from_addresses_and_stay_unique(front: Front) -> None:
    first = await created(front, "Zoe+x@shop.example")
    second = await created(front, "zoex@other.example")

    names = [
        (await front.api.get(f"/customers/{number}")).json()["username"]
        for number in (first, second)
    ]
    assert names[0] == "zoex"
    assert names[1].startswith("zoex-")


async def test_a_shop_manager_may_not_delete_and_not_edit_others(front: Front) -> None:
    customer = await created(front, "zoe@shop.example")
    editor = front.shop.customers.register("ed@shop.example", role="editor").id
    api = front.client(MANAGER)

    edit = await api.put(f"/customers/{editor}", json={})
    delete = await api.delete(f"/customers/{customer}", params={"force": True})

    assert (edit.status_code, edit.json()["code"]) == (403, "woocommerce_rest_cannot_edit")
    assert (delete.status_code, delete.json()["code"]) == (403, "woocommerce_rest_cannot_delete")
    assert (await api.put(f"/customers/{customer}", json={})).status_code == 200


async def test_answers_are_limited_to_the_fields_asked_for(front: Front) -> None:
    await created(front, "zoe@shop.example")

    answer = await front.api.get("/customers", params={"_fields": "id,email"})

    assert answer.json() == [{"id": 2, "email": "zoe@shop.example"}]


async def test_answers_are_ascii_with_escaped_slashes(front: Front) -> None:
    await created(front, "zoe@shop.example", first_name="Zoë", billing={"company": "a/b\x7f😀"})

    content = (await front.api.get("/customers/2")).content

    assert b'"first_name":"Zo\\u00eb"' in content
    assert b'"company":"a\\/b\x7f\\ud83d\\ude00"' in content


async def test_what_is_not_json_is_refused_with_php_s_reason(front: Front) -> None:
    async def refusal(content: bytes) -> object:
        headers = {"Content-Type": "application/json"}
        answer = await front.api.post("/customers", content=content, headers=headers)
        return answer.json()["data"]["json_error_code"]

    assert [
        await refusal(content)
        for content in (b'{"a":', b'{"a":"\xff"}', b'{"a":"\\ud83d"}', b'{"a":"\x01"}', b"[NaN]")
    ] == [4, 5, 10, 3, 4]


@pytest.mark.parametrize(
    ("email", "code"),
    [
        (f"{'l' * 61}@shop.example", "user_login_too_long"),
        (f"zoe@{'b' * 120}.example", "woocommerce_rest_cannot_create"),
        ("no address", "customer_invalid_email"),
    ],
)
async def test_accounts_that_do_not_fit_are_refused(front: Front, email: str, code: str) -> None:
    answer = await front.api.post("/customers", json={"email": email})

    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("per_page=x", "per_page is not of type integer."),
        ("page=0", "page must be greater than or equal to 1"),
        ("order=up", "order is not one of asc and desc."),
        ("include=a", "include[0] is not of type integer."),
        ("search[]=a", "search is not of type string."),
        ("email=bad", "Invalid email address."),
    ],
)
async def test_wrong_list_arguments_are_named(front: Front, query: str, message: str) -> None:
    answer = await front.api.get(f"/customers?{query}")

    assert list(answer.json()["data"]["params"].values()) == [message]
