"""Batches of customers: order kept, items answered one by one, schemas not checked."""

import pytest

from tests.sandbox.woocommerce.shopfront import Front, created

pytestmark = pytest.mark.anyio


async def test_a_batch_writes_in_order_and_answers_item_by_item(front: Front) -> None:
    zoe = await created(front, "zoe@shop.example")
    body = {
        "create": [{"email": "new@shop.example"}, {"email": "zoe@shop.example"}],
        "update": [{"id": zoe, "billing": {"company": 42}}, {"id": 999}],
        "delete": [zoe],
    }

    answer = (await front.api.post("/customers/batch", json=body)).json()

    assert answer["create"][0]["email"] == "new@shop.example"
    assert answer["create"][1]["error"]["code"] == "registration-error-email-exists"
    assert answer["update"][0]["billing"]["company"] == "42"
    assert answer["update"][1] == {
        "id": 999,
        "error": {
            "code": "wc_user_invalid_id",
            "message": "Invalid user ID.",
            "data": {"status": 404},
        },
    }
    assert answer["delete"][0]["id"] == zoe


async def test_a_batch_may_erase_an_address_that_a_single_write_refuses(front: Front) -> None:
    zoe = await created(front, "zoe@shop.example")
    item = {"id": zoe, "email": "no address"}

    single = await front.api.put(f"/customers/{zoe}", json=item)
    batch = await front.api.post("/customers/batch", json={"update": [item]})

    assert single.status_code == 400
    assert batch.json()["update"][0]["email"] == ""


async def test_batch_items_of_any_shape_are_answered(front: Front) -> None:
    body = {
        "create": ["x", {"email": ["a"], "first_name": {"b": 1}, "meta_data": "c"}],
        "update": [{"id": "x"}, 3],
        "delete": ["y", {}, None],
    }

    answer = (await front.api.post("/customers/batch", json=body)).json()

    assert [item["error"]["data"]["status"] for item in answer["create"]] == [400, 400]
    assert [item["error"]["code"] for item in answer["update"]] == ["wc_user_invalid_id"] * 2
    assert "delete" not in answer
