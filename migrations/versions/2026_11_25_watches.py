"""What catch-up remembers: a shop's webhooks as they were well, and when all was looked at."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "webhook_watches",
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("webhook_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("well_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("store", name=op.f("pk_webhook_watches")),
    )
    op.create_table(
        "full_passes",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("passed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_full_passes")),
    )


def downgrade() -> None:
    op.drop_table("full_passes")
    op.drop_table("webhook_watches")
