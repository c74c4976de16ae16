"""Tables of the Sync Log: entries, the deliveries they settled, and hourly totals."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.session import Base, Message

SHARDS = 16
COMPACTED = -1
"""The shard of an hour's count that `sync_period_totals` contains."""

NO_MODULE = "none"
"""The module of an entry without one, in filters."""
KIND = {
    "store": "store",
    "module": f"coalesce(module, '{NO_MODULE}')",
    "target": "target",
    "outcome": "outcome",
    "reason": "coalesce(reason, '')",
}
"""The columns whose few combinations divide the log: filters, and their form in the index."""

SPAN_SECONDS = 345_600
"""The length of the spans of time by which the index of words divides the log: four days."""
TAGS = ("store", "module", "target", "outcome", "reason", "run_id")
TERMS = (
    "search_terms(occurred_at, ARRAY[message, label, source_id, target_id],"
    f" ARRAY['store=' || store, 'module=' || coalesce(module, '{NO_MODULE}'),"
    " 'target=' || target, 'outcome=' || outcome, 'reason=' || reason,"
    " 'run_id=' || run_id::text])"
)
"""What the index of words has of an entry: hashes of its runs of one to three letters and of the
values of `TAGS`, all with the number of its span."""


class Entry(Base):
    """One outcome. `target` is the system that was, or would have been, written to.

    `changes` is a list of `{"field", "old", "new", "source"}`, `notes` of
    `{"field", "reason", "message", "value"}`, `conflicts` of
    `{"field", "woocommerce", "vtiger", "winner"}`.
    """

    __tablename__ = "sync_log"
    __table_args__ = (
        Index("ix_sync_log_occurred_at_id", "occurred_at", "id"),
        Index(
            "ix_sync_log_kind",
            *(text(each) for each in (*KIND.values(), "occurred_at", "id")),
            postgresql_include=["module", "reason"],
        ),
        Index("ix_sync_log_terms", text(TERMS), postgresql_using="gin"),
        Index("ix_sync_log_source_id", "source_id"),
        Index("ix_sync_log_target_id", "target_id"),
        Index("ix_sync_log_link_id", "link_id"),
        Index(
            "ix_sync_log_run_kind",
            *(text(each) for each in ("run_id", *KIND.values(), "occurred_at", "id")),
            postgresql_include=["module", "reason"],
            postgresql_where=text("run_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    occurred_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    store: Mapped[str]
    module: Mapped[str | None]
    target: Mapped[str]
    source_id: Mapped[str]
    target_id: Mapped[str | None]
    link_id: Mapped[int | None]
    event: Mapped[str]
    outcome: Mapped[str]
    reason: Mapped[str | None]
    message: Mapped[str] = mapped_column(Message)
    attempts: Mapped[int]
    duration_ms: Mapped[int]
    delivery_count: Mapped[int]
    run_id: Mapped[int | None]
    label: Mapped[str] = mapped_column(server_default="")
    changes: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    notes: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    conflicts: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))


class EntryDelivery(Base):
    """A delivery that an entry settled. Entries of both directions of one sync share deliveries."""

    __tablename__ = "sync_log_deliveries"
    __table_args__ = (Index("ix_sync_log_deliveries_delivery_id", "delivery_id"),)

    entry_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    delivery_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Total(Base):
    """The count of one outcome in one hour, in shards, so that workers do not wait for one row.

    Those of past hours are compacted into one shard."""

    __tablename__ = "sync_totals"
    __table_args__ = (
        Index("ix_sync_totals_hour_at", "hour_at"),
        Index("ix_sync_totals_new", "hour_at", postgresql_where=text("shard >= 0")),
    )

    store: Mapped[str] = mapped_column(primary_key=True)
    module: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    hour_at: Mapped[datetime] = mapped_column(primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]


class PeriodTotal(Base):
    """The count of one outcome in one day, month or year (UTC), without that of new shards."""

    __tablename__ = "sync_period_totals"

    unit: Mapped[str] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    store: Mapped[str] = mapped_column(primary_key=True)
    module: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
