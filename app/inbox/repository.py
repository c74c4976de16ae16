"""The states of a delivery: accepted, claimed, settled, postponed, dead; searching and retention.
Every clock here is the database's.

Whoever changes several deliveries locks them in the order of their dedupe keys first, byte by
byte, as Python sorts text: decision 16."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    any_,
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
    Sessions,
    autocommitting,
    driver_of,
    fetch_prepared,
    storable,
)
from app.domain import DeliveryState, Event, Origin, Record
from app.inbox.models import AcceptedChange, Delivery

# Dropping what was taken in, by age: first what it carried, later the deliveries themselves.


def _settled_before(days: int, most: int) -> Select[int]:
    """A delivery is settled after it was received, by which there is an index. One that somebody
    else has locked is left for the next time."""
    moment = func.now() - func.make_interval(0, 0, 0, days)
    old = select(Delivery.id).where(Delivery.received_at < moment, Delivery.settled_at < moment)
    return old.limit(most).with_for_update(skip_locked=True)


async def prune_payloads(session: AsyncSession, days: int, *, most: int) -> int:
    """Drop the bodies of what was settled longer ago, dead letters' too: a replay reads anew."""
    old = _settled_before(days, most).where(Delivery.body.is_not(None))
    emptied = await session.scalars(
        update(Delivery).where(Delivery.id.in_(old)).values(body=None).returning(Delivery.id)
    )
    return len(emptied.all())


async def prune_deliveries(session: AsyncSession, days: int, *, most: int) -> int:
    """Drop what was settled longer ago; dead letters wait for a person as long as it takes."""
    old = _settled_before(days, most).where(Delivery.state == DeliveryState.DONE)
    dropped = await session.scalars(
        delete(Delivery).where(Delivery.id.in_(old)).returning(Delivery.id)
    )
    return len(dropped.all())


# The dedupe keys of hints, one function a kind: equal for two copies of one statement, so that a
# copy joins the one that still waits.
#
# Processes of two releases run side by side during an upgrade: a key that is made in another way
# joins nothing of the release before.


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


# Finding deliveries: by what they are about, where they stand, and how they ended.


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """What to show; several values of one filter mean either, several filters mean all."""

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
    """The filters as conditions; `reason` is what the log or the last try says."""
    found: list[ColumnElement[bool]] = [
        getattr(Delivery, name).in_(getattr(filters, name))
        for name in _EQUAL
        if getattr(filters, name)
    ]
    if filters.reason:
        waiting = Delivery.sync_log_id.is_(None) & Delivery.last_reason.in_(filters.reason)
        found.append(or_(_ended(_LOG.c.reason.in_(filters.reason)), waiting))
    if filters.outcome:
        found.append(_ended(_LOG.c.outcome.in_(filters.outcome)))
    if filters.since is not None:
        found.append(Delivery.received_at >= filters.since)
    if filters.until is not None:
        found.append(Delivery.received_at < filters.until)
    return found


def _ended(how: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(_LOG.c.id == Delivery.sync_log_id, how)


async def search_deliveries(
    session: AsyncSession, filters: DeliveryFilter, *, cursor: str | None, limit: int
) -> Page[Delivery]:
    """Newest first. Raises InvalidInput for a cursor that is not ours."""
    found = select(Delivery).options(defer(Delivery.body)).where(*matching(filters))
    key = (Delivery.received_at, Delivery.id)
    return await fetch_page(session, found, key=key, cursor=cursor, limit=limit)


# Which changes of Vtiger's add-on were accepted already: it delivers at least once.

KEEP_DAYS = 7
"""Longer than the add-on tries; what still comes later is looked at once more, with no harm."""


async def search_accepted_changes(
    session: AsyncSession, installation: str, sequences: Collection[int]
) -> set[int]:
    """Those of the sequences that were accepted before."""
    found = await session.scalars(
        select(AcceptedChange.sequence).where(
            AcceptedChange.installation == installation, AcceptedChange.sequence.in_(sequences)
        )
    )
    return set(found)


async def save_accepted_changes(
    session: AsyncSession, installation: str, sequences: Collection[int]
) -> None:
    """Remember them. Done after their hints are stored: a crash between tells them twice."""
    rows = [{"installation": installation, "sequence": number} for number in sorted(sequences)]
    if rows:
        await session.execute(insert(AcceptedChange).values(rows).on_conflict_do_nothing())


async def prune_accepted_changes(session: AsyncSession, days: int, *, most: int) -> int:
    """Forget what was accepted longer ago; how many those were."""
    key = tuple_(AcceptedChange.installation, AcceptedChange.sequence)
    before = func.now() - func.make_interval(0, 0, 0, days)
    old = select(AcceptedChange.installation, AcceptedChange.sequence)
    old = old.where(AcceptedChange.heard_at < before).limit(most)
    dropped = await session.scalars(
        delete(AcceptedChange).where(key.in_(old)).returning(AcceptedChange.sequence)
    )
    return len(dropped.all())


# Hints that wait for a run: what tells them from the others.

WAITING_FOR_RUN = "waiting_for_run"


def is_waiting_for_run() -> ColumnElement[bool]:
    """Whether a hint waits for a run, which has given a sign of life lately."""
    return and_(
        Delivery.state == DeliveryState.PENDING,
        func.coalesce(Delivery.last_reason, "") == WAITING_FOR_RUN,
        Delivery.next_attempt_at > func.now(),
    )


CHANNEL = "woo_vtiger_due"


def locked(*conditions: ColumnElement[bool]) -> Select[int]:
    """The deliveries that meet the conditions, locked in the one order that all keep."""
    found = select(Delivery.id).where(*conditions)
    return found.order_by(collate(Delivery.dedupe_key, "C"), Delivery.id).with_for_update()


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A hint about to be accepted. `dedupe_key` is equal for two tellings of one state."""

    record: Record
    origin: Origin
    event: Event
    dedupe_key: str
    body: bytes | None = None
    remote_note: str = ""
    run_id: int | None = None

    def columns(self) -> tuple[object, ...]:
        """In the order in which `accept` names them, and as the columns' types would store them."""
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
    """`duplicate` tells that the hint joined one that still waits."""

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
), told AS (
    SELECT pg_notify('{CHANNEL}', '') WHERE %s AND EXISTS (SELECT FROM stored WHERE NOT is_old)
)
SELECT stored.* FROM stored LEFT JOIN told ON true
"""  # noqa: S608 - ours
"""One array a column, so that it is one statement however many hints there are."""


async def accept(
    session: AsyncSession, hints: Sequence[NewDelivery], *, announce: bool = True
) -> list[Accepted]:
    """Store hints, one row a dedupe key; a waiting twin is bumped, a settled one is no bar."""
    return await _accept(await driver_of(session), hints, announce=announce)


async def accept_at_once(sessions: Sessions, hints: Sequence[NewDelivery]) -> list[Accepted]:
    """The same in a transaction of its own, which is one exchange with the database."""
    async with autocommitting(sessions) as driver:
        return await _accept(driver, hints, announce=True)


async def _accept(
    driver: Driver, hints: Sequence[NewDelivery], *, announce: bool
) -> list[Accepted]:
    told = Counter(hint.dedupe_key for hint in hints)
    by_key = {hint.dedupe_key: hint for hint in hints}
    rows = [(*by_key[key].columns(), told[key] - 1) for key in sorted(by_key)]
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


async def claim(session: AsyncSession, record_key: str) -> list[Delivery]:
    """Every open delivery of the record that does not wait for a run, oldest first, counted as
    attempted once more."""
    claimed = await session.scalars(
        update(Delivery)
        .where(
            Delivery.id.in_(
                locked(
                    Delivery.record_key == record_key,
                    Delivery.state.in_([DeliveryState.PENDING, DeliveryState.PROCESSING]),
                    ~is_waiting_for_run(),
                )
            )
        )
        .values(
            state=DeliveryState.PROCESSING,
            attempts=Delivery.attempts + 1,
            lost_claims=case((_is(DeliveryState.PROCESSING), Delivery.lost_claims + 1), else_=0),
            claimed_at=func.now(),
        )
        .returning(Delivery)
    )
    return sorted(claimed, key=lambda delivery: delivery.id)


async def settle(
    session: AsyncSession,
    ids: Sequence[int],
    entry_id: int,
    *,
    state: DeliveryState,
    ended: Collection[str] = (),
) -> None:
    """The end of deliveries in hand; one that is settled already keeps its row.

    Dead letters of a record that went well since need nobody any more, and what waited for one of
    the `ended` records is due.
    """
    mine = Delivery.id.in_(ids)
    touched = [mine & _is(DeliveryState.PROCESSING)]
    if state is DeliveryState.DONE:
        touched.append(_is(DeliveryState.DEAD) & (Delivery.record_key == any_(_records_of(ids))))
    if ended:
        touched.append(_is(DeliveryState.PENDING) & Delivery.waits_for.in_(ended))
    found = await session.execute(locked(or_(*touched)).add_columns(Delivery.state))
    by_state: defaultdict[str, list[int]] = defaultdict(list)
    for delivery_id, was in found:
        by_state[was].append(delivery_id)
    settled = by_state[DeliveryState.PROCESSING]
    if not settled:
        return
    await session.execute(
        update(Delivery)
        .where(Delivery.id.in_(settled))
        .values(state=state, settled_at=func.now(), sync_log_id=entry_id)
    )
    if dead := by_state[DeliveryState.DEAD]:
        values = {"state": DeliveryState.DONE}
        await session.execute(update(Delivery).where(Delivery.id.in_(dead)).values(values))
    await _make_due(session, by_state[DeliveryState.PENDING])


async def dead_letter_unreported(
    session: AsyncSession, record_key: str, *, reason: str, message: str
) -> None:
    """The end of a record's open deliveries of which no row of the log can tell."""
    open_states = [DeliveryState.PENDING, DeliveryState.PROCESSING]
    mine = locked(Delivery.record_key == record_key, Delivery.state.in_(open_states))
    told = {"last_reason": reason, "last_error": message}
    await session.execute(
        update(Delivery)
        .where(Delivery.id.in_(mine))
        .values(state=DeliveryState.DEAD, settled_at=func.now(), **told)
    )


def _is(state: DeliveryState) -> ColumnElement[bool]:
    """The state spelt out in the statement, so that an index of such deliveries is of use."""
    return Delivery.state == bindparam("state_", state, unique=True, literal_execute=True)


def _records_of(ids: Sequence[int]) -> ColumnElement[list[str]]:
    """The record keys of these deliveries, looked up once for the whole statement."""
    keys = select(Delivery.record_key).where(Delivery.id.in_(ids))
    return func.array(keys.scalar_subquery(), type_=ARRAY(Text))


async def wake_waiting(session: AsyncSession, ended: Collection[str]) -> None:
    """What waited for one of these records is due."""
    waiting = _is(DeliveryState.PENDING) & Delivery.waits_for.in_(ended)
    await _make_due(session, (await session.scalars(locked(waiting))).all())


async def _make_due(session: AsyncSession, waiting: Collection[int]) -> None:
    if waiting:
        due = {"next_attempt_at": func.now(), "waits_for": None}
        await session.execute(update(Delivery).where(Delivery.id.in_(waiting)).values(due))


@dataclass(frozen=True, slots=True)
class Postponement:
    """When to try again and why; `counted` is False where waiting is nobody's failure. The end of
    the record `waits_for` comes before that time."""

    seconds: float
    reason: str
    message: str
    counted: bool = True
    waits_for: str | None = None


async def postpone(session: AsyncSession, ids: Sequence[int], wait: Postponement) -> None:
    """Give deliveries in hand back. A claimed delivery frees its dedupe key, so that what comes
    in meanwhile is a delivery of its own: it keeps the key with its number."""
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
    """What each record waits for, by its key: the newest delivery that is still to be worked on,
    or else the newest dead letter. Bodies are not read."""
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
    """Deliveries that still want work or a person, by state."""
    open_states = [DeliveryState.PENDING, DeliveryState.PROCESSING, DeliveryState.DEAD]
    rows = await session.execute(
        select(Delivery.state, func.count())
        .where(or_(*(Delivery.state == state for state in open_states)))
        .group_by(Delivery.state)
    )
    counts = {str(state): int(count) for state, count in rows}
    return {str(state): counts.get(state, 0) for state in open_states}


async def find_oldest_due(session: AsyncSession) -> datetime | None:
    """Since when the longest waiting of the hints that are due has been due."""
    due = (Delivery.state == DeliveryState.PENDING) & (Delivery.next_attempt_at <= func.now())
    oldest: datetime | None = await session.scalar(
        select(func.min(Delivery.next_attempt_at)).where(due)
    )
    return oldest


async def count_run(session: AsyncSession, run_id: int) -> dict[DeliveryState, int]:
    """The run's deliveries by state."""
    counted = select(Delivery.state, func.count()).where(Delivery.run_id == run_id)
    rows = await session.execute(counted.group_by(Delivery.state))
    counts = {DeliveryState(state): int(count) for state, count in rows}
    return {state: counts.get(state, 0) for state in DeliveryState}


# Hints that are in somebody's hands from the start, many at a time: those of runs.


async def take_in(
    session: AsyncSession, hints: Sequence[NewDelivery], *, attempts: int
) -> list[Delivery]:
    """Store hints that are in the caller's hands at once, in their order: nobody is woken for
    them, but for a worker that finds them stranded."""
    now = await session.scalar(select(func.now()))
    in_hand = {"state": DeliveryState.PROCESSING, "claimed_at": now, "attempts": attempts}
    taken = [Delivery(**hint.as_row() | in_hand) for hint in hints]
    session.add_all(taken)
    await session.flush()
    for each in taken:
        await session.refresh(each)
    return taken


async def settle_each(
    session: AsyncSession, entries: Mapping[int, int], *, ended: Collection[str]
) -> None:
    """The end of deliveries in hand, each told by an entry of its own: its id by theirs. What
    waited for one of the `ended` records is due."""
    await session.execute(locked(Delivery.id.in_(entries)))
    numbers = func.unnest(
        literal(list(entries), ARRAY(BigInteger)),
        literal(list(entries.values()), ARRAY(BigInteger)),
    )
    told = numbers.table_valued("delivery", "entry").render_derived()
    await session.execute(
        update(Delivery)
        .where(Delivery.id == told.c.delivery, Delivery.state == DeliveryState.PROCESSING)
        .values(state=DeliveryState.DONE, settled_at=func.now(), sync_log_id=told.c.entry)
        .execution_options(synchronize_session=False)
    )
    await wake_waiting(session, ended)


# Looking at hints that still want work, joining and waking them, without taking them.

_OPEN = (DeliveryState.PENDING, DeliveryState.PROCESSING)


@dataclass(frozen=True, slots=True)
class Open:
    """A delivery that is not settled, and in how many seconds it is due: 0 if it is."""

    id: int
    next_attempt_at: datetime
    seconds: float


async def find_open(session: AsyncSession, delivery_id: int) -> Open | None:
    """The delivery, unless it is settled."""
    return await _find_open(session, Delivery.id == delivery_id)


async def join(
    session: AsyncSession, hint: NewDelivery, *, among: Collection[DeliveryState] = _OPEN
) -> Open:
    """The delivery of the hint's record, origin and run that is open already, in one of these
    states, whenever it is to be tried again; the hint is stored if there is none.

    Callers take turns by the record, so that of many at once one stores it. Nobody is woken.
    """
    turn = func.hashtextextended(hint.record.key, 0)
    await session.execute(select(func.pg_advisory_xact_lock(turn)))
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
        raise LookupError("a delivery that was just stored is not there")
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


async def peek(session: AsyncSession, record_key: str) -> Record | None:
    """The record that open deliveries of this key are about, if there are any."""
    found = await session.scalar(
        select(Delivery)
        .where(Delivery.record_key == record_key, Delivery.state.in_(_OPEN))
        .limit(1)
    )
    return found.record if found is not None else None


async def was_tried(session: AsyncSession, record_key: str) -> bool:
    """Whether a hint of the record waits that somebody has worked on already."""
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


async def is_live_waiting(session: AsyncSession) -> bool:
    """Whether a hint that no run brought up is due."""
    due = (Delivery.state == DeliveryState.PENDING) & (Delivery.next_attempt_at <= func.now())
    found = select(Delivery.id).where(due, Delivery.run_id.is_(None))
    return await session.scalar(found.limit(1)) is not None


async def search_hinted(
    session: AsyncSession, run_id: int, record_keys: Collection[str]
) -> set[str]:
    """Those of the records that a run has brought up."""
    found = select(Delivery.record_key).where(
        Delivery.run_id == run_id, Delivery.record_key.in_(record_keys)
    )
    return set(await session.scalars(found))


async def search_open_of_run(
    session: AsyncSession, run_id: int, *, within_seconds: float
) -> Sequence[str]:
    """The records of a run that are due within this time, or in hand."""
    soon = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, within_seconds)
    due = or_(
        Delivery.state == DeliveryState.PROCESSING,
        (Delivery.state == DeliveryState.PENDING) & (Delivery.next_attempt_at <= soon),
    )
    found = select(Delivery.record_key).where(Delivery.run_id == run_id, due)
    return (await session.scalars(found.distinct().order_by(Delivery.record_key))).all()


async def hasten(session: AsyncSession, reasons: Sequence[str], *, store: str = "") -> int:
    """Have hints that wait for one of these reasons, of one store or all, tried now; how many."""
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
