"""Tables of the inbox: deliveries, and the wake-ups that keep one drain job per record."""

from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.session import Base, Message, Numbered
from app.domain import MAX_KEY_LENGTH, DeliveryState


class Delivery(Numbered, Base):
    """One accepted hint.

    `body` is its content as received; `waits_for` is the key of a record that has to be synced
    first; `lost_claims` counts consecutive claims that ended without a result."""

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint(f"length(record_key) <= {MAX_KEY_LENGTH}", name="record_key_length"),
        Index(
            "uq_deliveries_pending_dedupe_key",
            "dedupe_key",
            unique=True,
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_deliveries_due",
            "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_deliveries_open_record",
            "record_key",
            postgresql_where=text("state IN ('pending', 'processing')"),
        ),
        Index("ix_deliveries_received_at_id", "received_at", "id"),
        Index(
            "ix_deliveries_waits_for",
            "waits_for",
            postgresql_where=text("state = 'pending' AND waits_for IS NOT NULL"),
        ),
        Index("ix_deliveries_run_id", "run_id", postgresql_where=text("run_id IS NOT NULL")),
        Index(
            "ix_deliveries_dead",
            "received_at",
            "id",
            postgresql_where=text("state = 'dead'"),
        ),
        Index(
            "ix_deliveries_dead_record",
            "record_key",
            postgresql_where=text("state = 'dead'"),
        ),
    )

    origin: Mapped[str]
    store: Mapped[str]
    system: Mapped[str]
    module: Mapped[str | None]
    kind: Mapped[str]
    event: Mapped[str]
    record_id: Mapped[str]
    record_key: Mapped[str]
    body: Mapped[bytes | None]
    dedupe_key: Mapped[str]
    remote_note: Mapped[str] = mapped_column(Message, server_default="")
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    duplicates: Mapped[int] = mapped_column(server_default=text("0"))
    state: Mapped[str] = mapped_column(server_default=DeliveryState.PENDING)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    lost_claims: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claimed_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Message)
    last_reason: Mapped[str | None]
    waits_for: Mapped[str | None]
    sync_log_id: Mapped[int | None]
    run_id: Mapped[int | None]

    @property
    def age(self) -> timedelta:
        """The age at the last claim, by the database's clock, so that a worker's clock does not
        matter."""
        return (self.claimed_at or self.received_at) - self.received_at


class Wakeup(Base):
    """A record with open deliveries: when it is due, or since when it has a job (`woken_at`).

    `due_at` is the earliest time at which a pending delivery is due, `claimed_at` the earliest
    claim, `since` when the oldest was received. `is_bulk` is True if all of them come from runs,
    polls and replays, of which there may be thousands. Triggers on `deliveries` maintain the row
    (decision 25) except `woken_at`, which the dispatcher and the job write.
    """

    __tablename__ = "wakeups"
    __table_args__ = (
        Index(
            "ix_wakeups_due",
            "store",
            "is_bulk",
            "due_at",
            "record_key",
            postgresql_where=text("woken_at IS NULL"),
        ),
        Index("ix_wakeups_since", "store", "since", postgresql_where=text("woken_at IS NULL")),
        Index(
            "ix_wakeups_claimed",
            "claimed_at",
            postgresql_where=text("woken_at IS NULL AND claimed_at IS NOT NULL"),
        ),
        Index("ix_wakeups_woken", "is_bulk", postgresql_where=text("woken_at IS NOT NULL")),
    )

    record_key: Mapped[str] = mapped_column(primary_key=True)
    store: Mapped[str]
    is_bulk: Mapped[bool]
    due_at: Mapped[datetime | None]
    since: Mapped[datetime]
    claimed_at: Mapped[datetime | None]
    woken_at: Mapped[datetime | None]


class AcceptedChange(Base):
    """A row of the add-on's outbox that was accepted as a hint, since it may be sent twice."""

    __tablename__ = "heard_changes"

    installation: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    heard_at: Mapped[datetime] = mapped_column(server_default=func.now())
