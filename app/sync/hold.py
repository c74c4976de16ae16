"""Whose turn it is: the keys that a drain holds while it works on a pair."""

from app.errors import System
from app.links.models import Link
from app.records import Record

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
    return lease_keys(*(link.record(system) for system in System))


def with_partner(record: Record, link: Link | None) -> list[Record]:
    """The record and, if it has a pair, its partner."""
    return [record] if link is None else [record, link.record(record.system.other)]


def shared_key(record: Record) -> str:
    """ "" for a shop's record: nobody else works on it."""
    if record.system is System.WOOCOMMERCE:
        return ""
    return f"any:{record.module}:{record.system}:{record.id}"
