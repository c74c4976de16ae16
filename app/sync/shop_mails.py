"""What the shop mails people for what is written to it, in words."""

from collections.abc import Collection

from app.records import Module
from app.runtime import Runtime
from app.woocommerce.mails import MAILS, NEW_ACCOUNT

ALWAYS = "A changed e-mail address is told to the old one by WordPress, whatever is set."
NOBODY = "The shop mails nobody for new accounts or orders."
SOMEBODY = "The shop mails customers: {kinds}."
WHERE = "WooCommerce, Settings, Emails"


async def mails_of(runtime: Runtime, store: str) -> frozenset[str]:
    """The mails that the shop has switched on, known for a minute. Raises the RemoteError tree."""
    return await runtime.memory.get(f"mails:{store}", runtime.stores[store].find_mails)


def describe_mails(on: Collection[str], module: Module | None = None) -> str:
    """Those that writes of one module, or of all, bring about."""
    kinds = {kind: name for kind, name in MAILS.items() if kind in on}
    if module is Module.CONTACTS:
        kinds = {kind: name for kind, name in kinds.items() if kind == NEW_ACCOUNT}
    if module is Module.SALES_ORDERS:
        kinds.pop(NEW_ACCOUNT, None)
    told = SOMEBODY.format(kinds=", ".join(kinds.values())) if kinds else NOBODY
    return told if module is Module.SALES_ORDERS else f"{told} {ALWAYS}"
