"""What pairs know of one person: found, and erased without parting the pairs.

A link keeps its ids and stamps, and its base what is not personal; polls leave it alone until the
record changes, and then both sides are compared as when a pair is first found.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import delete, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.traces import Traces
from app.links.models import FieldConflict, GuestOrder, Intent, Lease, Link, Owed, Sighting
from app.links.repository import refusing_stale
from app.module_facts import FACTS
from app.records import FORGOTTEN_GUEST, GUEST, Module, guest_id_of

Place = tuple[str, str, str]
"""Store, module and the id in one of the two systems."""


async def find_contacts(session: AsyncSession, traces: Traces) -> Sequence[Link]:
    """The pairs that are this person."""
    mine = or_(Link.woo_id == guest_id_of(traces.folded), traces.in_text(Link.base, Link.attempted))
    found = select(Link).where(Link.module == Module.CONTACTS, traces.of_store(Link.store), mine)
    return (await session.scalars(found)).all()


async def find_orders(
    session: AsyncSession, traces: Traces, contacts: Sequence[Link]
) -> Sequence[Link]:
    """The pairs of orders that go to this person's contacts, or to what took their place."""
    named = {each for link in contacts for each in (link.vtiger_id, link.replaced_by)}
    ids = sorted(each for each in named if each)
    theirs = [Link.base["contact"][side].astext.in_(ids) for side in (0, 1)]
    latest = select(GuestOrder.store, GuestOrder.order_id).where(
        GuestOrder.email == traces.folded, traces.of_store(GuestOrder.store)
    )
    found = select(Link).where(
        Link.module == Module.SALES_ORDERS,
        traces.of_store(Link.store),
        or_(*theirs, tuple_(Link.store, Link.woo_id).in_(latest)),
    )
    return (await session.scalars(found)).all()


async def find_at(session: AsyncSession, places: Collection[Place]) -> Sequence[Link]:
    """The pairs that have one of these records."""
    if not places:
        return []
    columns = ((Link.store, Link.module, each) for each in (Link.woo_id, Link.vtiger_id))
    found = select(Link).where(or_(*(tuple_(*each).in_(places) for each in columns)))
    return (await session.scalars(found)).all()


async def erase_links(session: AsyncSession, traces: Traces, links: Sequence[Link]) -> int:
    """How many of these pairs, which the caller has leased. A guest's link keeps a name that says
    nothing, and counts as deleted."""
    for link in links:
        kept = FACTS[Module(link.module)].impersonal_fields
        link.base = {name: link.base[name] for name in kept if name in link.base}
        link.attempted, link.forgotten_at = None, func.now()
        if link.woo_id == guest_id_of(traces.folded):
            link.woo_id = f"{FORGOTTEN_GUEST}:{link.id}"
            link.woo_deleted_at = func.now()
    with refusing_stale():
        await session.flush()
    await session.execute(
        delete(GuestOrder).where(
            GuestOrder.email == traces.folded, traces.of_store(GuestOrder.store)
        )
    )
    return len(links)


async def erase_conflicts(session: AsyncSession, traces: Traces, link_ids: Collection[int]) -> int:
    """The values; one that is open is filled again by the next merge."""
    held = traces.in_text(
        FieldConflict.label, FieldConflict.woo, FieldConflict.vtiger, FieldConflict.woo_id
    )
    theirs = or_(FieldConflict.link_id.in_(link_ids), held)
    values = {"label": "", "woo": None, "vtiger": None}
    nameless = func.regexp_replace(FieldConflict.woo_id, f"^{GUEST}.*", FORGOTTEN_GUEST)
    found = select(FieldConflict.id).where(traces.of_store(FieldConflict.store), theirs)
    ids = (await session.scalars(found.order_by(FieldConflict.id).with_for_update())).all()
    await session.execute(
        update(FieldConflict).where(FieldConflict.id.in_(ids)).values(**values, woo_id=nameless)
    )
    return len(ids)


async def erase_keys(session: AsyncSession, traces: Traces) -> None:
    """What is kept beside the pairs by keys that name the person; not what polls have seen of a
    record without a pair, which tells nothing: it would be brought over by surprise."""
    named = traces.in_text(Intent.natural_key)
    await session.execute(update(Intent).where(named).values(natural_key=""))
    await session.execute(delete(Owed).where(traces.in_text(Owed.needs, Owed.record_key)))
    for table in (Sighting, Intent):
        await session.execute(delete(table).where(traces.in_text(table.record_key)))
    expired = traces.in_text(Lease.key) & (Lease.expires_at < func.clock_timestamp())
    free = select(Lease.key).where(expired).with_for_update(skip_locked=True)
    await session.execute(delete(Lease).where(Lease.key.in_(free)))
