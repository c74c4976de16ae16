"""Links to the screens that the users of both systems know."""

import pytest

from app.config.settings import Settings
from app.domain import Module, System
from app.web.records import remote_link

SHOP = "http://127.0.0.1:9/wp-admin/"
CRM = "http://127.0.0.1:9/index.php?"


@pytest.mark.parametrize(
    ("system", "module", "record_id", "url"),
    [
        (System.WOOCOMMERCE, Module.CONTACTS, "7", SHOP + "user-edit.php?user_id=7"),
        (
            System.WOOCOMMERCE,
            Module.CONTACTS,
            "guest:a+b@x.example",
            SHOP + "edit.php?post_type=shop_order&s=a%2Bb%40x.example",
        ),
        (System.WOOCOMMERCE, Module.PRODUCTS, "12", SHOP + "post.php?post=12&action=edit"),
        (System.WOOCOMMERCE, Module.SALES_ORDERS, "62", SHOP + "post.php?post=62&action=edit"),
        (System.WOOCOMMERCE, Module.TAXES, "3", SHOP + "admin.php?page=wc-settings&tab=tax"),
        (System.VTIGER, Module.CONTACTS, "12x34", CRM + "module=Contacts&view=Detail&record=34"),
        (System.VTIGER, Module.PRODUCTS, "14x5", CRM + "module=Products&view=Detail&record=5"),
        (System.VTIGER, Module.SALES_ORDERS, "6x9", CRM + "module=SalesOrder&view=Detail&record=9"),
        (System.VTIGER, Module.TAXES, "34x1", CRM + "module=Vtiger&parent=Settings&view=TaxIndex"),
        (System.VTIGER, None, "6x9", None),
    ],
)
def test_a_record_is_found_on_the_systems_own_screen(
    settings: Settings, system: System, module: Module | None, record_id: str, url: str | None
) -> None:
    link = remote_link(settings, "main", system=system, module=module, record_id=record_id)
    assert link.url == url


def test_a_shop_that_is_configured_no_more_has_no_screen(settings: Settings) -> None:
    woo = System.WOOCOMMERCE
    link = remote_link(settings, "gone", system=woo, module=Module.PRODUCTS, record_id="7")
    assert (link.url, link.text) == (None, "WooCommerce 7")


def test_a_hostile_id_stays_inside_its_parameter(settings: Settings) -> None:
    woo = System.WOOCOMMERCE
    link = remote_link(settings, "main", system=woo, module=Module.CONTACTS, record_id='"&x=/../')
    assert link.url == SHOP + "user-edit.php?user_id=%22%26x%3D/../"
