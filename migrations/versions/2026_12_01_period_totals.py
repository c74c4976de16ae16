"""Totals of days, months and years beside those of hours; workers fill them in batches."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0029"
down_revision: str | None = "0028"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEXES = {
    "ix_sync_totals_hour_at": "sync_totals (hour_at)",
    "ix_sync_totals_new": "sync_totals (hour_at) WHERE shard >= 0",
}


def upgrade() -> None:
    """Counts stay where they are: those of past hours are compacted by upkeep, and until then the
    summary adds up the shards as before."""
    op.create_table(
        "sync_period_totals",
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "unit",
            "starts_at",
            "store",
            "module",
            "target",
            "outcome",
            name=op.f("pk_sync_period_totals"),
        ),
        if_not_exists=True,
    )
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # nobody waits for these statements
        for name, definition in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")
        op.execute("SET lock_timeout = '10s'")


def downgrade() -> None:
    """Compacted counts become new ones of a shard that nobody writes to, as the next upgrade begins
    without totals of longer periods."""
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute("""
WITH compacted AS (DELETE FROM sync_totals WHERE shard = -1 RETURNING *)
INSERT INTO sync_totals AS known (store, module, target, outcome, hour_at, shard, count)
SELECT store, module, target, outcome, hour_at, 16, count FROM compacted
ON CONFLICT (store, module, target, outcome, hour_at, shard)
    DO UPDATE SET count = known.count + excluded.count
""")
    op.drop_table("sync_period_totals")
