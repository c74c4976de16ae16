"""Both systems lived in at random, all modules at once, with a memory of what must not get lost.

`Memory` keeps, from one quiet moment to the next, who changed which field of which pair to what. A
field that one side alone changed must hold that side's last value in both in the end; one that both
changed must be equal, and be one of the edits: which one, stamps of a second decide.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from app.domain import Module, System
from sandbox.vtiger.refusals import Refusal
from sandbox.woocommerce.errors import RestError
from tests.acceptance.ledger import STATUSES, number
from tests.goods import edit as edit_product
from tests.goods import links_of, product, shelf
from tests.trade import ADDRESS, kept, order
from tests.trade import edit as edit_order
from tests.world import World

SHOP, CRM = System.WOOCOMMERCE, System.VTIGER
SALE_STATUSES = ("Created", "Approved", "Delivered", "Cancelled")
SHOP_STATUSES = ("on-hold", "processing", "completed", "cancelled")

Key = tuple[Module, str, str]
"""Module, id in the shop, field."""


@dataclass(slots=True)
class Memory:
    """The values that each side gave a field since the last quiet moment, the last one last."""

    edits: dict[Key, dict[System, list[str]]] = field(default_factory=dict)

    def note(self, key: Key, system: System, value: str) -> None:
        self.edits.setdefault(key, {}).setdefault(system, []).append(value)

    def fault(self, key: Key, shop: str, crm: str) -> str | None:
        """What is wrong with a field that holds these values now."""
        if shop != crm:
            return f"{key}: {shop!r} in the shop, {crm!r} in the CRM"
        sides = list(self.edits[key].values())
        allowed = sides[0][-1:] if len(sides) == 1 else [*sides[0], *sides[1]]
        if shop not in allowed:
            return f"{key}: {shop!r} is nobody's, edits were {self.edits[key]}"
        return None


@dataclass(slots=True)
class Bazaar:
    """`act` lets somebody do something; `faults` tells what got lost since `forget`."""

    world: World
    random: Random
    memory: Memory = field(default_factory=Memory)
    _number: int = 0
    _pairs: dict[Module, list[tuple[str, str]]] = field(default_factory=dict)
    _acts: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        weighted = {
            self._edit_contact: 6,
            self._edit_product: 6,
            self._edit_order: 6,
            self._order: 3,
            self._register: 1,
            self._stock: 1,
        }
        self._acts = [act for act, weight in weighted.items() for _ in range(weight)]

    async def open(self) -> None:
        """A few goods and people to begin with."""
        for _ in range(5):
            await self._stock()
            await self._register()

    async def act(self) -> None:
        """One act of one person; what a system refuses did not happen."""
        try:
            await self.random.choice(self._acts)()
        except (RestError, Refusal):
            return

    async def forget(self) -> None:
        """A quiet moment: what is paired now is edited from now on."""
        self.memory.edits.clear()
        for module in (Module.CONTACTS, Module.PRODUCTS, Module.SALES_ORDERS):
            self._pairs[module] = [
                (link.woo_id, link.vtiger_id)
                for link in await links_of(self.world, module)
                if link.woo_id.isdecimal()
            ]

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _pair(self, module: Module) -> tuple[str, str] | None:
        pairs = self._pairs.get(module)
        return self.random.choice(pairs) if pairs else None

    async def _register(self) -> None:
        name = f"Person {self._next()}"
        email = f"person{self._number}@bazaar.example"
        if self.random.random() < 0.5:
            await self.world.customer(email, last_name=name)
        else:
            await self.world.contact(lastname=name, email=email)

    async def _stock(self) -> None:
        sku = f"SKU-{self._next()}"
        price = f"{self.random.randint(1, 90)}.{self.random.randint(0, 99):02}"
        if self.random.random() < 0.7:
            product(self.world, name=f"Ware {self._number}", sku=sku, regular_price=price)
            return
        fields = {"productname": f"Ware {self._number}", "productcode": sku, "unit_price": price}
        await self.world.sandbox.crm.ui_create("Products", {**fields, "discontinued": "1"})

    async def _order(self) -> None:
        """Of what the shop has a price for; the buyer is a guest, or a customer of the shop."""
        wares = [row for row, _ in self._pairs.get(Module.PRODUCTS, ())]
        if not wares:
            return
        lines = [(ware, self.random.randint(1, 4)) for ware in self.random.sample(wares, 1)]
        fields: dict[str, Any] = {"status": self.random.choice(SHOP_STATUSES)}
        customers = self._pairs.get(Module.CONTACTS)
        if customers and self.random.random() < 0.6:
            fields["customer_id"] = int(self.random.choice(customers)[0])
        else:
            email = f"guest{self.random.randint(1, 40)}@bazaar.example"
            fields["billing"] = ADDRESS | {"email": email}
        if self.random.random() < 0.5:
            shipping = {"method_id": "flat_rate", "method_title": "Post", "total": "4.90"}
            fields["shipping_lines"] = [shipping]
        order(self.world, *lines, **fields)

    async def _edit_contact(self) -> None:
        pair = self._pair(Module.CONTACTS)
        if pair is None:
            return
        name, value = self.random.choice(("last_name", "city")), f"Value {self._next()}"
        system = self.random.choice((SHOP, CRM))
        if system is SHOP:
            self.world.edit_customer(pair[0], **_customer_fields(name, value))
        else:
            crm_name = {"last_name": "lastname", "city": "mailingcity"}[name]
            await self.world.edit_contact(pair[1], **{crm_name: value})
        self.memory.note((Module.CONTACTS, pair[0], name), system, value)

    async def _edit_product(self) -> None:
        pair = self._pair(Module.PRODUCTS)
        if pair is None:
            return
        name, system = self.random.choice(("name", "price")), self.random.choice((SHOP, CRM))
        value = f"Ware {self._next()}" if name == "name" else f"{self._next()}.25"
        if system is SHOP:
            shop_name = {"name": "name", "price": "regular_price"}[name]
            edit_product(self.world, pair[0], **{shop_name: value})
        else:
            crm_name = {"name": "productname", "price": "unit_price"}[name]
            await self.world.sandbox.crm.ui_edit(pair[1], {crm_name: value})
        self.memory.note((Module.PRODUCTS, pair[0], name), system, value)

    async def _edit_order(self) -> None:
        pair = self._pair(Module.SALES_ORDERS)
        if pair is None:
            return
        system = self.random.choice((SHOP, CRM))
        if self.random.random() < 0.5:
            await self._change_status(pair, system)
            return
        value = f"City {self._next()}"
        if system is SHOP:
            edit_order(self.world, pair[0], billing={"city": value})
        else:
            await self.world.sandbox.crm.ui_edit(pair[1], {"bill_city": value})
        self.memory.note((Module.SALES_ORDERS, pair[0], "city"), system, value)

    async def _change_status(self, pair: tuple[str, str], system: System) -> None:
        if system is SHOP:
            status = self.random.choice(SHOP_STATUSES)
            edit_order(self.world, pair[0], status=status)
            value = STATUSES[status]
        else:
            value = self.random.choice(SALE_STATUSES)
            await self.world.sandbox.crm.ui_edit(pair[1], {"sostatus": value})
        self.memory.note((Module.SALES_ORDERS, pair[0], "status"), system, value)

    def faults(self) -> list[str]:
        """Edits that got lost, and fields that differ."""
        partners = {
            (module, shop_id): crm_id
            for module, pairs in self._pairs.items()
            for shop_id, crm_id in pairs
        }
        found = []
        for key in self.memory.edits:
            module, shop_id, name = key
            row = self.world.sandbox.crm.record(partners[module, shop_id])
            found.append(self.memory.fault(key, self._shown(*key), _in_crm(module, name, row)))
        return [fault for fault in found if fault is not None]

    def _shown(self, module: Module, shop_id: str, name: str) -> str:
        """The field as the shop keeps it, in the words of the memory."""
        if module is Module.CONTACTS:
            user = self.world.sandbox.shop.customers.get(int(shop_id))
            return str(user.last_name if name == "last_name" else user.billing["city"])
        if module is Module.PRODUCTS:
            row = shelf(self.world, shop_id)
            return _price(row["regular_price"]) if name == "price" else str(row["name"])
        kept_order = kept(self.world, shop_id)
        return STATUSES[kept_order.status] if name == "status" else kept_order.billing["city"]


def _customer_fields(name: str, value: str) -> dict[str, Any]:
    return {"billing": {"city": value}} if name == "city" else {"last_name": value}


def _in_crm(module: Module, name: str, row: dict[str, Any]) -> str:
    names = {
        (Module.CONTACTS, "last_name"): "lastname",
        (Module.CONTACTS, "city"): "mailingcity",
        (Module.PRODUCTS, "name"): "productname",
        (Module.PRODUCTS, "price"): "unit_price",
        (Module.SALES_ORDERS, "city"): "bill_city",
        (Module.SALES_ORDERS, "status"): "sostatus",
    }
    value = str(row[names[module, name]])
    return _price(value) if name == "price" else value


def _price(text: str) -> str:
    return f"{number(text):.2f}"
