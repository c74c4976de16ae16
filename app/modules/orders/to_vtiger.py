"""Writes a WooCommerce order to Vtiger as one SalesOrder: the plan, the taxes that must be assigned
first, the call, and the check of the response."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

from app.domain import (
    Module,
    Record,
    Rejected,
    RemoteUnavailable,
    System,
    UnsafeVersion,
    after_create,
)
from app.links.repository import search_links
from app.mapping.rules import (
    ACCOUNT_NAME_SIZE,
    ORDER_SIZES,
    FieldRule,
    Fitted,
    PatchDraft,
    changed_rules,
    fit_vtiger,
    fit_vtiger_row,
)
from app.mapping.values import FieldNote, PatchOptions, Value, amount, decimal_text, plain
from app.modules.contacts.adapter import Accounts, find_guest_id, is_of_vtiger
from app.modules.context import ReferenceData, policy_of
from app.modules.dependencies import SAFE_ORDERS, note_missing
from app.modules.orders.lines import OrderRefs, product_id_of
from app.modules.orders.mapping import (
    NO_STREET,
    ORDER_RULES,
    account_name,
    join_description,
    purchase_order,
    split_description,
    woo_order,
)
from app.modules.orders.money import MoneyPlan, adds_up, plan_money
from app.modules.orders.references import ShopOrder, TaxCarriers
from app.modules.taxes.mapping import OrderRate, order_rates, order_tax_fields
from app.policies.repository import SyncPolicy
from app.runtime import Runtime
from app.tasks import offload
from app.vtiger.client import ORDERS
from app.vtiger.schemas import VtigerRecord
from app.vtiger.webservice import BAD_ID
from app.woocommerce.schemas import WooOrder, WooRecord

# The plan: a WooCommerce order, or changes of it, as one SalesOrder write.

MONEY = frozenset({"lines", "currency"})
_DESCRIPTION = frozenset({"note", "refunded"})
_APART = MONEY | _DESCRIPTION
_REFERENCES = frozenset({"contact", "account"})


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """One SalesOrder write: `fields` for create or revise, {} if nothing is left to write.

    `money` is None if the lines are not written. `notes` and `unwritten` as in Patch; notes on
    `lines` explain the adjustment, and do not mean that the lines are left out.
    """

    fields: dict[str, Any]
    money: MoneyPlan | None
    notes: tuple[FieldNote, ...]
    unwritten: frozenset[str]

    @property
    def lacking(self) -> Mapping[str, frozenset[str]]:
        """Taxes that must be assigned to products and the fee service before this is written."""
        return self.money.lacking if self.money else {}


def plan_order(
    order: WooRecord,
    refs: OrderRefs,
    *,
    rules: Sequence[FieldRule] = ORDER_RULES,
    options: PatchOptions | None = None,
    changes: Mapping[str, Value] | None = None,
    current: VtigerRecord | None = None,
) -> OrderPlan:
    """The plan of the whole order for create (`current` None), or of `changes` (None: all) for
    revise.

    Either all lines and every money field are sent, or none of them; each revise sends
    conversion_rate, which Vtiger would reset. Contract page Vtiger §3, §10; recording
    00-REFERENCE-so-*.
    """
    header = _Header(
        order, refs, rules=tuple(rules), options=options or PatchOptions(), current=current
    )
    wanted = header.held.values if changes is None else changes
    values = {rule.name: v for rule, v in changed_rules(wanted, rules, target=System.VTIGER)}
    header.put(values)
    has_money = current is None or MONEY & values.keys()
    money = plan_money(order, refs, held=current) if has_money else None
    fields = {**header.draft.body, **(money.fields if money else {})}
    if current is None:
        fields = _identity(order, refs) | fields
    elif fields:
        fields.setdefault("conversion_rate", _conversion_rate(current, refs))
    notes = (*header.draft.notes, *(money.notes if money else ()))
    return OrderPlan(fields, money, notes, frozenset(header.draft.unwritten))


def _identity(order: WooRecord, refs: OrderRefs) -> dict[str, Any]:
    """The fields that only a create sends; Vtiger requires invoicestatus but does not store it
    (contract page Vtiger §3)."""
    return {
        "vtiger_purchaseorder": purchase_order(refs.store, order.id),
        "invoicestatus": "Created",
        "sostatus": refs.statuses.first,
    }


def _conversion_rate(current: VtigerRecord, refs: OrderRefs) -> str:
    return current.get("conversion_rate") or refs.conversion_rate


class _Header:
    """Builds the fields of an order other than its money."""

    def __init__(
        self,
        order: WooRecord,
        refs: OrderRefs,
        *,
        rules: Sequence[FieldRule],
        options: PatchOptions,
        current: VtigerRecord | None,
    ) -> None:
        self.draft = PatchDraft()
        self.held = woo_order(order, refs, rules=rules)
        self._refs, self._rules, self._options, self._current = refs, rules, options, current

    def put(self, values: Mapping[str, Value]) -> None:
        if self._current is None:
            values = {**self._stand_ins(values), **values}
            self._note_status()
        for rule, value in changed_rules(values, self._rules, target=System.VTIGER):
            if rule.name in _REFERENCES:
                self._put_reference(rule, value)
            elif rule.name not in _APART and (value or self._current or rule.required):
                self._put_text(rule, value, values=values)
        if any(values.get(name) for name in _DESCRIPTION) or (
            self._current and _DESCRIPTION & values.keys()
        ):
            self._put_description(values)

    def _note_status(self) -> None:
        """Leave out the status of a new order if it leads to none, so that the status that Vtiger
        gives the order is no edit of somebody's."""
        rule = next((rule for rule in self._rules if rule.name == "status"), None)
        writes = rule is not None and rule.direction.allows(System.VTIGER)
        if writes and self.held.values.get("status") is None:
            note = self.held.lacking.get("status")
            fitted = Fitted(None, note.reason, note.message) if note else Fitted(None)
            self.draft.note("status", fitted, value=self.held.exact.get("status", ""))

    def _stand_ins(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Empty values for streets that the order does not have at all (billing null, `[]`, without
        its key): they get the placeholder like empty ones."""
        streets = [rule for rule in self._rules if rule.required and rule.transform == "street"]
        return {rule.name: "" for rule in streets if values.get(rule.name) is None}

    def _put_reference(self, rule: FieldRule, value: str) -> None:
        found = value if rule.name == "contact" else self._refs.account_id
        if found:
            self.draft.body[rule.vtiger] = found

    def _put_text(self, rule: FieldRule, value: str, *, values: Mapping[str, Value]) -> None:
        given = values.get(rule.given) or self.held.values.get(rule.given) or ""
        size = rule.size or ORDER_SIZES.get(rule.vtiger)
        fitted = fit_vtiger_row(rule, value, given=given, size=size, options=self._options)
        if self._needs_stand_in(rule, fitted.text):
            fitted = replace(fitted, text=NO_STREET)
        self.draft.note(rule.name, fitted, value=value)
        if fitted.text is not None:
            self.draft.body[rule.vtiger] = fitted.text

    def _needs_stand_in(self, rule: FieldRule, text: Value) -> bool:
        """Whether a required text is missing: Vtiger refuses a create without it, and a revise that
        empties it."""
        if not rule.required or (text or "").strip():
            return False
        return self._current is None or text is not None

    def _put_description(self, values: Mapping[str, Value]) -> None:
        """Note and refund share a field: the part that does not change is kept as it is in
        Vtiger."""
        shown = plain(self._current.get("description")) if self._current else ""
        note, refunded = split_description(shown)
        wanted = values.get("note"), values.get("refunded")
        note = note if wanted[0] is None else wanted[0]
        refunded = refunded if wanted[1] is None else wanted[1]
        text = join_description(note, refunded)
        fitted = fit_vtiger(text, None, options=self._options)
        for name in sorted(_DESCRIPTION & values.keys()):
            self.draft.note(name, fitted, value=text)
        if fitted.text is not None:
            self.draft.body["description"] = fitted.text


NEGLIGIBLE = Decimal("0.000001")
ANONYMOUS = "Guest"
NO_RATE = "0"

BAD_VERSION = (
    "Vtiger {version} refuses new orders with lines and corrupts existing ones, so nothing was "
    "sent: install WooSync 2.0 in Vtiger (docs/vtiger-addon.md), and the order is written "
    "automatically."
)
HELD_LINES = (
    "Vtiger {version} corrupts orders that are written with lines, so only the other fields were "
    "written: install WooSync 2.0 in Vtiger (docs/vtiger-addon.md), and the lines are written "
    "automatically."
)
RETRY_SECONDS = 6 * 3600.0
"""After how long an order is retried that Vtiger refused for a reason that is not in the order."""

NO_CONTACT = "The buyer is no contact in Vtiger; the log of module contacts says why."
GONE_CONTACT = (
    "The buyer's contact was merged or deleted in Vtiger: the contact that replaced it is searched "
    "for."
)
LOST_LINES = "Vtiger stored fewer lines than were sent, twice; they are sent again."
TOTAL_DIFFERS = (
    "Vtiger computed a total of {got} for an order of {wanted}: check the taxes of its products."
)


@dataclass(frozen=True, slots=True)
class VtigerOrderWritten:
    """Vtiger's response to a write, None if nothing was left to send; notes as in Patch."""

    record: VtigerRecord | None
    notes: tuple[FieldNote, ...]
    unwritten: frozenset[str]
    deferred: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class VtigerOrderWriter:
    """Creates and revises SalesOrders whose totals are WooCommerce's to the cent.

    Methods may raise LeaseLost, DependencyNotReady and any RemoteError.
    """

    runtime: Runtime
    policy: SyncPolicy
    rules: tuple[FieldRule, ...]
    reference_data: ReferenceData
    accounts: Accounts
    carriers: TaxCarriers

    async def create(self, shop: ShopOrder, own: Mapping[str, str], key: str) -> VtigerOrderWritten:
        """Create the whole order with the fields `own` beside the mapped ones; `key` is the create
        key.

        Recording 00-REFERENCE-so-create-full-group; contract page Vtiger §3, §10.
        """
        await self.ensure_safe(self._order(shop))
        draft = await self._draft(shop, None, current=None)
        try:
            fields = {**draft.plan.fields, **own}
            created = await self.runtime.vtiger.create(ORDERS, fields, key=key)
        except Rejected as error:
            if error.code == BAD_ID and not await self.runtime.vtiger.saves(ORDERS):
                # Vtiger 8.4's response to any order with lines, whatever version it reports
                needs = [SAFE_ORDERS]
                await note_missing(self.runtime, self._order(shop), needs, seconds=RETRY_SECONDS)
            raise
        with after_create():
            written = await self._checked(created, draft)
        return await self._with_buyer(written, shop, draft)

    async def revise(
        self, shop: ShopOrder, changes: Mapping[str, Value], *, current: VtigerRecord
    ) -> VtigerOrderWritten:
        """Write these mapped fields; of lines always all (00-REFERENCE-so-revise-full-group)."""
        if MONEY & changes.keys() and not await self.runtime.vtiger.accepts_orders():
            return await self._revise_header(shop, changes, current=current)
        draft = await self._draft(shop, changes, current=current)
        if not draft.plan.fields:
            return VtigerOrderWritten(None, draft.plan.notes, draft.plan.unwritten)
        revised = await self.runtime.vtiger.revise(current.id, draft.plan.fields, module=ORDERS)
        written = await self._checked(revised, draft)
        return await self._with_buyer(written, shop, draft)

    async def _with_buyer(
        self, written: VtigerOrderWritten, shop: ShopOrder, draft: "_Draft"
    ) -> VtigerOrderWritten:
        """The result with notes on the buyer. Vtiger accepts the id of a deleted contact and then
        shows none: the contact is hinted, and the order waits for it."""
        notes = _buyer_notes(shop)
        sent, record = draft.plan.fields.get("contact_id"), written.record
        if shop.buyer is not None and sent and record is not None and not record.get("contact_id"):
            await note_missing(self.runtime, self._order(shop), [shop.buyer.key])
            if self.reference_data.dependencies is not None:
                await self.reference_data.dependencies.hint(shop.buyer)
            notes = (FieldNote("contact", "missing_reference", GONE_CONTACT, str(sent)),)
        return replace(written, notes=(*written.notes, *notes))

    async def ensure_safe(self, order: Record, *, anew: bool = False) -> None:
        """UnsafeVersion where writing all of an order, or deleting it, would corrupt it; the order
        is hinted once Vtiger has another version, or the add-on that writes orders. `anew`: read
        both again instead of using what is cached for some minutes."""
        vtiger = self.runtime.vtiger
        if not await vtiger.accepts_orders(anew=anew):
            await note_missing(self.runtime, order, [SAFE_ORDERS])
            message = BAD_VERSION.format(version=await vtiger.version())
            raise UnsafeVersion(System.VTIGER, message)

    async def _revise_header(
        self,
        shop: ShopOrder,
        changes: Mapping[str, Value],
        *,
        current: VtigerRecord,
    ) -> VtigerOrderWritten:
        """Write what can be changed without the lines; the lines are deferred."""
        rest = {name: value for name, value in changes.items() if name not in MONEY}
        draft = await self._draft(shop, rest, current=current)
        if not draft.plan.fields:
            await self.ensure_safe(self._order(shop))
        await note_missing(self.runtime, self._order(shop), [SAFE_ORDERS])
        revised = await self.runtime.vtiger.revise(current.id, draft.plan.fields, module=ORDERS)
        version = await self.runtime.vtiger.version()
        note = FieldNote("lines", "needs_addon", HELD_LINES.format(version=version), "")
        held = frozenset(changes.keys() & MONEY)
        return VtigerOrderWritten(revised, (*draft.plan.notes, note), draft.plan.unwritten, held)

    def _order(self, shop: ShopOrder) -> Record:
        store = self.carriers.store
        return Record(store, System.WOOCOMMERCE, Module.SALES_ORDERS, shop.order.id)

    async def _draft(
        self,
        shop: ShopOrder,
        changes: Mapping[str, Value] | None,
        *,
        current: VtigerRecord | None,
    ) -> "_Draft":
        refs = await self._refs(shop, changes)
        plan = partial(_Draft, shop, refs, self.rules, self._options, changes, current)
        draft = await offload(plan, lines=len(shop.order.lines))
        return await self._carried(draft) if draft.plan.lacking else draft

    async def _carried(self, draft: "_Draft") -> "_Draft":
        """The draft after the taxes of its lines were assigned to its products."""
        refs = draft.refs
        gone = await self.carriers.assign(draft.plan.lacking, currency_id=refs.currency_id or "")
        carried = await self.carriers.carried(refs.carried.keys())
        return await draft.with_refs(replace(refs, carried=carried).without(gone))

    @property
    def _options(self) -> PatchOptions:
        return PatchOptions(too_long=self.policy.too_long.value)

    async def _refs(self, shop: ShopOrder, changes: Mapping[str, Value] | None) -> OrderRefs:
        """The order's references with those that only a write needs: its Account and taxes."""
        refs = shop.refs
        if changes is None or "account" in changes:
            refs = replace(refs, account_id=await self._account_id(shop.order))
        if changes is None or MONEY & changes.keys():
            refs = await self._with_taxes(shop.order, refs)
        return refs

    async def _account_id(self, order: WooOrder) -> str:
        """The id of the order's Account, cached by name: most orders belong to a few Accounts."""
        name = self.account_name_of(order)
        read = partial(self.accounts.find_or_create, name)
        return (await self.runtime.memory.get(f"account:{name}", read)).id

    def account_name_of(self, order: WooOrder) -> str:
        """The name of the order's Account, as it would be created."""
        name = self.policy.order_account or account_name(order)
        cut = replace(self._options, too_long="cut")
        return fit_vtiger(name, ACCOUNT_NAME_SIZE, options=cut).text or ANONYMOUS

    async def _with_taxes(self, order: WooOrder, refs: OrderRefs) -> OrderRefs:
        used = {rate.id for rate in order_rates(order)} - {NO_RATE}
        fields = await self._tax_fields(order, await self.reference_data.fields_of(used))
        crm = await self.reference_data.crm()
        own = {*refs.products.values(), *refs.kept.values()}
        return replace(
            refs.without(await self._deleted_among(own)),
            tax_fields=fields,
            all_tax_fields=crm.tax_fields,
            carried=await self.carriers.carried(own, {refs.placeholder_id, refs.fee_service_id}),
        )

    async def _deleted_among(self, vtiger_ids: Collection[str]) -> frozenset[str]:
        """The products among these whose link says that they are deleted in Vtiger."""
        records = [self._product(each) for each in sorted(vtiger_ids)]
        if self.reference_data.dependencies is not None:
            links = await self.reference_data.dependencies.search(records)
        else:
            async with self.runtime.sessions() as session:
                links = await search_links(session, records)
        return frozenset(each for each, link in links.items() if link.vtiger_deleted_at)

    def _product(self, vtiger_id: str) -> Record:
        return Record(self.carriers.store, System.VTIGER, Module.PRODUCTS, vtiger_id)

    async def _tax_fields(self, order: WooOrder, linked: Mapping[str, str]) -> dict[str, str]:
        """Vtiger's tax field by rate. A tax is created for a rate that the shop has deleted."""
        fields = order_tax_fields(order, linked, taxes=(await self.reference_data.crm()).taxes)
        missing = [rate for rate in order_rates(order) if rate.id not in fields and _counts(rate)]
        if not missing or not await self._may_create_taxes():
            return fields
        for rate in missing:
            await self.carriers.create_tax(rate)
        self.reference_data.forget_taxes()
        return order_tax_fields(order, linked, taxes=(await self.reference_data.crm()).taxes)

    async def _may_create_taxes(self) -> bool:
        policy = await policy_of(self.runtime, self.carriers.store, Module.TAXES)
        return policy.enabled and policy.direction.allows(System.VTIGER)

    async def _checked(self, record: VtigerRecord, draft: "_Draft") -> VtigerOrderWritten:
        """Check the response, and write the lines a second time if lines or taxes are missing in
        it, or if a line has a product that is deleted in Vtiger, whose taxes are not applied.

        Of 148 orders created at once one had no lines; and somebody may have removed a tax from a
        product (contract page readback, "Worst of all"). RemoteUnavailable if lines are missing
        after the second write as well.
        """
        plan, money = draft.plan, draft.plan.money
        if money is None:
            return VtigerOrderWritten(record, plan.notes, plan.unwritten)
        gone = await self._deleted_of(record, money, draft.refs)
        if not gone and _is_whole(record, money):
            return VtigerOrderWritten(record, plan.notes, plan.unwritten)
        if gone:
            draft = await draft.with_refs(draft.refs.without(gone))
            draft = await self._carried(draft) if draft.plan.lacking else draft
            plan, money = draft.plan, draft.plan.money or money
        else:
            used = _taxes_by_product(money)
            await self.carriers.assign(used, currency_id=draft.refs.currency_id or "")
        record = await self.runtime.vtiger.revise(record.id, money.fields, module=ORDERS)
        if not _is_complete(record, money):
            raise RemoteUnavailable(System.VTIGER, LOST_LINES)
        notes = () if _is_whole(record, money) else (_total_note(record, money),)
        return VtigerOrderWritten(record, (*plan.notes, *notes), plan.unwritten)

    async def _deleted_of(
        self, record: VtigerRecord, money: MoneyPlan, refs: OrderRefs
    ) -> frozenset[str]:
        """The products that were sent but are missing in the response's lines, among those that can
        be replaced; they are hinted, so that their deletion is detected for other orders too."""
        answered = record.data.get("LineItems") or ()
        missing = {
            str(sent["productid"])
            for sent, item in zip(money.fields["LineItems"], answered, strict=False)
            if not product_id_of(item)
        }
        gone = frozenset(missing & {*refs.products.values(), *refs.kept.values()})
        if self.reference_data.dependencies is not None:
            for vtiger_id in sorted(gone):
                await self.reference_data.dependencies.hint(self._product(vtiger_id))
        return gone


@dataclass(frozen=True, slots=True)
class _Draft:
    """A planned write; the plan is computed from the references, and again when they change."""

    shop: ShopOrder
    refs: OrderRefs
    rules: tuple[FieldRule, ...]
    options: PatchOptions
    changes: Mapping[str, Value] | None
    current: VtigerRecord | None
    plan: OrderPlan = field(init=False)

    def __post_init__(self) -> None:
        plan = plan_order(
            self.shop.order,
            self.refs,
            rules=self.rules,
            options=self.options,
            changes=self.changes,
            current=self.current,
        )
        object.__setattr__(self, "plan", plan)

    async def with_refs(self, refs: OrderRefs) -> "_Draft":
        return await offload(partial(replace, self, refs=refs), lines=len(self.shop.order.lines))


def _counts(rate: OrderRate) -> bool:
    return bool(rate.label.strip() and amount(rate.percentage))


def _buyer_notes(shop: ShopOrder) -> tuple[FieldNote, ...]:
    buyer = shop.order.customer_id or find_guest_id(shop.order)
    if shop.refs.contact_id or buyer is None or is_of_vtiger(shop.order):
        return ()
    reason = "missing_reference" if shop.lacks_buyer else "not_found"
    return (FieldNote("contact", reason, NO_CONTACT, buyer),)


def _is_whole(record: VtigerRecord, money: MoneyPlan) -> bool:
    """Whether the record has all lines and the planned total."""
    return (
        _is_complete(record, money)
        and abs(_total(record) - money.predicted.grand_total) <= NEGLIGIBLE
    )


def _is_complete(record: VtigerRecord, money: MoneyPlan) -> bool:
    return len(record.data.get("LineItems") or ()) == len(money.fields["LineItems"])


def _total(record: VtigerRecord) -> Decimal:
    return amount(record.get("hdnGrandTotal"))


def _taxes_by_product(money: MoneyPlan) -> dict[str, frozenset[str]]:
    """The tax fields by which the lines of each product are taxed."""
    found: dict[str, frozenset[str]] = {}
    for line in money.fields["LineItems"]:
        used = frozenset(name for name in line if _is_tax(name, line))
        found[line["productid"]] = found.get(line["productid"], frozenset()) | used
    return {product: fields for product, fields in found.items() if fields}


def _is_tax(name: str, line: Mapping[str, Any]) -> bool:
    return name.startswith("tax") and bool(amount(line[name]))


def _total_note(record: VtigerRecord, money: MoneyPlan) -> FieldNote:
    got, wanted = decimal_text(_total(record)), decimal_text(money.wanted)
    return FieldNote("lines", "adjustment", TOTAL_DIFFERS.format(got=got, wanted=wanted), got)


def is_incomplete(record: VtigerRecord, order: WooOrder) -> bool:
    """Whether Vtiger aborted the order's create: lines or the total are missing.

    Contract page Vtiger §10, "Such a 500 leaves a live, queryable ghost order".
    """
    if not adds_up(record):
        return True
    return not _total(record) and bool(amount(order.data.get("total")))
