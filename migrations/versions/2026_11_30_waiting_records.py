"""The rows of records that wait already: on its own, so that nothing is locked meanwhile."""

from collections.abc import Sequence

from alembic import op

revision: str = "0027"
down_revision: str | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """A record that changes while this runs has its row already, or is looked at once too often."""
    op.execute("""
INSERT INTO wakeups (record_key, store, is_bulk, due_at, since, claimed_at)
SELECT record_key, min(store), bool_and(run_id IS NOT NULL OR origin IN ('poll', 'replay')),
    min(next_attempt_at) FILTER (WHERE state = 'pending'), min(received_at),
    min(claimed_at) FILTER (WHERE state = 'processing')
FROM deliveries WHERE state IN ('pending', 'processing')
GROUP BY record_key ORDER BY record_key COLLATE "C"
ON CONFLICT (record_key) DO UPDATE SET due_at = least(wakeups.due_at, excluded.due_at)
""")


def downgrade() -> None:
    op.execute("DELETE FROM wakeups")
