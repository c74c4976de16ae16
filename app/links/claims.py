"""Which orders of a shop carry the id of a Vtiger order: a shop cannot be asked for that."""

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.links.models import OrderClaim


async def search_claims(session: AsyncSession, store: str, vtiger_id: str) -> Sequence[str]:
    """The ids of the orders that carried this id when they were read."""
    found = select(OrderClaim.order_id).where(
        OrderClaim.store == store, OrderClaim.vtiger_id == vtiger_id
    )
    return (await session.scalars(found.order_by(OrderClaim.order_id))).all()


async def keep_claims(
    session: AsyncSession, store: str, claims: Collection[tuple[str, str]]
) -> None:
    """Remember orders by the Vtiger id that each carries: pairs of the two."""
    if claims:
        rows = [
            {"store": store, "vtiger_id": vtiger_id, "order_id": order_id}
            for vtiger_id, order_id in sorted(set(claims))
        ]
        await session.execute(insert(OrderClaim).values(rows).on_conflict_do_nothing())
