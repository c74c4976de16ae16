"""Addresses of the pages on which the two systems show a record to their own users.

Orders open at post.php whether the shop stores them as posts or in separate tables: WooCommerce
redirects. A guest has no page but a search of orders; all tax rates share one page."""

from urllib.parse import quote, urlencode

from app.config.settings import Settings
from app.domain import GUEST, Module, System, is_guest
from app.module_facts import FACTS


def find_screen(
    settings: Settings, store: str, *, system: System, module: Module | None, record_id: str
) -> str | None:
    """The address; None if no page shows the record, or its store or CRM is not configured."""
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
