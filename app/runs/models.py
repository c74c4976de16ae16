"""Tables of the runs: one row for each run, and the differences that a comparison found."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.session import Base, Message, Numbered


class RunState(StrEnum):
    """The state of a run: `asking` waits for a person's consent; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    ASKING = "asking"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


DUE_STATES = (RunState.QUEUED, RunState.RUNNING)
OPEN_STATES = (*DUE_STATES, RunState.ASKING)


class Consent(StrEnum):
    """Whether a person has to consent to what a run would do: not (any more); for repairs, new
    accounts and mails; or for very many new records too."""

    GIVEN = "given"
    NEEDED = "needed"
    NEEDED_IF_MANY = "needed_if_many"


class SyncRun(Numbered, Base):
    """One run over whole modules of one store: syncs what differs, or reports it if `dry_run`.

    `modules` are the requested ones; if empty, all that are synced. `cursor` is where to resume:
    `{"steps": [[module, what], ...], "counts": [...], "step", "done", "agreed"}` with the estimated
    number of records of each step, and the counts at the start of the current one. `done` counts
    records that were read, `agreed` pairs without differences; `agreed_in` is `{module: number}`
    of those for a comparison; `totals` is `{outcome: number}` at the end. `expected` is what it
    would create, as returned by `Forecast.as_json`.
    """

    __tablename__ = "sync_runs"
    __table_args__ = (
        Index(
            "ix_sync_runs_open",
            "next_attempt_at",
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
        Index(
            "uq_sync_runs_scheduled",
            "store",
            unique=True,
            postgresql_where=text("scheduled AND state IN ('queued', 'running')"),
        ),
    )

    store: Mapped[str]
    modules: Mapped[list[Any]]
    direction: Mapped[str]
    since: Mapped[datetime | None]
    dry_run: Mapped[bool]
    repair_of: Mapped[int | None]
    scheduled: Mapped[bool] = mapped_column(server_default=text("false"))
    started_by: Mapped[str]
    consent: Mapped[str] = mapped_column(server_default=Consent.GIVEN)
    expected: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    state: Mapped[str] = mapped_column(server_default=RunState.QUEUED)
    cursor: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    total: Mapped[int] = mapped_column(server_default=text("0"))
    done: Mapped[int] = mapped_column(server_default=text("0"))
    agreed: Mapped[int] = mapped_column(server_default=text("0"))
    difference_count: Mapped[int] = mapped_column(server_default=text("0"))
    agreed_in: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    totals: Mapped[dict[str, Any] | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_reason: Mapped[str | None]
    last_error: Mapped[str | None] = mapped_column(Message)
    started_at: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]
    resumed_done: Mapped[int] = mapped_column(server_default=text("0"))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES


class RunDifference(Numbered, Base):
    """A difference that a comparison found in one record; `fields` is a list of
    `{"field", "woocommerce", "vtiger", "act"}`."""

    __tablename__ = "sync_run_differences"
    __table_args__ = (
        Index("uq_sync_run_differences_record", "run_id", "record_key", unique=True),
        Index("ix_sync_run_differences_run_id_created_at", "run_id", "created_at", "id"),
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("sync_runs.id", ondelete="CASCADE"))
    record_key: Mapped[str]
    module: Mapped[str]
    plan: Mapped[str]
    label: Mapped[str]
    woo_id: Mapped[str | None]
    vtiger_id: Mapped[str | None]
    reason: Mapped[str | None]
    message: Mapped[str] = mapped_column(Message)
    fields: Mapped[list[Any]]
