"""Versions of links, and the record that a delivery waits for."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    version = sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False)
    op.add_column("links", version)
    op.add_column("deliveries", sa.Column("waits_for", sa.String(), nullable=True))
    op.create_index(
        "ix_deliveries_waits_for",
        "deliveries",
        ["waits_for"],
        postgresql_where=sa.text("state = 'pending' AND waits_for IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_waits_for", table_name="deliveries")
    op.drop_column("deliveries", "waits_for")
    op.drop_column("links", "version")
