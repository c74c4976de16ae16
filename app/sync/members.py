"""Records that show something of another one: looked at when that one changes.

A shop tells nobody that the variations of a product have another name now, though their names
begin with its own (contract page WooCommerce §1: no event for the variations).
"""

from app.errors import System
from app.inbox.dedupe import member_key
from app.inbox.repository import NewDelivery
from app.links.models import Link
from app.links.repository import search_links
from app.mapping.bases import holds, read_base
from app.records import Event, Origin, Record
from app.sync.sides import Side
from app.sync.work import Work


async def hint_members(work: Work, side: Side) -> None:
    """Hint those of the record's members that have no pair, or are not what was agreed."""
    members = await work.adapter.members(side) if work.may_write(System.VTIGER) else ()
    records = {each.id: _record(work, each) for each in members}
    async with work.runtime.sessions() as session:
        links = await search_links(session, list(records.values()))
    changed = [records[each.id] for each in members if _differs(work, links.get(each.id), each)]
    if changed:
        await work.runtime.acceptor.accept([_hint(record) for record in changed])


def _record(work: Work, side: Side) -> Record:
    return Record(work.record.store, side.system, work.adapter.module, side.id)


def _differs(work: Work, link: Link | None, side: Side) -> bool:
    """A field that the member's own listing does not tell (None) says nothing."""
    base = read_base(link.base, work.adapter.rules) if link is not None else {}
    shown = {rule: side.values.get(rule.name) for rule in work.adapter.rules}
    return link is None or any(
        not holds(rule, base, value, system=side.system)
        for rule, value in shown.items()
        if value is not None
    )


def _hint(record: Record) -> NewDelivery:
    return NewDelivery(record, Origin.DEPENDENCY, Event.CHANGED, member_key(record))
