"""Tables of the remotes, shared by all workers on all machines: state, calls, turns, webhooks."""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.columns import Message


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
