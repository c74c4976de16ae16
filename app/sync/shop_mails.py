"""What the shop mails people for what is written to it, in words."""

from collections.abc import Collection

from app.records import Module
from app.runtime import Runtime
from app.sync.registry import SPECS
from app.woocommerce.mails import MAILS

ALWAYS = "A changed e-mail address is told to the old one by WordPress, whatever is set."
NOBODY = "The shop mails nobody for new accounts or orders."
SOMEBODY = "The shop mails customers: {kinds}."
WHERE = "WooCommerce, Settings, Emails"


async def mails_of(runtime: Runtime, store: str) -> frozenset[str]:
    """The mails that the shop has switched on, known for a minute. Raises the RemoteError tree."""
    return await runtime.memory.get(f"mails:{store}", runtime.stores[store].find_mails)


def describe_mails(on: Collection[str], module: Module | None = None) -> str:
    """Those that writes of one module, or of all, bring about."""
    spec = SPECS[module] if module is not None else None
    brought = MAILS.keys() if spec is None else spec.mails
    kinds = [name for kind, name in MAILS.items() if kind in on and kind in brought]
    told = SOMEBODY.format(kinds=", ".join(kinds)) if kinds else NOBODY
    return told if spec and not spec.tells_changed_address else f"{told} {ALWAYS}"
