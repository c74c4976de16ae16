"""The references of an order, resolved before it is mapped: buyer, products, taxes."""

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from app.db.session import transaction
from app.domain import GUEST, Duplicate, GuestPolicy, Module, NotFound, Record, System, is_guest
from app.links.leases import LEASE_WAIT_SECONDS, PairLease, shared_key
from app.links.models import Link
from app.links.repository import find_link, save_carried, search_carried, search_links
from app.mapping.rules import holds, read_base
from app.mapping.values import Refusal, amount, base_from_json, decimal_text, rounded
from app.modules.contacts.adapter import (
    CONTACTS,
    Accounts,
    Guests,
    find_guest_id,
    guest_of,
    is_of_vtiger,
)
from app.modules.contacts.mapping import woo_guest
from app.modules.context import (
    FEE_SERVICE,
    GUEST_CONTACT,
    PLACEHOLDER,
    PLACEHOLDER_CODE,
    ReferenceData,
    get_orders_setup,
    policy_of,
    rules_of,
    setup_ids,
)
from app.modules.dependencies import Dependencies, note_missing
from app.modules.orders.lines import (
    Buyer,
    OrderRefs,
    Sold,
    WooItem,
    is_sold,
    kept_products,
    product_id_of,
    woo_rows,
)
from app.modules.orders.mapping import order_refusal
from app.modules.orders.statuses import DEFAULT, StatusMap
from app.modules.orders.vtiger_totals import Rates
from app.modules.products.adapter import PRODUCTS
from app.modules.products.mapping import carry_taxes, taxes_from_text, vtiger_taxes
from app.modules.taxes.mapping import OrderRate
from app.policies.repository import SyncPolicy
from app.runtime import Runtime
from app.tasks import offload, run_together
from app.vtiger.query import Query, equals
from app.vtiger.schemas import VtigerCurrency, VtigerOrder, VtigerRecord, fold
from app.woocommerce.schemas import WooOrder, find_id

# The taxes that Vtiger's products and the fee service carry. Vtiger applies a tax to an order's
# line only if the product carries it (contract page Vtiger §0.10), so the taxes of all lines are
# assigned first, at 0 %.

SERVICES = "Services"
TAX_PLACES = 3


@dataclass(frozen=True, slots=True)
class TaxCarriers:
    """Reads and assigns the taxes of products. They are stored, so that the products of most orders
    need not be read."""

    runtime: Runtime
    store: str
    lease: PairLease
    fee_service_id: str
    dependencies: Dependencies | None

    async def carried(
        self, vtiger_ids: Collection[str], setup_ids: Collection[str] = ()
    ) -> dict[str, Rates]:
        """The tax fields of each product and setup record, as far as known. The rates are 0: lines
        have their own. Setup records have no pairs."""
        records = [self._record(each) for each in vtiger_ids]
        every = {*vtiger_ids, *setup_ids}
        async with self.runtime.sessions() as session:
            known = await search_carried(session, every)
            if self.dependencies is None:
                links = await search_links(session, records)
        if self.dependencies is not None:
            links = await self.dependencies.search(records)
        return {
            each: dict.fromkeys(known.get(each, frozenset()) | _own(links.get(each)), Decimal(0))
            for each in every
        }

    async def assign(
        self, lacking: Mapping[str, frozenset[str]], *, currency_id: str
    ) -> frozenset[str]:
        """Assign these taxes to each product as well; the ids of products that are gone.

        LeaseLost while another worker has one of them.
        """
        gone = set()
        for vtiger_id, fields in sorted(lacking.items()):
            await self.lease.extend(
                [shared_key(self._record(vtiger_id))], wait_seconds=LEASE_WAIT_SECONDS
            )
            try:
                await self._assign(vtiger_id, fields, currency_id)
            except NotFound:
                gone.add(vtiger_id)
        return frozenset(gone)

    async def _assign(self, vtiger_id: str, fields: frozenset[str], currency_id: str) -> None:
        """Recording 30-create-product-with-tax1-tax2; contract page Vtiger §0.5, §10."""
        module = SERVICES if vtiger_id == self.fee_service_id else PRODUCTS
        record = await self.runtime.vtiger.retrieve(vtiger_id, module)
        body = carry_taxes(record, sorted(fields), currency_id=currency_id)
        if body:
            self.lease.check()
            await self.runtime.vtiger.revise(vtiger_id, body, module=module)
        async with transaction(self.runtime.sessions) as session:
            await save_carried(session, vtiger_id, fields | vtiger_taxes(record).keys())

    async def create_tax(self, rate: OrderRate) -> None:
        """Create a tax for a rate that the shop has deleted, from the order's own data.

        Nothing is created if both labels are taken (contract page WooCommerce month, rate 24).
        """
        labels = [rate.label, f"{rate.label} {rate.percentage}%"]
        await self.lease.extend(
            [tax_key(label) for label in labels], wait_seconds=LEASE_WAIT_SECONDS
        )
        self.lease.check()
        percentage = rounded(amount(rate.percentage), TAX_PLACES)
        for label in labels:
            with contextlib.suppress(Duplicate):
                await self.runtime.vtiger.create_tax(label, percentage)
                return

    def _record(self, vtiger_id: str) -> Record:
        return Record(self.store, System.VTIGER, Module.PRODUCTS, vtiger_id)


def tax_key(label: str) -> str:
    """The natural key of a tax: its label, as Vtiger compares it."""
    return f"{Module.TAXES}:label:{fold(label)}"


def _own(link: Link | None) -> frozenset[str]:
    """The tax fields that a product had when it was last synced."""
    agreed = base_from_json(link.base).get("taxes") if link is not None else None
    return frozenset(taxes_from_text(agreed.vtiger)) if agreed and agreed.vtiger else frozenset()


# The buyer of an order: the contact of a customer or a guest, and the customer of a contact.


@dataclass(frozen=True, slots=True)
class Contact:
    """The Vtiger contact of an order; `id` is None if there is none. `person` is its record in the
    shop, if the contact is part of a pair."""

    id: str | None
    person: Record | None = None


@dataclass(frozen=True, slots=True)
class Buyers:
    """Finds the buyer in the other system, or syncs it first. Methods may raise DependencyNotReady
    and any RemoteError."""

    runtime: Runtime
    store: str
    policy: SyncPolicy
    accounts: Accounts
    guests: Guests
    dependencies: Dependencies | None

    async def contact_of(self, order: WooOrder, setup: Mapping[str, str]) -> Contact:
        """The Vtiger contact of an order's customer or guest."""
        if order.customer_id is not None:
            return await self._living(await self._sync(System.WOOCOMMERCE, order.customer_id))
        if self.policy.guests is GuestPolicy.ONE_CONTACT:
            return Contact(setup.get(GUEST_CONTACT))
        guest_id = find_guest_id(order)
        if guest_id is None:
            return Contact(None)
        if is_of_vtiger(order):
            return await self._living(await self._find(System.WOOCOMMERCE, guest_id))
        return await self._living(await self._contact_of_guest(guest_id, order))

    async def _living(self, link: Link | None) -> Contact:
        """The contact of a pair; if it was merged or deleted in Vtiger, the one that replaced it,
        or one that is created now."""
        if link is None:
            return Contact(None)
        person = self._person(System.WOOCOMMERCE, link.woo_id)
        if link.vtiger_deleted_at and not link.replaced_by and link.woo_deleted_at is None:
            link = await self._sync_again(person, link)
        if link.vtiger_deleted_at:
            return Contact(link.replaced_by, person)
        return Contact(link.vtiger_id, person)

    async def _sync_again(self, person: Record, link: Link) -> Link:
        if self.dependencies is None or not self._may_create_in(System.VTIGER):
            return link
        return await self.dependencies.sync_again(person) or link

    async def find_missing(self, order: WooOrder) -> Record | None:
        """The record of a buyer who should have a contact but has none; None for other buyers."""
        one_for_all = order.customer_id is None and self.policy.guests is GuestPolicy.ONE_CONTACT
        buyer = order.customer_id or find_guest_id(order)
        if buyer is None or one_for_all or is_of_vtiger(order):
            return None
        contacts = await policy_of(self.runtime, self.store, Module.CONTACTS)
        if not contacts.enabled or not contacts.direction.allows(System.VTIGER):
            return None
        return self._person(System.WOOCOMMERCE, buyer)

    async def _contact_of_guest(self, guest_id: str, order: WooOrder) -> Link | None:
        """The link of a guest, or of the customer with the guest's e-mail."""
        latest = await self.guests.record_order(order)
        link = await self._find(System.WOOCOMMERCE, guest_id)
        if link is None:
            customer = await self._sync_customer(guest_id.removeprefix(GUEST))
            return customer or await self._sync(System.WOOCOMMERCE, guest_id)
        if latest and self._may_create_in(System.VTIGER) and await self._differs(order, link):
            await self._hint(guest_id)
        return link

    async def search_new_guests(
        self, orders: Mapping[str, WooOrder], customers: Collection[str] | None
    ) -> list[WooOrder]:
        """Of these orders, given by their guests' ids, those that are the latest of a guest without
        a contact or an account. `customers` are the e-mails of the shop's customers; if None, the
        shop is searched for each."""
        if not orders or not self._may_create_in(System.VTIGER):
            return []
        latest = await self.guests.record_orders(orders)
        people = [self._person(System.WOOCOMMERCE, guest_id) for guest_id in sorted(latest)]
        async with self.runtime.sessions() as session:
            links = await search_links(session, people)
        new = [person.id for person in people if person.id not in links]
        if customers is None:
            woo = self.runtime.stores[self.store]
            emails = [guest_id.removeprefix(GUEST) for guest_id in new]
            found = await run_together(woo.search_customers_by_email(each) for each in emails)
            customers = {email for email, users in zip(emails, found, strict=True) if users}
        return [orders[each] for each in new if each.removeprefix(GUEST) not in customers]

    async def _differs(self, order: WooOrder, link: Link) -> bool:
        """Whether an order's data on its guest differ from the base."""
        rules = await rules_of(self.runtime, self.store, Module.CONTACTS)
        base, guest = read_base(link.base, rules), woo_guest(guest_of(order), rules)
        return any(
            rule.name in base
            and guest.get(rule.name) is not None
            and not holds(rule, base, guest.get(rule.name), system=System.WOOCOMMERCE)
            for rule in rules
        )

    async def _sync_customer(self, email: str) -> Link | None:
        if not self._may_create_in(System.VTIGER):
            return None
        for customer in await self.runtime.stores[self.store].search_customers_by_email(email):
            if link := await self._sync(System.WOOCOMMERCE, customer.id):
                return link
        return None

    async def _hint(self, guest_id: str) -> None:
        if self.dependencies is not None:
            await self.dependencies.hint(self._person(System.WOOCOMMERCE, guest_id))

    async def sync_customer_of(self, record: VtigerRecord) -> None:
        """Sync the contact of a Vtiger order, so that it becomes a customer if it may."""
        if contact_id := record.get("contact_id"):
            await self._sync(System.VTIGER, contact_id)

    async def buyer_of(self, record: VtigerRecord) -> Buyer:
        """The buyer of a new WooCommerce order: a customer, or somebody without an account."""
        contact = await self._find_contact(record.get("contact_id"))
        account = await self.accounts.name_of(record.get("account_id"))
        if contact is None:
            return Buyer(company=account)
        link = await self._find(System.VTIGER, contact.id)
        customer = link.woo_id if link and not is_guest(link.woo_id) else None
        first, last = contact.get("firstname"), contact.get("lastname")
        person = f"{first} {last}".strip().casefold()
        return Buyer(
            customer_id=customer if link and link.woo_deleted_at is None else None,
            first_name=first,
            last_name=last,
            company="" if account.casefold() == person else account,
            email=contact.get("email"),
            phone=contact.get("phone"),
        )

    async def _find_contact(self, contact_id: str) -> VtigerRecord | None:
        if not contact_id:
            return None
        try:
            return await self.runtime.vtiger.retrieve(contact_id, CONTACTS)
        except NotFound:
            return None

    def _person(self, system: System, record_id: str) -> Record:
        return Record(self.store, system, Module.CONTACTS, record_id)

    def _may_create_in(self, system: System) -> bool:
        return self.dependencies is not None and self.policy.direction.allows(system)

    async def _find(self, system: System, record_id: str) -> Link | None:
        if self.dependencies is not None:
            return await self.dependencies.find(self._person(system, record_id))
        async with self.runtime.sessions() as session:
            return await find_link(session, self._person(system, record_id))

    async def _sync(self, system: System, record_id: str) -> Link | None:
        if self.dependencies is None or not self._may_create_in(system.other):
            return await self._find(system, record_id)
        return await self.dependencies.ensure_synced(self._person(system, record_id))


NO_GUESTS = "Orders of guests are not synced: the setting `guests` is `skip`."
PRICE_DECIMALS = "woocommerce_price_num_decimals"
LONGEST_DECIMALS = 10
MOST_DECIMALS = 8
"""The decimals of Vtiger's columns."""


@dataclass(frozen=True, slots=True)
class ShopOrder:
    """A WooCommerce order with its references. `refusal`: why it is not synced, None if it is;
    `missing`: the dependencies that could not be synced; `buyer`: the shop's record of its contact,
    if that is part of a pair."""

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
    """A Vtiger order, lines included, with its references; `refusal` as of ShopOrder."""

    record: VtigerRecord
    refs: OrderRefs
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class OrderReferences:
    """Resolves the references of orders; records without a pair are synced first.

    Without `dependencies` nothing is created. Methods may raise DependencyNotReady while a
    dependency is not synced yet, and any RemoteError.
    """

    runtime: Runtime
    store: str
    policy: SyncPolicy
    reference_data: ReferenceData
    buyers: Buyers
    dependencies: Dependencies | None
    shipping_tax_field: str | None
    statuses: StatusMap = DEFAULT

    async def refusal(self, order: WooOrder) -> Refusal | None:
        """Why an order is not synced; None if it is. Nothing else of the shop is read for it."""
        guest = order.customer_id is None and self.policy.guests is GuestPolicy.SKIP
        return order_refusal(
            order,
            statuses=self.policy.order_statuses or None,
            currencies=await self.reference_data.active_codes(order.text("currency")),
        ) or (Refusal("filtered", NO_GUESTS) if guest else None)

    async def preload(self, orders: Sequence[WooOrder]) -> None:
        """Read the links of all records that orders of the shop refer to, in one statement."""
        if self.dependencies is None:
            return
        products = {each for order in orders for each in products_of(order)}
        buyers = {order.customer_id or find_guest_id(order) for order in orders}
        records = [self._product(System.WOOCOMMERCE, each) for each in products]
        contacts = [
            Record(self.store, System.WOOCOMMERCE, Module.CONTACTS, each)
            for each in buyers
            if each is not None
        ]
        await self.dependencies.preload_links([*records, *contacts])

    async def of_woo(self, order: WooOrder, link: Link | None) -> ShopOrder:
        """The order with its contact and products in Vtiger, which are synced first; the order
        waits for those that could not be synced, and is hinted when they are.

        A line whose product the shop has deleted keeps the product that it has in the base.
        """
        setup = await self._setup()
        refs = await self._base_refs(order.text("currency"), setup)
        agreed, lines = _agreed(link), len(order.lines)
        known = agreed.goods if agreed else ()
        kept = await offload(partial(kept_products, order, known, refs=refs), lines=lines)
        contact = await self.buyers.contact_of(order, setup)
        products, missing = await self._products_of(order, kept)
        if contact.id is None and (buyer := await self.buyers.find_missing(order)):
            missing |= {buyer}
        await self._record_missing(System.WOOCOMMERCE, order.id, missing)
        refs = replace(refs, contact_id=contact.id, products=products, kept=kept)
        if agreed is not None:
            texts = frozenset(line.text for line in agreed.lines)
            refs = replace(refs, agreed_texts=texts, agreed_total=agreed.total)
        return ShopOrder(order, refs, None, missing, contact.person)

    async def _record_missing(
        self, system: System, order_id: str, missing: Collection[Record]
    ) -> None:
        """Record what the order waits for; nothing without `dependencies`."""
        if missing and self.dependencies is not None:
            order = Record(self.store, system, Module.SALES_ORDERS, order_id)
            await note_missing(self.runtime, order, {record.key for record in missing})

    async def of_vtiger(self, record: VtigerRecord, *, sync_first: bool) -> OrderRefs:
        """The references of a Vtiger order: the shop's products of its lines. With `sync_first`
        these and the customer are synced first. A line whose product was deleted has none."""
        setup = await self._setup()
        refs = await self._base_refs(await self._currency_of(record), setup)
        lines = VtigerOrder(record.id, record.module, record.data).lines
        wanted = {product_id_of(line) for line in lines} - {"", *setup.values()}
        if sync_first:
            await self.buyers.sync_customer_of(record)
            found = {each: await self._sync(System.VTIGER, each) for each in sorted(wanted)}
            missing = [
                self._product(System.VTIGER, each) for each, link in found.items() if not link
            ]
            await self._record_missing(System.VTIGER, record.id, missing)
        return replace(refs, items=await self.items(wanted))

    async def items(self, product_ids: Collection[str]) -> dict[str, WooItem]:
        """The shop's product or variation by Vtiger product id, of those that have a pair."""
        links = await self._links(System.VTIGER, product_ids)
        return {
            product_id: WooItem(link.woo_id)
            for product_id, link in links.items()
            if link.woo_deleted_at is None
        }

    async def _setup(self) -> Mapping[str, str]:
        """The ids of the setup records. Without `dependencies`, perhaps before any order was
        synced, those that do not exist are ""."""
        if self.dependencies is None:
            return {PLACEHOLDER: "", FEE_SERVICE: "", **await setup_ids(self.runtime)}
        return await get_orders_setup(self.runtime, self.policy)

    async def _base_refs(self, code: str, setup: Mapping[str, str]) -> OrderRefs:
        """The references that do not depend on the order, but for its currency's code."""
        crm = await self.reference_data.crm()
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
            statuses=self.statuses,
        )

    async def _currency_of(self, record: VtigerRecord) -> str:
        held = record.get("currency_id")
        currencies = (await self.reference_data.crm()).currencies
        return next((one.code for one in currencies if one.id == held), "")

    async def decimals(self) -> int:
        """The number of decimals of the shop's prices (contract page WooCommerce §3)."""
        return await self.runtime.memory.get(f"decimals:{self.store}", self._read_decimals)

    async def _read_decimals(self) -> int:
        text = await self.runtime.stores[self.store].get_setting("general", PRICE_DECIMALS)
        is_number = text.isascii() and text.isdigit() and len(text) < LONGEST_DECIMALS
        return min(int(text), MOST_DECIMALS) if is_number else 2

    async def _products_of(
        self, order: WooOrder, kept: Mapping[str, str]
    ) -> tuple[dict[str, str], frozenset[Record]]:
        """Vtiger's product by WooCommerce id, of those that are synced; and the records of the
        others."""
        lines = [line for line in woo_rows(order, "line_items") if is_sold(line)]
        by_line = {str(line.get("id")): _product_id(line) for line in lines}
        found = await self._links(System.WOOCOMMERCE, set(filter(None, by_line.values())))
        missing = {woo_id for line_id, woo_id in by_line.items() if woo_id and line_id not in kept}
        for woo_id in sorted(missing - found.keys(), key=int):
            if link := await self._sync(System.WOOCOMMERCE, woo_id):
                found[woo_id] = link
        known = {
            woo_id: link.vtiger_id for woo_id, link in found.items() if not link.vtiger_deleted_at
        }
        skus = {_product_id(line): str(line.get("sku") or "").strip() for line in lines}
        for woo_id in missing - known.keys():
            if part := await self._find_part(skus[woo_id]):
                known[woo_id] = part
        unknown = sorted(missing - found.keys() - known.keys())
        return known, frozenset(self._product(System.WOOCOMMERCE, each) for each in unknown)

    async def _find_part(self, sku: str) -> str | None:
        """Vtiger's only product with this part number, for a line whose own product has no pair:
        two products of a shop may have the same SKU, as translations do."""
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

    async def sync_product(self, vtiger_id: str) -> None:
        """Sync Vtiger's product to the shop if it has no pair."""
        await self._sync(System.VTIGER, vtiger_id)

    async def _sync(self, system: System, record_id: str) -> Link | None:
        record = self._product(system, record_id)
        if self.dependencies is None or not self.policy.direction.allows(system.other):
            async with self.runtime.sessions() as session:
                return await find_link(session, record)
        return await self.dependencies.ensure_synced(record)

    def _product(self, system: System, record_id: str) -> Record:
        return Record(self.store, system, Module.PRODUCTS, record_id)


def _by_code(currencies: Iterable[VtigerCurrency], code: str) -> VtigerCurrency | None:
    """The currency of this code, inactive ones included: existing pairs are still read."""
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
    """The shop's lines in the base, with Vtiger's product of each; None if there are none."""
    agreed = base_from_json(link.base).get("lines") if link is not None else None
    return Sold.from_text(agreed.woo) if agreed is not None and agreed.woo else None
