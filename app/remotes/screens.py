"""Addresses of the screens on which the two systems' own users see a record.

Orders open at post.php whether the shop keeps them as posts or in tables of their own: WooCommerce
leads on. A guest has no page, only orders; rates and taxes share one."""

from urllib.parse import quote, urlencode

from app.config.settings import Settings
from app.domain import GUEST, Module, System, is_guest
from app.module_facts import FACTS


def find_screen(
    settings: Settings, store: str, *, system: System, module: Module | None, record_id: str
) -> str | None:
    """None where no screen shows it, and for a store or CRM that is not configured any more."""
    shop = settings.stores.get(store)
    if module is not None and system is System.VTIGER and settings.vtiger is not None:
        return f"{settings.vtiger.url}/{_in_vtiger(module, record_id)}"
    if module is not None and system is System.WOOCOMMERCE and shop is not None:
        return f"{shop.url}/wp-admin/{_in_shop(module, record_id)}"
    return None


def _in_vtiger(module: Module, record_id: str) -> str:
    if screen := FACTS[module].vtiger_screen:
        return screen
    number = record_id.partition("x")[2] or record_id
    query = {"module": FACTS[module].vtiger_name, "view": "Detail", "record": number}
    return f"index.php?{urlencode(query)}"


def _in_shop(module: Module, record_id: str) -> str:
    if is_guest(record_id):
        query = {"post_type": "shop_order", "s": record_id.removeprefix(GUEST)}
        return f"edit.php?{urlencode(query)}"
    return FACTS[module].shop_screen.format(id=quote(record_id))
