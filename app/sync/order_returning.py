"""Writing a Vtiger order to WooCommerce, which has taxes and totals of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from app.errors import NotFound, once_made
from app.json_shapes import rows_of
from app.mapping.numbers import decimal_text
from app.mapping.order_back import adjusting_fee, total_delta, woo_order_patch
from app.mapping.order_lines import Sold, woo_rows
from app.mapping.order_refs import OrderRefs, WooItem
from app.mapping.paths import with_meta
from app.mapping.rules import FieldRule
from app.mapping.sales_orders import FOREIGN_ID_META
from app.mapping.values import FieldNote, Patch, Value
from app.mapping.vtiger_totals import INDIVIDUAL
from app.policies.schemas import SyncPolicy
from app.records import TotalPolicy
from app.runtime import Runtime
from app.sync.order_buyers import Buyers
from app.sync.order_references import CrmOrder, OrderReferences, ShopOrder
from app.tasks import run_aside
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooOrder

DIFFERS = (
    "WooCommerce's own taxes and rounding make another total: Vtiger's is {delta} more. Set "
    "`order_total` to `adjust` to have a fee line make up for it."
)
GROUPED = (
    "The sale is in the tax mode group, in which Vtiger's form starts with all of its taxes added "
    "up: set those that do not apply to 0 there, or choose the mode individual."
)
ADJUSTED = "A fee line of {delta} makes WooCommerce's total that of Vtiger."


@dataclass(frozen=True, slots=True)
class OrderReturned:
    """What the shop answered to a write, None if nothing was left to send; notes as in Patch."""

    order: WooOrder | None
    notes: tuple[FieldNote, ...]
    unwritten: frozenset[str]


@dataclass(frozen=True, slots=True)
class OrderReturner:
    """Creates and changes WooCommerce orders. Methods raise Waiting and the RemoteError tree."""

    runtime: Runtime
    store: str
    policy: SyncPolicy
    rules: tuple[FieldRule, ...]
    references: OrderReferences
    buyers: Buyers

    @property
    def woo(self) -> WooClient:
        return self.runtime.stores[self.store]

    def patch_for_new(self, crm: CrmOrder, values: Mapping[str, Value]) -> Patch:
        """What creating it would send, but for the buyer: tells what cannot be sent."""
        return woo_order_patch(values, crm.refs, current=None, rules=self.rules)

    async def create(self, crm: CrmOrder, values: Mapping[str, Value]) -> OrderReturned:
        """Recording order_create_created_via."""
        patch = await self.new_order(crm, values)
        return await self.made(await self.woo.create_order(patch.body), patch, crm)

    async def new_order(self, crm: CrmOrder, values: Mapping[str, Value]) -> Patch:
        """What creating it sends; the id is in the order from its first moment."""
        refs = await self._with_parents(crm.refs)
        buyer = await self.buyers.buyer_of(crm.record)
        plan = partial(woo_order_patch, values, refs, current=None, rules=self.rules, buyer=buyer)
        patch = await run_aside(plan, lines=len(rows_of(crm.record.data.get("LineItems"))))
        return replace(patch, body=with_meta(patch.body, FOREIGN_ID_META, crm.record.id))

    async def made(self, created: WooOrder, patch: Patch, crm: CrmOrder) -> OrderReturned:
        """The answer to that, with the total that the setting asks for."""
        with once_made():
            return await self._totalled(created, patch, crm)

    async def update(
        self, shop: ShopOrder, changes: Mapping[str, Value], *, crm: CrmOrder
    ) -> OrderReturned:
        """Lines by id, new ones added, others removed (order_update_line_items_*)."""
        refs = shop.refs
        if "lines" in changes:
            refs = await self._with_items(shop.refs, changes["lines"] or "")
        plan = partial(woo_order_patch, changes, refs, current=shop.order, rules=self.rules)
        patch = await run_aside(plan, lines=len(shop.order.lines))
        if not patch.body:
            return OrderReturned(None, patch.notes, patch.unwritten)
        updated = await self.woo.update_order(shop.order.id, patch.body)
        if not changes.keys() & {"lines", "currency"}:
            return OrderReturned(updated, patch.notes, patch.unwritten)
        return await self._totalled(updated, patch, crm)

    async def _with_items(self, refs: OrderRefs, lines: str) -> OrderRefs:
        """The shop's products of the wanted lines, made first where they are not there."""
        wanted = {line.product for line in Sold.from_text(lines).goods}
        wanted -= {refs.placeholder_id, *refs.products.values()}
        for product_id in sorted(wanted):
            await self.references.bring_product_of(product_id)
        own = {product: WooItem(woo_id) for woo_id, product in refs.products.items()}
        items = {**own, **await self.references.items(wanted)}
        return await self._with_parents(replace(refs, items=items))

    async def _with_parents(self, refs: OrderRefs) -> OrderRefs:
        """A line that sells a variation names its parent too (order_create_full_excl_tax)."""
        parents = {
            product: WooItem(item.id, await self._parent_of(item.id))
            for product, item in refs.items.items()
        }
        return replace(refs, items=parents)

    async def _parent_of(self, product_id: str) -> str | None:
        read = partial(self._read_parent, product_id)
        return await self.runtime.memory.get(f"parent:{self.store}:{product_id}", read)

    async def _read_parent(self, product_id: str) -> str | None:
        try:
            return (await self.woo.get_product(product_id)).parent_id
        except NotFound:
            return None

    async def _totalled(self, order: WooOrder, patch: Patch, crm: CrmOrder) -> OrderReturned:
        """The order, with a fee line that makes up for another total where the setting says so."""
        delta = total_delta(order, crm.record)
        if not delta:
            return OrderReturned(order, patch.notes, patch.unwritten)
        text = DIFFERS
        if self.policy.order_total is TotalPolicy.ADJUST:
            text, order = ADJUSTED, await self._adjust(order, crm)
        shown = decimal_text(delta)
        if crm.record.get("hdnTaxType") != INDIVIDUAL:
            text = f"{text} {GROUPED}"
        note = FieldNote("lines", "total_differs", text.format(delta=shown), shown)
        return OrderReturned(order, (*patch.notes, note), patch.unwritten)

    async def _adjust(self, order: WooOrder, crm: CrmOrder) -> WooOrder:
        """A negative fee takes tax off too, whatever its status: it is set again, in proportion
        (contract page WooCommerce §3)."""
        delta, places = total_delta(order, crm.record), crm.refs.decimals
        before = {row.get("id") for row in woo_rows(order, "fee_lines")}
        made = await self.woo.update_order(order.id, adjusting_fee(delta, places=places))
        moved = delta - total_delta(made, crm.record)
        new = [row["id"] for row in woo_rows(made, "fee_lines") if row.get("id") not in before]
        if moved in (delta, 0) or not new:
            return made
        body = adjusting_fee(delta * delta / moved, places=places)
        body["fee_lines"][0]["id"] = new[0]
        return await self.woo.update_order(order.id, body)
