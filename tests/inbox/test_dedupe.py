"""Dedupe keys: one for two copies of a hint, another for everything else."""

from hashlib import sha256

from app.errors import System
from app.inbox import dedupe
from app.records import Module, Origin, Record

RECORD = Record("main", System.WOOCOMMERCE, Module.CONTACTS, "5")


def test_hints_of_different_kinds_share_no_key() -> None:
    keys = [
        dedupe.webhook_key("main", "1", "customer.updated", b"{}"),
        dedupe.callback_key(RECORD),
        dedupe.addon_key("main", "1f", 1),
        dedupe.finding_key(RECORD, Origin.POLL, "1f"),
        dedupe.run_key(RECORD, 1),
        dedupe.run_key(RECORD, 2),
        dedupe.dependency_key(RECORD, None),
        dedupe.dependency_key(RECORD, 1),
        dedupe.owed_key(RECORD),
        dedupe.member_key(RECORD),
        dedupe.mark_key(RECORD),
        dedupe.decision_key(RECORD),
        dedupe.confirmation_key(RECORD),
        dedupe.replay_key(RECORD.key),
    ]

    assert len(set(keys)) == len(keys)


def test_what_a_sender_writes_does_not_move_from_one_part_into_the_next() -> None:
    assert dedupe.webhook_key("main", "1", "2", b"3") != dedupe.webhook_key("main", "12", "", b"3")


def test_keys_stay_as_the_release_before_made_them() -> None:
    assert dedupe.owed_key(RECORD) == sha256(b"owed\nmain:contacts:woocommerce:5").hexdigest()
    foreign = b"8:callback" + b"27:main:contacts:woocommerce:5"
    assert dedupe.callback_key(RECORD) == sha256(foreign).hexdigest()
