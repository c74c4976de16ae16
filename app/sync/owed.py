"""Records that were written without something, or not at all, and are brought up when it is there.

An order whose buyer or product could not be synced names them later; orders that this version of
Vtiger cannot take are written when it can, or when the add-on does it.
"""

from collections.abc import Collection, Mapping

from app.db.session import Session, transaction
from app.errors import System
from app.inbox.dedupe import owed_key
from app.inbox.repository import NewDelivery, accept
from app.links.models import Link
from app.links.owed import owe, search_needs, take_owed
from app.links.repository import search_links
from app.mapping.values import base_from_json
from app.module_facts import FACTS
from app.records import Event, Module, Origin, Record, guest_id_of
from app.runtime import Runtime

SAFE_ORDERS = "vtiger:safe-orders"
"""What an order needs that Vtiger's version would refuse or ruin."""


async def note_owed(
    runtime: Runtime, record: Record, needs: Collection[str], *, seconds: float = 0
) -> None:
    """The record lacks these: keys of records, or names of abilities."""
    async with transaction(runtime.sessions) as session:
        await owe(session, record, needs, seconds=seconds)


async def bring_up_for(session: Session, links: Collection[Link]) -> None:
    """Hint the records that lacked one of these pairs, which are there now."""
    needs = {key for link in links for key in _keys(link)}
    if needs:
        await _bring_up(session, needs)


async def _bring_up(session: Session, needs: Collection[str]) -> int:
    records = await take_owed(session, needs)
    if records:
        await accept(session, [_hint(record) for record in records])
    return len(records)


def _hint(record: Record) -> NewDelivery:
    return NewDelivery(record, Origin.DEPENDENCY, Event.CHANGED, owed_key(record))


def _keys(link: Link) -> set[str]:
    """What other records call the pair, if it is one to be named. A guest who has an account now
    was called by the e-mail before."""
    is_gone = link.woo_deleted_at or (link.vtiger_deleted_at and not link.replaced_by)
    module = Module(link.module)
    if is_gone or not FACTS[module].is_referenced:
        return set()
    keys = {link.record(system).key for system in System}
    agreed = base_from_json(link.base).get("email") if module is Module.CONTACTS else None
    if agreed is not None and agreed.woo:
        keys.add(Record(link.store, System.WOOCOMMERCE, module, guest_id_of(agreed.woo)).key)
    return keys


async def collect_owed(runtime: Runtime) -> int:
    """Hint what waits for something that came unseen; how many hints that gave. Raises the
    RemoteError tree where Vtiger cannot be asked what it can."""
    async with runtime.sessions() as session:
        needs = set(await search_needs(session))
    there = await _pairs_among(runtime, needs - {SAFE_ORDERS})
    if SAFE_ORDERS in needs and await runtime.vtiger.takes_orders(anew=True):
        there.add(SAFE_ORDERS)
    if not there:
        return 0
    async with transaction(runtime.sessions) as session:
        return await _bring_up(session, there)


async def _pairs_among(runtime: Runtime, keys: Collection[str]) -> set[str]:
    """Those of the keys whose record has a living pair."""
    by_system: dict[System, list[Record]] = {system: [] for system in System}
    for key in keys:
        store, module, system, record_id = key.split(":", 3)
        record = Record(store, System(system), Module(module), record_id)
        by_system[record.system].append(record)
    there: set[str] = set()
    for records in by_system.values():
        for part in _parts(records):
            async with runtime.sessions() as session:
                links: Mapping[str, Link] = await search_links(session, part)
            there |= {key for link in links.values() for key in _keys(link)}
    return there & set(keys)


def _parts(records: list[Record], size: int = 500) -> list[list[Record]]:
    """`search_links` asks for each record in one statement."""
    ordered = sorted(records, key=lambda record: record.key)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]
