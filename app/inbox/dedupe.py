"""The dedupe keys of hints, one function a kind: equal for two copies of one statement, so that a
copy joins the one that still waits.

Processes of two releases run side by side during an upgrade: a key that is made in another way
joins nothing of the release before.
"""

from hashlib import sha256

from sqlalchemy import ColumnElement, Text, cast, func
from sqlalchemy.orm import InstrumentedAttribute

from app.records import Origin, Record


def webhook_key(store: str, webhook_id: str, topic: str, content: bytes | str) -> str:
    """`content` tells deliveries of one webhook apart: the body, or its signature."""
    return _digest_of_foreign("webhook", store, webhook_id, topic, content)


def callback_key(record: Record) -> str:
    return _digest_of_foreign("callback", record.key)


def addon_key(store: str, installation: str, sequence: int) -> str:
    """A change has one number in the add-on's outbox, and each store has a hint of it."""
    return _digest_of_foreign("addon", store, installation, str(sequence))


def finding_key(record: Record, origin: Origin, digest: str) -> str:
    """What a poll or a sweep found; `digest` is of the state that it saw."""
    return _digest(record.key, origin, digest)


def run_key(record: Record, run_id: int) -> str:
    return _digest("run", str(run_id), record.key)


def dependency_key(record: Record, run_id: int | None) -> str:
    """A record that another one waits for, in a run or outside of all."""
    return _digest("dependency", record.key, str(run_id or ""))


def owed_key(record: Record) -> str:
    """A record that was written without something that is there now."""
    return _digest("owed", record.key)


def member_key(record: Record) -> str:
    """A record that shows something of another one, which changed."""
    return _digest("member", record.key)


def mark_key(record: Record) -> str:
    """A record in which the other system's id is to be left."""
    return _digest("mark", record.key)


def decision_key(record: Record) -> str:
    """A record whose value a person chose in a conflict."""
    return _digest("decision", record.key)


def confirmation_key(record: Record) -> str:
    """A record whose deletion a person confirmed."""
    return _digest("confirmed", record.key)


def replay_key(record_key: str) -> str:
    """The same for a record whoever asks for the replay."""
    return _digest("replay", record_key)


def replay_key_in_sql(record_key: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """The same, computed by the database."""
    digest = func.sha256(func.convert_to(func.concat("replay\n", record_key), "UTF8"))
    return cast(func.encode(digest, "hex"), Text)


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()


def _digest_of_foreign(*parts: str | bytes) -> str:
    """Of what others send, which may hold any separator: each part is preceded by its length."""
    digest = sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return digest.hexdigest()
