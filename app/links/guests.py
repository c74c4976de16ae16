"""The latest order of each guest: where to read who the guest is."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, cast, literal, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.links.models import GuestOrder, Link
from app.records import GUEST, Module


async def find_guest_order(session: AsyncSession, store: str, email: str) -> str | None:
    """The id of the latest order that was seen of this guest."""
    found: str | None = await session.scalar(
        select(GuestOrder.order_id).where(GuestOrder.store == store, GuestOrder.email == email)
    )
    return found


async def see_guest_order(
    session: AsyncSession, store: str, *, email: str, order_id: str, ordered_at: datetime
) -> bool:
    """Whether this is the guest's latest order; kept if so, whatever came before it. Of two in
    one second the higher id is the later."""
    statement = insert(GuestOrder).values(
        store=store, email=email, order_id=order_id, ordered_at=ordered_at
    )
    kept = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=[GuestOrder.store, GuestOrder.email],
            set_={"order_id": order_id, "ordered_at": ordered_at},
            where=tuple_(GuestOrder.ordered_at, cast(GuestOrder.order_id, BigInteger))
            <= tuple_(literal(ordered_at), literal(int(order_id))),
        ).returning(GuestOrder.order_id)
    )
    return kept is not None


async def search_guest_emails(
    session: AsyncSession, store: str, emails: Collection[str]
) -> frozenset[str]:
    """Those of these e-mails, in one case, that a guest has ordered with."""
    found = select(GuestOrder.email).where(GuestOrder.store == store, GuestOrder.email.in_(emails))
    return frozenset(await session.scalars(found))


async def search_guest_orders(session: AsyncSession, store: str) -> Sequence[str]:
    """The ids of the latest orders of those guests who have a contact."""
    guest = (Link.store == GuestOrder.store) & (Link.woo_id == GUEST + GuestOrder.email)
    found = select(GuestOrder.order_id).join(Link, guest & (Link.module == Module.CONTACTS))
    wanted = found.where(GuestOrder.store == store, Link.woo_deleted_at.is_(None))
    return (await session.scalars(wanted.order_by(GuestOrder.email))).all()
