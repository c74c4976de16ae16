"""Runs as rows: manual and scheduled ones, and what comparisons found."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = postgresql.JSONB(astext_type=sa.Text())
TIME = sa.DateTime(timezone=True)
ZERO = sa.text("0")
NOW = sa.text("now()")
OPEN = "state IN ('queued', 'running')"


def upgrade() -> None:
    op.create_table(
        "sync_runs",
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("modules", JSON, nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("since", TIME, nullable=True),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("repair_of", sa.BigInteger(), nullable=True),
        sa.Column("scheduled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("started_by", sa.String(), nullable=False),
        sa.Column("state", sa.String(), server_default="queued", nullable=False),
        sa.Column("cursor", JSON, server_default=sa.text("'{}'"), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), server_default=ZERO, nullable=False)
            for name in ("total", "done", "agreed", "difference_count", "attempts", "resumed_done")
        ),
        sa.Column("totals", JSON, nullable=True),
        sa.Column("next_attempt_at", TIME, server_default=NOW, nullable=False),
        sa.Column("last_reason", sa.String(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("resumed_at", TIME, nullable=True),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_runs")),
    )
    op.create_index(
        "ix_sync_runs_open", "sync_runs", ["next_attempt_at"], postgresql_where=sa.text(OPEN)
    )
    op.create_index(
        "uq_sync_runs_scheduled",
        "sync_runs",
        ["store"],
        unique=True,
        postgresql_where=sa.text(f"scheduled AND {OPEN}"),
    )
    _differences()
    op.create_index(
        "ix_deliveries_run_id",
        "deliveries",
        ["run_id"],
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )


def _differences() -> None:
    op.create_table(
        "sync_run_differences",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("record_key", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("plan", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("woo_id", sa.String(), nullable=True),
        sa.Column("vtiger_id", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("fields", JSON, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["sync_runs.id"],
            name=op.f("fk_sync_run_differences_run_id_sync_runs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_run_differences")),
    )
    op.create_index(
        "uq_sync_run_differences_record",
        "sync_run_differences",
        ["run_id", "record_key"],
        unique=True,
    )
    op.create_index(
        "ix_sync_run_differences_run_id_created_at",
        "sync_run_differences",
        ["run_id", "created_at", "id"],
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_run_id", table_name="deliveries")
    op.drop_table("sync_run_differences")
    op.drop_table("sync_runs")
