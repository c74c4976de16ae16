"""Those who take the day's steps, and how they find what a step is about."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sandbox.app import Sandbox
from sandbox.shop_calls import ShopCalls

T = TypeVar("T")

_LOOK_AGAIN_S = 0.05


class StoryStuck(Exception):
    """A step waited in vain for what an earlier one should have brought about."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The shop's customers and staff, and the CRM's users.

    Things are found by what people know them by: e-mail addresses, SKUs, and for orders the name
    that the story gave them (`orders`). Whoever looks for something waits until it is there,
    `patience_s` seconds at most, then StoryStuck: so the same steps can be taken slowly, or as
    fast as the sync goes.
    """

    sandbox: Sandbox
    shop: ShopCalls
    patience_s: float = 20.0
    orders: dict[str, int] = field(default_factory=dict)

    async def customer(self, email: str) -> int:
        return await self._wait(f"customer {email}", lambda: self._find_customer(email))

    def _find_customer(self, email: str) -> int | None:
        user = self.sandbox.shop.users.find_by_email(email)
        return user.id if user else None

    async def item(self, sku: str) -> int:
        """A product or variation of the shop."""
        return await self._wait(f"product {sku}", lambda: self._find_item(sku))

    def _find_item(self, sku: str) -> int | None:
        row = self.sandbox.shop.trade.catalog.find_by_sku(sku)
        return row["id"] if row else None

    async def trashed_item(self, sku: str) -> int:
        catalog = self.sandbox.shop.trade.catalog
        row = await self._wait(f"trashed {sku}", lambda: catalog.find_trashed_by_sku(sku))
        return int(row["id"])

    async def order(self, name: str) -> int:
        return await self._wait(f"order {name}", lambda: self.orders.get(name))

    async def rate(self, name: str, country: str) -> int:
        """A tax rate of the shop, the first of its name and country."""
        return await self._wait(f"rate {name}", lambda: self._find_rate(name, country))

    def _find_rate(self, name: str, country: str) -> int | None:
        rates = self.sandbox.shop.trade.taxes
        found = (row["id"] for row in rates if (row["name"], row["country"]) == (name, country))
        return next(found, None)

    async def contact(self, email: str, last_name: str = "") -> str:
        """`last_name` tells two contacts of one address apart."""
        wanted = {"email": email} | ({"lastname": last_name} if last_name else {})
        return await self._record("Contacts", wanted)

    async def product(self, code: str) -> str:
        """A product of the CRM."""
        return await self._record("Products", {"productcode": code})

    async def crm_order(self, name: str) -> str:
        """The CRM's twin of an order of the shop."""
        number = await self.order(name)
        return await self._record("SalesOrder", {"subject": f"WooCommerce order #{number}"})

    async def account(self, name: str) -> str:
        """The CRM's organization of that name, made if there is none."""
        known = self._find_record("Accounts", {"accountname": name})
        return known or await self.sandbox.crm.ui_create("Accounts", {"accountname": name})

    async def newest_order_of(self, email: str) -> int:
        """The shop's latest order billed to an address."""
        return await self._wait(f"order of {email}", lambda: self._find_order_of(email))

    def _find_order_of(self, email: str) -> int | None:
        orders = self.sandbox.shop.trade.orders
        return max((row.id for row in orders if row.billing["email"] == email), default=None)

    async def _record(self, module: str, wanted: dict[str, str]) -> str:
        told = f"{module} {' '.join(wanted.values())}"
        return await self._wait(told, lambda: self._find_record(module, wanted))

    def _find_record(self, module: str, wanted: dict[str, Any]) -> str | None:
        for record in self.sandbox.crm.records(module):
            if wanted.items() <= record.items():
                return str(record["id"])
        return None

    async def _wait(self, what: str, find: Callable[[], T | None]) -> T:
        try:
            async with asyncio.timeout(self.patience_s):
                while True:
                    found = find()
                    if found is not None:
                        return found
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError:
            raise StoryStuck(f"the {what} did not appear") from None
