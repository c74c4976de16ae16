"""What records still lack of others that could not be synced; who took a gone record's place."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "owed",
        sa.Column("record_key", sa.String(), nullable=False),
        sa.Column("needs", sa.String(), nullable=False),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column(
            "due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("record_key", "needs", name=op.f("pk_owed")),
    )
    op.create_index("ix_owed_needs", "owed", ["needs"])
    op.add_column("links", sa.Column("replaced_by", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("links", "replaced_by")
    op.drop_index("ix_owed_needs", table_name="owed")
    op.drop_table("owed")
