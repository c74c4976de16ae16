"""Whether a Vtiger record may be created in a shop, by the settings.

A new customer gets an account and an e-mail from the shop, so this is checked for every record
without a pair, wherever a twin would be created or forecast."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.domain import CreationPolicy, Module, System
from app.links.models import Link
from app.links.repository import search_links_of_other_stores
from app.module_facts import FACTS
from app.modules.context import foreign_id_field, of_store
from app.modules.orders.mapping import find_store
from app.modules.ports import Side, Skip
from app.policies.repository import SyncPolicy, get_policy
from app.runtime import Runtime
from app.vtiger.client import ORDERS, PURCHASE_ORDER
from app.vtiger.query import one_of, portions
from app.vtiger.schemas import VtigerRecord

CHOSEN_LABEL = "Create in WooCommerce"
YES = frozenset({"1", "on", "yes", "true"})
NEVER = (
    "The setting `create_in_shop` is `never`: {module} of Vtiger are not created in the shop. Set "
    "it to `all` if they should be."
)
NOT_CHOSEN = (
    "No order needs it in the shop, and nobody chose it: the setting `create_in_shop` is "
    f"`with_orders`. Tick the box {CHOSEN_LABEL} in Vtiger (a checkbox that you add to the "
    "module), or set the setting to `all`."
)
ELSEWHERE = (
    "It came from store {store}, and is not created in another shop. Set `from_other_shops` if it "
    "should be."
)


@dataclass(frozen=True, slots=True)
class ShopCreation:
    """The check for one module of one store. Methods may raise any RemoteError."""

    runtime: Runtime
    store: str
    module: Module
    policy: SyncPolicy

    async def refuse(self, sides: Sequence[Side], *, is_needed: bool = False) -> dict[str, Skip]:
        """Why records are not created in the shop, by id, for those that are not. `is_needed`:
        another record, which the shop gets, depends on them. Records of the shop are never
        refused."""
        asked = [side for side in sides if side.system is System.VTIGER]
        if not asked or "create_in_shop" not in FACTS[self.module].settings:
            return {}
        if self.policy.create_in_shop is CreationPolicy.NEVER:
            never = Skip("creation_off", NEVER.format(module=self.module.replace("_", " ")))
            return {side.id: never for side in asked}
        origins = await self._origins(asked)
        refused = {
            side_id: Skip("other_shop", ELSEWHERE.format(store=store))
            for side_id, store in origins.items()
        }
        rest = [side for side in asked if side.id not in refused]
        if rest and self.policy.create_in_shop is CreationPolicy.WITH_ORDERS and not is_needed:
            wanted = await self._wanted(rest)
            unwanted = Skip("creation_off", NOT_CHOSEN)
            refused |= {side.id: unwanted for side in rest if side.id not in wanted}
        return refused

    async def came_from_elsewhere(self, vtiger_id: str) -> bool:
        """Whether the record came to Vtiger from another shop, and the settings exclude those."""
        return bool(await self._origins_by_link([vtiger_id]))

    async def _origins(self, sides: Sequence[Side]) -> dict[str, str]:
        """The other stores that these records came to Vtiger from, by record id. After the loss of
        the database, which has the pairs, the id fields show it."""
        found = await self._origins_by_link([side.id for side in sides])
        if self.policy.from_other_shops:
            return found
        fields = await self._id_fields()
        known = await self._paired([side.id for side in sides]) if fields else frozenset[str]()
        for side in sides:
            if side.id in known or not isinstance(side.raw, VtigerRecord):
                continue
            for store, field in fields.items():
                if side.raw.get(field):
                    found.setdefault(side.id, store)
        return found

    async def _origins_by_link(self, ids: Collection[str]) -> dict[str, str]:
        """A record that we created in another shop originates from Vtiger, and is not included."""
        if self.policy.from_other_shops:
            return {}
        links = await self._links(ids)
        return {link.vtiger_id: link.store for link in links if link.made_in != System.WOOCOMMERCE}

    async def _paired(self, ids: Collection[str]) -> frozenset[str]:
        return frozenset(link.vtiger_id for link in await self._links(ids))

    async def _links(self, ids: Collection[str]) -> Sequence[Link]:
        async with self.runtime.sessions() as session:
            return await search_links_of_other_stores(
                session, self.store, self.module, vtiger_ids=ids
            )

    async def _id_fields(self) -> dict[str, str]:
        """The fields that hold the ids of other shops, by store."""
        others = [store for store in self.runtime.stores if store != self.store]
        if not others:
            return {}
        shape = await self.runtime.shapes.get(FACTS[self.module].vtiger_name)
        found = {store: foreign_id_field(shape, store, only_store=False) for store in others}
        return {store: field for store, field in found.items() if field is not None}

    async def _wanted(self, sides: Sequence[Side]) -> set[str]:
        """The ids of the records whose checkbox is ticked, and of contacts of orders that were
        entered in Vtiger."""
        shape = await self.runtime.shapes.get(FACTS[self.module].vtiger_name)
        labels = (of_store(CHOSEN_LABEL, self.store), CHOSEN_LABEL)
        fields = [field.name for label in labels if (field := shape.field_labelled(label))]
        wanted = {side.id for side in sides if _is_ticked(side, fields)}
        if self.module is Module.CONTACTS:
            wanted |= await self._with_orders([side.id for side in sides if side.id not in wanted])
        return wanted

    async def _with_orders(self, ids: Sequence[str]) -> set[str]:
        """The ids of contacts of orders entered in Vtiger that go to this store. An order of a shop
        does not count: its buyer has an account, or wanted none."""
        if await find_default_store(self.runtime) != self.store:
            return set()
        found = set()
        columns = ("id", "contact_id", PURCHASE_ORDER)
        for part in portions(ids):
            where = (one_of("contact_id", part),)
            async for order in self.runtime.vtiger.search(ORDERS, where, columns=columns):
                if find_store(order.get(PURCHASE_ORDER)) is None:
                    found.add(order.get("contact_id"))
        return found


async def find_default_store(runtime: Runtime) -> str | None:
    """The store that orders entered in Vtiger go to: the first whose settings create them."""
    async with runtime.sessions() as session:
        for store in runtime.stores:
            policy = await get_policy(session, store, Module.SALES_ORDERS)
            makes = policy.create_in_shop is not CreationPolicy.NEVER
            if makes and policy.enabled and policy.direction.allows(System.WOOCOMMERCE):
                return store
    return None


def _is_ticked(side: Side, fields: Collection[str]) -> bool:
    raw = side.raw
    return isinstance(raw, VtigerRecord) and any(raw.get(name).casefold() in YES for name in fields)
