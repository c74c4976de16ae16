"""The add-on's PHP and the service understand each other, over real HTTP and to the last byte."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from app.config.settings import Settings
from app.inbox.models import Delivery
from app.main import create_app
from app.runtime import Runtime
from app.vtiger.client import check_addon
from sandbox.server import serve
from tests.api.calls import CALLBACK_SECRET
from tests.api.rows import ENTRY, link, log
from tests.vtiger.crm import open_crm, result
from tests.vtiger_addon.crm import Crm

pytestmark = pytest.mark.anyio

MODULES = ["Contacts", "Accounts", "Products", "Services", "SalesOrder"]
LATER = 10


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[tuple[Runtime, str]]:
    """The runtime, and the address that it is served at."""
    shop = {
        "url": "http://127.0.0.1:9",
        "consumer_key": "ck_of_the_tests",
        "consumer_secret": "cs_of_the_tests",
        "webhook_secret": "labsecret",
    }
    vtiger = {
        "url": "http://127.0.0.1:9",
        "username": "sync",
        "access_key": "key-of-the-tests",
        "callback_secret": CALLBACK_SECRET,
    }
    values = {"database_url": database_url, "auto_migrate": False}
    settings = Settings.model_validate(values | {"stores": {"main": shop}, "vtiger": vtiger})
    app = create_app(settings, worker=False)
    async with serve(app) as served:
        yield app.state.runtime, served.url


async def accepted(runtime: Runtime) -> list[tuple[str, str]]:
    async with runtime.sessions() as session:
        found = await session.scalars(select(Delivery).order_by(Delivery.id))
        return sorted((each.record_id, each.event) for each in found)


async def test_a_save_in_vtiger_is_a_delivery_here(crm: Crm, service: tuple[Runtime, str]) -> None:
    runtime, url = service

    def live() -> None:
        form = {"url": url, "secret": CALLBACK_SECRET, "modules": MODULES}
        assert crm.save("Save", **form)["success"]
        assert crm.save("Test") == {
            "success": True,
            "result": {"message": "The service answered: address and secret are right."},
        }
        crm.request(["act", 5, "Contacts", 1, "save"], ["act", 6, "SalesOrder", 1, "save"])
        crm.request(["act", 7, "Accounts", 1, "save"], ["act", 5, "Contacts", 1, "delete"])

    await asyncio.to_thread(live)
    assert await accepted(runtime) == [
        ("12x5", "created"),
        ("12x5", "deleted"),
        ("6x6", "created"),
    ]
    assert {row["sent_at"] is None for row in crm.outbox()} == {False}


async def test_vtigers_pages_show_what_the_service_knows(
    crm: Crm, service: tuple[Runtime, str]
) -> None:
    runtime, url = service
    await link(runtime, "7", "12x5")
    await log(runtime, replace(ENTRY, target_id="12x5", label="Ada <ada@example.com>"))

    def look() -> tuple[dict[str, Any], dict[str, Any]]:
        crm.save("Save", url=url, secret=CALLBACK_SECRET, modules=MODULES)
        crm.request(["store", 5, "Contacts"])
        badge = json.loads(crm.page("WooSync_Badge_View", {"record": 5}))
        return badge, json.loads(crm.page("WooSync_List_View", {}))

    badge, shown = await asyncio.to_thread(look)
    [line] = badge["WOOSYNC_LINES"]
    assert (line["mark"], line["partner"]) == ("In sync", "shop customer #7")
    assert line["partner_url"] == "http://127.0.0.1:9/wp-admin/user-edit.php?user_id=7"
    assert line["when"].startswith("last ")
    contacts = shown["WOOSYNC_TABLES"]["Vtiger CRM"]["Contacts"]
    assert [cell["count"] for cell in contacts] == [0, 1, 0, 0, 0]
    assert set(shown["WOOSYNC_TABLES"]) == {"WooCommerce", "Vtiger CRM"}
    assert [row["label"] for row in shown["WOOSYNC_RECENT"]] == ["Ada <ada@example.com>"]


async def test_a_wrong_secret_is_told_where_the_admin_sees_it(
    crm: Crm, service: tuple[Runtime, str]
) -> None:
    runtime, url = service

    def live() -> str:
        crm.save("Save", url=url, secret="another secret", modules=MODULES)
        message: str = crm.save("Test")["error"]["message"]
        return message

    assert "VTIGER__CALLBACK_SECRET" in await asyncio.to_thread(live)
    assert await accepted(runtime) == []


async def test_the_operations_answer_is_read(crm: Crm) -> None:
    form = {"url": "https://sync.example.com", "secret": CALLBACK_SECRET, "modules": MODULES}
    await asyncio.to_thread(crm.request, ["act", 5, "Contacts", 1, "save"], ["cron"])
    await asyncio.to_thread(lambda: crm.save("Save", **form))
    crm.age(LATER)
    found = await asyncio.to_thread(crm.changes)
    client, _ = open_crm(addon=result(found))
    page = await client.find_changes(0)
    assert page is not None
    assert [(each.sequence, each.record_id) for each in page.changes] == [(1, "12x5")]
    assert page.facts.modules == frozenset(MODULES)
    assert (await check_addon(client, "https://sync.example.com")).warnings == ()
