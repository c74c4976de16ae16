"""The table of incidents; one that lasts is a row without an end."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.columns import Message


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
