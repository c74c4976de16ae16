"""The way of a delivery through its states; every clock here is the database's.

Whoever changes several deliveries locks them in the order of their dedupe keys first, byte by
byte, as Python sorts text: decision 16.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    any_,
    bindparam,
    case,
    collate,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.db.columns import LONGEST_MESSAGE, storable
from app.db.prepared import Driver, autocommitting, driver_of, fetch_prepared
from app.db.session import Sessions
from app.inbox.models import Delivery, DeliveryState
from app.inbox.waiting_for_run import is_waiting_for_run
from app.records import Event, Origin, Record

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


async def bury_untold(session: AsyncSession, record_key: str, *, reason: str, message: str) -> None:
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
