"""The doctor finds, on a sandbox that is wrong in one way, that fault alone, and how to mend it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config.settings import Settings
from app.db.migrate import pending
from app.db.session import transaction
from app.doctor.checkup import examine, examine_runtime
from app.doctor.crm import check_calls, check_modules
from app.doctor.findings import Finding, Subject, Verdict, check_clock, worst
from app.doctor.host import check_address, check_proxies, check_tokens
from app.domain import Module, Scope
from app.http.client import ClientLimits, find_skew
from app.modules.context import ensure_setup
from app.policies.access import create_token
from app.policies.repository import Change, MappingRow, save_mapping
from app.runtime import Runtime
from app.vtiger.client import open_vtiger
from app.woocommerce.client import WooClient
from sandbox.app import Sandbox, create_sandbox_app, new_sandbox
from sandbox.server import serve
from sandbox.vtiger.cloud import Limits
from sandbox.woocommerce.app import create_shop_app
from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.setting_routes import EMAIL_VALUES
from tests.custom import VAT, add_row
from tests.setting import CALLBACK_SECRET, SERVICE, STORE, setting_values
from tests.vtiger.crm import open_crm, result
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

AT_REST = {("service", "workers")}
"""The small world has no worker of its own."""


@pytest.fixture
async def healthy(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url, public_url=SERVICE) as world:
        await ensure_setup(world.runtime)
        yield world


def bad(found: list[Finding]) -> set[tuple[str, str]]:
    for finding in found:
        assert finding.remedy or finding.verdict in {Verdict.OK, Verdict.MENDED}
    wrong = {Verdict.WARNING, Verdict.FAILED}
    return {(each.subject, each.check) for each in found if each.verdict in wrong} - AT_REST


async def faults(runtime: Runtime, *, fix: bool = False) -> set[tuple[str, str]]:
    return bad(await examine_runtime(runtime, [STORE], fix=fix))


async def test_nothing_is_wrong_with_what_is_as_the_guides_say(healthy: World) -> None:
    found = await examine_runtime(healthy.runtime, [STORE])
    assert bad(found) == set()
    assert not worst(found)
    assert {each.check for each in found} >= {
        *("database", "migrations", "clock", "address", "reachable", "credentials"),
        *("permission", "webhooks", "decimals", "separator", "language", "modules"),
        *("mandatory fields", "mapped fields", "id field", "currency", "taxes", "setup", "mails"),
    }


@pytest.mark.parametrize("version", ["8.3.0", "8.4.0"])
async def test_a_version_that_damages_orders_is_found(healthy: World, version: str) -> None:
    healthy.sandbox.crm.upgrade(version)
    found = await examine_runtime(healthy.runtime, [STORE])
    assert bad(found) == {("vtiger", "version")}
    [told] = [each for each in found if each.check == "version"]
    assert version in told.message
    assert "WooSync 2.0" in told.remedy
    of_crm = [each.check for each in found if each.subject == "vtiger"]
    assert of_crm.index("version") < of_crm.index("decimals"), "it is told first"

    healthy.sandbox.crm.install_addon(SERVICE, CALLBACK_SECRET)
    found = await examine_runtime(healthy.runtime, [STORE])
    [told] = [each for each in found if each.check == "version"]
    assert (told.verdict, "WooSync writes orders" in told.message) == (Verdict.OK, True)
    healthy.sandbox.crm.install_addon(SERVICE, CALLBACK_SECRET, version="1.1.0")
    found = await examine_runtime(healthy.runtime, [STORE])
    assert ("vtiger", "version") in bad(found)


async def test_whom_the_shop_mails_is_told(healthy: World) -> None:
    async def mails() -> Finding:
        found = await examine_runtime(healthy.runtime, [STORE])
        return next(each for each in found if (each.subject, each.check) == (STORE, "mails"))

    told = await mails()
    for kind in EMAIL_VALUES:
        if kind.endswith("/enabled"):
            healthy.sandbox.shop.settings[kind] = "no"
    silent = await mails()

    assert (told.verdict, silent.verdict) == (Verdict.NOTE, Verdict.OK)
    assert "account created, order received" in told.message
    assert "create_in_shop" in told.remedy
    assert "sends no e-mails" in silent.message


async def test_looking_changes_nothing(healthy: World) -> None:
    before = len(await healthy.deliveries()), len(healthy.sent())
    products = healthy.sandbox.crm.records("Products")
    await examine_runtime(healthy.runtime, [STORE])
    await healthy.sandbox.shop.webhooks.flush()
    assert (len(await healthy.deliveries()), len(healthy.sent())) == before
    assert healthy.sandbox.crm.records("Products") == products


def _user(sandbox: Sandbox) -> Any:
    return sandbox.crm.users.get(sandbox.credentials.username)


def _round_prices(sandbox: Sandbox) -> None:
    _user(sandbox).currency_decimals = None


def _comma(sandbox: Sandbox) -> None:
    _user(sandbox).decimal_separator = ","


def _german(sandbox: Sandbox) -> None:
    _user(sandbox).language = "de_de"


def _lose_id_field(sandbox: Sandbox) -> None:
    described = sandbox.crm.entities["Products"].module.described
    described["fields"] = [f for f in described["fields"] if f["label"] != "WooCommerce ID"]


def _demand_title(sandbox: Sandbox) -> None:
    _described(sandbox, "Contacts", "title")["mandatory"] = True


def _lose_mobile(sandbox: Sandbox) -> None:
    described = sandbox.crm.entities["Contacts"].module.described
    described["fields"] = [f for f in described["fields"] if f["name"] != "mobile"]


def _described(sandbox: Sandbox, module: str, name: str) -> dict[str, Any]:
    fields = sandbox.crm.entities[module].module.described["fields"]
    return next(field for field in fields if field["name"] == name)


def _pause_webhook(sandbox: Sandbox) -> None:
    sandbox.shop.webhooks.all()[0].status = "paused"


def _other_currency(sandbox: Sandbox) -> None:
    sandbox.shop.settings["general/woocommerce_currency"] = "CHF"


@pytest.mark.parametrize(
    ("break_it", "found"),
    [
        (_round_prices, ("vtiger", "decimals")),
        (_comma, ("vtiger", "separator")),
        (_german, ("vtiger", "language")),
        (_lose_id_field, ("vtiger", "id field")),
        (_demand_title, ("vtiger", "mandatory fields")),
        (_lose_mobile, ("vtiger", "mapped fields")),
        (_pause_webhook, (STORE, "webhooks")),
        (_other_currency, ("vtiger", "currency")),
    ],
)
async def test_each_fault_is_found_alone(
    healthy: World, break_it: Callable[[Sandbox], None], found: tuple[str, str]
) -> None:
    break_it(healthy.sandbox)
    assert await faults(healthy.runtime) == {found}


async def test_taxes_of_one_label_are_found(healthy: World) -> None:
    for _ in range(2):
        await healthy.runtime.vtiger.create("Tax", {"taxlabel": "MwSt", "percentage": "19"})
    assert await faults(healthy.runtime) == {("vtiger", "taxes")}


@asynccontextmanager
async def _shop(world: World, *, url: str = "", secret: str = "") -> AsyncIterator[Runtime]:
    known = world.sandbox.credentials
    address = url or world.runtime.settings.stores[STORE].url
    client = WooClient(
        address,
        consumer_key=known.consumer_key,
        consumer_secret=secret or known.consumer_secret,
        limits=ClientLimits(retry_delays=()),
    )
    async with client:
        yield replace(world.runtime, stores={STORE: client})


async def test_a_wrong_shop_key_is_found(healthy: World) -> None:
    async with _shop(healthy, secret="cs_wrong") as runtime:
        assert await faults(runtime) == {(STORE, "credentials")}


async def test_a_shop_that_is_not_there_is_found(healthy: World) -> None:
    async with _shop(healthy, url="http://127.0.0.1:9/shop") as runtime:
        assert await faults(runtime) == {(STORE, "reachable")}


async def test_a_page_in_the_place_of_the_api_is_found(healthy: World) -> None:
    url = healthy.runtime.settings.stores[STORE].url.replace("/shop", "/nowhere")
    async with _shop(healthy, url=url) as runtime:
        assert await faults(runtime) == {(STORE, "reachable")}


async def test_a_key_that_only_reads_is_found(healthy: World) -> None:
    known = healthy.sandbox.credentials
    reader = ApiKey(known.consumer_key, known.consumer_secret, permissions="read")
    async with (
        serve(create_shop_app(healthy.sandbox.shop, credentials=[reader])) as served,
        _shop(healthy, url=served.url) as runtime,
    ):
        assert await faults(runtime) == {(STORE, "permission")}


async def test_a_wrong_access_key_is_found(healthy: World) -> None:
    assert healthy.runtime.settings.vtiger is not None
    url = healthy.runtime.settings.vtiger.url
    async with open_vtiger(url, username="apiuser", access_key="wrong", sleep=_at_once) as vtiger:
        runtime = replace(healthy.runtime, vtiger=vtiger)
        assert await faults(runtime) == {("vtiger", "credentials")}


async def test_a_crm_that_is_not_there_is_found(healthy: World) -> None:
    url = "http://127.0.0.1:9/crm"
    async with open_vtiger(url, username="u", access_key="k", sleep=_at_once) as vtiger:
        runtime = replace(healthy.runtime, vtiger=vtiger)
        assert await faults(runtime) == {("vtiger", "reachable")}


async def _at_once(_: float) -> None:
    """A pause that takes no time."""


async def test_modules_that_the_user_does_not_see_are_named(healthy: World) -> None:
    vtiger, _ = open_crm(result({"types": ["Accounts", "Contacts", "Products", "Services"]}))
    [found] = await check_modules(replace(healthy.runtime, vtiger=vtiger))
    assert (found.verdict, found.message) == (
        Verdict.FAILED,
        "the API user does not see SalesOrder",
    )


async def test_calls_that_run_out_are_told(healthy: World) -> None:
    sandbox = new_sandbox(cron_interval_s=None, cloud=Limits(daily=100, used_today=95))
    known = sandbox.credentials
    async with serve(create_sandbox_app(sandbox)) as served:
        url = sandbox.describe(served.url)["vtiger"]["url"]
        async with open_vtiger(
            url, username=known.username, access_key=known.access_key, api="rest"
        ) as vtiger:
            await vtiger.user_id()
            [found] = await check_calls(replace(healthy.runtime, vtiger=vtiger))
    assert (found.verdict, found.message) == (Verdict.WARNING, "4 of 100 calls left today")


async def test_fix_replaces_webhooks(healthy: World) -> None:
    _pause_webhook(healthy.sandbox)
    found = await examine_runtime(healthy.runtime, [STORE], fix=True)
    mended = [each.check for each in found if each.verdict is Verdict.MENDED]
    assert (bad(found), mended) == (set(), ["webhooks"])
    assert await faults(healthy.runtime) == set()


async def test_fix_makes_what_orders_rest_on(emptied_database_url: str) -> None:
    async with open_world(emptied_database_url, public_url=SERVICE) as world:
        assert await faults(world.runtime) == {("vtiger", "setup")}
        assert await faults(world.runtime, fix=True) == set()
        assert [row["productcode"] for row in world.sandbox.crm.records("Products")] == [
            "WC-PLACEHOLDER"
        ]
        assert await faults(world.runtime) == set()


def _settings(world: World, database_url: str) -> Settings:
    base = str(world.runtime.settings.stores[STORE].url).removesuffix("/shop")
    values = setting_values(world.sandbox, base, database_url, public_url=SERVICE)
    return Settings.model_validate(values)


async def test_fix_applies_migrations(healthy: World, empty_database_url: str) -> None:
    settings = _settings(healthy, empty_database_url)
    assert bad(await examine(settings, [STORE])) == {("service", "migrations")}
    assert pending(empty_database_url), "looking migrates nothing"
    await examine(settings, [STORE], fix=True)
    assert not pending(empty_database_url)


async def test_a_database_that_is_not_there_is_found(healthy: World) -> None:
    settings = _settings(healthy, "postgresql://nobody@127.0.0.1:9/none?connect_timeout=2")
    assert bad(await examine(settings, [STORE])) == {("service", "database")}


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("https://sync.example.com", Verdict.OK),
        ("http://sync.example.com:8080", Verdict.OK),
        ("https://sync.example.com:8443", Verdict.NOTE),
        ("http://192.168.1.20:8080", Verdict.NOTE),
        ("http://localhost", Verdict.NOTE),
        (None, Verdict.WARNING),
    ],
)
def test_an_address_that_wordpress_would_not_call_is_told(
    address: str | None, verdict: Verdict
) -> None:
    [found] = check_address(Settings(public_url=address))
    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("address", "proxies", "verdicts"),
    [
        ("https://sync.example.com", (), [Verdict.WARNING]),
        ("https://sync.example.com", ("127.0.0.1",), [Verdict.OK]),
        ("http://127.0.0.1:8000", (), []),
        (None, (), []),
    ],
)
def test_a_proxy_that_nobody_named_is_told(
    address: str | None, proxies: tuple[str, ...], verdicts: list[Verdict]
) -> None:
    found = check_proxies(Settings(public_url=address, trusted_proxies=proxies))
    assert [each.verdict for each in found] == verdicts


async def test_tokens_that_are_about_to_expire_are_told(healthy: World) -> None:
    async with transaction(healthy.runtime.sessions) as session:
        for days in (13, 15):
            expires_at = healthy.runtime.clock() + timedelta(days=days)
            await create_token(session, f"{days}", scope=Scope.READ, expires_at=expires_at)
    [found] = await check_tokens(healthy.runtime)
    assert (found.verdict, "of 13 expires on 20" in found.message) == (Verdict.WARNING, True)
    assert "woo-vtiger token create" in found.remedy


@pytest.mark.parametrize(("skew", "verdict"), [(2.0, "ok"), (-3600.0, "failed"), (61.0, "failed")])
def test_a_clock_that_is_wrong_is_found(skew: float, verdict: str) -> None:
    assert [found.verdict for found in check_clock(Subject("main"), skew)] == [verdict]
    assert check_clock(Subject("main"), None) == []


def test_the_other_clock_is_read_from_the_answers() -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    headers = httpx.Headers({"date": ahead.strftime("%a, %d %b %Y %H:%M:%S GMT")})
    assert 3590 < (find_skew(headers) or 0) < 3610
    assert find_skew(httpx.Headers({"date": "yesterday"}), 7.0) == 7.0


async def test_a_shop_that_fails_in_mid_look_is_told_as_a_finding(healthy: World) -> None:
    """Never as a traceback, whatever fails."""
    for _ in range(6):
        healthy.sandbox.shop_faults.fail("GET", "/webhooks", status=500)
    async with _shop(healthy) as runtime:
        assert await faults(runtime) == {(STORE, "reachable")}


async def test_the_page_names_every_check(healthy: World) -> None:
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    checks = {each.check for each in await examine_runtime(healthy.runtime, [STORE])}
    assert not [name for name in checks if f"`{name}`" not in page]


async def test_a_users_mapping_counts(healthy: World) -> None:
    """A row of theirs that fills what Vtiger demands mends that."""
    _demand_title(healthy.sandbox)
    row = MappingRow(id="job", woo=("meta:job",), vtiger="title", transform="text")
    change = Change(rows=(row,), after=0, by="test", message="")
    async with transaction(healthy.runtime.sessions) as session:
        await save_mapping(session, STORE, Module.CONTACTS, change=change)
    assert await faults(healthy.runtime) == set()


async def test_a_row_of_ones_own_whose_field_is_gone_is_found(healthy: World) -> None:
    healthy.sandbox.crm.ui_add_field("Contacts", VAT)
    await add_row(healthy, "vat")
    assert await faults(healthy.runtime) == set()
    healthy.sandbox.crm.ui_remove_field("Contacts", VAT.name)
    assert await faults(healthy.runtime) == {("vtiger", "mapped fields")}
