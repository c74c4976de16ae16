"""A stand-in for the sync in a story without one: what one system has, the other gets too."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.app import Sandbox
from sandbox.woocommerce.orders import DRAFTS, Order

OURS = "WooCommerce order #"


@dataclass(frozen=True, slots=True)
class Mirror:
    """Copies by e-mail address, SKU and order number, each once; changes nothing."""

    sandbox: Sandbox
    known: set[str] = field(default_factory=set)

    async def sync(self) -> None:
        await self._people()
        await self._goods()
        for order in list(self.sandbox.shop.trade.orders):
            if order.status not in DRAFTS and self._is_news(f"{OURS}{order.id}"):
                await self._to_crm(order)
        for row in self._records("SalesOrder"):
            if not row["subject"].startswith(OURS) and self._is_news(row["subject"]):
                self._to_shop(row)

    def _records(self, module: str) -> list[dict[str, Any]]:
        return self.sandbox.crm.records(module)

    def _is_news(self, name: str) -> bool:
        is_news = name not in self.known
        self.known.add(name)
        return is_news

    async def _people(self) -> None:
        contacts = {each["email"] for each in self._records("Contacts")}
        users = {user.email: user.last_name for user in self.sandbox.shop.users}
        for email in filter(self._is_news, contacts | users.keys() - {""}):
            if email not in contacts:
                values = {"lastname": users[email] or "-", "email": email}
                await self.sandbox.crm.ui_create("Contacts", values)
            if email not in users and email:
                self.sandbox.shop.customers.create({"email": email})

    async def _goods(self) -> None:
        listed = {row["productcode"]: row["unit_price"] for row in self._records("Products")}
        sold = {row["sku"] for row in self.sandbox.shop.trade.catalog}
        for sku in filter(self._is_news, (listed.keys() | sold) - {""}):
            if sku not in listed:
                values = {"productname": sku, "productcode": sku, "unit_price": "1"}
                await self.sandbox.crm.ui_create("Products", values)
            if sku not in sold:
                fields = {"name": sku, "sku": sku, "regular_price": listed[sku]}
                self.sandbox.shop.trade.product_book.create(fields)

    async def _to_crm(self, order: Order) -> None:
        ids = {row["productcode"]: row["id"] for row in self._records("Products")}
        rows = [
            (self.sandbox.shop.trade.catalog.find(each.ordered_id), each) for each in order.lines
        ]
        lines = [
            {"productid": ids[row["sku"]], "quantity": line.quantity, "listprice": "1"}
            for row, line in rows
            if row
        ]
        values = {"subject": f"{OURS}{order.id}", "sostatus": "Created", "LineItems": lines}
        await self.sandbox.crm.ui_create("SalesOrder", values)

    def _to_shop(self, row: dict[str, Any]) -> None:
        email = self.sandbox.crm.record(row["contact_id"])["email"]
        order = self.sandbox.shop.trade.order_book.create({"billing": {"email": email}})
        self.known.add(f"{OURS}{order.id}")
