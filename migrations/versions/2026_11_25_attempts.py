"""What updates were about to write when nobody heard their answer."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    column = sa.Column("attempted", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    op.add_column("links", column)


def downgrade() -> None:
    op.drop_column("links", "attempted")
