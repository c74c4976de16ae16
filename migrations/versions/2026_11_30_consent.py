"""Runs that ask before they write: whether somebody agreed, and to what."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    consent = sa.Column("consent", sa.String(), server_default="given", nullable=False)
    op.add_column("sync_runs", consent)
    expected = sa.Column("expected", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    op.add_column("sync_runs", expected)


def downgrade() -> None:
    op.drop_column("sync_runs", "expected")
    op.drop_column("sync_runs", "consent")
