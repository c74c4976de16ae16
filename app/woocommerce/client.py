"""The client of one shop's REST API wc/v3: nothing raw comes out, every failure is typed."""

from collections.abc import Mapping
from typing import Any

from app.errors import ResponseUnreadable
from app.woocommerce.answers import WOO
from app.woocommerce.countries import CountryCalls
from app.woocommerce.customers import CustomerCalls
from app.woocommerce.mails import MailCalls
from app.woocommerce.orders import OrderCalls
from app.woocommerce.products import ProductCalls
from app.woocommerce.requests import paging, record_path
from app.woocommerce.samples import SampleCalls
from app.woocommerce.schemas import WooIndex, WooPage, WooWebhook


class WooClient(CustomerCalls, ProductCalls, OrderCalls, MailCalls, SampleCalls, CountryCalls):
    """One shop. An async context manager, or call `aclose`.

    Any method may raise RemoteUnavailable (and its kinds), AuthRejected and Rejected
    (contract page WooCommerce §2, Errors); what else it may raise is said at the method.
    Only connects and reads are tried again here: the caller looks before it writes again.
    """

    async def get_index(self) -> WooIndex:
        """What the API offers, from its root: proof that it is there and knows our keys."""
        data = await self._get("")
        routes = data.get("routes") if isinstance(data, Mapping) else None
        if not isinstance(routes, Mapping):
            raise ResponseUnreadable(WOO, "the API's index has no routes")
        return WooIndex(str(data.get("namespace", "")), frozenset(routes))

    async def probe_write(self) -> None:
        """An empty batch: it changes nothing, but needs the right to write.

        AuthRejected with a key that only reads (auth_readonly_key_post).
        """
        await self._write("POST", "customers/batch", {})

    async def search_webhooks(self, *, page: int = 1, per_page: int = 100) -> WooPage[WooWebhook]:
        """One page of all webhooks of the shop, ours or not (recording webhooks_list)."""
        return await self._page(WooWebhook, "webhooks", paging(page, per_page))

    async def create_webhook(
        self, *, name: str, topic: str, delivery_url: str, secret: str
    ) -> WooWebhook:
        """The shop sends its unsigned ping to `delivery_url` before it answers.

        Always with a secret: the shop would make one up that no call returns (contract page
        WooCommerce §1; recordings webhooks_create_order_created, webhooks_create_no_secret).
        """
        body = {"name": name, "topic": topic, "delivery_url": delivery_url, "secret": secret}
        return WooWebhook.parse(await self._write("POST", "webhooks", body))

    async def update_webhook(self, webhook_id: str, patch: Mapping[str, Any]) -> WooWebhook:
        """Does not reset the count of failures that disables it (webhook_reactivate)."""
        path = record_path("webhooks", webhook_id)
        answer = await self._write("PUT", path, patch)
        return WooWebhook.parse(answer).answering(webhook_id)

    async def delete_webhook(self, webhook_id: str) -> WooWebhook:
        """For good; without `force` the shop refuses (contract page WooCommerce §2, Errors)."""
        path = record_path("webhooks", webhook_id)
        answer = await self._write("DELETE", path, query={"force": "true"})
        return WooWebhook.parse(answer).answering(webhook_id)
