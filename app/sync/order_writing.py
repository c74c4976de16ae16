"""Writing a WooCommerce order to Vtiger: taxes assigned first, one call, and its answer checked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from app.errors import RemoteUnavailable, System, once_made
from app.mapping.hazards import fit_vtiger
from app.mapping.limits import ACCOUNT_NAME_SIZE
from app.mapping.numbers import amount, decimal_text
from app.mapping.order_patches import OrderPlan, plan_order
from app.mapping.order_plan import MoneyPlan
from app.mapping.order_refs import OrderRefs
from app.mapping.order_totals import adds_up
from app.mapping.rules import FieldRule
from app.mapping.sales_orders import account_name
from app.mapping.tax_use import OrderRate, order_rates, order_tax_fields
from app.mapping.values import FieldNote, PatchOptions, Value
from app.policies.repository import get_policy
from app.policies.schemas import SyncPolicy
from app.records import Module
from app.runtime import Runtime
from app.sync.accounts import Accounts
from app.sync.books import Books
from app.sync.guests import find_guest_id
from app.sync.order_references import ShopOrder
from app.sync.order_taxing import TaxCarriers
from app.vtiger.orders import ORDERS
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooOrder

MONEY = frozenset({"lines", "currency"})
NEGLIGIBLE = Decimal("0.000001")
ANONYMOUS = "Guest"
NO_RATE = "0"

NO_CONTACT = "The buyer is no contact in Vtiger; the log of module contacts tells why."
LOST_LINES = "Vtiger kept fewer lines than it was sent, twice; they are sent again."
OFF = "Vtiger made a total of {got} of an order of {wanted}: look at the taxes of its products."


@dataclass(frozen=True, slots=True)
class OrderWritten:
    """What Vtiger answered to a write, None if nothing was left to send; notes as in Patch."""

    record: VtigerRecord | None
    notes: tuple[FieldNote, ...]
    unwritten: frozenset[str]


@dataclass(frozen=True, slots=True)
class OrderWriter:
    """Creates and revises SalesOrders whose totals are WooCommerce's to the cent.

    Methods raise LeaseLost, Waiting and the RemoteError tree.
    """

    runtime: Runtime
    policy: SyncPolicy
    rules: tuple[FieldRule, ...]
    books: Books
    accounts: Accounts
    carriers: TaxCarriers

    async def create(self, shop: ShopOrder, own: Mapping[str, str]) -> OrderWritten:
        """The whole order with `own` fields beside the mapped ones.

        Recording 00-REFERENCE-so-create-full-group; contract page Vtiger §3, §10.
        """
        plan = await self._plan(shop, None, current=None)
        created = await self.runtime.vtiger.create(ORDERS, {**plan.fields, **own})
        with once_made():
            written = await self._checked(created, plan)
        return replace(written, notes=(*written.notes, *_buyer_notes(shop)))

    async def revise(
        self, shop: ShopOrder, changes: Mapping[str, Value], *, current: VtigerRecord
    ) -> OrderWritten:
        """These mapped fields; lines always whole (00-REFERENCE-so-revise-full-group)."""
        plan = await self._plan(shop, changes, current=current)
        if not plan.fields:
            return OrderWritten(None, plan.notes, plan.unwritten)
        revised = await self.runtime.vtiger.revise(current.id, plan.fields, module=ORDERS)
        return await self._checked(revised, plan)

    async def _plan(
        self,
        shop: ShopOrder,
        changes: Mapping[str, Value] | None,
        *,
        current: VtigerRecord | None,
    ) -> OrderPlan:
        refs = await self._refs(shop, changes)
        plan = self._planned(shop, refs, changes=changes, current=current)
        if not plan.lacking:
            return plan
        gone = await self.carriers.assign(plan.lacking, currency_id=refs.currency_id or "")
        found = {woo: own for woo, own in refs.products.items() if own not in gone}
        carried = await self.carriers.carried(refs.carried.keys())
        refs = replace(refs, products=found, carried=carried)
        return self._planned(shop, refs, changes=changes, current=current)

    def _planned(
        self,
        shop: ShopOrder,
        refs: OrderRefs,
        *,
        changes: Mapping[str, Value] | None,
        current: VtigerRecord | None,
    ) -> OrderPlan:
        return plan_order(
            shop.order,
            refs,
            rules=self.rules,
            options=self._options,
            changes=changes,
            current=current,
        )

    @property
    def _options(self) -> PatchOptions:
        return PatchOptions(too_long=self.policy.too_long.value)

    async def _refs(self, shop: ShopOrder, changes: Mapping[str, Value] | None) -> OrderRefs:
        """The order's references, with what only a write needs: its Account and taxes."""
        refs = shop.refs
        if changes is None or "account" in changes:
            refs = replace(refs, account_id=await self._account_id(shop.order))
        if changes is None or MONEY & changes.keys():
            refs = await self._with_taxes(shop.order, refs)
        return refs

    async def _account_id(self, order: WooOrder) -> str:
        """Known Accounts are remembered by name: most orders come from a few."""
        name = self.account_name_of(order)
        look = partial(self.accounts.find_or_create, name)
        return (await self.runtime.memory.get(f"account:{name}", look)).id

    def account_name_of(self, order: WooOrder) -> str:
        """The name of the Account that an order goes to, as it would be created."""
        name = self.policy.order_account or account_name(order)
        cut = replace(self._options, too_long="cut")
        return fit_vtiger(name, ACCOUNT_NAME_SIZE, options=cut).text or ANONYMOUS

    async def _with_taxes(self, order: WooOrder, refs: OrderRefs) -> OrderRefs:
        used = {rate.id for rate in order_rates(order)} - {NO_RATE}
        fields = await self._tax_fields(order, await self.books.fields_of(used))
        crm = await self.books.crm()
        own = {*refs.products.values(), *refs.kept.values()}
        items = {*own, refs.placeholder_id, refs.fee_service_id}
        return replace(
            refs,
            tax_fields=fields,
            all_tax_fields=crm.tax_fields,
            carried=await self.carriers.carried(items),
        )

    async def _tax_fields(self, order: WooOrder, linked: Mapping[str, str]) -> dict[str, str]:
        """Vtiger's tax field by rate, also of rates that the shop does not have any more."""
        fields = order_tax_fields(order, linked, taxes=(await self.books.crm()).taxes)
        lost = [rate for rate in order_rates(order) if rate.id not in fields and _counts(rate)]
        if not lost or not await self._may_make_taxes():
            return fields
        for rate in lost:
            await self.carriers.make_tax(rate)
        self.books.forget_taxes()
        return order_tax_fields(order, linked, taxes=(await self.books.crm()).taxes)

    async def _may_make_taxes(self) -> bool:
        async with self.runtime.sessions() as session:
            policy = await get_policy(session, self.carriers.store, Module.TAXES)
        return policy.enabled and policy.direction.allows(System.VTIGER)

    async def _checked(self, record: VtigerRecord, plan: OrderPlan) -> OrderWritten:
        """The answer, once more written if lines or taxes are missing in it.

        Of 148 orders made at once one had no lines; and somebody may have taken a tax from a
        product (contract page readback, "Worst of all").
        """
        money = plan.money
        if money is None or _is_whole(record, money):
            return OrderWritten(record, plan.notes, plan.unwritten)
        currency_id = str(money.fields["currency_id"])
        await self.carriers.assign(_taxed(money), currency_id=currency_id)
        record = await self.runtime.vtiger.revise(record.id, money.fields, module=ORDERS)
        if not _is_complete(record, money):
            raise RemoteUnavailable(System.VTIGER, LOST_LINES)
        notes = () if _is_whole(record, money) else (_off(record, money),)
        return OrderWritten(record, (*plan.notes, *notes), plan.unwritten)


def _counts(rate: OrderRate) -> bool:
    return bool(rate.label.strip() and amount(rate.percentage))


def _buyer_notes(shop: ShopOrder) -> tuple[FieldNote, ...]:
    buyer = shop.order.customer_id or find_guest_id(shop.order)
    if shop.refs.contact_id or buyer is None:
        return ()
    return (FieldNote("contact", "not_found", NO_CONTACT, buyer),)


def _is_whole(record: VtigerRecord, money: MoneyPlan) -> bool:
    """Whether all lines are there and the total is what was wanted."""
    return (
        _is_complete(record, money)
        and abs(_total(record) - money.predicted.grand_total) <= NEGLIGIBLE
    )


def _is_complete(record: VtigerRecord, money: MoneyPlan) -> bool:
    return len(record.data.get("LineItems") or ()) == len(money.fields["LineItems"])


def _total(record: VtigerRecord) -> Decimal:
    return amount(record.get("hdnGrandTotal"))


def _taxed(money: MoneyPlan) -> dict[str, frozenset[str]]:
    """The taxes that each product of the lines should carry."""
    found: dict[str, frozenset[str]] = {}
    for line in money.fields["LineItems"]:
        used = frozenset(name for name in line if _is_tax(name, line))
        found[line["productid"]] = found.get(line["productid"], frozenset()) | used
    return {product: fields for product, fields in found.items() if fields}


def _is_tax(name: str, line: Mapping[str, Any]) -> bool:
    return name.startswith("tax") and bool(amount(line[name]))


def _off(record: VtigerRecord, money: MoneyPlan) -> FieldNote:
    got, wanted = decimal_text(_total(record)), decimal_text(money.wanted)
    return FieldNote("lines", "adjustment", OFF.format(got=got, wanted=wanted), got)


def is_half_made(record: VtigerRecord, order: WooOrder) -> bool:
    """Whether Vtiger broke off while it made the order: a ghost without all lines, or total.

    Contract page Vtiger §10, "Such a 500 leaves a live, queryable ghost order".
    """
    if not adds_up(record):
        return True
    return not _total(record) and bool(amount(order.data.get("total")))
