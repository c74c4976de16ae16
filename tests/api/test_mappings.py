"""Mappings over HTTP: what is in force, what is refused and why, every version kept."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.db.session import transaction
from app.domain import Scope
from app.policies.access import create_token
from tests.api.calls import problem
from tests.custom import VAT, add_fields, add_row, call, change_row
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

CONTACTS = "/mappings/main/contacts"


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url, hooks=False) as opened:
        add_fields(opened)
        yield opened


def row_of(mapping: dict[str, Any], row_id: str) -> dict[str, Any]:
    row: dict[str, Any] = next(row for row in mapping["items"] if row["id"] == row_id)
    return row


async def test_the_defaults_are_in_force_until_somebody_changes_them(world: World) -> None:
    mapping = (await call(world, "GET", CONTACTS)).json()
    assert (mapping["version"], mapping["updated_by"], mapping["problems"]) == (0, "", [])
    assert {row["origin"] for row in mapping["items"]} == {"default"}
    phone = row_of(mapping, "phone")
    assert (phone["woo"], phone["vtiger"], phone["direction"]) == (
        ["billing.phone"], "phone", "both",
    )  # fmt: skip
    assert (phone["vtiger_label"], phone["vtiger_type"]) == ("Office Phone", "phone")


async def test_a_row_is_added_changed_and_removed_by_its_id(world: World) -> None:
    added = await add_row(world, "vat")
    changed = await change_row(world, "vat", woo="meta:vat", vtiger="cf_869", comment="Of a plugin")
    removed = await call(world, "DELETE", f"{CONTACTS}/vat")

    assert row_of(added, "vat")["origin"] == "custom"
    assert (added["version"], added["updated_by"]) == (1, "API_TOKENS")
    assert (row_of(changed, "vat")["woo"], row_of(changed, "vat")["comment"]) == (
        ["meta:vat"], "Of a plugin",
    )  # fmt: skip
    assert removed.status_code == 200
    assert (removed.json()["version"], "vat" in str(removed.json()["items"])) == (3, False)


async def test_a_default_row_is_changed_in_its_place_and_put_back(world: World) -> None:
    off = await change_row(world, "mobile", direction="off")
    assert (row_of(off, "mobile")["origin"], row_of(off, "mobile")["direction"]) == (
        "changed", "off",
    )  # fmt: skip
    back = (await call(world, "DELETE", f"{CONTACTS}/mobile")).json()
    assert row_of(back, "mobile")["origin"] == "default"
    assert problem(await call(world, "DELETE", f"{CONTACTS}/mobile")) == (422, "invalid_request")


async def test_a_put_of_a_part_is_refused_and_a_patch_keeps_the_rest(world: World) -> None:
    await change_row(world, "mobile", direction="off", comment="Ours")
    path = f"{CONTACTS}/mobile"
    put = await call(world, "PUT", path, body={"comment": "Nobody's"})
    patched = (await call(world, "PATCH", path, body={"comment": "Still off"})).json()
    whole = await change_row(world, "mobile", comment="", direction="woo_to_vtiger")

    assert problem(put) == (422, "invalid_request")
    assert [error["field"] for error in put.json()["errors"]] == ["direction"]
    row = row_of(patched, "mobile")
    assert (row["direction"], row["comment"], patched["version"]) == ("off", "Still off", 2)
    assert row_of(whole, "mobile")["direction"] == "woo_to_vtiger"


async def test_a_row_without_an_id_is_named_after_its_field(world: World) -> None:
    body = {"woo": "meta:vat", "vtiger": "cf_869"}
    answer = await call(world, "POST", CONTACTS, body=body)
    assert row_of(answer.json(), "cf_869")["woo"] == ["meta:vat"]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"woo": "meta:vat", "vtiger": "cf_999"}, "vat.vtiger"),
        ({"woo": "meta:vat", "vtiger": "mailingcity"}, "vat.vtiger"),
        ({"woo": "meta:vat", "vtiger": "assigned_user_id"}, "vat.vtiger"),
        ({"woo": "meta:vat", "vtiger": "cf_853"}, "vat.vtiger"),
        ({"woo": "meta:vat", "vtiger": "contact_id"}, "vat.vtiger"),
        ({"woo": "meta:vat", "vtiger": "contact_no"}, "vat.direction"),
        ({"woo": "meta:vat", "vtiger": "cf_859"}, "vat.transform"),
        ({"woo": "meta:vat", "vtiger": "cf_869", "transform": "rot13"}, "vat.transform"),
        ({"woo": "meta:_vat", "vtiger": "cf_869"}, "vat.woo"),
        ({"woo": "meta:vtiger_id", "vtiger": "cf_869"}, "vat.woo"),
        ({"woo": "billing.vat", "vtiger": "cf_869"}, "vat.woo"),
        ({"woo": "date_modified", "vtiger": "cf_869"}, "vat.woo"),
        ({"woo": "role", "vtiger": "cf_869", "direction": "both"}, "vat.direction"),
        ({"woo": "billing.phone", "vtiger": "cf_869"}, "vat.woo"),
        ({"woo": "meta:vat", "vtiger": ""}, "vat.vtiger"),
        ({"vtiger": "cf_869"}, "vat.woo"),
        ({"woo": "meta:vat", "vtiger": "cf_861", "transform": "picklist"}, "vat.pairs"),
        ({"vtiger": "cf_869", "transform": "constant"}, "vat.value"),
        ({"vtiger": "cf_859", "transform": "constant", "value": "many"}, "vat.value"),
        ({"woo": "meta:vat", "vtiger": "cf_869", "transform": "state"}, "vat.given"),
        ({"woo": "meta:vat", "vtiger": "cf_869", "size": 0}, "size"),
        ({"woo": "meta:vat", "vtiger": "cf_869", "colour": "red"}, "colour"),
    ],
)
async def test_a_row_that_cannot_work_is_refused_with_the_part_to_mend(
    world: World, row: dict[str, Any], field: str
) -> None:
    answer = await call(world, "POST", CONTACTS, body={"id": "vat", **row})
    assert problem(answer) == (422, "invalid_request")
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert (await call(world, "GET", CONTACTS)).json()["version"] == 0


async def test_what_a_system_cannot_be_without_keeps_its_row(world: World) -> None:
    for row_id, told in (("last_name", "Last Name"), ("email", "email")):
        answer = await call(world, "PUT", f"{CONTACTS}/{row_id}", body={"direction": "off"})
        assert problem(answer) == (422, "invalid_request")
        assert told in answer.json()["detail"]


async def test_two_rows_may_not_write_the_same_field(world: World) -> None:
    await add_row(world, "vat")
    again = {"id": "other", "woo": "meta:other", "vtiger": "cf_869"}
    answer = await call(world, "POST", CONTACTS, body=again)
    assert "row vat" in answer.json()["detail"]
    one_way = again | {"direction": "vtiger_to_woo"}
    assert (await call(world, "POST", CONTACTS, body=one_way)).status_code == 201


async def test_taxes_take_no_rows(world: World) -> None:
    body = {"woo": "name", "vtiger": "taxlabel"}
    answer = await call(world, "POST", "/mappings/main/taxes", body=body)
    assert problem(answer) == (422, "invalid_request")
    assert "Taxes have no custom rows" in answer.json()["detail"]


async def test_a_field_that_vanished_is_flagged_and_keeps_nobody_from_changing_the_rest(
    world: World,
) -> None:
    await add_row(world, "vat")
    world.sandbox.crm.ui_remove_field("Contacts", "cf_869")
    await world.runtime.shapes.refresh("Contacts")

    mapping = (await call(world, "GET", CONTACTS)).json()
    [told] = row_of(mapping, "vat")["problems"]
    assert (told["field"], "has no field cf_869" in told["message"]) == ("vtiger", True)
    await add_row(world, "loyalty")


async def test_a_field_that_is_new_in_vtiger_can_be_mapped_at_once(world: World) -> None:
    await call(world, "GET", CONTACTS)
    world.sandbox.crm.ui_remove_field("Contacts", "cf_869")
    world.sandbox.crm.ui_add_field("Contacts", VAT)
    await add_row(world, "vat")


async def test_every_version_is_kept_and_can_be_restored(world: World) -> None:
    await add_row(world, "vat")
    await add_row(world, "loyalty")
    await call(world, "DELETE", f"{CONTACTS}/vat")
    history = (await call(world, "GET", f"{CONTACTS}/history")).json()
    assert [(v["version"], v["added"], v["changed"], v["removed"]) for v in history["items"]] == [
        (3, [], [], ["vat"]),
        (2, ["loyalty"], [], []),
        (1, ["vat"], [], []),
    ]
    assert {v["created_by"] for v in history["items"]} == {"API_TOKENS"}

    restored = await call(world, "POST", f"{CONTACTS}/history/2/restore")
    assert restored.json()["version"] == 4
    assert {row["id"] for row in restored.json()["items"] if row["origin"] == "custom"} == {
        "vat", "loyalty",
    }  # fmt: skip
    assert (await call(world, "POST", f"{CONTACTS}/history/0/restore")).json()["version"] == 5
    assert problem(await call(world, "POST", f"{CONTACTS}/history/77/restore")) == (
        404, "not_found",
    )  # fmt: skip


async def test_history_comes_in_pages(world: World) -> None:
    for row_id in ("vat", "loyalty", "level"):
        await add_row(world, row_id)
    first = (await call(world, "GET", f"{CONTACTS}/history?limit=2")).json()
    rest = (await call(world, "GET", f"{CONTACTS}/history?before={first['next_before']}")).json()
    assert [v["version"] for v in first["items"] + rest["items"]] == [3, 2, 1]
    assert rest["next_before"] is None


async def test_a_change_of_what_was_changed_meanwhile_is_refused(world: World) -> None:
    await add_row(world, "vat")
    body = {"id": "loyalty", "woo": "meta:points", "vtiger": "cf_859", "transform": "decimal"}
    answer = await call(world, "POST", f"{CONTACTS}?version=0", body=body)
    assert problem(answer) == (409, "mapping_changed")
    assert (await call(world, "POST", f"{CONTACTS}?version=1", body=body)).status_code == 201


async def test_readers_read_and_admins_change(world: World) -> None:
    async with transaction(world.runtime.sessions) as session:
        _, token = await create_token(session, "dashboard", scope=Scope.READ)
    assert (await call(world, "GET", CONTACTS, token=token)).status_code == 200
    assert (await call(world, "GET", f"{CONTACTS}/history", token=token)).status_code == 200
    for method, path in (
        ("POST", CONTACTS), ("PUT", f"{CONTACTS}/phone"), ("PATCH", f"{CONTACTS}/phone"),
        ("DELETE", f"{CONTACTS}/phone"),
        ("POST", f"{CONTACTS}/history/0/restore"),
    ):  # fmt: skip
        answer = await call(world, method, path, body={}, token=token)
        assert problem(answer) == (403, "forbidden"), path


async def test_unknown_places_are_refused(world: World) -> None:
    assert problem(await call(world, "GET", "/mappings/nobody/contacts")) == (404, "not_found")
    assert problem(await call(world, "GET", "/mappings/main/leads")) == (422, "invalid_request")
    body = {"direction": "off"}
    assert problem(await call(world, "PUT", f"{CONTACTS}/nothing", body=body)) == (
        404, "not_found",
    )  # fmt: skip


async def test_without_vtiger_the_mapping_is_shown_but_not_changed(
    client: httpx.AsyncClient,
) -> None:
    """The client's service knows no running systems."""
    mapping = (await client.get(CONTACTS)).json()
    assert (mapping["checked"], row_of(mapping, "phone")["vtiger_label"]) == (False, "")
    answer = await client.put(f"{CONTACTS}/phone", json={"direction": "off"})
    assert problem(answer) == (502, "remote_unavailable")
