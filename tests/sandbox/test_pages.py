"""The sandbox in a browser: each address that the service links to shows its record."""

from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest

from app.config.settings import Settings
from app.domain import Module, System
from app.web.records import remote_link
from sandbox.app import Sandbox, create_sandbox_app, new_sandbox
from sandbox.woocommerce.shopdata import ShopData
from tests.setting import setting_values

pytestmark = pytest.mark.anyio

URL = "http://127.0.0.1:9000"


@pytest.fixture
def sandbox() -> Sandbox:
    person = {"id": 7, "email": "ada@shop.example", "role": "customer", "first_name": "<b>Ada</b>"}
    return new_sandbox(ShopData(customers=[person]), cron_interval_s=None)


@pytest.fixture
async def browser(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_sandbox_app(sandbox))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/shop", "/shop/", "/crm", "/crm/", "/crm/index.php"])
async def test_the_printed_addresses_say_what_is_there(
    browser: httpx.AsyncClient, path: str
) -> None:
    page = await browser.get(path)
    assert (page.status_code, "simulated" in page.text) == (200, True)
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_links_of_the_service_lead_to_the_records(
    sandbox: Sandbox, browser: httpx.AsyncClient
) -> None:
    settings = Settings.model_validate(setting_values(sandbox, URL, "postgresql://x/y"))
    shop, trade = sandbox.shop, sandbox.shop.trade
    product = trade.product_book.create({"name": "Tea", "type": "variable", "sku": "TEA"})
    leaf = trade.product_book.create_variation(product["id"], {"sku": "TEA-LEAF"})
    order = trade.order_book.create({"billing": {"email": "guest@shop.example"}})
    trade.tax_book.create({"name": "TVA", "rate": "20"})
    contact = await sandbox.crm.ui_create("Contacts", {"lastname": "Hopper"})
    wanted = [
        (System.WOOCOMMERCE, Module.CONTACTS, "7", "ada@shop.example"),
        (System.WOOCOMMERCE, Module.CONTACTS, "guest:guest@shop.example", "guest@shop.example"),
        (System.WOOCOMMERCE, Module.PRODUCTS, str(product["id"]), "Tea"),
        (System.WOOCOMMERCE, Module.PRODUCTS, str(leaf["id"]), "TEA-LEAF"),
        (System.WOOCOMMERCE, Module.SALES_ORDERS, str(order.id), "guest@shop.example"),
        (System.WOOCOMMERCE, Module.TAXES, "1", "TVA"),
        (System.VTIGER, Module.CONTACTS, contact, "Hopper"),
        (System.VTIGER, Module.TAXES, "1", "VAT"),
    ]
    assert shop.users.find(7) is not None
    for system, module, record_id, word in wanted:
        link = remote_link(settings, "main", system=system, module=module, record_id=record_id)
        page = await browser.get(link.url or "")
        assert (page.status_code, word in unescape(page.text)) == (200, True), link.url
        assert "<b>Ada" not in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/shop/wp-admin/user-edit.php?user_id=99",
        "/shop/wp-admin/post.php?post=99&action=edit",
        "/shop/wp-admin/edit.php?post_type=shop_order&s=nobody@shop.example",
        "/crm/index.php?module=Contacts&view=Detail&record=99",
        "/crm/index.php?module=Nonsense&view=Detail&record=1",
    ],
)
async def test_a_record_that_is_not_there_is_not_found(
    browser: httpx.AsyncClient, path: str
) -> None:
    page = await browser.get(path)
    assert (page.status_code, "no such record" in page.text) == (404, True)


async def test_nobody_elses_name_for_this_machine_shows_a_page(
    browser: httpx.AsyncClient,
) -> None:
    """A site of somebody else that has its name lead here must not read a shop's customers."""
    path = "/shop/wp-admin/user-edit.php?user_id=7"
    page = await browser.get(path, headers={"host": "evil.example:9000"})
    assert page.status_code == 404
    assert "ada@shop.example" not in page.text
