"""What an order names, and what surrounds it, gathered before it is mapped."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from app.errors import System
from app.links.models import Link
from app.links.repository import find_link, search_links
from app.mapping.numbers import decimal_text
from app.mapping.order_lines import Sold, is_sold, product_id_of, woo_rows
from app.mapping.order_refs import OrderRefs, WooItem
from app.mapping.order_rows import kept_products
from app.mapping.sales_orders import order_refusal
from app.mapping.values import Refusal, base_from_json
from app.policies.schemas import SyncPolicy
from app.records import GuestPolicy, Module, Record
from app.runtime import Runtime
from app.sync.books import Books
from app.sync.dependencies import Dependencies
from app.sync.order_buyers import Buyers
from app.sync.owed import note_owed
from app.sync.product_sides import PRODUCTS
from app.sync.setup import (
    FEE_SERVICE,
    PLACEHOLDER,
    PLACEHOLDER_CODE,
    get_orders_setup,
    setup_ids,
)
from app.tasks import run_aside
from app.vtiger.query import Query, equals
from app.vtiger.schemas import VtigerCurrency, VtigerOrder, VtigerRecord
from app.woocommerce.schemas import WooOrder, find_id

NO_GUESTS = "Orders of guests are left alone: the setting `guests` is `skip`."
PRICE_DECIMALS = "woocommerce_price_num_decimals"
LONGEST_DECIMALS = 10
MOST_DECIMALS = 8
"""As many as Vtiger's columns keep."""


@dataclass(frozen=True, slots=True)
class ShopOrder:
    """A WooCommerce order with what it names; `refusal`: why it is not synced, if so. `missing`
    are those of the records that it names that could not be synced; `buyer` is whose contact it
    names, if that is one of a pair."""

    order: WooOrder
    refs: OrderRefs
    refusal: Refusal | None = None
    missing: frozenset[Record] = frozenset()
    buyer: Record | None = None

    @property
    def lacks_buyer(self) -> bool:
        return any(record.module is Module.CONTACTS for record in self.missing)


@dataclass(frozen=True, slots=True)
class CrmOrder:
    """A Vtiger order, lines included, with what it names; `refusal` as above."""

    record: VtigerRecord
    refs: OrderRefs
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class OrderReferences:
    """Finds the pairs of what an order names, or has them made first.

    Without `dependencies` nothing is made. Methods raise Waiting while something that can be
    made is not there yet, and the RemoteError tree.
    """

    runtime: Runtime
    store: str
    policy: SyncPolicy
    books: Books
    buyers: Buyers
    dependencies: Dependencies | None
    shipping_tax_field: str | None

    async def refusal(self, order: WooOrder) -> Refusal | None:
        """Why an order is not synced; told without reading anything else of the shop."""
        guest = order.customer_id is None and self.policy.guests is GuestPolicy.SKIP
        return order_refusal(
            order,
            statuses=self.policy.order_statuses or None,
            currencies=await self.books.active_codes(order.text("currency")),
        ) or (Refusal("filtered", NO_GUESTS) if guest else None)

    async def of_woo(self, order: WooOrder, link: Link | None) -> ShopOrder:
        """Contact and products in Vtiger, brought there first where they are not; the order is
        brought up again once those are there that could not be.

        A line whose product the shop has deleted keeps the one it had when both sides agreed.
        """
        setup = await self._setup()
        refs = await self._around(order.text("currency"), setup)
        agreed, lines = _agreed(link), len(order.lines)
        known = agreed.goods if agreed else ()
        kept = await run_aside(partial(kept_products, order, known, refs=refs), lines=lines)
        contact = await self.buyers.contact_of(order, setup)
        products, missing = await self._products_of(order, kept)
        if contact.id is None and (buyer := await self.buyers.find_missing(order)):
            missing |= {buyer}
        await self._owe(System.WOOCOMMERCE, order.id, missing)
        refs = replace(refs, contact_id=contact.id, products=products, kept=kept)
        if agreed is not None:
            texts = frozenset(line.text for line in agreed.lines)
            refs = replace(refs, agreed_texts=texts, agreed_total=agreed.total)
        return ShopOrder(order, refs, None, missing, contact.person)

    async def _owe(self, system: System, order_id: str, missing: Collection[Record]) -> None:
        """Who only looks owes nothing."""
        if missing and self.dependencies is not None:
            order = Record(self.store, system, Module.SALES_ORDERS, order_id)
            await note_owed(self.runtime, order, {record.key for record in missing})

    async def of_vtiger(self, record: VtigerRecord, *, brings: bool) -> OrderRefs:
        """The shop's products of a Vtiger order's lines; with `brings` they are made, as is the
        customer. A line whose product was deleted names none."""
        setup = await self._setup()
        refs = await self._around(await self._currency_of(record), setup)
        lines = VtigerOrder(record.id, record.module, record.data).lines
        wanted = {product_id_of(line) for line in lines} - {"", *setup.values()}
        if brings:
            await self.buyers.bring_customer_of(record)
            found = {each: await self._bring(System.VTIGER, each) for each in sorted(wanted)}
            missing = [
                self._product(System.VTIGER, each) for each, link in found.items() if not link
            ]
            await self._owe(System.VTIGER, record.id, missing)
        return replace(refs, items=await self.items(wanted))

    async def items(self, product_ids: Collection[str]) -> dict[str, WooItem]:
        """The shop's product or variation by Vtiger product, of those that have a pair."""
        links = await self._links(System.VTIGER, product_ids)
        return {
            product_id: WooItem(link.woo_id)
            for product_id, link in links.items()
            if link.woo_deleted_at is None
        }

    async def _setup(self) -> Mapping[str, str]:
        """Who only looks, perhaps before any order was synced, does without what is not there."""
        if self.dependencies is None:
            return {PLACEHOLDER: "", FEE_SERVICE: "", **await setup_ids(self.runtime)}
        return await get_orders_setup(self.runtime, self.policy)

    async def _around(self, code: str, setup: Mapping[str, str]) -> OrderRefs:
        crm = await self.books.crm()
        currency = crm.find_currency(code) or _by_code(crm.currencies, code)
        return OrderRefs(
            store=self.store,
            placeholder_id=setup[PLACEHOLDER],
            fee_service_id=setup[FEE_SERVICE],
            currency=code,
            currency_id=currency.id if currency else None,
            conversion_rate=decimal_text(currency.rate) if currency else "1",
            all_tax_fields=crm.tax_fields,
            shipping_tax_field=self.shipping_tax_field,
            decimals=await self.decimals(),
        )

    async def _currency_of(self, record: VtigerRecord) -> str:
        held = record.get("currency_id")
        currencies = (await self.books.crm()).currencies
        return next((one.code for one in currencies if one.id == held), "")

    async def decimals(self) -> int:
        """How many decimals the shop's prices have (contract page WooCommerce §3)."""
        return await self.runtime.memory.get(f"decimals:{self.store}", self._read_decimals)

    async def _read_decimals(self) -> int:
        text = await self.runtime.stores[self.store].get_setting("general", PRICE_DECIMALS)
        is_number = text.isascii() and text.isdigit() and len(text) < LONGEST_DECIMALS
        return min(int(text), MOST_DECIMALS) if is_number else 2

    async def _products_of(
        self, order: WooOrder, kept: Mapping[str, str]
    ) -> tuple[dict[str, str], frozenset[Record]]:
        """Vtiger's product by WooCommerce id, of those that are synced; and the others."""
        lines = [line for line in woo_rows(order, "line_items") if is_sold(line)]
        named = {str(line.get("id")): _product_id(line) for line in lines}
        found = await self._links(System.WOOCOMMERCE, set(filter(None, named.values())))
        missing = {woo_id for line_id, woo_id in named.items() if woo_id and line_id not in kept}
        for woo_id in sorted(missing - found.keys(), key=int):
            if link := await self._bring(System.WOOCOMMERCE, woo_id):
                found[woo_id] = link
        known = {
            woo_id: link.vtiger_id for woo_id, link in found.items() if not link.vtiger_deleted_at
        }
        skus = {_product_id(line): str(line.get("sku") or "").strip() for line in lines}
        for woo_id in missing - known.keys():
            if part := await self._find_part(skus[woo_id]):
                known[woo_id] = part
        lost = sorted(missing - found.keys() - known.keys())
        return known, frozenset(self._product(System.WOOCOMMERCE, each) for each in lost)

    async def _find_part(self, sku: str) -> str | None:
        """Vtiger's one product of this Part Number, for a line whose own product has no pair: two
        products of a shop may bear one SKU, as translations do."""
        if not sku:
            return None
        key = f"part:{sku.casefold()}"
        return await self.runtime.memory.get(key, lambda: self._read_part(sku))

    async def _read_part(self, sku: str) -> str | None:
        query = Query(PRODUCTS, ("id", "productcode"), (equals("productcode", sku),))
        rows = await self.runtime.vtiger.query(query)
        found = [row.id for row in rows if _is_part(row, sku)]
        return found[0] if len(found) == 1 else None

    async def _links(self, system: System, ids: Iterable[str]) -> dict[str, Link]:
        records = [self._product(system, record_id) for record_id in sorted(ids)]
        if self.dependencies is not None:
            return await self.dependencies.search(records)
        async with self.runtime.sessions() as session:
            return await search_links(session, records)

    async def bring_product_of(self, vtiger_id: str) -> None:
        """Vtiger's product becomes one of the shop, if it can and is not."""
        await self._bring(System.VTIGER, vtiger_id)

    async def _bring(self, system: System, record_id: str) -> Link | None:
        record = self._product(system, record_id)
        if self.dependencies is None or not self.policy.direction.allows(system.other):
            async with self.runtime.sessions() as session:
                return await find_link(session, record)
        return await self.dependencies.bring(record)

    def _product(self, system: System, record_id: str) -> Record:
        return Record(self.store, system, Module.PRODUCTS, record_id)


def _by_code(currencies: Iterable[VtigerCurrency], code: str) -> VtigerCurrency | None:
    """An inactive currency too: a pair that exists already goes on being read."""
    return next((one for one in currencies if one.code == code), None)


def products_of(order: WooOrder) -> set[str]:
    """The ids of the products and variations that an order's lines sell."""
    lines = [line for line in woo_rows(order, "line_items") if is_sold(line)]
    return {product_id for line in lines if (product_id := _product_id(line))}


def _is_part(row: VtigerRecord, sku: str) -> bool:
    code = row.get("productcode").strip()
    return code != PLACEHOLDER_CODE and code.casefold() == sku.casefold()


def _product_id(line: Mapping[str, object]) -> str | None:
    return find_id(line.get("variation_id")) or find_id(line.get("product_id"))


def _agreed(link: Link | None) -> Sold | None:
    """What the shop had sold when both sides last agreed: Vtiger's product by line among it."""
    agreed = base_from_json(link.base).get("lines") if link is not None else None
    return Sold.from_text(agreed.woo) if agreed is not None and agreed.woo else None
