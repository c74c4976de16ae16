"""Which of a pair's records we made: what came from one shop is not made in another."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("links", sa.Column("made_in", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("links", "made_in")
