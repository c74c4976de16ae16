"""Every recorded product and tax webhook, signed and delivered, ends in the right Vtiger record."""

import gzip
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.domain import Module
from sandbox.woocommerce.productload import load_product, load_variation
from sandbox.woocommerce.shopdata import check_shop_data
from tests.expected_products import faults
from tests.goods import listed, rows_of, taxes, told_of
from tests.recorded import Delivery, deliveries, signed
from tests.setting import SERVICE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent.parent / "recordings" / "woocommerce"
SORTED = orjson.OPT_SORT_KEYS
HOOKS = deliveries("woocommerce-hooks")
MUG = {
    "productname": "Café “Spécial” & Thé 日本",
    "productcode": "LAB-SIMPLE-1",
    "unit_price": "21.50000000",
    "description": "Descr HTML & entities alert(1)",
    "qtyinstock": "25.000",
    "discontinued": "1",
    "productcategory": "Uncategorized",
    "currency_id": "21x1",
    "cf_855": "10",
}
LISTED: dict[str, dict[str, str]] = {
    "hook_product_created_oncreate": {**MUG, "unit_price": "19.99000000"},
    "hook_product_updated": MUG,
    "hook_product_updated_meta_only": MUG,
    "hook_storefront_guest_checkout_2_product_updated": {**MUG, "qtyinstock": "18.000"},
    "hook_admin_product_save_0_product_updated": {
        **MUG,
        "productname": "Café & Thé admin",
        "unit_price": "22.00000000",
        "description": 'a & b d "q"\n\np\n\nnl',
        "qtyinstock": "700.000",
    },
    "hook_admin_product_publish_0_product_created": {
        "productname": "Admin new product",
        "productcode": "ADM-1",
        "unit_price": "5.00000000",
        "qtyinstock": "0.000",
        "discontinued": "1",
        "cf_855": "249",
    },
    "hook_admin_product_publish_1_product_updated": {"productcode": "ADM-1"},
    "hook_product_restored": {
        "productname": "trash restore",
        "productcode": "TR",
        "unit_price": "0.00000000",
        "discontinued": "1",
    },
    "hook_variation_product_created_0": {
        "productname": "T-shirt – Rouge, S",
        "productcode": "TS-R-S",
        "unit_price": "12.00000000",
        "discontinued": "1",
        "cf_855": "18",
    },
}
SKIPPED = {
    "hook_product_created_after_object_gone": "not_found",
    "hook_product_deleted_spurious_page": "not_found",
    "hook_product_deleted_trash": "not_found",
    "hook_product_restored_spurious_page": "not_found",
    "hook_action_force_delete_product_1": "not_found",
}


def _recorded(name: str) -> Any:
    lines = gzip.decompress((FOLDER / "products.jsonl.gz").read_bytes()).splitlines()
    return next(row["body"] for row in map(orjson.loads, lines) if row["name"] == name)


async def _deliver(world: World, hook: Delivery) -> int:
    async with httpx.AsyncClient(transport=world.doorway) as client:
        url = f"{SERVICE}/webhooks/woocommerce/main"
        answer = await client.post(url, content=hook.body, headers=dict(hook.headers))
    await world.settle()
    return answer.status_code


@pytest.mark.parametrize("name", LISTED)
async def test_a_recorded_product_is_listed(emptied_database_url: str, name: str) -> None:
    """The shop holds what the webhook tells; a variation, what its parent's list shows."""
    body = orjson.loads(HOOKS[name].body)
    shop: dict[str, Any] = {"products": [body]}
    if body["type"] == "variation":
        shop = {
            "products": [_recorded("product_get_variable")],
            "variations": {"17": _recorded("variations_list")},
        }
    data = check_shop_data(shop)
    async with open_world(emptied_database_url, data, hooks=False) as world:
        assert await _deliver(world, HOOKS[name]) < 300
        [found] = listed(world)
        assert {key: found[key] for key in LISTED[name]} == LISTED[name]
        assert await told_of(world, Module.PRODUCTS) == [("vtiger", "created", None)]


@pytest.mark.parametrize("name", SKIPPED)
async def test_a_recorded_hook_of_nothing_is_skipped(world: World, name: str) -> None:
    assert await _deliver(world, HOOKS[name]) < 300
    told = await told_of(world, Module.PRODUCTS)
    assert told == [("vtiger", "skipped", SKIPPED[name])]
    assert listed(world) == []


def test_every_recorded_product_hook_has_its_test() -> None:
    topics = {name: hook.headers.get("x-wc-webhook-topic", "") for name, hook in HOOKS.items()}
    products = {
        name
        for name, topic in topics.items()
        if topic.startswith(("product.", "action.woocommerce_delete_product"))
    }
    assert products == LISTED.keys() | SKIPPED.keys()


def _bodies() -> list[tuple[str, dict[str, Any]]]:
    """The products that the recorded answers show, each state once, variations among them."""
    lines = gzip.decompress((FOLDER / "products.jsonl.gz").read_bytes()).splitlines()
    found: dict[bytes, tuple[str, dict[str, Any]]] = {}
    for row in map(orjson.loads, lines):
        for each in row["body"] if isinstance(row["body"], list) else [row["body"]]:
            if isinstance(each, dict) and "regular_price" in each:
                found.setdefault(orjson.dumps(each, option=SORTED), (row["name"], each))
    return list(found.values())


def _hold(world: World, body: dict[str, Any]) -> None:
    """The shop has this product, as it is shown."""
    trade, site = world.sandbox.shop.trade, world.sandbox.shop.site
    remember = trade.product_view.remember_rendered
    if body["type"] == "variation":
        trade.variations.load([load_variation(body, "recording", site, remember)])
    else:
        trade.products.load([load_product(body, "recording", site, remember)])


def _expected(body: dict[str, Any]) -> tuple[str, str | None] | None:
    """The documented skip of a product that is none for Vtiger; None if it is one."""
    if body["status"] == "trash":
        return "skipped", "delete_ignored"
    return ("skipped", "filtered") if body["type"] == "variable" else None


async def test_every_recorded_product_becomes_the_right_vtiger_product(
    emptied_database_url: str,
) -> None:
    """As the shop's life had it: some bodies are later states of one product."""
    rates = [_recorded_rate(name) for name in ("tax_create", "tax_create_compound")]
    parent = _recorded("product_get_variable")
    data = check_shop_data({"products": [parent], "taxes": rates})
    wrong: dict[str, list[str]] = {}
    async with open_world(emptied_database_url, data, hooks=False) as world:
        for name, body in _bodies():
            _hold(world, body)
            hook = signed(name, body, topic="product.updated")
            assert await _deliver(world, hook) < 300
            [*_, last] = await rows_of(world, Module.PRODUCTS)
            if told := _expected(body):
                assert (last.outcome, last.reason) == told, name
                continue
            assert last.outcome in ("created", "updated", "unchanged"), (name, last.message)
            [listing] = [row for row in listed(world) if row["cf_855"] == str(body["id"])]
            owner = parent if body["type"] == "variation" else None
            labels = {label: column for column, (label, _) in taxes(world).items()}
            mine = {labels["TVA 20"], labels["Éco-taxe composée"]}
            wrong[name] = list(faults(body, owner, listing, taxes=mine))
    assert {name: found for name, found in wrong.items() if found} == {}
    assert len(wrong) > 12


def _recorded_rate(name: str) -> Any:
    lines = gzip.decompress((FOLDER / "taxes.jsonl.gz").read_bytes()).splitlines()
    return next(row["body"] for row in map(orjson.loads, lines) if row["name"] == name)


async def test_recorded_hooks_of_tax_rates_tell_of_rates(world: World) -> None:
    for event in ("added", "updated", "deleted"):
        assert await _deliver(world, HOOKS[f"hook_action_tax_rate_{event}"]) < 300
    assert {each[1:] for each in await told_of(world, Module.TAXES)} == {("skipped", "not_found")}
