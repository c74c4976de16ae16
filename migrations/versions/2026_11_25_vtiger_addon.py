"""The Vtiger add-on: which of its changes were heard, and how far polls have read its outbox."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "heard_changes",
        sa.Column("installation", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("heard_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("installation", "sequence", name=op.f("pk_heard_changes")),
    )
    op.create_table(
        "outbox_marks",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("installation", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_outbox_marks")),
    )


def downgrade() -> None:
    op.drop_table("outbox_marks")
    op.drop_table("heard_changes")
