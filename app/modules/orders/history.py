"""The history of a shop's orders: guests, and references to Vtiger orders that no link has.

After the loss of the database only the shop's orders show which contacts are guests, who must not
get an account, and which Vtiger orders the shop has already. A shop cannot be queried for many of
either (contract page WooCommerce §2, Search). Its orders are therefore read once, before the first
Vtiger record that is older than the database is created in the shop; after that only changed
orders are read, since the database may have been restored from a backup."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.db.session import transaction
from app.domain import GUEST, Module, NotFound, Record, System
from app.links.repository import (
    find_baseline,
    find_intent,
    find_link,
    find_watermark,
    save_claims,
    save_guest_order,
    save_watermark,
    search_claims,
)
from app.modules.contacts.adapter import NEVER, age_of, find_guest_id, is_of_vtiger
from app.modules.orders.mapping import FOREIGN_ID_META
from app.modules.ports import is_plausible, pages
from app.runtime import Runtime
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooOrder

OVERLAP = timedelta(minutes=15)
"""The most that the shop's clock is assumed to be behind ours."""


@dataclass(frozen=True, slots=True)
class OrderHistory:
    """The orders of one shop. Methods may raise any RemoteError.

    A *claim* is an order of the shop that carries the id of a Vtiger order, but is not its pair.
    """

    runtime: Runtime
    store: str

    @property
    def _woo(self) -> WooClient:
        return self.runtime.stores[self.store]

    async def read(self) -> None:
        """Read the guests and the claims of the shop's orders: a call for each hundred orders the
        first time, later one for those that changed, at most once a minute."""
        await self.runtime.memory.get(self._key, self._read)

    @property
    def _key(self) -> str:
        return f"history:{self.store}"

    async def _read(self) -> None:
        started_at, read_at = self.runtime.clock(), await self._read_at()
        async for page in pages(self._woo.each_order(read_at and read_at - OVERLAP)):
            await self._save(page)
        if read_at is None:
            async for page in pages(self._woo.each_trashed_order()):
                await self._save(page)
        async with transaction(self.runtime.sessions) as session:
            await save_watermark(session, self._key, started_at)

    async def _read_at(self) -> datetime | None:
        async with self.runtime.sessions() as session:
            return await find_watermark(session, self._key)

    async def _save(self, page: Sequence[WooOrder]) -> None:
        claims = [
            (vtiger_id, order.id)
            for order in page
            if (vtiger_id := order.meta(FOREIGN_ID_META)) and is_plausible(System.VTIGER, vtiger_id)
        ]
        latest = {
            guest_id: order
            for order in sorted(page, key=_guest_data_at)
            if (guest_id := find_guest_id(order)) is not None
        }
        async with transaction(self.runtime.sessions) as session:
            await save_claims(session, self.store, claims)
            for guest_id in sorted(latest):
                await save_guest_order(
                    session,
                    self.store,
                    email=guest_id.removeprefix(GUEST),
                    order_id=latest[guest_id].id,
                    ordered_at=_guest_data_at(latest[guest_id])[0],
                )

    async def find_claim(self, vtiger_id: str, created_at: datetime | None) -> WooOrder | None:
        """An unpaired order of the shop, in the trash or not, that claims this Vtiger order, which
        has no pair; None if there is none, or if an unfinished create of ours may have left it.

        For a Vtiger order that is newer than the baseline the history is not read if it never was:
        no older order of the shop can carry its id.
        """
        key = f"{self.store}:{Module.SALES_ORDERS}:{System.VTIGER}"
        async with self.runtime.sessions() as session:
            baseline_at = await find_baseline(session, key)
            intent = await find_intent(session, self._record(System.VTIGER, vtiger_id))
        if intent is not None:
            return None
        is_news = baseline_at is not None and created_at is not None and created_at > baseline_at
        if not is_news or await self._read_at() is not None:
            await self.read()
        async with self.runtime.sessions() as session:
            order_ids = await search_claims(session, self.store, vtiger_id)
        found = [order async for order in self._confirmed(order_ids, vtiger_id)]
        return found[0] if found else None

    async def record_claim(self, vtiger_id: str, order_id: str) -> None:
        """Record that an order of the shop claims a Vtiger order."""
        async with transaction(self.runtime.sessions) as session:
            await save_claims(session, self.store, [(vtiger_id, order_id)])

    async def _confirmed(self, order_ids: Sequence[str], vtiger_id: str) -> AsyncIterator[WooOrder]:
        """Those of the orders that still carry the id and have no pair."""
        for order_id in order_ids:
            async with self.runtime.sessions() as session:
                link = await find_link(session, self._record(System.WOOCOMMERCE, order_id))
            try:
                order = await self._woo.get_order(order_id) if link is None else None
            except NotFound:
                continue
            if order is not None and order.meta(FOREIGN_ID_META) == vtiger_id:
                yield order

    def _record(self, system: System, record_id: str) -> Record:
        return Record(self.store, system, Module.SALES_ORDERS, record_id)


def _guest_data_at(order: WooOrder) -> tuple[datetime, int]:
    """Sorts orders by the age of their data on the guest. An order that we created shows that there
    is a guest, but no data: any order that the guest placed counts as later."""
    placed_at, number = age_of(order)
    return (NEVER if is_of_vtiger(order) else placed_at), number
