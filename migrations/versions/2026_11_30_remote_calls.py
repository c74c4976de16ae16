"""Of each remote: its last answer, since when it gives none, and the calls that are under way."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIMES = ("answered_at", "silent_since", "slow_at")


def upgrade() -> None:
    for name in TIMES:
        op.add_column("remotes", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "remotes",
        sa.Column("rejected_write", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_table(
        "remote_calls",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("oldest_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", "process", name=op.f("pk_remote_calls")),
    )


def downgrade() -> None:
    op.drop_table("remote_calls")
    for name in ("rejected_write", *TIMES):
        op.drop_column("remotes", name)
