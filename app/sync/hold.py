"""Whose turn it is: the keys that a drain holds while it works on a pair."""

from app.errors import System
from app.links.models import Link
from app.records import Module, Record

PATIENCE = 2.0
"""Seconds to wait for a twin or a new Account in other hands. Of two workers that make one pair
from its two ends, the one that has the natural key waits and the other gives way at once;
were both to give way, they would do so again and again in step."""


def lease_keys(*records: Record) -> list[str]:
    """A key for each record, and one that all stores share for each record of the one CRM.

    Two shops may hold the same Vtiger record; without the shared key two workers could read it
    both before either writes, and one shop's edit would go under unseen.
    """
    return [key for record in records for key in (record.key, shared_key(record)) if key]


def pair_keys(link: Link) -> list[str]:
    """The keys of both records of a pair."""
    module = Module(link.module)
    woo = Record(link.store, System.WOOCOMMERCE, module, link.woo_id)
    return lease_keys(woo, Record(link.store, System.VTIGER, module, link.vtiger_id))


def shared_key(record: Record) -> str:
    """ "" for a shop's record: nobody else works on it."""
    if record.system is System.WOOCOMMERCE:
        return ""
    return f"any:{record.module}:{record.system}:{record.id}"


def partner_of(link: Link, record: Record) -> Record:
    """The other record of the pair."""
    woo = record.system is System.WOOCOMMERCE
    partner_id = link.vtiger_id if woo else link.woo_id
    return Record(record.store, record.system.other, record.module, partner_id)
