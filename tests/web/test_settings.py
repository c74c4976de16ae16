"""Settings: shown as they are in force, changed one module at a time, refused with the reason."""

import re
from collections.abc import Iterable
from enum import StrEnum

import httpx
import pytest

from app.domain import ConflictPolicy, Direction, Module
from app.policies.repository import SyncPolicy, defaults_of, find_choice, get_policy
from app.runtime import Runtime
from app.web.words import fields_of
from tests.setting import SERVICE, TOKEN
from tests.web.browsing import Browser
from tests.world import open_world

pytestmark = pytest.mark.anyio

CONTACTS = "/ui/settings/main/contacts"
AS_DELIVERED = {
    "enabled": "on",
    "direction": "both",
    "conflict_policy": "latest_wins",
    "delete_policy": "ignore",
    "ambiguous_match": "skip",
    "too_long": "cut",
    "create_in_shop": "all",
    "roles": "customer",
}


def test_every_setting_and_every_choice_has_its_place_in_a_form() -> None:
    fields = {field.name: field for module in Module for field in fields_of(module)}
    assert set(fields) == set(SyncPolicy.model_fields)
    for name, field in fields.items():
        default = getattr(SyncPolicy(), name)
        if field.kind == "choice":
            offered = {choice for module in Module for choice in _choices(module, name)}
            assert offered == set(_members(default)), name
        if field.kind == "list":
            assert isinstance(default, tuple), name


def _choices(module: Module, name: str) -> Iterable[StrEnum]:
    return [choice for field in fields_of(module) if field.name == name for choice in field.choices]


def _members(choice: StrEnum) -> Iterable[StrEnum]:
    return type(choice)


async def test_settings_are_changed_and_tell_by_whom(admin: Browser, runtime: Runtime) -> None:
    chosen = AS_DELIVERED | {
        "direction": "woo_to_vtiger",
        "conflict_policy": "ask",
        "roles": "customer, wholesale ,customer",
    }
    answer = await admin.post(CONTACTS, on=CONTACTS, **chosen)
    async with runtime.sessions() as session:
        policy = await get_policy(session, "main", Module.CONTACTS)
        other = await get_policy(session, "shop-fr", Module.CONTACTS)
        choice = await find_choice(session, "main", Module.CONTACTS)
    overview, form = await admin.text("/ui/settings"), await admin.text(f"{CONTACTS}?saved=1")

    assert answer.headers["location"] == f"{CONTACTS}?saved=1"
    assert (policy.direction, policy.conflict_policy) == (
        Direction.WOO_TO_VTIGER,
        ConflictPolicy.ASK,
    )
    assert policy.roles == ("customer", "wholesale")
    assert other == defaults_of(Module.CONTACTS)
    assert choice is not None
    assert choice.updated_by == "API_TOKENS"
    assert "by API_TOKENS" in overview
    assert 'value="woo_to_vtiger" checked' in form
    assert 'value="customer, wholesale"' in form
    assert "Saved." in form


async def test_who_has_seen_older_settings_does_not_undo_newer_ones(
    admin: Browser, runtime: Runtime
) -> None:
    seen = {"seen": ""}  # as the form shows it while nobody has chosen
    first = await admin.post(CONTACTS, on=CONTACTS, **AS_DELIVERED, **seen)
    late = AS_DELIVERED | {"direction": "woo_to_vtiger"}
    answer = await admin.post(CONTACTS, on=CONTACTS, **late, **seen)
    async with runtime.sessions() as session:
        policy = await get_policy(session, "main", Module.CONTACTS)
    [shown] = re.findall('name="seen" value="([^"]+)"', answer.text)
    again = await admin.post(CONTACTS, on=CONTACTS, **late, seen=shown)

    assert first.status_code == 303
    assert answer.status_code == 409
    assert "these settings have been changed in the meantime" in answer.text
    assert 'value="woo_to_vtiger" checked' in answer.text
    assert policy.direction is Direction.BOTH
    assert again.status_code == 303


async def test_a_module_is_switched_off_by_an_empty_box(admin: Browser, runtime: Runtime) -> None:
    chosen = {name: text for name, text in AS_DELIVERED.items() if name != "enabled"}
    await admin.post(CONTACTS, on=CONTACTS, **chosen)
    async with runtime.sessions() as session:
        assert not (await get_policy(session, "main", Module.CONTACTS)).enabled


async def test_what_another_module_has_is_left_as_it_was(admin: Browser, runtime: Runtime) -> None:
    path = "/ui/settings/main/taxes"
    chosen = {
        name: text for name, text in AS_DELIVERED.items() if name not in ("roles", "create_in_shop")
    }
    await admin.post(path, on=path, tax_scope="all", tax_country="FR", **chosen)
    async with runtime.sessions() as session:
        policy = await get_policy(session, "main", Module.TAXES)
    assert (policy.tax_scope, policy.tax_country, policy.roles) == ("all", "FR", ("customer",))


@pytest.mark.parametrize(
    ("path", "field", "text"),
    [
        (CONTACTS, "direction", "sideways"),
        (CONTACTS, "roles", "customer, shop manager!"),
        ("/ui/settings/main/taxes", "tax_country", "France"),
        ("/ui/settings/main/sales_orders", "order_statuses", "On Hold"),
        ("/ui/settings/main/sales_orders", "order_account", "x" * 101),
    ],
)
async def test_a_setting_that_cannot_be_is_refused_at_its_field(
    admin: Browser, runtime: Runtime, path: str, field: str, text: str
) -> None:
    others = {"tax_scope": "used", "guests": "skip", "order_total": "warn"}
    answer = await admin.post(path, on=path, **(AS_DELIVERED | others | {field: text}))
    module = Module(path.rpartition("/")[2])
    async with runtime.sessions() as session:
        assert await find_choice(session, "main", module) is None
    assert answer.status_code == 422
    assert f'id="e-{field}"' in answer.text
    assert "Nothing was saved: 1 field has an invalid value." in answer.text


async def test_whom_the_shop_mails_is_said_where_it_matters(emptied_database_url: str) -> None:
    async with (
        open_world(emptied_database_url, hooks=False) as world,
        httpx.AsyncClient(transport=world.doorway, base_url=SERVICE) as client,
    ):
        admin = Browser(client)
        await admin.sign_in(TOKEN)
        contacts = await admin.text(CONTACTS)
        orders = await admin.text("/ui/settings/main/sales_orders")
        products = await admin.text("/ui/settings/main/products")

    assert "The shop mails customers: account created." in contacts
    assert "The shop mails customers: order received" in orders
    assert "The shop" not in products.partition("<form")[0]


async def test_a_shop_that_does_not_answer_keeps_nobody_from_its_settings(admin: Browser) -> None:
    assert "The e-mail settings of the shop could not be read" in await admin.text(CONTACTS)
