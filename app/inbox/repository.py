"""Deliveries in the inbox: accept, claim, settle, postpone, search and prune them.

All times are those of the database's clock. A statement that changes several deliveries first
locks them in the bytewise order of their dedupe keys, which is Python's order of text too
(decision 16)."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import islice

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    collate,
    column,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    table,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, defer

from app.db.pagination import Page, fetch_page
from app.db.session import (
    LONGEST_MESSAGE,
    Driver,
    GroupCommit,
    Sessions,
    autocommitting,
    columns_of,
    driver_of,
    fetch_prepared,
    storable,
)
from app.domain import DeliveryState, Event, Origin, Record, key_in_logs
from app.inbox.models import AcceptedChange, Delivery
from app.observability import ACCEPTED, traced

# Retention: bodies are dropped first, the deliveries themselves later.


def _settled_before(days: int, most: int) -> Select[int]:
    """At most `most` deliveries that were settled more than `days` days ago.

    A delivery is settled after it was received, so the condition on `received_at`, which is
    indexed, excludes none of them. Rows that another transaction has locked are skipped."""
    moment = func.now() - func.make_interval(0, 0, 0, days)
    old = select(Delivery.id).where(Delivery.received_at < moment, Delivery.settled_at < moment)
    return old.limit(most).with_for_update(skip_locked=True)


async def prune_payloads(session: AsyncSession, days: int, *, most: int) -> int:
    """Drop the bodies of deliveries settled more than `days` days ago; return how many.

    Includes dead letters: a replay reads the record from the remote again."""
    old = _settled_before(days, most).where(Delivery.body.is_not(None))
    emptied = await session.scalars(
        update(Delivery).where(Delivery.id.in_(old)).values(body=None).returning(Delivery.id)
    )
    return len(emptied.all())


async def prune_deliveries(session: AsyncSession, days: int, *, most: int) -> int:
    """Delete deliveries settled more than `days` days ago, except dead letters; return how many."""
    old = _settled_before(days, most).where(Delivery.state == DeliveryState.DONE)
    dropped = await session.scalars(
        delete(Delivery).where(Delivery.id.in_(old)).returning(Delivery.id)
    )
    return len(dropped.all())


# Dedupe keys, one function for each kind of hint.
#
# Two copies of one hint have the same key. During an upgrade processes of two releases run side by
# side: if a release computes a key differently, its hints do not join those of the other release.


def webhook_key(store: str, webhook_id: str, topic: str, content: bytes | str) -> str:
    """`content`, the body or its signature, distinguishes the deliveries of one webhook."""
    return _digest_of_foreign("webhook", store, webhook_id, topic, content)


def callback_key(record: Record) -> str:
    return _digest_of_foreign("callback", record.key)


def addon_key(store: str, installation: str, sequence: int) -> str:
    """A change has one sequence number in the add-on's outbox; each store gets a hint of it."""
    return _digest_of_foreign("addon", store, installation, str(sequence))


def finding_key(record: Record, origin: Origin, digest: str) -> str:
    """A finding of a poll or a sweep; `digest` is that of the state that was read."""
    return _digest(record.key, origin, digest)


def run_key(record: Record, run_id: int) -> str:
    return _digest("run", str(run_id), record.key)


def dependency_key(record: Record, run_id: int | None) -> str:
    """A record on which another one depends; `run_id` is None outside of runs."""
    return _digest("dependency", record.key, str(run_id or ""))


def missing_key(record: Record) -> str:
    """A record that was written without a reference that is available now."""
    return _digest("owed", record.key)


def member_key(record: Record) -> str:
    """A record that contains values of another record, which changed."""
    return _digest("member", record.key)


def external_id_key(record: Record) -> str:
    """A record to which the other system's id is to be written."""
    return _digest("mark", record.key)


def decision_key(record: Record) -> str:
    """A record for which a person resolved a conflict."""
    return _digest("decision", record.key)


def confirmation_key(record: Record) -> str:
    """A record whose deletion a person confirmed."""
    return _digest("confirmed", record.key)


def replay_key(record_key: str) -> str:
    """One key for each record, so that repeated replay requests join each other."""
    return _digest("replay", record_key)


def replay_key_in_sql(record_key: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """`replay_key` as an SQL expression."""
    digest = func.sha256(func.convert_to(func.concat("replay\n", record_key), "UTF8"))
    return cast(func.encode(digest, "hex"), Text)


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()


def _digest_of_foreign(*parts: str | bytes) -> str:
    """The digest of foreign input, which may contain any separator: each part is preceded by its
    length in bytes."""
    digest = sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return digest.hexdigest()


# Search by record, state and outcome.


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Values of one filter are combined by OR, filters by AND; an empty filter matches all."""

    id: Sequence[int] = ()
    state: Sequence[str] = ()
    store: Sequence[str] = ()
    module: Sequence[str] = ()
    system: Sequence[str] = ()
    origin: Sequence[str] = ()
    record_id: Sequence[str] = ()
    reason: Sequence[str] = ()
    outcome: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None


_EQUAL = ("id", "state", "store", "module", "system", "origin", "record_id")
_LOG = table("sync_log", column("id"), column("reason"), column("outcome"))


def matching(filters: DeliveryFilter) -> list[ColumnElement[bool]]:
    """The filters as SQL conditions.

    `reason` is that of the log row, or that of the last attempt while there is no row."""
    found: list[ColumnElement[bool]] = [
        getattr(Delivery, name).in_(getattr(filters, name))
        for name in _EQUAL
        if getattr(filters, name)
    ]
    if filters.reason:
        waiting = Delivery.sync_log_id.is_(None) & Delivery.last_reason.in_(filters.reason)
        found.append(or_(_has_log_row(_LOG.c.reason.in_(filters.reason)), waiting))
    if filters.outcome:
        found.append(_has_log_row(_LOG.c.outcome.in_(filters.outcome)))
    if filters.since is not None:
        found.append(Delivery.received_at >= filters.since)
    if filters.until is not None:
        found.append(Delivery.received_at < filters.until)
    return found


def _has_log_row(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(_LOG.c.id == Delivery.sync_log_id, condition)


async def search_deliveries(
    session: AsyncSession, filters: DeliveryFilter, *, cursor: str | None, limit: int
) -> Page[Delivery]:
    """One page of deliveries, newest first, without bodies. InvalidInput for an invalid cursor."""
    found = select(Delivery).options(defer(Delivery.body)).where(*matching(filters))
    key = (Delivery.received_at, Delivery.id)
    return await fetch_page(session, found, key=key, cursor=cursor, limit=limit)


# Changes of Vtiger's add-on that were accepted already: the add-on delivers at least once.

KEEP_DAYS = 7
"""Longer than the add-on retries. A change that arrives later still is processed again, which
changes nothing."""


async def search_accepted_changes(
    session: AsyncSession, installation: str, sequences: Collection[int]
) -> set[int]:
    """The subset of the sequence numbers that were accepted already."""
    found = await session.scalars(
        select(AcceptedChange.sequence).where(
            AcceptedChange.installation == installation, AcceptedChange.sequence.in_(sequences)
        )
    )
    return set(found)


async def save_accepted_changes(
    session: AsyncSession, installation: str, sequences: Collection[int]
) -> None:
    """Record sequence numbers as accepted, after their hints are stored: a crash in between leads
    to duplicate hints, not to lost ones."""
    rows = [{"installation": installation, "sequence": number} for number in sorted(sequences)]
    if rows:
        await session.execute(insert(AcceptedChange).values(rows).on_conflict_do_nothing())


async def prune_accepted_changes(session: AsyncSession, days: int, *, most: int) -> int:
    """Delete changes accepted more than `days` days ago; return how many."""
    key = tuple_(AcceptedChange.installation, AcceptedChange.sequence)
    before = func.now() - func.make_interval(0, 0, 0, days)
    old = select(AcceptedChange.installation, AcceptedChange.sequence)
    old = old.where(AcceptedChange.heard_at < before).limit(most)
    dropped = await session.scalars(
        delete(AcceptedChange).where(key.in_(old)).returning(AcceptedChange.sequence)
    )
    return len(dropped.all())


# Hints that wait for a run.

WAITING_FOR_RUN = "waiting_for_run"


def is_waiting_for_run() -> ColumnElement[bool]:
    """Whether a hint waits for a run that still renews the hint's next attempt."""
    return and_(
        Delivery.state == DeliveryState.PENDING,
        func.coalesce(Delivery.last_reason, "") == WAITING_FOR_RUN,
        Delivery.next_attempt_at > func.now(),
    )


CHANNEL = "woo_vtiger_due"


def locked(*conditions: ColumnElement[bool]) -> Select[int]:
    """The deliveries that meet the conditions, locked in the order of decision 16."""
    found = select(Delivery.id).where(*conditions)
    return found.order_by(collate(Delivery.dedupe_key, "C"), Delivery.id).with_for_update()


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A hint to accept. `dedupe_key` is equal for two reports of one state."""

    record: Record
    origin: Origin
    event: Event
    dedupe_key: str
    body: bytes | None = None
    remote_note: str = ""
    run_id: int | None = None

    def columns(self) -> tuple[object, ...]:
        """The values in the order of the columns of `_ACCEPT`, as the columns' types store them."""
        record = self.record
        return (
            self.dedupe_key,
            str(self.origin),
            record.store,
            str(record.system),
            record.module and str(record.module),
            storable(record.kind),
            str(self.event),
            storable(record.id),
            storable(record.key),
            self.body,
            storable(self.remote_note)[:LONGEST_MESSAGE],
            self.run_id,
        )

    def as_row(self) -> dict[str, object]:
        return {
            "origin": self.origin,
            "store": self.record.store,
            "system": self.record.system,
            "module": self.record.module,
            "kind": self.record.kind,
            "event": self.event,
            "record_id": self.record.id,
            "record_key": self.record.key,
            "body": self.body,
            "dedupe_key": self.dedupe_key,
            "remote_note": self.remote_note,
            "run_id": self.run_id,
        }


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted hint; `duplicate` is True if it joined a pending delivery."""

    id: int
    duplicate: bool


_ACCEPT = f"""
WITH stored AS (
    INSERT INTO deliveries AS known (dedupe_key, origin, store, system, module, kind, event,
        record_id, record_key, body, remote_note, run_id, duplicates)
    SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],
        %b::text[], %b::text[], %b::text[], %b::bytea[], %b::text[], %b::bigint[], %b::bigint[])
    ON CONFLICT (dedupe_key) WHERE state = 'pending' DO UPDATE SET
        duplicates = known.duplicates + excluded.duplicates + 1,
        last_received_at = clock_timestamp()
    RETURNING id, dedupe_key, xmax <> 0 AS is_old
), notified AS (
    SELECT pg_notify('{CHANNEL}', '') WHERE %s AND EXISTS (SELECT FROM stored WHERE NOT is_old)
)
SELECT stored.* FROM stored LEFT JOIN notified ON true
"""  # noqa: S608 - constants only
"""Takes one array for each column, so that any number of hints is one prepared statement."""


async def accept(
    session: AsyncSession, hints: Sequence[NewDelivery], *, announce: bool = True
) -> list[Accepted]:
    """Store hints, one row for each dedupe key, and return a result for each hint, in order.

    A hint joins a pending delivery of the same key; deliveries in any other state do not matter.
    `announce` notifies the dispatcher of new rows."""
    return await _accept(await driver_of(session), hints, announce=announce)


async def _accept(
    driver: Driver, hints: Sequence[NewDelivery], *, announce: bool
) -> list[Accepted]:
    copies = Counter(hint.dedupe_key for hint in hints)
    by_key = {hint.dedupe_key: hint for hint in hints}
    rows = [(*by_key[key].columns(), copies[key] - 1) for key in sorted(by_key)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    found = await fetch_prepared(driver, _ACCEPT, [*columns, announce])
    return _in_order(hints, {key: (delivery_id, is_old) for delivery_id, key, is_old in found})


def _in_order(hints: Sequence[NewDelivery], stored: dict[str, tuple[int, bool]]) -> list[Accepted]:
    seen: set[str] = set()
    answers = []
    for hint in hints:
        delivery_id, old = stored[hint.dedupe_key]
        answers.append(Accepted(delivery_id, duplicate=old or hint.dedupe_key in seen))
        seen.add(hint.dedupe_key)
    return answers


_CLAIMED = [each.name for each in Delivery.__table__.columns]
_CLAIM = f"""
WITH mine AS (
    SELECT id FROM deliveries
    WHERE record_key = ANY (%b::text[]) AND state IN ('pending', 'processing')
      AND NOT (state = 'pending' AND coalesce(last_reason, '') = '{WAITING_FOR_RUN}'
          AND next_attempt_at > now())
    ORDER BY dedupe_key COLLATE "C", id FOR UPDATE
), claimed AS (
    UPDATE deliveries SET state = 'processing', attempts = attempts + 1, claimed_at = now(),
        lost_claims = CASE WHEN state = 'processing' THEN lost_claims + 1 ELSE 0 END
    WHERE id IN (SELECT id FROM mine)
    RETURNING {", ".join(_CLAIMED)}
), begun AS (
    SELECT record_key FROM wakeups WHERE record_key IN (SELECT record_key FROM claimed)
    ORDER BY record_key COLLATE "C" FOR UPDATE
), cleared AS (
    UPDATE wakeups SET woken_at = NULL WHERE record_key IN (SELECT record_key FROM begun)
)
SELECT * FROM claimed ORDER BY id
"""  # noqa: S608 - constants only
"""Wake-ups are locked after the deliveries, to keep the lock order (decision 16)."""

_BEGIN_WITHOUT_WORK = """
WITH begun AS (
    SELECT record_key FROM wakeups WHERE record_key = ANY (%b::text[])
    ORDER BY record_key COLLATE "C" FOR UPDATE
)
UPDATE wakeups SET woken_at = NULL WHERE record_key IN (SELECT record_key FROM begun)
RETURNING record_key
"""
_SUM_UP = "SELECT sum_up_wakeups(%b::text[])"


async def claim(session: AsyncSession, record_key: str) -> list[Delivery]:
    """Claim every open delivery of the record that does not wait for a run, oldest first.

    Each gets the state `processing` and one more attempt. Later deliveries of the record get a new
    job."""
    return (await claim_each(await driver_of(session), [record_key]))[record_key]


async def claim_each(driver: Driver, record_keys: Collection[str]) -> dict[str, list[Delivery]]:
    """`claim` for many records; a record without open deliveries has an empty list."""
    claimed: dict[str, list[Delivery]] = {key: [] for key in record_keys}
    for row in await fetch_prepared(driver, _CLAIM, [list(claimed)]):
        delivery = Delivery(**dict(zip(_CLAIMED, row, strict=True)))
        claimed[delivery.record_key].append(delivery)
    return claimed


async def clear_wakeups(driver: Driver, record_keys: Collection[str]) -> None:
    """Mark the jobs of records as started for which there is nothing to do, and compute when the
    records are due: the jobs were superfluous, or too early."""
    await fetch_prepared(driver, _BEGIN_WITHOUT_WORK, [list(record_keys)])
    await fetch_prepared(driver, _SUM_UP, [list(record_keys)])


@dataclass(frozen=True, slots=True)
class Hinted:
    """A record with open deliveries, the id of its partner, if it has a link, and the version of
    the settings."""

    record: Record
    partner_id: str | None
    settings_version: int


_PEEK = """
SELECT DISTINCT ON (hinted.record_key) hinted.record_key,
    hinted.store, hinted.system, hinted.module, hinted.kind, hinted.record_id,
    coalesce(from_woo.vtiger_id, from_vtiger.woo_id),
    coalesce((SELECT version FROM settings_version), 0)
FROM deliveries AS hinted
LEFT JOIN links AS from_woo ON hinted.system = 'woocommerce'
    AND (from_woo.store, from_woo.module) = (hinted.store, hinted.module)
    AND from_woo.woo_id = hinted.record_id
LEFT JOIN links AS from_vtiger ON hinted.system = 'vtiger'
    AND (from_vtiger.store, from_vtiger.module) = (hinted.store, hinted.module)
    AND from_vtiger.vtiger_id = hinted.record_id
WHERE hinted.record_key = ANY (%b::text[]) AND hinted.state IN ('pending', 'processing')
ORDER BY hinted.record_key, hinted.id
"""


async def peek_each(driver: Driver, record_keys: Collection[str]) -> dict[str, Hinted]:
    """The records with these keys and open deliveries, by key."""
    found = await fetch_prepared(driver, _PEEK, [list(record_keys)])
    return {
        key: Hinted(
            Record.stored(store, system, module, record_id, kind),
            partner_id,
            version,
        )
        for key, store, system, module, kind, record_id, partner_id, version in found
    }


@dataclass(frozen=True, slots=True)
class Settled:
    """Claimed deliveries that end in one log row, as `state`.

    With the state `done`, dead letters of the same records are done too. Deliveries that wait for
    one of the `ended` records become due."""

    ids: Sequence[int]
    entry_id: int
    state: DeliveryState
    ended: Collection[str] = ()


_SETTLE = """
WITH mine AS (
    SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::text[]) AS mine (id, entry_id, state)
), touched AS (
    SELECT id, state FROM deliveries
    WHERE (id = ANY (%b::bigint[]) AND state = 'processing')
       OR (state = 'dead' AND record_key = ANY (ARRAY(
           SELECT record_key FROM deliveries
           WHERE id = ANY (%b::bigint[]) AND state = 'processing')))
       OR (state = 'pending' AND waits_for = ANY (%b::text[]))
    ORDER BY dedupe_key COLLATE "C", id FOR UPDATE
)
UPDATE deliveries SET
    state = CASE touched.state WHEN 'processing' THEN mine.state WHEN 'dead' THEN 'done'
        ELSE deliveries.state END,
    settled_at = CASE touched.state WHEN 'processing' THEN now() ELSE settled_at END,
    sync_log_id = CASE touched.state WHEN 'processing' THEN mine.entry_id ELSE sync_log_id END,
    next_attempt_at = CASE touched.state WHEN 'pending' THEN now() ELSE next_attempt_at END,
    waits_for = CASE touched.state WHEN 'pending' THEN NULL ELSE waits_for END
FROM touched LEFT JOIN mine USING (id)
WHERE deliveries.id = touched.id AND EXISTS (SELECT FROM touched WHERE state = 'processing')
RETURNING deliveries.id
"""


async def settle(
    session: AsyncSession,
    ids: Sequence[int],
    entry_id: int,
    *,
    state: DeliveryState,
    ended: Collection[str] = (),
) -> None:
    """Settle claimed deliveries with a log row; one that is settled already keeps its own row."""
    await settle_groups(await driver_of(session), [Settled(ids, entry_id, state, ended)])


async def settle_groups(driver: Driver, groups: Sequence[Settled]) -> None:
    """`settle` for the deliveries of many records."""
    rows = [(each, group.entry_id, str(group.state)) for group in groups for each in group.ids]
    ids = [each for each, _, _ in rows]
    done = [each for each, _, state in rows if state == DeliveryState.DONE]
    ended = sorted({key for group in groups for key in group.ended})
    await fetch_prepared(driver, _SETTLE, [*columns_of(rows, 3), ids, done, ended])


async def dead_letter_unreported(
    session: AsyncSession, record_key: str, *, reason: str, message: str
) -> None:
    """Turn a record's open deliveries into dead letters without a row of the Sync Log."""
    open_states = [DeliveryState.PENDING, DeliveryState.PROCESSING]
    mine = locked(Delivery.record_key == record_key, Delivery.state.in_(open_states))
    values = {"last_reason": reason, "last_error": message}
    await session.execute(
        update(Delivery)
        .where(Delivery.id.in_(mine))
        .values(state=DeliveryState.DEAD, settled_at=func.now(), **values)
    )


def _is(state: DeliveryState) -> ColumnElement[bool]:
    """The state as a literal in the statement, so that a partial index on it can be used."""
    return Delivery.state == bindparam("state_", state, unique=True, literal_execute=True)


async def wake_waiting(session: AsyncSession, ended: Collection[str]) -> None:
    """Make deliveries due that wait for one of these records."""
    waiting = _is(DeliveryState.PENDING) & Delivery.waits_for.in_(ended)
    await _make_due(session, (await session.scalars(locked(waiting))).all())


async def _make_due(session: AsyncSession, waiting: Collection[int]) -> None:
    if waiting:
        due = {"next_attempt_at": func.now(), "waits_for": None}
        await session.execute(update(Delivery).where(Delivery.id.in_(waiting)).values(due))


@dataclass(frozen=True, slots=True)
class Postponement:
    """When to retry and why: `seconds` from now, or once the record `waits_for` is settled.

    `counted` is False if the attempt does not count, as nothing failed."""

    seconds: float
    reason: str
    message: str
    counted: bool = True
    waits_for: str | None = None


async def postpone(session: AsyncSession, ids: Sequence[int], wait: Postponement) -> None:
    """Return claimed deliveries to `pending`.

    A hint that arrived meanwhile may have taken the dedupe key, which is unique among pending
    deliveries, so the delivery's id is appended to the key."""
    mine = locked(Delivery.id.in_(ids), Delivery.state == DeliveryState.PROCESSING)
    own_key = func.concat(Delivery.dedupe_key, ":", Delivery.id)
    await session.execute(
        update(Delivery)
        .where(Delivery.id.in_(mine))
        .values(
            state=DeliveryState.PENDING,
            next_attempt_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, wait.seconds),
            attempts=Delivery.attempts - (0 if wait.counted else 1),
            last_reason=wait.reason,
            last_error=wait.message,
            waits_for=wait.waits_for,
            dedupe_key=case((Delivery.dedupe_key.like("%:%"), Delivery.dedupe_key), else_=own_key),
        )
    )


async def find_delivery(session: AsyncSession, delivery_id: int) -> Delivery | None:
    return await session.get(Delivery, delivery_id)


async def search_unsettled(
    session: AsyncSession, record_keys: Collection[str]
) -> dict[str, Delivery]:
    """The newest open delivery of each record, or else its newest dead letter, by record key.

    Bodies are not read."""
    theirs = Delivery.record_key.in_(record_keys)
    is_open = _is(DeliveryState.PENDING) | _is(DeliveryState.PROCESSING)
    is_dead = _is(DeliveryState.DEAD)
    found = await session.scalars(
        select(Delivery)
        .options(defer(Delivery.body))
        .where(or_(theirs & is_open, theirs & is_dead))
        .ext(distinct_on(Delivery.record_key))
        .order_by(Delivery.record_key, case((is_dead, 1), else_=0), Delivery.id.desc())
    )
    return {delivery.record_key: delivery for delivery in found}


async def count_open(session: AsyncSession) -> dict[str, int]:
    """How many deliveries are open or dead letters, by state."""
    open_states = [DeliveryState.PENDING, DeliveryState.PROCESSING, DeliveryState.DEAD]
    rows = await session.execute(
        select(Delivery.state, func.count())
        .where(or_(*(Delivery.state == state for state in open_states)))
        .group_by(Delivery.state)
    )
    counts = {str(state): int(count) for state, count in rows}
    return {str(state): counts.get(state, 0) for state in open_states}


async def find_oldest_due(session: AsyncSession) -> datetime | None:
    """Since when the oldest due delivery has been due; None if none is due."""
    due = (Delivery.state == DeliveryState.PENDING) & (Delivery.next_attempt_at <= func.now())
    oldest: datetime | None = await session.scalar(
        select(func.min(Delivery.next_attempt_at)).where(due)
    )
    return oldest


async def count_run(session: AsyncSession, run_id: int) -> dict[DeliveryState, int]:
    """How many deliveries the run has, by state, zeros included."""
    counted = select(Delivery.state, func.count()).where(Delivery.run_id == run_id)
    rows = await session.execute(counted.group_by(Delivery.state))
    counts = {DeliveryState(state): int(count) for state, count in rows}
    return {state: counts.get(state, 0) for state in DeliveryState}


# Deliveries of runs: stored as claimed, settled many at a time.


async def store_claimed(
    session: AsyncSession, hints: Sequence[NewDelivery], *, attempts: int
) -> list[Delivery]:
    """Store hints as deliveries that the caller has claimed, in their order.

    The dispatcher is not notified; if the caller dies, the deliveries are recovered as lost
    claims."""
    now = await session.scalar(select(func.now()))
    as_claimed = {"state": DeliveryState.PROCESSING, "claimed_at": now, "attempts": attempts}
    claimed = [Delivery(**hint.as_row() | as_claimed) for hint in hints]
    session.add_all(claimed)
    await session.flush()
    for delivery in claimed:
        await session.refresh(delivery)
    return claimed


async def settle_each(
    session: AsyncSession, entries: Mapping[int, int], *, ended: Collection[str]
) -> None:
    """Settle claimed deliveries as `done`; `entries` holds the log row of each by delivery id.

    Deliveries that wait for one of the `ended` records become due."""
    await session.execute(locked(Delivery.id.in_(entries)))
    numbers = func.unnest(
        literal(list(entries), ARRAY(BigInteger)),
        literal(list(entries.values()), ARRAY(BigInteger)),
    )
    settled = numbers.table_valued("delivery", "entry").render_derived()
    await session.execute(
        update(Delivery)
        .where(Delivery.id == settled.c.delivery, Delivery.state == DeliveryState.PROCESSING)
        .values(state=DeliveryState.DONE, settled_at=func.now(), sync_log_id=settled.c.entry)
        .execution_options(synchronize_session=False)
    )
    await wake_waiting(session, ended)


# Open deliveries: find, join and wake them without claiming them.

_OPEN = (DeliveryState.PENDING, DeliveryState.PROCESSING)


@dataclass(frozen=True, slots=True)
class Open:
    """A delivery that is not settled; it is due in so many `seconds`, 0 if it is due already."""

    id: int
    next_attempt_at: datetime
    seconds: float


async def find_open(session: AsyncSession, delivery_id: int) -> Open | None:
    """The delivery; None if it is settled or does not exist."""
    return await _find_open(session, Delivery.id == delivery_id)


async def join(
    session: AsyncSession, hint: NewDelivery, *, among: Collection[DeliveryState] = _OPEN
) -> Open:
    """The open delivery of the hint's record, origin and run in one of the states `among`,
    whenever it is due; the hint is stored if there is none.

    An advisory lock on the record key serialises concurrent callers, so that only one of them
    stores the hint. The dispatcher is not notified.
    """
    lock_id = func.hashtextextended(hint.record.key, 0)
    await session.execute(select(func.pg_advisory_xact_lock(lock_id)))
    same = (
        (Delivery.record_key == hint.record.key)
        & (Delivery.origin == hint.origin)
        & Delivery.run_id.is_not_distinct_from(hint.run_id)
        & Delivery.state.in_(among)
    )
    if (found := await _find_open(session, same)) is not None:
        return found
    [accepted] = await accept(session, [hint], announce=False)
    stored = await _find_open(session, Delivery.id == accepted.id)
    if stored is None:
        raise LookupError("a delivery that was just stored does not exist")
    return stored


async def _find_open(session: AsyncSession, condition: ColumnElement[bool]) -> Open | None:
    left = func.extract("epoch", Delivery.next_attempt_at - func.clock_timestamp())
    found = await session.execute(
        select(Delivery.id, Delivery.next_attempt_at, left)
        .where(condition, Delivery.state.in_(_OPEN))
        .order_by(Delivery.id)
        .limit(1)
    )
    row = found.first()
    return Open(row[0], row[1], max(0.0, float(row[2]))) if row is not None else None


def record_of(delivery: Delivery) -> Record:
    """The record that a delivery is about."""
    return Record.stored(
        delivery.store, delivery.system, delivery.module, delivery.record_id, delivery.kind
    )


async def was_attempted(session: AsyncSession, record_key: str) -> bool:
    """Whether the record has an open delivery that was attempted at least once."""
    found = await session.scalar(
        select(Delivery.id)
        .where(
            Delivery.record_key == record_key,
            Delivery.state.in_(_OPEN),
            Delivery.attempts > 0,
        )
        .limit(1)
    )
    return found is not None


async def is_live_delivery_due(session: AsyncSession) -> bool:
    """Whether a delivery is due that belongs to no run."""
    due = (Delivery.state == DeliveryState.PENDING) & (Delivery.next_attempt_at <= func.now())
    found = select(Delivery.id).where(due, Delivery.run_id.is_(None))
    return await session.scalar(found.limit(1)) is not None


async def search_hinted(
    session: AsyncSession, run_id: int, record_keys: Collection[str]
) -> set[str]:
    """The subset of the record keys that the run has hinted."""
    found = select(Delivery.record_key).where(
        Delivery.run_id == run_id, Delivery.record_key.in_(record_keys)
    )
    return set(await session.scalars(found))


async def search_open_of_run(
    session: AsyncSession, run_id: int, *, within_seconds: float
) -> Sequence[str]:
    """The record keys of a run whose deliveries are claimed, or due within so many seconds."""
    soon = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, within_seconds)
    due = or_(
        Delivery.state == DeliveryState.PROCESSING,
        (Delivery.state == DeliveryState.PENDING) & (Delivery.next_attempt_at <= soon),
    )
    found = select(Delivery.record_key).where(Delivery.run_id == run_id, due)
    return (await session.scalars(found.distinct().order_by(Delivery.record_key))).all()


async def expedite(session: AsyncSession, reasons: Sequence[str], *, store: str = "") -> int:
    """Make pending deliveries due now whose last reason is one of these; return how many.

    `store` limits them to one store. The dispatcher is notified."""
    of_store = Delivery.store == store if store else true()
    waiting = locked(
        Delivery.state == DeliveryState.PENDING,
        Delivery.next_attempt_at > func.now(),
        Delivery.last_reason.in_(reasons),
        of_store,
    )
    hastened = await session.scalars(
        update(Delivery)
        .where(Delivery.id.in_(waiting))
        .values(next_attempt_at=func.now())
        .returning(Delivery.id)
    )
    await session.execute(select(func.pg_notify(CHANNEL, "")))
    return len(hastened.all())


# Stores hints before their senders get an answer, those of many requests in one transaction.

log = logging.getLogger(__name__)

MOST_AT_ONCE = 200


class Acceptor:
    """Stores hints, which are committed when `accept` returns. Raises the database's errors.

    Its connection goes back to the pool when no more hints wait: borrowing one costs as much as
    storing ten hints.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._groups = GroupCommit(self._commit, most_at_once=MOST_AT_ONCE)
        self._borrowed = AsyncExitStack()
        self._driver: Driver | None = None

    async def accept(self, hints: Sequence[NewDelivery]) -> list[Accepted]:
        return await self._groups.store(hints)

    async def _commit(self, groups: Sequence[Sequence[NewDelivery]]) -> list[list[Accepted]]:
        hints = [hint for group in groups for hint in group]
        accepted = await self._accept_at_once(hints)
        _count(hints, accepted)
        stored = iter(accepted)
        return [list(islice(stored, len(group))) for group in groups]

    async def _accept_at_once(self, hints: Sequence[NewDelivery]) -> list[Accepted]:
        """`accept` in a transaction of its own, which is one round trip to the database."""
        is_kept = False
        try:
            if self._driver is None:
                opened = autocommitting(self._sessions)
                self._driver = await self._borrowed.enter_async_context(opened)
            accepted = await _accept(self._driver, hints, announce=True)
            is_kept = self._groups.has_waiting
        finally:
            if not is_kept:
                self._driver = None
                await self._borrowed.aclose()
        return accepted


def _count(hints: Sequence[NewDelivery], accepted: Sequence[Accepted]) -> None:
    """Log and count the hints that were stored together, with one log line."""
    keys: dict[str, str] = {}
    sums: Counter[tuple[str, str, str, str, str]] = Counter()
    for hint, stored in zip(hints, accepted, strict=True):
        record = hint.record
        keys[str(stored.id)] = key_in_logs(record.key)
        duplicate = "true" if stored.duplicate else "false"
        sums[record.store, record.system, hint.origin, record.module or "", duplicate] += 1
    if len(keys) == 1:
        [(trace, key)] = keys.items()
        with traced(trace):
            log.info("hint accepted", extra={"record": key, "origin": str(hints[0].origin)})
    else:
        log.info("hints accepted", extra={"records": " ".join(map("=".join, keys.items()))})
    for labels, count in sums.items():
        ACCEPTED.labels(*labels).inc(count)
