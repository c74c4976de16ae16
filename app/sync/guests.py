"""Guests: people who order without an account are customers in all but the shop's tables.

A guest is told by the id `guest:<e-mail>` and reads like a customer, made of the billing and
shipping block of the latest order; nothing can be written to one. What an order leaves blank says
nothing of its guest, and an order that we made of one of Vtiger's says nothing at all.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.db.session import Sessions, transaction
from app.errors import NotFound, System
from app.links.guests import find_guest_order, see_guest_order
from app.mapping.sales_orders import CREATED_VIA, DRAFTS
from app.mapping.values import FieldNote
from app.records import GUEST, guest_id_of, is_guest
from app.sync.sides import Side, Written
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooCustomer, WooOrder

NOBODYS = DRAFTS | {"trash"}

_PERSON = ("billing", "shipping.")
"""Where the parts of an order are that tell of its buyer."""

NO_ACCOUNT = "A guest has no account in the shop: the change stays in Vtiger."
NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Guests:
    """The guests of one shop, by the latest order that was seen of each."""

    sessions: Sessions
    store: str
    woo: WooClient

    async def see(self, order: WooOrder) -> bool:
        """Whether the order is the latest that was seen of its guest; it is remembered then."""
        guest_id = find_guest_id(order)
        if guest_id is None or is_of_vtiger(order):
            return False
        async with transaction(self.sessions) as session:
            return await see_guest_order(
                session,
                self.store,
                email=guest_id.removeprefix(GUEST),
                order_id=order.id,
                ordered_at=order.created_at or NEVER,
            )

    async def get_person(self, record_id: str) -> WooCustomer:
        """A customer, or a guest as the latest order shows it (order_get_guest_storefront).

        NotFound, for a guest if no order that is no customer's has this e-mail.
        """
        if not is_guest(record_id):
            return await self.woo.get_customer(record_id)
        order = await self._find_latest(record_id)
        if order is None:
            raise NotFound(System.WOOCOMMERCE, f"no order of a {record_id} was found")
        return guest_of(order)

    async def _find_latest(self, guest_id: str) -> WooOrder | None:
        """Should the order that was seen last be gone, the shop is searched."""
        email = guest_id.removeprefix(GUEST)
        async with self.sessions() as session:
            order_id = await find_guest_order(session, self.store, email)
        latest = await self._find_order(order_id) if order_id else None
        if latest is not None and find_guest_id(latest) == guest_id and not is_of_vtiger(latest):
            return latest
        found = await self.woo.search_orders_of(email)
        orders = [order for order in found if find_guest_id(order) == guest_id]
        own = [order for order in orders if not is_of_vtiger(order)]
        return max(own or orders, key=age_of, default=None)

    async def _find_order(self, order_id: str) -> WooOrder | None:
        try:
            return await self.woo.get_order(order_id)
        except NotFound:
            return None


def age_of(order: WooOrder) -> tuple[datetime, int]:
    """Sorts orders by when they were placed; of two in one second the higher id is the later."""
    return order.created_at or NEVER, int(order.id)


def find_guest_id(order: WooOrder) -> str | None:
    """The guest of an order, by the billing e-mail in one case; None if it is somebody else's,
    a draft, in the trash, or without an e-mail."""
    email = order.text("billing", "email")
    guest = order.customer_id is None and order.status not in NOBODYS
    return guest_id_of(email) if guest and email.strip() else None


def is_of_vtiger(order: WooOrder) -> bool:
    """Whether we made the order of one that was typed into Vtiger: what it tells of its buyer is
    what Vtiger knew, and not all of that."""
    return order.text("created_via") == CREATED_VIA


def guest_of(order: WooOrder) -> WooCustomer:
    """The buyer of an order in the shape of a customer; last changed when the order was placed.

    Of an order that we made no more than the e-mail.
    """
    told = {"id": find_guest_id(order), "email": order.text("billing", "email").strip()}
    if is_of_vtiger(order):
        return WooCustomer({**told, "date_created_gmt": order.data.get("date_created_gmt")})
    billing: dict[str, Any] = dict(order.data.get("billing") or {})
    faults = [fault for fault in order.faults if fault.place.startswith(_PERSON)]
    return WooCustomer(
        faults=tuple(faults),
        data={
            **told,
            "first_name": order.text("billing", "first_name"),
            "last_name": order.text("billing", "last_name"),
            "billing": billing,
            "shipping": dict(order.data.get("shipping") or {}),
            "date_created_gmt": order.data.get("date_created_gmt"),
        },
    )


def left_alone(guest: Side, names: Collection[str]) -> Written:
    """What becomes of changes that are meant for a guest."""
    notes = tuple(
        FieldNote(name, "filtered", NO_ACCOUNT, guest.values.get(name) or "")
        for name in sorted(names)
    )
    return Written(guest, notes, frozenset(names), sent=False)
