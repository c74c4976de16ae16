"""Addresses of the screens on which the two systems' own users see a record.

Orders open at post.php whether the shop keeps them as posts or in tables of their own: WooCommerce
leads on. A guest has no page, only orders; rates and taxes share one.
"""

from urllib.parse import quote, urlencode

from app.errors import System
from app.records import GUEST, VTIGER_NAMES, Module, is_guest
from app.settings import Settings


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
    if module is Module.TAXES:
        return "index.php?module=Vtiger&parent=Settings&view=TaxIndex"
    number = record_id.partition("x")[2] or record_id
    query = {"module": VTIGER_NAMES[module], "view": "Detail", "record": number}
    return f"index.php?{urlencode(query)}"


def _in_shop(module: Module, record_id: str) -> str:
    if module is Module.TAXES:
        return "admin.php?page=wc-settings&tab=tax"
    if is_guest(record_id):
        query = {"post_type": "shop_order", "s": record_id.removeprefix(GUEST)}
        return f"edit.php?{urlencode(query)}"
    if module is Module.CONTACTS:
        return f"user-edit.php?user_id={quote(record_id)}"
    return f"post.php?post={quote(record_id)}&action=edit"
