"""What deliveries know of one person: whose they are, and what they carried."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import case, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.traces import Traces
from app.inbox.models import Delivery, DeliveryState, Wakeup
from app.inbox.repository import locked
from app.module_facts import FACTS
from app.records import FORGOTTEN_GUEST

PEOPLES = [module for module, facts in FACTS.items() if facts.is_personal]


@dataclass(frozen=True, slots=True)
class ErasedHints:
    """How many deliveries lost what they carried, and how many of them are not settled yet."""

    erased: int
    waiting: int


async def find_told(session: AsyncSession, traces: Traces) -> set[tuple[str, str, str]]:
    """Store, module and id of records whose bodies have this e-mail as theirs."""
    found = await session.execute(
        select(Delivery.store, Delivery.module, Delivery.record_id)
        .where(
            Delivery.module.in_(PEOPLES),
            traces.of_store(Delivery.store),
            traces.is_value_in_body(Delivery.body),
        )
        .distinct()
    )
    return {(str(store), str(module), str(record_id)) for store, module, record_id in found}


async def erase_deliveries(
    session: AsyncSession, traces: Traces, keys: Collection[str]
) -> ErasedHints:
    """Numbers, times and outcomes stay. A hint that waits keeps the key that it is found by."""
    named = traces.in_text(
        Delivery.record_id, Delivery.remote_note, Delivery.last_error, Delivery.waits_for
    )
    theirs = or_(Delivery.record_key.in_(keys), named, traces.in_body(Delivery.body))
    found = locked(traces.of_store(Delivery.store), theirs)
    ids = (await session.scalars(found)).all()
    await session.execute(
        update(Delivery)
        .where(Delivery.id.in_(ids))
        .values(
            body=None,
            last_error=None,
            waits_for=case((traces.in_text(Delivery.waits_for), None), else_=Delivery.waits_for),
            remote_note=case(
                (traces.in_text(Delivery.remote_note), ""), else_=Delivery.remote_note
            ),
        )
    )
    ended = Delivery.state.in_([DeliveryState.DONE, DeliveryState.DEAD])
    guest = Delivery.id.in_(ids) & traces.in_text(Delivery.record_id)
    key = func.concat(Delivery.store, ":contacts:woocommerce:", FORGOTTEN_GUEST)
    await session.execute(
        update(Delivery).where(guest, ended).values(record_id=FORGOTTEN_GUEST, record_key=key)
    )
    waiting = select(func.count()).where(Delivery.id.in_(ids), ~ended)
    await _drop_jobs(session, traces)
    return ErasedHints(len(ids), int(await session.scalar(waiting) or 0))


async def _drop_jobs(session: AsyncSession, traces: Traces) -> None:
    """Jobs only wake: a record that still waits gets another one."""
    theirs = update(Wakeup).where(traces.in_text(Wakeup.record_key))
    await session.execute(theirs.values(woken_at=None))
    jobs = text(
        "DELETE FROM procrastinate_jobs WHERE status <> 'doing' AND strpos(lower(lock), :email) > 0"
    )
    await session.execute(jobs, {"email": traces.folded})
