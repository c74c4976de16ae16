"""Tables of the remotes, shared by all workers on all machines: state, calls, turns, incidents."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.session import Base, Message

# The table of incidents; one that lasts is a row without an end.


class IncidentKind(StrEnum):
    """What is broken."""

    REMOTE_DOWN = "remote_down"
    REMOTE_SLOW = "remote_slow"
    AUTH_REJECTED = "auth_rejected"
    WEBHOOK_BROKEN = "webhook_broken"
    POLL_FAILED = "poll_failed"


class IncidentRow(Base):
    """One incident. `store` is "" where it is the CRM's own; `subject` names the broken part (a
    topic, a module), "" for the whole; `mended` says how it ended, "" as long as it lasts."""

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
    """What is known of one remote; the fields are those of `RemoteState`."""

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
    """The calls to a remote that one process has under way: how many, and when the oldest was
    made. A row that was not renewed for some seconds is that of a process which is gone."""

    __tablename__ = "remote_calls"

    key: Mapped[str] = mapped_column(primary_key=True)
    process: Mapped[str] = mapped_column(primary_key=True)
    calls: Mapped[int]
    oldest_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class RemoteTurn(Base):
    """Whose call it is, of a kind that a remote bears one at a time; a turn that is not given back
    expires by the database's clock."""

    __tablename__ = "remote_turns"

    key: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    expires_at: Mapped[datetime]


class WebhookWatch(Base):
    """A shop's webhooks as they were last seen well: their ids, and where they delivered. A shop
    without a row has none of ours, as far as we know."""

    __tablename__ = "webhook_watches"

    store: Mapped[str] = mapped_column(primary_key=True)
    webhook_ids: Mapped[list[Any]]
    well_at: Mapped[datetime]
