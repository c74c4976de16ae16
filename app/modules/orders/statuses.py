"""The status table of orders: what a status of one system means in the other, and which customers
WooCommerce mails when a status is written. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from app.domain import Direction, System
from app.mapping.values import FieldNote, Mapped

STATUS_NOT_MAPPED = "status_not_mapped"
FIRST = "Created"
"""The status of a new order in Vtiger whose status in the shop leads to none: it is mandatory."""
DRAFTS = frozenset({"checkout-draft", "auto-draft"})
UNSYNCED = DRAFTS | {"trash"}
"""Statuses of the shop whose orders are not synced, so that no row can use them."""
FINAL = frozenset({"completed", "cancelled", "refunded", "failed"})
"""Statuses of orders that are not open any more."""

NOT_MAPPED = (
    "The status table has no row for {system} status {status}, so the order's status in {other} "
    "was left as it is. Add a row at {page}."
)


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One row: a shop's status, without `wc-`, and a value of Vtiger's sostatus. `direction`: which
    of the two is written when the other changes."""

    shop: str
    vtiger: str
    direction: Direction = Direction.BOTH

    def leads_to(self, system: System) -> bool:
        return self.direction.allows(system)


_TO_VTIGER = Direction.WOO_TO_VTIGER

DEFAULT_ROWS: tuple[StatusRow, ...] = (
    StatusRow("pending", "Created", _TO_VTIGER),
    StatusRow("on-hold", "Created"),
    StatusRow("processing", "Approved"),
    StatusRow("completed", "Delivered"),
    StatusRow("cancelled", "Cancelled"),
    StatusRow("refunded", "Cancelled", _TO_VTIGER),
    StatusRow("failed", "Cancelled", _TO_VTIGER),
)


@dataclass(frozen=True)
class StatusMap:
    """The current status table.

    Several statuses of one system may lead to one of the other: the table is then coarser there,
    and the other system's statuses among them are left alone. A status that no row has is left
    alone as well, and reported once. `page` is where a row can be added.
    """

    rows: tuple[StatusRow, ...] = DEFAULT_ROWS
    first: str = FIRST
    page: str = "/ui/statuses"

    @cached_property
    def to_vtiger(self) -> Mapping[str, str]:
        """Vtiger's status by the shop's."""
        return {row.shop: row.vtiger for row in self.rows if row.leads_to(System.VTIGER)}

    @cached_property
    def to_woo(self) -> Mapping[str, str]:
        """The shop's status by Vtiger's."""
        return {row.vtiger: row.shop for row in self.rows if row.leads_to(System.WOOCOMMERCE)}

    def agrees(self, shop: str, vtiger: str) -> bool:
        """Whether an order may have these two statuses at once: one of them leads to the other."""
        return self.to_vtiger.get(shop) == vtiger or self.to_woo.get(vtiger) == shop

    def of_shop(self, status: str) -> Mapped:
        """A status of the shop in Vtiger's terms; None if it leads to none there."""
        note = self.find_note(System.WOOCOMMERCE, status)
        return Mapped(
            {"status": self.to_vtiger.get(status)},
            exact={"status": status},
            lacking={"status": note} if note else {},
        )

    def of_vtiger(self, status: str | None) -> Mapped:
        """A status of Vtiger. What the base remembers of it: "" if no row has it, so that the shop
        gets it once a row does; nothing if the table leaves it alone on purpose."""
        if status in self.to_woo:
            return Mapped({"status": status}, exact={"status": str(status)})
        known = any(row.vtiger == status for row in self.rows)
        return Mapped({"status": status}, exact={} if known else {"status": ""})

    def find_note(self, system: System, status: str) -> FieldNote | None:
        """The note that no row has this status of a system; None if one has it."""
        woo = system is System.WOOCOMMERCE
        if any(status == (row.shop if woo else row.vtiger) for row in self.rows):
            return None
        text = NOT_MAPPED.format(
            system=system.label, status=status, other=system.other.label, page=self.page
        )
        return FieldNote("status", STATUS_NOT_MAPPED, text, status)


DEFAULT = StatusMap()


@dataclass(frozen=True, slots=True)
class StatusFault:
    """What is wrong with a row of a table (counted from 0; None: the table), and how to correct it.
    A warning does not prevent that the table is saved."""

    row: int | None
    field: str
    message: str
    is_warning: bool = False


NO_SHOP = "Enter a status of the shop, such as processing."
NO_VTIGER = "Choose a status of Vtiger's orders, such as Approved."
NEVER_SYNCED = "Orders of status {shop} are not synced: remove the row."
NO_WAY = "Choose a direction: both ways, to Vtiger, or to the shop. To switch a row off, remove it."
TWO_WAYS = (
    "{status} leads to {one} in row {first} and to {other} in row {second}: let one of the two "
    "rows go in the other direction only, or remove it."
)
TWICE = "Rows {first} and {second} say the same of {status}: remove one of them."


def find_faults(rows: Sequence[StatusRow]) -> list[StatusFault]:
    """The faults of a table that show without either system: empty cells, statuses that are never
    synced, rows that contradict each other."""
    return [*_row_faults(rows), *_contradictions(rows)]


def _row_faults(rows: Sequence[StatusRow]) -> Iterator[StatusFault]:
    for number, row in enumerate(rows):
        if not row.shop:
            yield StatusFault(number, "shop", NO_SHOP)
        if row.shop in UNSYNCED:
            yield StatusFault(number, "shop", NEVER_SYNCED.format(shop=row.shop))
        if not row.vtiger:
            yield StatusFault(number, "vtiger", NO_VTIGER)
        if row.direction is Direction.OFF:
            yield StatusFault(number, "direction", NO_WAY)


def _contradictions(rows: Sequence[StatusRow]) -> Iterator[StatusFault]:
    """Each pair of rows once, at the later row."""
    seen: dict[tuple[System, str], int] = {}
    told: set[tuple[int, int]] = set()
    for number, row in enumerate(rows):
        for target, source in ((System.VTIGER, row.shop), (System.WOOCOMMERCE, row.vtiger)):
            if not source or not row.leads_to(target):
                continue
            before = seen.setdefault((target, source), number)
            if before == number or (before, number) in told:
                continue
            told.add((before, number))
            yield _contradiction(rows, before, number, target=target)


def _contradiction(
    rows: Sequence[StatusRow], before: int, number: int, *, target: System
) -> StatusFault:
    to_vtiger = target is System.VTIGER
    one, other = rows[before], rows[number]
    source = other.shop if to_vtiger else other.vtiger
    ends = (one.vtiger, other.vtiger) if to_vtiger else (one.shop, other.shop)
    text = TWICE if ends[0] == ends[1] else TWO_WAYS
    message = text.format(
        status=source, one=ends[0], other=ends[1], first=before + 1, second=number + 1
    )
    return StatusFault(number, "vtiger" if to_vtiger else "shop", message)


UNKNOWN_VTIGER = (
    "Vtiger has no order status {vtiger}; it has {known}. Choose one of these, or add the value to "
    "the picklist Status of Sales Orders (CRM Settings > Configuration > Picklist Editor)."
)
UNKNOWN_SHOP = (
    "The shop does not list a status {shop}; it lists {known}. The row is saved, because a plug-in "
    "may register its statuses late; check the spelling."
)


def unknown_values(
    rows: Sequence[StatusRow],
    first: str,
    *,
    shop: Sequence[str],
    vtiger: Sequence[str],
) -> list[StatusFault]:
    """The values that the systems do not have: an error for Vtiger's, whose picklist is complete, a
    warning for the shop's. An empty list of known values knows nothing, and finds nothing."""
    found = []
    known = {"shop": ", ".join(shop), "vtiger": ", ".join(vtiger)}
    for number, row in enumerate(rows):
        if vtiger and row.vtiger and row.vtiger not in vtiger:
            text = UNKNOWN_VTIGER.format(vtiger=row.vtiger, known=known["vtiger"])
            found.append(StatusFault(number, "vtiger", text))
        if shop and row.shop and row.shop not in (*shop, *UNSYNCED):
            text = UNKNOWN_SHOP.format(shop=row.shop, known=known["shop"])
            found.append(StatusFault(number, "shop", text, is_warning=True))
    if vtiger and first not in vtiger:
        text = UNKNOWN_VTIGER.format(vtiger=first, known=known["vtiger"])
        found.append(StatusFault(None, "new_order", text))
    return found


# Whom WooCommerce mails for a change of status.
#
# Contract page WordPress plug-in §4, recording mails_by_write: the mail of each new status, and the
# statuses that it is sent after; () for any.

_UNPAID = ("pending", "failed", "cancelled")
_MAILS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "processing": ("customer_processing_order", (*_UNPAID, "on-hold")),
    "on-hold": ("customer_on_hold_order", _UNPAID),
    "completed": ("customer_completed_order", ()),
    "refunded": ("customer_refunded_order", ()),
    "failed": ("customer_failed_order", ("pending", "on-hold")),
    "cancelled": ("customer_cancelled_order", ("processing", "on-hold")),
}


def find_mail(before: str, after: str) -> str | None:
    """WooCommerce's id of the e-mail that its customer gets when an order's status changes; None
    if WooCommerce itself sends none. Plug-ins may mail for statuses of their own."""
    kind, after_these = _MAILS.get(after, ("", ()))
    if not kind or before == after or (after_these and before not in after_these):
        return None
    return kind
