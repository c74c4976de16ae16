"""Guests: people who order without an account are customers in all but the shop's tables.

A guest is told by the id `guest:<e-mail>` and reads like a customer, made of the billing and
shipping block of the latest order; nothing can be written to one.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from app.mapping.sales_orders import DRAFTS
from app.mapping.values import FieldNote
from app.sync.sides import Side, Written
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooCustomer, WooOrder

PREFIX = "guest:"

NO_ACCOUNT = "A guest has no account in the shop: the change stays in Vtiger."
NEVER = datetime.fromtimestamp(0, UTC)


def find_guest_id(order: WooOrder) -> str | None:
    """The guest of an order, by the billing e-mail in one case; None without an e-mail."""
    email = order.text("billing", "email").strip().casefold()
    return PREFIX + email if email else None


def is_guest(record_id: str) -> bool:
    return record_id.startswith(PREFIX)


async def find_guest(woo: WooClient, record_id: str) -> WooCustomer | None:
    """The guest as the latest order shows it; None if no order of a guest has this e-mail.

    Recording order_get_guest_storefront.
    """
    found = await woo.search_orders_of(record_id.removeprefix(PREFIX))
    orders = [order for order in found if order.customer_id is None and order.status not in DRAFTS]
    if not orders:
        return None
    return guest_of(max(orders, key=lambda order: (order.created_at or NEVER, int(order.id))))


def guest_of(order: WooOrder) -> WooCustomer:
    """The buyer of an order in the shape of a customer; last changed when the order was placed."""
    billing: dict[str, Any] = dict(order.data.get("billing") or {})
    return WooCustomer(
        {
            "id": find_guest_id(order),
            "email": order.text("billing", "email").strip(),
            "first_name": order.text("billing", "first_name"),
            "last_name": order.text("billing", "last_name"),
            "billing": billing,
            "shipping": dict(order.data.get("shipping") or {}),
            "date_created_gmt": order.data.get("date_created_gmt"),
        }
    )


def left_alone(guest: Side, names: Collection[str]) -> Written:
    """What becomes of changes that are meant for a guest."""
    notes = tuple(
        FieldNote(name, "filtered", NO_ACCOUNT, guest.values.get(name) or "")
        for name in sorted(names)
    )
    return Written(guest, notes, frozenset(names), sent=False)
