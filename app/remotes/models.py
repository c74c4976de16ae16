"""Tables about the remotes, shared by all workers: state, calls, turns, incidents, webhooks."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.session import Base, Message


class IncidentKind(StrEnum):
    """What has failed."""

    REMOTE_DOWN = "remote_down"
    REMOTE_SLOW = "remote_slow"
    AUTH_REJECTED = "auth_rejected"
    WEBHOOK_BROKEN = "webhook_broken"
    POLL_FAILED = "poll_failed"


class IncidentRow(Base):
    """One incident; `ended_at` is None while it lasts.

    `store` is "" for the CRM. `subject` names the part that failed (a topic, a module), "" for all
    of it. `mended` says how it ended, "" while it lasts."""

    __tablename__ = "incidents"
    __table_args__ = (
        Index(
            "uq_incidents_lasting",
            "kind",
            "store",
            "system",
            "subject",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_incidents_began_at_id", "began_at", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    kind: Mapped[str]
    store: Mapped[str]
    system: Mapped[str]
    subject: Mapped[str]
    message: Mapped[str] = mapped_column(Message)
    began_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    ended_at: Mapped[datetime | None]
    mended: Mapped[str] = mapped_column(server_default="")


class Remote(Base):
    """The state of one remote; the columns are the fields of `RemoteState`."""

    __tablename__ = "remotes"

    key: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    last_cause: Mapped[str] = mapped_column(server_default="")
    last_error: Mapped[str] = mapped_column(Message, server_default="")
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    probe_at: Mapped[datetime | None]
    probes: Mapped[int] = mapped_column(server_default=text("0"))
    rejected_at: Mapped[datetime | None]
    rate: Mapped[float | None]
    slowed_at: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    booked_until: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    silent_since: Mapped[datetime | None]
    slow_at: Mapped[datetime | None]
    rejected_write: Mapped[bool] = mapped_column(server_default=text("false"))


class RemoteCalls(Base):
    """The calls to a remote that one process has in progress: how many, and when the oldest was
    made. A row that was not renewed for some seconds belongs to a process that terminated."""

    __tablename__ = "remote_calls"

    key: Mapped[str] = mapped_column(primary_key=True)
    process: Mapped[str] = mapped_column(primary_key=True)
    calls: Mapped[int]
    oldest_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class RemoteTurn(Base):
    """The owner of the one exclusive call of a kind; a turn that is not released expires by the
    database's clock."""

    __tablename__ = "remote_turns"

    key: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    expires_at: Mapped[datetime]


class WebhookWatch(Base):
    """A shop's webhooks of this service when they were last found in order: their ids, and when
    that was. A shop without a row is not known to have any."""

    __tablename__ = "webhook_watches"

    store: Mapped[str] = mapped_column(primary_key=True)
    webhook_ids: Mapped[list[Any]]
    well_at: Mapped[datetime]
