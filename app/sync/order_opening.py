"""The adapter of sales orders, put together from its parts."""

import re
from dataclasses import dataclass
from functools import partial

from app.links.leases import PairLease
from app.mapping.rules import FieldRule
from app.policies.schemas import SyncPolicy
from app.runtime import Runtime
from app.sync.accounts import Accounts
from app.sync.books import Books
from app.sync.dependencies import Dependencies
from app.sync.guests import Guests
from app.sync.hold import PATIENCE
from app.sync.order_buyers import Buyers
from app.sync.order_references import OrderReferences
from app.sync.order_returning import OrderReturner
from app.sync.order_sides import OrderSides
from app.sync.order_taxing import TaxCarriers
from app.sync.order_twins import OrderTwins
from app.sync.order_writing import OrderWriter
from app.sync.sales_orders import OrderAdapter
from app.sync.setup import FEE_SERVICE, setup_ids
from app.sync.shop_creation import find_home
from app.vtiger.orders import ORDERS

CHARGE_TAX = re.compile(r".+_shtax(?P<number>[0-9]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class OrderParts:
    """What the parts share. Without `dependencies` nothing is brought: it only looks."""

    runtime: Runtime
    store: str
    policy: SyncPolicy
    lease: PairLease
    books: Books
    dependencies: Dependencies | None
    id_field: str | None
    rules: tuple[FieldRule, ...]

    async def open(self) -> OrderAdapter:
        rules = self.rules
        accounts = Accounts(self.runtime.vtiger, partial(self.lease.extend, patience=PATIENCE))
        guests = Guests(self.runtime.sessions, self.store, self.runtime.stores[self.store])
        buyers = Buyers(self.runtime, self.store, self.policy, accounts, guests, self.dependencies)
        references = await self._references(buyers)
        sides = OrderSides(
            self.runtime,
            self.store,
            self.policy,
            rules,
            self.id_field,
            references,
            await self._home(),
        )
        returner = OrderReturner(self.runtime, self.store, self.policy, rules, references, buyers)
        carriers = await self._carriers()
        writer = OrderWriter(self.runtime, self.policy, rules, self.books, accounts, carriers)
        twins = OrderTwins(sides, returner)
        return OrderAdapter(rules, self.policy, sides, twins, writer, returner)

    async def _home(self) -> str:
        """The first store whose orders are written; this one, where there is no other."""
        if len(self.runtime.stores) == 1:
            return self.store
        return await find_home(self.runtime) or self.store

    async def _references(self, buyers: Buyers) -> OrderReferences:
        return OrderReferences(
            self.runtime,
            self.store,
            self.policy,
            self.books,
            buyers,
            self.dependencies,
            await self._shipping_tax_field(),
        )

    async def _shipping_tax_field(self) -> str | None:
        """Where the tax of shipping goes, by the charges that describe names (contract page
        Vtiger §3; recording 03-describe-SalesOrder)."""
        shape = await self.runtime.shapes.get(ORDERS)
        found = (CHARGE_TAX.fullmatch(field.name) for field in shape.fields)
        numbers = [int(match["number"]) for match in found if match]
        return f"shtax{min(numbers)}_sh_percent" if numbers else None

    async def _carriers(self) -> TaxCarriers:
        fee_service_id = (await setup_ids(self.runtime)).get(FEE_SERVICE, "")
        return TaxCarriers(self.runtime, self.store, self.lease, fee_service_id)
