"""Orders a page at a time: purchase orders looked for together, orders made in batches."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import RemoteError, System, WooVtigerError
from app.mapping.sales_orders import FOREIGN_ID_META, purchase_order
from app.mapping.values import Patch
from app.records import Module, Record
from app.sync.bulk import Made, Marked
from app.sync.known_accounts import KnownAccounts
from app.sync.listing import Seen
from app.sync.order_references import ShopOrder, products_of
from app.sync.order_sides import crm_order
from app.sync.sales_orders import OrderAdapter
from app.sync.sides import Side
from app.tasks import run_together
from app.vtiger.query import portions
from app.woocommerce.schemas import WooOrder


@dataclass(frozen=True, slots=True)
class BulkOrders:
    """`accounts` are those that the adapter goes by."""

    adapter: OrderAdapter
    accounts: KnownAccounts

    async def foresee(self, seen: Sequence[Seen]) -> None:
        """The pairs of the orders themselves, their customers and products. An order that cannot be
        read names nothing."""
        found = [each.raw for each in seen if isinstance(each.raw, WooOrder)]
        orders = [order for order in found if not order.faults]
        store, dependencies = self.adapter.sides.store, self.adapter.sides.references.dependencies
        if dependencies is None or not orders:
            return
        customers = {order.customer_id for order in orders if order.customer_id}
        products = {each for order in orders for each in products_of(order)}
        for module, ids in (
            (Module.SALES_ORDERS, {order.id for order in orders}),
            (Module.CONTACTS, customers),
            (Module.PRODUCTS, products),
        ):
            records = [Record(store, System.WOOCOMMERCE, module, each) for each in sorted(ids)]
            await dependencies.foresee(records)

    async def prepare(self, sources: Sequence[Side]) -> None:
        orders = [side.raw.order for side in sources if isinstance(side.raw, ShopOrder)]
        names = [self.adapter.writer.account_name_of(order) for order in orders]
        await self.accounts.look_for(names)

    async def search_taken(self, sources: Sequence[Side]) -> frozenset[str]:
        """None of Vtiger's: a shop's order is found by the id that it would carry in Vtiger's."""
        store, vtiger = self.adapter.sides.store, self.adapter.sides.runtime.vtiger
        by_number = {
            purchase_order(store, side.id): side.id
            for side in sources
            if isinstance(side.raw, ShopOrder)
        }
        found = frozenset[str]()
        for part in portions(sorted(by_number)):
            found |= await vtiger.search_purchase_orders(part)
        return frozenset(by_number[number] for number in found if number in by_number)

    async def create_in_shop(self, sources: Sequence[Side]) -> list[Made]:
        """An order of which a part cannot be had yet is not sent."""
        patches = await run_together(self._new_order(side) for side in sources)
        create = [patch.body for patch in patches if isinstance(patch, Patch)]
        answers = iter(await self.adapter.returner.woo.batch_orders(create=create))
        return [
            await self._made(side, patch, next(answers)) if isinstance(patch, Patch) else patch
            for side, patch in zip(sources, patches, strict=True)
        ]

    async def _new_order(self, side: Side) -> Patch | WooVtigerError:
        try:
            return await self.adapter.returner.new_order(crm_order(side), side.values.values)
        except WooVtigerError as error:
            return error

    async def _made(self, side: Side, patch: Patch, answer: WooOrder | RemoteError) -> Made:
        if isinstance(answer, RemoteError):
            return answer
        try:
            returned = await self.adapter.returner.made(answer, patch, crm_order(side))
            return await self.adapter.made_in_shop(side, returned)
        except WooVtigerError as error:
            return error

    async def mark_in_shop(self, marks: Sequence[tuple[Side, str]]) -> list[Marked]:
        update = {
            side.id: {"meta_data": [{"key": FOREIGN_ID_META, "value": partner}]}
            for side, partner in marks
        }
        marked = await self.adapter.returner.woo.batch_orders(update=update)
        return [one if isinstance(one, RemoteError) else one.modified_at for one in marked]
