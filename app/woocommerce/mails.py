"""Which mails the shop sends for what is written to it: WooCommerce's settings of e-mails."""

import asyncio
from collections.abc import Mapping

from app.errors import NotFound
from app.woocommerce.taxes import TaxCalls

NEW_ACCOUNT = "customer_new_account"
NEW_ORDER_MAILS = ("customer_processing_order", "customer_on_hold_order")
COMPLETED = "customer_completed_order"
MAILS: Mapping[str, str] = {
    NEW_ACCOUNT: "account created",
    "customer_processing_order": "order received",
    "customer_on_hold_order": "order on hold",
    COMPLETED: "order on its way",
    "customer_refunded_order": "order refunded",
    "customer_cancelled_order": "order cancelled",
    "customer_failed_order": "order failed",
}
"""Those that go to customers, by WooCommerce's id, as people call them."""


class MailCalls(TaxCalls):
    """wc/v3/settings/email_*."""

    async def find_mails(self) -> frozenset[str]:
        """The ids of MAILS that are switched on; one that this WooCommerce does not have is not.

        Recording email-settings: `settings/email_customer_new_account/enabled`.
        """
        on = await asyncio.gather(*(self._is_mailed(kind) for kind in MAILS))
        return frozenset(kind for kind, is_on in zip(MAILS, on, strict=True) if is_on)

    async def _is_mailed(self, kind: str) -> bool:
        try:
            return await self.get_setting(f"email_{kind}", "enabled") == "yes"
        except NotFound:
            return False
