"""The calls about orders and their refunds."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.errors import RemoteError
from app.woocommerce.batch import plan_batch
from app.woocommerce.batching import BatchRequests
from app.woocommerce.requests import paging, parse_all, record_path
from app.woocommerce.schemas import WooOrder, find_id, modified_after


class OrderCalls(BatchRequests):
    """wc/v3/orders."""

    async def get_order(self, order_id: str) -> WooOrder:
        """NotFound if there is none (err_order_404); a trashed one has status `trash`."""
        answer = await self._get(record_path("orders", order_id))
        return WooOrder.parse(answer).answering(order_id)

    def each_order(self, changed_since: datetime | None = None) -> AsyncIterator[WooOrder]:
        """Orders changed after a moment, or all, by id, drafts too, the trash not
        (recording orders_list_modified_after_gmt; contract page WooCommerce §2)."""
        return self._each(WooOrder, "orders", {"status": "any", **modified_after(changed_since)})

    async def count_orders(self, changed_since: datetime | None = None) -> int:
        """How many `each_order` would show, told by one short page (contract page WooCommerce §2,
        Paging)."""
        return await self._count("orders", {"status": "any", **modified_after(changed_since)})

    def each_trashed_order(self) -> AsyncIterator[WooOrder]:
        """Orders in the trash, which no other listing shows (order_get_trashed)."""
        return self._each(WooOrder, "orders", {"status": "trash"})

    async def find_last_order_change(self) -> datetime | None:
        """When an order was last changed, by the shop's own clock; None if there is none."""
        return await self._find_last_change("orders")

    async def search_orders_by_id(self, order_ids: Sequence[str]) -> list[WooOrder]:
        """Those of at most 100 orders that are there, the trash not (order_get). Orders that were
        not asked for are left out, whoever answered with them."""
        if not order_ids:
            return []
        query = {"include": ",".join(order_ids), "status": "any", **paging(1, 100)}
        asked = {find_id(order_id) for order_id in order_ids}
        found = await self._page(WooOrder, "orders", query)
        return [order for order in found.items if find_id(order.id) in asked]

    async def search_orders_of(self, email: str) -> list[WooOrder]:
        """The latest orders billed to an e-mail, newest first, at most 100, the trash not.

        The search looks for a part of any address, name or number, so the e-mail is compared
        here, whatever its case (order_get_guest_storefront).
        """
        wanted = email.strip().casefold()
        if not wanted:
            return []
        query = {"search": email.strip(), "orderby": "id", "order": "desc", **paging(1, 100)}
        found = parse_all(WooOrder, await self._get("orders", query))
        return [one for one in found if one.text("billing", "email").casefold() == wanted]

    async def create_order(self, body: Mapping[str, Any]) -> WooOrder:
        """The shop recomputes every tax and the total (order_create_full_excl_tax)."""
        return WooOrder.parse(await self._write("POST", "orders", body))

    async def update_order(self, order_id: str, patch: Mapping[str, Any]) -> WooOrder:
        """Lines sent without an id are appended (order_update_line_items_no_id). NotFound."""
        answer = await self._write("PUT", record_path("orders", order_id), patch)
        return WooOrder.parse(answer).answering(order_id)

    async def trash_order(self, order_id: str) -> WooOrder:
        """Into the trash, from where a person can restore it.

        The answer still has the status from before (order_trash). NotFound, also for one that
        is there already (contract page WooCommerce §2, Errors).
        """
        path = record_path("orders", order_id)
        answer = await self._write("DELETE", path, query={"force": "false"})
        return WooOrder.parse(answer).answering(order_id)

    async def batch_orders(
        self,
        *,
        create: Sequence[Mapping[str, Any]] = (),
        update: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> list[WooOrder | RemoteError]:
        """As `batch_customers`, without deletes (customers_batch_mixed_errors)."""
        return await self._batch(WooOrder, "orders", plan_batch(create, update or {}, ()))
