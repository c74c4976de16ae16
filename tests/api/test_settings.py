"""Settings over HTTP: read in full, replaced in whole, slips refused."""

from typing import Any

import httpx
import pytest

from app.records import Module
from tests.api.calls import problem

pytestmark = pytest.mark.anyio

CONTACTS = "/settings/main/contacts"


async def test_every_module_of_every_store_is_listed(client: httpx.AsyncClient) -> None:
    items = (await client.get("/settings")).json()["items"]
    assert {(item["store"], item["module"]) for item in items} == {
        (store, module) for store in ("main", "shop-fr") for module in Module
    }
    assert {item["module"] for item in items if item["enabled"]} == set(Module)


async def test_what_is_put_is_what_is_read(client: httpx.AsyncClient) -> None:
    change = {"direction": "woo_to_vtiger", "delete_policy": "propagate", "roles": ["customer"]}
    put = await client.put(CONTACTS, json=change)
    assert put.status_code == 200
    assert put.json() == (await client.get(CONTACTS)).json()
    assert put.json().items() >= change.items()
    assert (await client.get("/settings/shop-fr/contacts")).json()["direction"] == "both"


async def test_what_is_left_out_goes_back_to_its_default(client: httpx.AsyncClient) -> None:
    before = (await client.get(CONTACTS)).json()
    await client.put(CONTACTS, json={"direction": "off"})
    assert (await client.put(CONTACTS, json={})).json() == before


async def test_an_answer_can_be_sent_back_changed(client: httpx.AsyncClient) -> None:
    body = (await client.get(CONTACTS)).json() | {"conflict_policy": "vtiger_wins"}
    response = await client.put(CONTACTS, json=body)
    assert response.json() == body


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"direction": "import"}, "direction"),
        ({"directoin": "off"}, "directoin"),
        ({"store": "shop-fr"}, "store"),
        ({"module": "taxes"}, "module"),
        ({"roles": "customer"}, "roles"),
    ],
)
async def test_a_mistaken_setting_is_refused_by_its_name(
    client: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    response = await client.put(CONTACTS, json=change)
    assert problem(response) == (422, "invalid_request")
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_unknown_places_are_refused(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/settings/nobody/contacts")) == (404, "not_found")
    assert problem(await client.put("/settings/nobody/contacts", json={})) == (404, "not_found")
    assert problem(await client.get("/settings/main/leads")) == (422, "invalid_request")
