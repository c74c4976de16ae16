"""What is known of the remotes: breaker, rate and pauses, shared by all workers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

MOMENTS = ("opened_at", "closed_at", "probe_at", "rejected_at", "slowed_at", "paused_until")


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), server_default="", nullable=False)


def upgrade() -> None:
    op.create_table(
        "remotes",
        sa.Column("key", sa.String(), nullable=False),
        _count("failures"),
        _text("last_cause"),
        _text("last_error"),
        *(sa.Column(name, sa.DateTime(timezone=True)) for name in (*MOMENTS, "booked_until")),
        _count("probes"),
        sa.Column("rate", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_remotes")),
    )


def downgrade() -> None:
    op.drop_table("remotes")
