"""Settings over HTTP: read in full, replaced in whole or changed in part, slips refused."""

from typing import Any

import httpx
import pytest

from app.domain import Module
from app.policies.repository import settings_of
from tests.api.calls import problem

pytestmark = pytest.mark.anyio

CONTACTS = "/settings/main/contacts"


async def test_every_module_of_every_store_is_listed(client: httpx.AsyncClient) -> None:
    items = (await client.get("/settings")).json()["items"]
    assert {(item["store"], item["module"]) for item in items} == {
        (store, module) for store in ("main", "shop-fr") for module in Module
    }
    assert {item["module"] for item in items if item["enabled"]} == set(Module)


async def whole(client: httpx.AsyncClient, path: str = CONTACTS) -> dict[str, Any]:
    settings: dict[str, Any] = (await client.get(path)).json()
    return settings


async def test_what_is_put_is_what_is_read(client: httpx.AsyncClient) -> None:
    before = await whole(client)
    change = {"direction": "woo_to_vtiger", "delete_policy": "propagate", "roles": ["customer"]}
    put = await client.put(CONTACTS, json=before | change)
    assert put.status_code == 200
    assert put.json() == await whole(client)
    assert put.json().items() >= change.items()
    assert (await client.get("/settings/shop-fr/contacts")).json()["direction"] == "both"


async def test_who_changed_the_settings_and_when_is_told(client: httpx.AsyncClient) -> None:
    before = await whole(client)
    after = (await client.patch(CONTACTS, json={"too_long": "skip"})).json()
    assert (before["updated_at"], before["updated_by"]) == (None, None)
    assert (after["updated_by"], after["updated_at"][:2], after["updated_at"][-1]) == (
        "API_TOKENS", "20", "Z",
    )  # fmt: skip


async def test_a_put_that_leaves_something_out_is_refused_and_resets_nothing(
    client: httpx.AsyncClient,
) -> None:
    await client.patch(CONTACTS, json={"enabled": False})
    before = await whole(client)
    answer = await client.put(CONTACTS, json={"too_long": "skip"})
    missing = [error["field"] for error in answer.json()["errors"]]

    assert problem(answer) == (422, "invalid_request")
    assert missing == [name for name in settings_of(Module.CONTACTS) if name != "too_long"]
    assert "PATCH" in answer.json()["detail"]
    assert await whole(client) == before
    assert not before["enabled"]


async def test_a_patch_changes_what_it_names_and_nothing_else(client: httpx.AsyncClient) -> None:
    first = (await client.patch(CONTACTS, json={"enabled": False, "roles": ["buyer"]})).json()
    second = (await client.patch(CONTACTS, json={"too_long": "skip"})).json()
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"too_long", "updated_at"}
    assert (second["enabled"], second["roles"]) == (False, ["buyer"])


@pytest.mark.parametrize("module", list(Module))
async def test_an_answer_can_be_sent_back_changed(
    client: httpx.AsyncClient, module: Module
) -> None:
    path = f"/settings/main/{module}"
    body = await whole(client, path) | {"conflict_policy": "vtiger_wins"}
    response = await client.put(path, json=body)
    told = {"updated_at": response.json()["updated_at"], "updated_by": "API_TOKENS"}
    assert response.json() == body | told


async def test_settings_that_somebody_changed_meanwhile_are_not_overwritten(
    client: httpx.AsyncClient,
) -> None:
    seen = await whole(client)
    await client.patch(CONTACTS, json={"enabled": False})
    late = [
        await client.put(CONTACTS, json=seen | {"too_long": "skip"}),
        await client.patch(CONTACTS, json={"too_long": "skip", "updated_at": seen["updated_at"]}),
    ]
    assert [problem(answer) for answer in late] == [(409, "overtaken")] * 2
    assert (await whole(client))["too_long"] == "cut"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"direction": "import"}, "direction"),
        ({"directoin": "off"}, "directoin"),
        ({"store": "shop-fr"}, "store"),
        ({"module": "taxes"}, "module"),
        ({"roles": "customer"}, "roles"),
        ({"tax_country": "FR"}, "tax_country"),
        ({"guests": "skip"}, "guests"),
        ({"delete_policy": "deactivate"}, "delete_policy"),
    ],
)
async def test_a_mistaken_setting_is_refused_by_its_name(
    client: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    answers = [
        await client.patch(CONTACTS, json=change),
        await client.put(CONTACTS, json=await whole(client) | change),
    ]
    for response in answers:
        assert problem(response) == (422, "invalid_request")
        assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_unknown_places_are_refused(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/settings/nobody/contacts")) == (404, "not_found")
    assert problem(await client.patch("/settings/nobody/contacts", json={})) == (404, "not_found")
    assert problem(await client.get("/settings/main/leads")) == (422, "invalid_request")
