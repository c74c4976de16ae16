"""Shows, previews and changes the status table of a store.

A table counts only after its preview was confirmed: how many orders it changes, and how many
customers WooCommerce mails because of that."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.db.session import transaction
from app.domain import Event, InvalidInput, Module, RemoteError, System
from app.inbox.replay import hint_record
from app.links.repository import count_order_statuses, search_order_links
from app.mapping.rules import FieldRule
from app.mapping.values import Agreed
from app.modules.context import policy_of, rules_of, status_map, status_rows, statuses_of
from app.modules.orders.statuses import (
    DEFAULT,
    DEFAULT_ROWS,
    FINAL,
    UNSYNCED,
    StatusFault,
    StatusMap,
    find_faults,
    find_mail,
    unknown_values,
)
from app.modules.registry import mails_of
from app.policies.repository import (
    StatusChoice,
    StatusTable,
    SyncPolicy,
    find_status_table,
    get_status_table,
    save_status_table,
)
from app.runtime import Runtime
from app.sync.merge import Merge, merge
from app.vtiger.client import ORDERS
from app.woocommerce.client import MAILS, WooOrderStatus

PAGE = 500
"""Pairs that are hinted together."""
HINT_NOTE = "the status table was changed"
NO_STORE = "There is no store {store}; the configured stores are {known}."


# The statuses of both systems


@dataclass(frozen=True, slots=True)
class KnownStatuses:
    """The statuses that a row can have.

    `shop`: those that the shop lists; if its list cannot be read (`is_listed` is False), those of
    WooCommerce and of synced orders. `vtiger`: the picklist; empty if Vtiger cannot be read.
    """

    shop: tuple[WooOrderStatus, ...]
    vtiger: tuple[str, ...]
    is_listed: bool = True

    @property
    def slugs(self) -> tuple[str, ...]:
        return tuple(status.slug for status in self.shop)

    def unmapped(self, statuses: StatusMap) -> "KnownStatuses":
        """Those that no row of a table has."""
        shop = tuple(
            status
            for status in self.shop
            if statuses.find_note(System.WOOCOMMERCE, status.slug) is not None
        )
        vtiger = tuple(
            value for value in self.vtiger if statuses.find_note(System.VTIGER, value) is not None
        )
        return replace(self, shop=shop, vtiger=vtiger)


async def find_known(runtime: Runtime, store: str, *, anew: bool = False) -> KnownStatuses:
    """The statuses of both systems, as far as they can be read; cached unless they are read
    `anew`."""
    key = f"order statuses:{store}"
    if anew:
        runtime.memory.forget(key)
    try:
        shapes = runtime.shapes
        shape = await (shapes.refresh(ORDERS) if anew else shapes.get(ORDERS))
        field_ = shape.find_field("sostatus")
        vtiger = field_.picklist if field_ else ()
    except RemoteError:
        vtiger = ()
    try:
        listed = await runtime.memory.get(key, runtime.stores[store].search_order_statuses)
    except RemoteError:
        return KnownStatuses(await _seen(runtime, store), vtiger, is_listed=False)
    shop = tuple(status for status in listed if status.slug not in UNSYNCED)
    return KnownStatuses(shop, vtiger)


async def _seen(runtime: Runtime, store: str) -> tuple[WooOrderStatus, ...]:
    """WooCommerce's own statuses, and those of orders that were synced."""
    async with runtime.sessions() as session:
        counts = await count_order_statuses(session, store)
    found = dict.fromkeys((row.shop for row in DEFAULT_ROWS), 0)
    for entry, count in counts.items():
        if slug := Agreed(*json.loads(entry)).woo_exact:
            found[slug] = found.get(slug, 0) + count
    return tuple(WooOrderStatus(slug, slug, count) for slug, count in found.items())


# Previews


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A change of `orders` orders, which have the statuses `shop` and `vtiger` now: `target` gets
    `after`. `mail`: WooCommerce's e-mail that their customers then get; None for none."""

    orders: int
    shop: str
    vtiger: str
    target: System
    after: str
    mail: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the orders are still being worked on, by their status in the shop."""
        return self.shop not in FINAL

    @property
    def before(self) -> str:
        return self.shop if self.target is System.WOOCOMMERCE else self.vtiger

    @property
    def by_plugin(self) -> bool:
        """Whether the shop gets a status of a plug-in, which may mail the customer."""
        core = {row.shop for row in DEFAULT_ROWS}
        return self.target is System.WOOCOMMERCE and self.after not in core


@dataclass(frozen=True, slots=True)
class TablePreview:
    """What a table would change, by the statuses of the last sync of each order.

    `faults`: of the rows; with an error among them nothing is previewed. `mails_known` is False if
    the shop's e-mail settings could not be read: all its e-mails are counted then. `entries`: the
    bases of the orders that change.
    """

    changes: tuple[StatusChange, ...] = ()
    faults: tuple[StatusFault, ...] = ()
    mails_known: bool = True
    entries: frozenset[str] = frozenset()

    @property
    def errors(self) -> tuple[StatusFault, ...]:
        return tuple(fault for fault in self.faults if not fault.is_warning)

    @property
    def warnings(self) -> tuple[StatusFault, ...]:
        return tuple(fault for fault in self.faults if fault.is_warning)

    @property
    def orders(self) -> int:
        return sum(change.orders for change in self.changes)

    @property
    def open_orders(self) -> int:
        return sum(change.orders for change in self.changes if change.is_open)

    @property
    def mails(self) -> int:
        return sum(change.orders for change in self.changes if change.mail)

    @property
    def by_plugins(self) -> int:
        """Orders that get a status of a plug-in in the shop."""
        return sum(change.orders for change in self.changes if change.by_plugin)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How many changed orders and e-mails a person has agreed to, at most."""

    orders: int
    mails: int

    def covers(self, preview: TablePreview) -> bool:
        return preview.orders <= self.orders and preview.mails <= self.mails


NOTHING_CONFIRMED = Confirmation(0, 0)


async def preview_table(
    runtime: Runtime, store: str, rows: Sequence[StatusChoice], *, new_order: str = ""
) -> TablePreview:
    """What these rows would change; none: the default table. Nothing is written.

    Raises the RemoteError tree if Vtiger cannot be read.
    """
    await runtime.shapes.refresh(ORDERS)
    wanted = status_map(runtime, store, StatusTable(rows=tuple(rows), new_order=new_order))
    faults = await _faults(runtime, store, wanted)
    if any(not fault.is_warning for fault in faults):
        return TablePreview(faults=tuple(faults))
    forecast = await _forecast(runtime, store, wanted)
    return replace(forecast, faults=tuple(faults))


async def _faults(runtime: Runtime, store: str, wanted: StatusMap) -> list[StatusFault]:
    known = await find_known(runtime, store)
    slugs = known.slugs if known.is_listed else ()
    found = find_faults(wanted.rows)
    return [*found, *unknown_values(wanted.rows, wanted.first, shop=slugs, vtiger=known.vtiger)]


async def _forecast(runtime: Runtime, store: str, wanted: StatusMap) -> TablePreview:
    policy = await policy_of(runtime, store, Module.SALES_ORDERS)
    rules = await rules_of(runtime, store, Module.SALES_ORDERS)
    rule = next((rule for rule in rules if rule.name == "status"), None)
    if not policy.enabled or rule is None:
        return TablePreview()
    forecaster = _Forecaster(await statuses_of(runtime, store), wanted, rule, policy)
    async with runtime.sessions() as session:
        counts = await count_order_statuses(session, store)
    for entry, count in counts.items():
        forecaster.add(entry, count)
    if not any(change.mail for change in forecaster.changes):
        return TablePreview(tuple(forecaster.changes), entries=frozenset(forecaster.entries))
    try:
        on, known = await mails_of(runtime, store), True
    except RemoteError:
        on, known = frozenset(MAILS), False
    changes = tuple(_with_mail(change, on) for change in forecaster.changes)
    return TablePreview(changes, mails_known=known, entries=frozenset(forecaster.entries))


def _with_mail(change: StatusChange, on: Collection[str]) -> StatusChange:
    return change if change.mail in on else replace(change, mail=None)


@dataclass(slots=True)
class _Forecaster:
    """Merges the statuses of all pairs, which are few different ones, as a sync would do with the
    wanted table; what it would do with the present one anyway does not count."""

    now: StatusMap
    wanted: StatusMap
    rule: FieldRule
    policy: SyncPolicy
    changes: list[StatusChange] = field(default_factory=list)
    entries: set[str] = field(default_factory=set)

    def add(self, entry: str, count: int) -> None:
        """Add `count` pairs with this entry in their base."""
        base = Agreed(*json.loads(entry))
        found = [self._change(base, shop, count) for shop in self._shop_statuses(base)]
        real = [change for change in found if change is not None]
        if real:
            self.entries.add(entry)
            self.changes.append(max(real, key=lambda change: bool(change.mail)))

    def _shop_statuses(self, base: Agreed) -> list[str]:
        """The order's status in the shop. A base of an earlier version does not have it: those that
        it may have, of which the one with an e-mail counts."""
        if base.woo_exact is not None:
            return [base.woo_exact]
        return [shop for shop, vtiger in self.now.to_vtiger.items() if vtiger == base.woo]

    def _change(self, base: Agreed, shop: str, count: int) -> StatusChange | None:
        after = self._outcome(self.wanted, base, shop)
        if after is None or after == self._outcome(self.now, base, shop):
            return None
        target, status = after
        mail = find_mail(shop, status) if target is System.WOOCOMMERCE else None
        return StatusChange(count, shop, base.vtiger or "", target, status, mail)

    def _outcome(self, table: StatusMap, base: Agreed, shop: str) -> tuple[System, str] | None:
        """The system that gets another status, and the status; None if none does."""
        vtiger = base.vtiger or ""
        merged = self._merge(table, base, shop)
        if wanted := merged.to_vtiger.get("status"):
            return System.VTIGER, wanted
        if "status" in merged.to_woo and vtiger in table.to_woo:
            return System.WOOCOMMERCE, table.to_woo[vtiger]
        return None

    def _merge(self, table: StatusMap, base: Agreed, shop: str) -> Merge:
        return merge(
            {"status": base},
            table.of_shop(shop),
            table.of_vtiger(base.vtiger),
            rules=[self.rule],
            direction=self.policy.direction,
            policy=self.policy.conflict_policy,
            newer=System.WOOCOMMERCE,
            carried={"status"} if table.agrees(shop, base.vtiger or "") else (),
        )


# Changes


class TableRefused(InvalidInput):
    """Rows of a status table are invalid; each fault names a row and how to correct it."""

    def __init__(self, faults: Sequence[StatusFault]) -> None:
        super().__init__("; ".join(map(describe_fault, faults)), "rows")
        self.faults = tuple(faults)


class TableChanged(InvalidInput):
    """Another version was saved in the meantime."""

    def __init__(self) -> None:
        super().__init__("The status table was changed in the meantime: read it again.", "version")


class NotConfirmed(InvalidInput):
    """The table would change more orders, or cause more e-mails, than were confirmed."""

    def __init__(self, preview: TablePreview) -> None:
        super().__init__(
            f"{describe_preview(preview)} Confirm these numbers to save it.", "confirm"
        )
        self.preview = preview


def describe_fault(fault: StatusFault) -> str:
    """The fault with the number of its row, counted from 1."""
    return fault.message if fault.row is None else f"Row {fault.row + 1}: {fault.message}"


def describe_preview(preview: TablePreview) -> str:
    """The preview in two or three sentences."""
    in_shop = sum(c.orders for c in preview.changes if c.target is System.WOOCOMMERCE)
    text = (
        f"The table changes {_count(preview.orders, 'order')} ({preview.open_orders} open): "
        f"{in_shop} in the shop, {preview.orders - in_shop} in Vtiger. WooCommerce sends "
        f"{_count(preview.mails, 'e-mail')} to customers because of it."
    )
    if preview.mails and not preview.mails_known:
        text += " The shop's e-mail settings could not be read, so all its e-mails are counted."
    if preview.by_plugins:
        text += (
            f" {_count(preview.by_plugins, 'order')} get a status of a plug-in in the shop, which "
            "may send e-mails of its own."
        )
    return text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


async def read_status_table(runtime: Runtime, store: str) -> StatusTable:
    """The current version, which has no rows if it is the default table."""
    async with runtime.sessions() as session:
        return await get_status_table(session, store)


async def change_status_table(
    runtime: Runtime, store: str, *, table: StatusTable, confirmed: Confirmation
) -> StatusTable:
    """Save a table as the version after `table.version`, and hint the orders that it changes.

    Raises TableRefused, NotConfirmed, TableChanged, and the RemoteError tree if Vtiger cannot be
    read.
    """
    table = _normal(table)
    preview = await preview_table(runtime, store, table.rows, new_order=table.new_order)
    if preview.errors:
        raise TableRefused(preview.errors)
    if not confirmed.covers(preview):
        raise NotConfirmed(preview)
    async with transaction(runtime.sessions) as session:
        saved = await save_status_table(session, store, table=table)
    if saved is None:
        raise TableChanged
    await _hint(runtime, store, preview.entries)
    return saved


def _normal(table: StatusTable) -> StatusTable:
    """The table; without rows, and so open to later defaults, if it is the default one."""
    first = "" if table.new_order == DEFAULT.first else table.new_order
    is_default = not first and status_rows(table.rows) == DEFAULT.rows
    return replace(table, rows=() if is_default else table.rows, new_order=first)


async def restore_table(
    runtime: Runtime, store: str, *, wanted: int, change: StatusTable, confirmed: Confirmation
) -> StatusTable | None:
    """Save an earlier version as a new one; None if there is no such version. `change` has the
    version that the change is based on, and its author. Raises as `change_status_table` does."""
    async with runtime.sessions() as session:
        earlier = await find_status_table(session, store, version=wanted)
    if earlier is None:
        return None
    message = f"Restored version {wanted}."
    table = replace(change, rows=earlier.rows, new_order=earlier.new_order, message=message)
    return await change_status_table(runtime, store, table=table, confirmed=confirmed)


async def _hint(runtime: Runtime, store: str, entries: Collection[str]) -> None:
    """Hint the orders of these bases. A hint that is lost here costs nothing: the next look finds
    that the order differs from its base."""
    after = 0
    while entries:
        async with runtime.sessions() as session:
            links = await search_order_links(
                session, store, entries=entries, after=after, limit=PAGE
            )
        if not links:
            return
        await runtime.acceptor.accept(
            [
                hint_record(link.record(System.WOOCOMMERCE), Event.CHANGED, note=HINT_NOTE)
                for link in links
            ]
        )
        after = links[-1].id


# Imports: all tables are checked and previewed before any is saved.


@dataclass(frozen=True, slots=True)
class ImportedTable:
    """What an import does with one store's table; `preview` has what it changes."""

    store: str
    table: StatusTable
    preview: TablePreview


async def plan_import(
    runtime: Runtime, wanted: Mapping[str, StatusTable], *, by: str, message: str
) -> list[ImportedTable]:
    """The tables that differ from the current ones, each with its preview.

    Raises InvalidInput for an unknown store, TableRefused, and the RemoteError tree.
    """
    found = []
    for store, given in wanted.items():
        if store not in runtime.stores:
            known = ", ".join(runtime.stores)
            raise InvalidInput(NO_STORE.format(store=store, known=known), "store")
        table = _normal(given)
        now = await read_status_table(runtime, store)
        if (now.rows, now.new_order) == (table.rows, table.new_order):
            continue
        preview = await preview_table(runtime, store, table.rows, new_order=table.new_order)
        if preview.errors:
            raise TableRefused(preview.errors)
        change = replace(table, version=now.version, created_by=by, message=message)
        found.append(ImportedTable(store, change, preview))
    return found


async def import_tables(
    runtime: Runtime, planned: Sequence[ImportedTable], *, confirmed: Confirmation
) -> None:
    """Save planned tables. Raises NotConfirmed before any is saved if their changes together are
    more than were confirmed; and as `change_status_table` does."""
    whole = TablePreview(tuple(change for each in planned for change in each.preview.changes))
    if not confirmed.covers(whole):
        raise NotConfirmed(whole)
    for each in planned:
        await change_status_table(runtime, each.store, table=each.table, confirmed=confirmed)
