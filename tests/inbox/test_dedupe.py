"""Dedupe keys: one for two copies of a hint, another for everything else."""

from hashlib import sha256

from app.domain import Module, Origin, Record, System
from app.inbox import repository

RECORD = Record("main", System.WOOCOMMERCE, Module.CONTACTS, "5")


def test_hints_of_different_kinds_share_no_key() -> None:
    keys = [
        repository.webhook_key("main", "1", "customer.updated", b"{}"),
        repository.callback_key(RECORD),
        repository.addon_key("main", "1f", 1),
        repository.finding_key(RECORD, Origin.POLL, "1f"),
        repository.run_key(RECORD, 1),
        repository.run_key(RECORD, 2),
        repository.dependency_key(RECORD, None),
        repository.dependency_key(RECORD, 1),
        repository.missing_key(RECORD),
        repository.member_key(RECORD),
        repository.external_id_key(RECORD),
        repository.decision_key(RECORD),
        repository.confirmation_key(RECORD),
        repository.replay_key(RECORD.key),
    ]

    assert len(set(keys)) == len(keys)


def test_what_a_sender_writes_does_not_move_from_one_part_into_the_next() -> None:
    assert repository.webhook_key("main", "1", "2", b"3") != repository.webhook_key(
        "main", "12", "", b"3"
    )


def test_keys_stay_as_the_release_before_made_them() -> None:
    assert (
        repository.missing_key(RECORD) == sha256(b"owed\nmain:contacts:woocommerce:5").hexdigest()
    )
    foreign = b"8:callback" + b"27:main:contacts:woocommerce:5"
    assert repository.callback_key(RECORD) == sha256(foreign).hexdigest()
