"""What a module's work needs beside the record: reference data of the shop and the CRM, the
current mapping, the setup records; and how a module is opened.

It changes seldom and every product and order needs it, so it is cached; code that changes some of
it invalidates the cache by `forget`."""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Generic, Protocol, TypeVar
from uuid import uuid4

import orjson

from app.db.session import transaction
from app.domain import (
    DependencyNotReady,
    Direction,
    GuestPolicy,
    LeaseLost,
    Module,
    Record,
    RemoteError,
    System,
    WriteCondition,
)
from app.links.leases import PairLease, acquire_turn
from app.links.models import Link
from app.links.repository import get_setup, save_setup, search_module_links
from app.mapping.places import Places, shipped_places
from app.mapping.rules import FieldRule, effective_rules, rules_at
from app.mapping.transforms import PLAIN, TransformOptions
from app.mapping.values import Patch, Value
from app.module_facts import FACTS
from app.modules.contacts.mapping import FOREIGN_ID_LABEL
from app.modules.default_mappings import DEFAULT_RULES, MAPPINGS, find_default
from app.modules.dependencies import Dependencies
from app.modules.orders.statuses import DEFAULT, StatusMap, StatusRow
from app.modules.ports import Adapter, Bulk, Listing, Reader, Side
from app.modules.taxes.mapping import ShopBase, tax_leaders
from app.policies.repository import (
    MappingRow,
    StatusChoice,
    StatusTable,
    StoreMapping,
    SyncPolicy,
    get_mapping,
    get_policy,
    get_status_table,
)
from app.runtime import Runtime
from app.vtiger.client import VtigerClient
from app.vtiger.query import Query, equals
from app.vtiger.schemas import VtigerCurrency, VtigerModule, VtigerRecord
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooTaxRate

# The countries and states of a shop: its own list, or WooCommerce's while that is not available.

log = logging.getLogger(__name__)

KEEP_SECONDS = 3600.0
"""How long the list is cached: only WooCommerce, a plugin or the shop's language changes it."""


async def placed(runtime: Runtime, store: str, rules: Sequence[FieldRule]) -> tuple[FieldRule, ...]:
    """The rules with the shop's own countries and states, which are read if a rule needs them."""
    if not any(rule.is_place for rule in rules):
        return tuple(rules)
    return rules_at(rules, await places_of(runtime, store))


async def places_of(runtime: Runtime, store: str) -> Places:
    """The shop's countries and states, cached for an hour; after a failure WooCommerce's own list
    is used, and the shop's is read again after a minute."""

    async def read() -> Places:
        return Places.of(await runtime.stores[store].search_countries())

    async def find() -> Places:
        try:
            return await runtime.memory.get(f"countries:{store}", read, keep_seconds=KEEP_SECONDS)
        except RemoteError as error:
            log.warning(
                "store %s: countries not read, using WooCommerce's own list: %s",
                store,
                error.summary,
            )
            return shipped_places()

    return await runtime.memory.get(f"places:{store}", find)


# The current settings and mapping: the defaults, overridden by what users chose. Every drain asks
# whether they have changed, so that a change applies in every worker with the next hint.

_MARK_LENGTH = 8


async def policy_of(runtime: Runtime, store: str, module: Module) -> SyncPolicy:
    """The current settings."""

    async def read() -> SyncPolicy:
        async with runtime.sessions() as session:
            return await get_policy(session, store, module)

    return await runtime.choose(f"policy:{store}:{module}", read)


async def mapping_of(runtime: Runtime, store: str, module: Module) -> StoreMapping:
    """The users' current rows."""

    async def read() -> StoreMapping:
        async with runtime.sessions() as session:
            return await get_mapping(session, store, module)

    return await runtime.choose(f"mapping:{store}:{module}", read)


async def rules_of(runtime: Runtime, store: str, module: Module) -> tuple[FieldRule, ...]:
    """All current rules, with the countries and states of the shop."""

    async def read() -> tuple[FieldRule, ...]:
        return rules_with(module, (await mapping_of(runtime, store, module)).rows)

    return await placed(runtime, store, await runtime.choose(f"rules:{store}:{module}", read))


def rules_with(module: Module, rows: Iterable[MappingRow]) -> tuple[FieldRule, ...]:
    """All rules of a module with these user rows."""
    return effective_rules(DEFAULT_RULES[module], [rule_of(module, row) for row in rows])


def rule_of(module: Module, row: MappingRow) -> FieldRule:
    """The rule of a user's row: a default rule with the row's changes, or a custom rule."""
    default = find_default(module, row.id)
    return _custom(module, row) if default is None else _changed(default, row)


def _options(row: MappingRow) -> TransformOptions:
    return TransformOptions(row.pairs, row.value, row.notation, row.separator)


def _changed(default: FieldRule, row: MappingRow) -> FieldRule:
    other = row.transform is not None and row.transform != default.transform
    transform = row.transform if other and row.transform else default.transform
    return FieldRule(
        name=default.name,
        woo=default.woo,
        vtiger=default.vtiger,
        direction=row.direction or default.direction,
        transform=transform,
        write=row.write or default.write,
        required=default.required,
        given=row.given or default.given,
        size=row.size or default.size,
        options=_options(row) if other else PLAIN,
        mark=_mark(default.woo, default.vtiger, transform, row) if other else "",
    )


def _custom(module: Module, row: MappingRow) -> FieldRule:
    transform = row.transform or "text"
    return FieldRule(
        name=row.id,
        woo=row.woo,
        vtiger=row.vtiger,
        direction=row.direction or _default_direction(module, row),
        transform=transform,
        write=row.write or WriteCondition.ALWAYS,
        required=_required(module, row),
        given=row.given,
        size=row.size,
        options=_options(row),
        shop=MAPPINGS[module].find_woo_field(row.woo[0]) if row.woo else None,
        custom=True,
        mark=_mark(row.woo, row.vtiger, transform, row),
    )


def _default_direction(module: Module, row: MappingRow) -> Direction:
    """Both directions, unless one side is read-only or has no field."""
    if not row.woo:
        return Direction.WOO_TO_VTIGER
    if not row.vtiger:
        return Direction.VTIGER_TO_WOO
    field = MAPPINGS[module].find_woo_field(row.woo[0])
    read_only = row.woo[0].startswith("attribute:") or (field is not None and not field.writable)
    return Direction.WOO_TO_VTIGER if read_only else Direction.BOTH


def _required(module: Module, row: MappingRow) -> frozenset[System]:
    """Vtiger, if a default row of the same Vtiger field is required by it."""
    same = (rule for rule in DEFAULT_RULES[module] if rule.vtiger == row.vtiger)
    return frozenset(system for rule in same for system in rule.required if system is System.VTIGER)


def _mark(woo: tuple[str, ...], vtiger: str, transform: str, row: MappingRow) -> str:
    """A digest that changes when the row maps other fields or converts them in another way."""
    parts = [woo, vtiger, transform, row.given, row.pairs, row.value, row.separator]
    return sha256(orjson.dumps(parts)).hexdigest()[:_MARK_LENGTH]


def with_mandatory(rules: Iterable[FieldRule], shape: VtigerModule) -> tuple[FieldRule, ...]:
    """The rules, with user rows marked as required whose field is mandatory in Vtiger."""
    mandatory = {field.name for field in shape.fields if field.mandatory}
    return tuple(
        replace(rule, required=rule.required | {System.VTIGER})
        if rule.custom and rule.vtiger in mandatory
        else rule
        for rule in rules
    )


# The current status table.


async def statuses_of(runtime: Runtime, store: str) -> StatusMap:
    """The status table of a store."""

    async def read() -> StatusMap:
        async with runtime.sessions() as session:
            return status_map(runtime, store, await get_status_table(session, store))

    return await runtime.choose(f"statuses:{store}", read)


def status_map(runtime: Runtime, store: str, table: StatusTable) -> StatusMap:
    """The map of a status table: the default rows if it has none."""
    page = f"{(runtime.settings.public_url or '').rstrip('/')}/ui/statuses/{store}"
    rows = status_rows(table.rows) or DEFAULT.rows
    return StatusMap(rows, table.new_order or DEFAULT.first, page)


def status_rows(rows: Iterable[StatusChoice]) -> tuple[StatusRow, ...]:
    return tuple(StatusRow(row.shop, row.vtiger, row.direction) for row in rows)


# Setup records: what orders in Vtiger depend on and no shop has, a placeholder product, a fee
# service and a contact. They are created before any order needs them, and found by fixed names, so
# that neither a lost database nor a second service creates them twice.

SETUP_LEASE = "upkeep:setup"
PLACEHOLDER = "placeholder"
FEE_SERVICE = "fee_service"
GUEST_CONTACT = "guest_contact"
PLACEHOLDER_CODE = "WC-PLACEHOLDER"

NOT_READY = (
    "Vtiger's {names} for orders does not exist yet: a worker creates it when it starts, and with "
    "every poll."
)


@dataclass(frozen=True, slots=True)
class SetupRecord:
    """One setup record: it is found by `name` in `field`; `needed` tests the order settings."""

    key: str
    module: str
    field: str
    name: str
    fields: Mapping[str, str]
    needed: Callable[[SyncPolicy], bool]


SETUP_RECORDS = (
    SetupRecord(
        PLACEHOLDER,
        "Products",
        "productcode",
        PLACEHOLDER_CODE,
        {"productname": "WooCommerce product unknown to Vtiger", "discontinued": "1"},
        lambda policy: policy.enabled,
    ),
    SetupRecord(
        FEE_SERVICE,
        "Services",
        "servicename",
        "WooCommerce fee",
        {"discontinued": "1"},
        lambda policy: policy.enabled,
    ),
    SetupRecord(
        GUEST_CONTACT,
        "Contacts",
        "lastname",
        "WooCommerce guests",
        {},
        lambda policy: policy.enabled and policy.guests is GuestPolicy.ONE_CONTACT,
    ),
)


async def ensure_setup(runtime: Runtime) -> Mapping[str, str]:
    """Find or create the setup records that the stores' order settings need; Vtiger ids by key.

    Idempotent. One process does it at a time; while another one does, only the known ids are
    returned. May raise any RemoteError.
    """
    wanted = await _wanted(runtime)
    seconds = runtime.settings.worker.lease_seconds
    try:
        async with acquire_turn(
            runtime.sessions, SETUP_LEASE, owner=uuid4().hex, seconds=seconds
        ) as lease:
            found = {setup.key: await _find_or_create(runtime, setup, lease) for setup in wanted}
            if found:
                async with transaction(runtime.sessions) as session:
                    await lease.confirm(session)
                    await save_setup(session, found)
    except LeaseLost:
        log.debug("another worker creates Vtiger's setup records")
        return await setup_ids(runtime)
    if found:
        runtime.memory.forget(SETUP_LEASE)
    return await setup_ids(runtime)


async def missing_setup_records(runtime: Runtime) -> list[str]:
    """The keys of setup records that are needed and were not created or found yet."""
    ids = await setup_ids(runtime)
    return [setup.key for setup in await _wanted(runtime) if setup.key not in ids]


async def prepare(runtime: Runtime) -> None:
    """`ensure_setup` for periodic work: a failure is logged and retried with the next round."""
    try:
        await ensure_setup(runtime)
    except RemoteError as error:
        log.warning("Vtiger's setup records for orders could not be created: %s", error.summary)


async def _wanted(runtime: Runtime) -> list[SetupRecord]:
    async with runtime.sessions() as session:
        policies = [
            await get_policy(session, store, Module.SALES_ORDERS) for store in runtime.stores
        ]
    return [setup for setup in SETUP_RECORDS if any(setup.needed(policy) for policy in policies)]


async def _find_or_create(runtime: Runtime, setup: SetupRecord, lease: PairLease) -> str:
    where = (equals(setup.field, setup.name),)
    query = Query(setup.module, ("id", setup.field), where, order_by="id")
    found = await runtime.vtiger.query(query)
    exact = [record.id for record in found if record.get(setup.field) == setup.name]
    if exact:
        return exact[0]
    lease.check()
    fields = {**setup.fields, setup.field: setup.name}
    return (await runtime.vtiger.create(setup.module, fields)).id


async def setup_ids(runtime: Runtime) -> Mapping[str, str]:
    """The Vtiger ids of the setup records, by key."""

    async def read() -> Mapping[str, str]:
        async with runtime.sessions() as session:
            return await get_setup(session)

    return await runtime.choose(SETUP_LEASE, read)


async def get_orders_setup(runtime: Runtime, policy: SyncPolicy) -> Mapping[str, str]:
    """The same for an order that needs them, cached. DependencyNotReady while one is missing."""
    ids = await runtime.memory.get(SETUP_LEASE, lambda: setup_ids(runtime))
    missing = [
        setup.key for setup in SETUP_RECORDS if setup.needed(policy) and setup.key not in ids
    ]
    if missing:
        runtime.memory.forget(SETUP_LEASE)
        raise DependencyNotReady(NOT_READY.format(names=" and ".join(missing).replace("_", " ")))
    return ids


TAX = "Tax"
TAXES_KEY = "crm:taxes"
CURRENCIES_KEY = "crm:currencies"


@dataclass(frozen=True, slots=True)
class ShopReferenceData:
    """A shop's tax rates, its base address for taxes, and the ISO code of its currency."""

    rates: tuple[WooTaxRate, ...]
    base: ShopBase
    currency: str


@dataclass(frozen=True, slots=True)
class CrmReferenceData:
    """Vtiger's taxes without deleted ones, and its currencies with inactive ones."""

    taxes: tuple[VtigerRecord, ...]
    currencies: tuple[VtigerCurrency, ...]

    @property
    def tax_fields(self) -> tuple[str, ...]:
        """The fields of taxes on products and lines: tax1, tax2, …"""
        return tuple(filter(None, map(_column, self.taxes)))

    @property
    def active_codes(self) -> frozenset[str]:
        """The ISO codes of the active currencies."""
        return frozenset(one.code for one in self.currencies if one.active)

    def find_currency(self, code: str) -> VtigerCurrency | None:
        """The active currency of an ISO code (recording 72-currency-query-after)."""
        return next((one for one in self.currencies if one.active and one.code == code), None)


@dataclass(frozen=True, slots=True)
class ReferenceData:
    """The reference data of one store and the CRM, and the Vtiger field of each linked rate.

    Without `dependencies` (for readers, which must not write) no tax is synced.
    """

    runtime: Runtime
    store: str
    dependencies: Dependencies | None = None

    async def shop(self) -> ShopReferenceData:
        return await self.runtime.memory.get(self._shop_key, self._read_shop)

    async def crm(self) -> CrmReferenceData:
        memory, vtiger = self.runtime.memory, self.runtime.vtiger
        taxes = await memory.get(TAXES_KEY, lambda: vtiger.query(Query(TAX)))
        currencies = await memory.get(CURRENCIES_KEY, vtiger.search_currencies)
        return CrmReferenceData(tuple(taxes), tuple(currencies))

    def forget_shop(self) -> None:
        """Invalidate the cache of the shop's rates."""
        self.runtime.memory.forget(self._shop_key)

    def forget_taxes(self) -> None:
        """Invalidate the cache of Vtiger's taxes."""
        self.runtime.memory.forget(TAXES_KEY)

    async def active_codes(self, wanted: str) -> frozenset[str]:
        """The codes of Vtiger's active currencies; the cache is refreshed if `wanted` is not among
        them."""
        codes = (await self.crm()).active_codes
        if wanted in codes:
            return codes
        self.runtime.memory.forget(CURRENCIES_KEY)
        return (await self.crm()).active_codes

    @property
    def _shop_key(self) -> str:
        return f"shop:{self.store}"

    async def _read_shop(self) -> ShopReferenceData:
        """The default country is `FR` or `US:CA` (contract page WooCommerce §3)."""
        woo = self.runtime.stores[self.store]
        rates = tuple([rate async for rate in woo.each_tax_rate()])
        place = await woo.get_setting("general", "woocommerce_default_country")
        country, _, state = place.partition(":")
        currency = await woo.get_setting("general", "woocommerce_currency")
        return ShopReferenceData(rates, ShopBase(country, state), currency)

    async def tax_links(self) -> dict[str, Link]:
        """The pairs of this store's tax rates, by rate id."""
        async with self.runtime.sessions() as session:
            links = await search_module_links(session, self.store, Module.TAXES)
        return {link.woo_id: link for link in links}

    async def linked_fields(self) -> dict[str, str]:
        """Vtiger's tax field by rate id ("3" to "tax4"), of the rates that have a pair or share the
        tax of one that has."""
        links = await self.tax_links()
        known = {tax.id for tax in (await self.crm()).taxes}
        if any(
            link.vtiger_id not in known and not link.vtiger_deleted_at for link in links.values()
        ):
            self.forget_taxes()  # another process may have created it within this minute
        fields = {tax.id: _column(tax) for tax in (await self.crm()).taxes}
        linked = {
            rate_id: field
            for rate_id, link in links.items()
            if (field := fields.get(link.vtiger_id, ""))
        }
        leaders = tax_leaders((await self.shop()).rates, paired=links)
        shared = {key: linked[leader] for key, leader in leaders.items() if leader in linked}
        return shared | linked

    async def fields_of(self, rate_ids: Collection[str]) -> Mapping[str, str]:
        """The same; rates among `rate_ids` without a pair are synced to Vtiger first.

        Raises DependencyNotReady while one of them cannot be synced; a rate that is not to be
        synced is left out.
        """
        linked = await self.linked_fields()
        missing = set(rate_ids) - linked.keys()
        if not missing or self.dependencies is None:
            return linked
        leaders = tax_leaders((await self.shop()).rates, paired=linked)
        for rate_id in sorted({leaders.get(each, each) for each in missing}, key=int):
            record = Record(self.store, System.WOOCOMMERCE, Module.TAXES, rate_id)
            await self.dependencies.ensure_synced(record)
        return await self.linked_fields()


def _column(tax: VtigerRecord) -> str:
    """A tax's field on products and lines; "" if it has none that can be read, so that one such tax
    does not fail the others."""
    name = tax.data.get("taxname")
    return name if isinstance(name, str) else ""


# External ids: the field of a Vtiger record that carries the id of the shop's.


def foreign_id_field(shape: VtigerModule, store: str, *, only_store: bool) -> str | None:
    """The name of our id field, found by its label: one for the only shop, or one named after each
    of several; None if there is none."""
    labels = [label_of(store, only_store=False)]
    labels += [label_of(store, only_store=True)] if only_store else []
    found = (shape.field_labelled(label) for label in labels)
    return next((field.name for field in found if field is not None), None)


def label_of(store: str, *, only_store: bool) -> str:
    """The label that an administrator is to give the id field."""
    return FOREIGN_ID_LABEL if only_store else of_store(FOREIGN_ID_LABEL, store)


def of_store(label: str, store: str) -> str:
    """The label of a field that belongs to one of several stores."""
    return f"{label} ({store})"


def foreign_id_fields(shape: VtigerModule | None) -> frozenset[str]:
    """The id fields of all shops."""
    label = FOREIGN_ID_LABEL.casefold()
    fields = shape.fields if shape else ()
    return frozenset(field.name for field in fields if field.label.casefold().startswith(label))


# How the sync opens, lists, previews and creates the records of a module.

A = TypeVar("A", bound=Adapter)
AnyAdapter = TypeVar("AnyAdapter", bound=Adapter, contravariant=True)


@dataclass(frozen=True, slots=True)
class Context:
    """What an adapter is opened with.

    - `dependencies`: syncs the records that others need; None for an adapter that only reads.
    - `is_needed`: the record is synced because another one depends on it.
    - `proposed`: a mapping to use instead of the current one.
    - `statuses`: a status table of orders to use instead of the current one.
    - `names`: the lease for the names of new Accounts, where `lease` must not take them.
    - `customers`: the e-mails of the shop's customers, where a run has listed them.
    """

    runtime: Runtime
    store: str
    policy: SyncPolicy
    lease: PairLease
    dependencies: Dependencies | None = None
    is_needed: bool = False
    proposed: tuple[FieldRule, ...] | None = None
    statuses: StatusMap | None = None
    names: PairLease | None = None
    customers: frozenset[str] | None = None

    async def id_field(self, vtiger_module: str) -> str | None:
        """The name of our id field in a Vtiger module, None if it has none."""
        shape = await self.runtime.shapes.get(vtiger_module)
        return foreign_id_field(shape, self.store, only_store=len(self.runtime.stores) == 1)

    async def rules(self, module: Module) -> tuple[FieldRule, ...]:
        """The proposed mapping if there is one, else the current mapping."""
        if self.proposed is not None:
            return self.proposed
        rules = await rules_of(self.runtime, self.store, module)
        if not any(rule.custom for rule in rules):
            return rules
        return with_mandatory(rules, await self.runtime.shapes.get(FACTS[module].vtiger_name))

    @property
    def reference_data(self) -> ReferenceData:
        return ReferenceData(self.runtime, self.store, self.dependencies)


@dataclass(slots=True)
class ListingBase:
    """What the listings of all modules share: their clients, and a reader that is opened once."""

    context: Context
    open_reader: Callable[[], Awaitable[Reader]]
    _reader: Reader | None = field(default=None, init=False)

    async def reader(self) -> Reader:
        if self._reader is None:
            self._reader = await self.open_reader()
        return self._reader

    @property
    def woo(self) -> WooClient:
        return self.context.runtime.stores[self.context.store]

    @property
    def vtiger(self) -> VtigerClient:
        return self.context.runtime.vtiger


class Draft(Protocol[AnyAdapter]):
    """The patch that would write `changes` of `source` to `current`, or to a new record (None)."""

    async def __call__(
        self,
        adapter: AnyAdapter,
        changes: Mapping[str, Value],
        source: Side,
        current: Side | None,
        /,
    ) -> Patch: ...


@dataclass(frozen=True, slots=True)
class ModuleSpec(Generic[A]):
    """One module between one shop and Vtiger.

    - `open`: opens its adapter; `reader`: reads listed records with that adapter.
    - `listing`: lists its raw records; it is given what opens their reader.
    - `begin_bulk`: called once a run; returns the function that opens the bulk side of each page
      with the page's context. None where records are created one by one.
    - `draft`: the patch that a preview shows; None where there is no preview.
    - `vtiger_columns`: the columns that a query of its records in Vtiger selects.
    - `mails`: the shop's e-mails to customers that writes of this module cause;
      `notifies_old_address`: WordPress also notifies the old address of a changed one.
    - `prepare_run`: called once before the first record of a run.
    """

    open: Callable[[Context], Awaitable[A]]
    reader: Callable[[A], Reader]
    listing: Callable[[Context, Callable[[], Awaitable[Reader]]], Listing]
    begin_bulk: Callable[[], Callable[[Context, A], Bulk]] | None = None
    draft: Draft[A] | None = None
    vtiger_columns: tuple[str, ...] = ("*",)
    mails: frozenset[str] = frozenset()
    notifies_old_address: bool = False
    prepare_run: Callable[[Runtime], Awaitable[object]] | None = None

    def open_listing(self, context: Context) -> Listing:
        """The listing of its records, whose reader has an adapter of its own."""

        async def open_reader() -> Reader:
            return self.reader(await self.open(context))

        return self.listing(context, open_reader)
