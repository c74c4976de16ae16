"""Tables of the Sync Log: entries, the deliveries they settled, and hourly totals."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.session import Base, Message

SHARDS = 16


class Entry(Base):
    """One outcome. `target` is the system that was, or would have been, written to.

    `changes` is a list of `{"field", "old", "new", "source"}`, `notes` of
    `{"field", "reason", "message", "value"}`, `conflicts` of
    `{"field", "woocommerce", "vtiger", "winner"}`.
    """

    __tablename__ = "sync_log"
    __table_args__ = (
        Index("ix_sync_log_occurred_at_id", "occurred_at", "id"),
        Index("ix_sync_log_store_module_occurred_at", "store", "module", "occurred_at"),
        Index("ix_sync_log_source_id", "source_id"),
        Index("ix_sync_log_target_id", "target_id"),
        Index("ix_sync_log_link_id", "link_id"),
        Index("ix_sync_log_run_id", "run_id", postgresql_where=text("run_id IS NOT NULL")),
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
    """The count of one outcome in one hour, in shards, so that workers do not wait for one row."""

    __tablename__ = "sync_totals"

    store: Mapped[str] = mapped_column(primary_key=True)
    module: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    hour_at: Mapped[datetime] = mapped_column(primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]
