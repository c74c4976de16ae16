"""Deletions that the brake holds back, that a person confirmed, and that were ours."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COLUMNS = ("delete_held_at", "delete_confirmed_at", "deleted_by_us_at")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("links", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_links_held",
        "links",
        ["store", "module", "id"],
        postgresql_where=sa.text("delete_held_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_links_held", "links")
    for name in reversed(COLUMNS):
        op.drop_column("links", name)
