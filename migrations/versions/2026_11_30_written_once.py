"""The key that a create is sent with, and turns of calls that are made one at a time."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("intents", sa.Column("token", sa.String(), nullable=True))
    op.create_table(
        "remote_turns",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_remote_turns")),
    )


def downgrade() -> None:
    op.drop_table("remote_turns")
    op.drop_column("intents", "token")
