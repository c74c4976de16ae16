"""Products and variations as a sync meets them: what is refused, what is silently changed."""

from typing import Any

import pytest

from tests.cases import case
from tests.sandbox.woocommerce.shopfront import Front

pytestmark = pytest.mark.anyio


async def created(front: Front, path: str = "/products", **body: Any) -> dict[str, Any]:
    answer = await front.api.post(path, json=body)
    assert answer.status_code == 201, answer.text
    product: dict[str, Any] = answer.json()
    return product


async def read(front: Front, product_id: int, **params: str) -> dict[str, Any]:
    product: dict[str, Any] = (await front.api.get(f"/products/{product_id}", params=params)).json()
    return product


async def put(front: Front, product_id: int, **body: Any) -> dict[str, Any]:
    answer = await front.api.put(f"/products/{product_id}", json=body)
    assert answer.status_code == 200, answer.text
    product: dict[str, Any] = answer.json()
    return product


async def variable(front: Front) -> tuple[int, int]:
    attribute = {"name": "Size", "variation": True, "options": ["S", "M"]}
    parent = await created(front, name="Shirt", type="variable", sku="SH", attributes=[attribute])
    variation = await created(
        front,
        f"/products/{parent['id']}/variations",
        regular_price="20",
        attributes=[{"name": "Size", "option": "S"}],
    )
    return parent["id"], variation["id"]


async def test_a_new_product_fires_created_only_and_any_write_updated(front: Front) -> None:
    await front.subscribe("product.created", "product.updated")
    product = await created(front, name="Mug", regular_price="5")
    assert await front.flushed() == ["product.created"]

    front.clock.pass_seconds(60)
    await put(front, product["id"])

    assert await front.flushed() == ["product.updated"]
    assert (await read(front, product["id"]))["date_modified"] > product["date_modified"]


async def test_webhooks_carry_what_a_default_read_shows_and_writes_answer_the_raw_text(
    front: Front,
) -> None:
    await front.subscribe("product.created")
    product = await created(front, name="A & B", description='Two\nlines "here"', regular_price="1")
    await front.flushed()

    assert (product["name"], product["description"]) == ("A &amp; B", 'Two\nlines "here"')
    assert front.receiver.bodies[0]["description"] == '<p>Two<br />\nlines "here"</p>\n'
    edited = await read(front, product["id"], context="edit")
    assert edited["description"] == 'Two\nlines "here"'


async def test_changing_one_text_strips_a_level_of_backslashes_from_the_others(
    front: Front,
) -> None:
    product = await created(front, name="N", description="a\\\\\\\\b", short_description="c")
    assert product["description"] == "a\\\\b"

    await put(front, product["id"], weight="2")
    assert (await read(front, product["id"], context="edit"))["description"] == "a\\\\b"
    await put(front, product["id"], name="Other")

    assert (await read(front, product["id"], context="edit"))["description"] == "a\\b"


async def test_a_short_description_cannot_be_emptied(front: Front) -> None:
    product = await created(front, name="N", short_description="stays")

    answer = await put(front, product["id"], short_description="")

    assert answer["short_description"] == "stays"


@pytest.mark.parametrize(
    ("sent", "stored"),
    [("12,5", "125"), ("abc", ""), ("-5", "-5"), ("12.34567", "12.34567"), ("1.2.3", "12.3")],
)
async def test_prices_are_cleaned_not_refused(front: Front, sent: str, stored: str) -> None:
    product = await created(front, name="P", regular_price=sent)

    assert (product["regular_price"], product["price"]) == (stored, stored)
    assert product["purchasable"] is (stored != "")


async def test_a_sale_price_that_is_no_saving_is_dropped(front: Front) -> None:
    product = await created(front, name="P", regular_price="10", sale_price="8")
    assert (product["price"], product["on_sale"]) == ("8", True)

    dropped = await put(front, product["id"], regular_price="7")

    assert (dropped["sale_price"], dropped["price"], dropped["on_sale"]) == ("", "7", False)


async def test_stock_decides_the_stock_status_once_it_is_managed(front: Front) -> None:
    product = await created(front, name="P", manage_stock=True, stock_quantity=0)
    assert product["stock_status"] == "outofstock"

    ordered = await put(front, product["id"], backorders="notify")
    assert (ordered["stock_status"], ordered["backordered"]) == ("onbackorder", True)
    unmanaged = await put(front, product["id"], manage_stock=False)

    assert (unmanaged["stock_quantity"], unmanaged["backorders"]) == (None, "no")


async def test_an_unknown_tax_class_is_silently_the_standard_one(front: Front) -> None:
    for given, stored in (("nope", ""), ("standard", ""), ("reduced-rate", "reduced-rate")):
        assert (await created(front, name="P", tax_class=given))["tax_class"] == stored


async def test_a_sku_in_use_names_its_holder_whatever_its_case(front: Front) -> None:
    holder = await created(front, name="First", sku="mug-1")
    parent, variation = await variable(front)
    await front.api.put(f"/products/{parent}/variations/{variation}", json={"sku": "SH-S"})

    for sku, owner in (("MUG-1", holder["id"]), ("sh-s", variation)):
        answer = await front.api.post("/products", json={"name": "Second", "sku": sku})
        error = answer.json()
        assert (answer.status_code, error["code"]) == (400, "product_invalid_sku")
        assert error["data"] == {"status": 400, "resource_id": owner, "unique_sku": f"{sku}-1"}


async def test_the_sku_of_a_trashed_product_is_held_back_until_it_is_deleted(front: Front) -> None:
    product = await created(front, name="First", sku="T")
    await front.api.delete(f"/products/{product['id']}")

    answer = await front.api.post("/products", json={"name": "Second", "sku": "T"})
    assert answer.json()["code"] == "woocommerce_rest_product_not_created"
    assert (await front.api.get("/products", params={"sku": "T"})).json() == []
    await front.api.delete(f"/products/{product['id']}", params={"force": True})

    assert (await created(front, name="Second", sku="T"))["sku"] == "T"


async def test_trash_and_restore_over_rest_and_in_the_admin(front: Front) -> None:
    product_id = (await created(front, name="Lamp"))["id"]
    await front.subscribe("product.updated", "product.deleted", "product.restored")

    await front.api.delete(f"/products/{product_id}")
    assert await front.flushed() == ["product.deleted"]
    assert front.receiver.bodies == [{"id": product_id}]
    assert (await front.api.delete(f"/products/{product_id}")).status_code == 410
    await put(front, product_id, status="publish")
    assert await front.flushed() == ["product.updated"]
    assert (await read(front, product_id))["slug"] == "lamp"
    await front.api.delete(f"/products/{product_id}")
    front.shop.admin.restore_product(product_id)

    assert await front.flushed() == ["product.deleted", "product.updated", "product.restored"]


async def test_a_forced_delete_fires_action_topics_only(front: Front) -> None:
    parent, variation = await variable(front)
    await front.subscribe(
        "product.deleted",
        "product.updated",
        "action.woocommerce_delete_product",
        "action.woocommerce_delete_product_variation",
    )

    await front.api.delete(f"/products/{parent}/variations/{variation}", params={"force": True})
    await front.api.delete(f"/products/{parent}", params={"force": True})

    assert await front.flushed() == [
        "action.woocommerce_delete_product_variation",
        "action.woocommerce_delete_product",
    ]
    assert front.receiver.bodies[0] == {
        "action": "woocommerce_delete_product_variation",
        "arg": variation,
    }


async def test_a_variation_tells_of_itself_and_touches_its_parent(front: Front) -> None:
    parent, variation = await variable(front)
    before = await read(front, parent)
    await front.subscribe("product.created", "product.updated")

    front.clock.pass_seconds(5)
    await front.api.put(f"/products/{parent}/variations/{variation}", json={"regular_price": "30"})

    assert await front.flushed() == ["product.updated"]
    told = front.receiver.bodies[0]
    assert (told["id"], told["type"], told["parent_id"]) == (variation, "variation", parent)
    assert (told["name"], told["sku"]) == ("Shirt - S", "SH")
    after = await read(front, parent)
    assert (after["price"], after["variations"]) == ("30", [variation])
    assert after["date_modified"] > before["date_modified"]


async def test_a_batch_answers_each_item_and_lists_end_it(front: Front) -> None:
    product = await created(front, name="P", sku="P1")
    items = [{"name": "dup", "sku": "P1"}, {"name": "new", "sku": "P2"}]

    answer = await front.api.post("/products/batch", json={"create": items})

    first, second = answer.json()["create"]
    assert (first["id"], first["error"]["data"]["resource_id"]) == (0, product["id"])
    assert second["sku"] == "P2"
    deadly = {"update": [{"id": product["id"], "name": 42}, {"id": second["id"], "name": ["x"]}]}
    died = await front.api.post("/products/batch", json=deadly)
    assert (died.status_code, died.json()["code"]) == (500, "internal_server_error")
    assert (await read(front, product["id"]))["name"] == "42"


async def test_related_products_are_others_and_change(front: Front) -> None:
    ids = [(await created(front, name=f"P{number}"))["id"] for number in range(8)]

    seen = {tuple((await read(front, ids[0]))["related_ids"]) for _ in range(20)}

    assert len(seen) > 1
    assert all(len(related) == 5 and ids[0] not in related for related in seen)


async def test_a_trashed_page_is_told_as_a_deleted_product(front: Front) -> None:
    await front.subscribe("product.deleted", "product.restored")

    page_id = front.shop.admin.trash_page()
    front.shop.admin.restore_page(page_id)

    assert await front.flushed() == ["product.deleted", "product.restored"]
    deleted, restored = front.receiver.bodies
    assert deleted == {"id": page_id}
    assert restored["code"] == "woocommerce_rest_product_invalid_id"


async def test_the_admin_stores_names_as_typed(front: Front) -> None:
    await front.subscribe("product.created", "product.updated")
    row = front.shop.admin.publish_product({"name": "Plain", "regular_price": "3"})
    assert await front.flushed() == ["product.created", "product.updated"]

    front.shop.admin.edit_product(row["id"], {"name": "Tom & Jerry"})

    assert (await read(front, row["id"]))["name"] == "Tom & Jerry"
    assert await front.flushed() == ["product.updated"]


async def test_a_variation_without_a_sku_shows_its_parents_but_for_editing(front: Front) -> None:
    """As case sandbox-variation-without-sku tells of a running shop."""
    known = case("sandbox-variation-without-sku").expect
    colours = [{"name": "Colour", "options": ["Red"], "variation": True}]
    shirt: dict[str, object] = {"name": "T-shirt", "type": "variable", "sku": "TS"}
    shirt |= {"attributes": colours, "manage_stock": True, "stock_quantity": 3}
    parent = (await front.api.post("/products", json=shirt)).json()["id"]
    chosen = {"attributes": [{"name": "Colour", "option": "Red"}]}
    path = f"/products/{parent}/variations"
    variation = (await front.api.post(path, json=chosen)).json()
    shown = ("sku", "manage_stock", "stock_quantity")

    async def read(path: str, **query: str) -> dict[str, object]:
        body = (await front.api.get(path, params=query)).json()
        return {name: body[name] for name in shown}

    of_parent = {"sku": "TS", "manage_stock": "parent", "stock_quantity": 3}
    own = f"/products/{variation['id']}"
    assert {name: variation[name] for name in shown} == of_parent
    assert await read(f"{path}/{variation['id']}", context="edit") == of_parent
    assert await read(own) == of_parent
    assert await read(own, context="edit") == {**known, "stock_quantity": None}
