"""Dead letters are listed and looked up without a scan."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

DEAD = sa.text("state = 'dead'")


def upgrade() -> None:
    op.create_index(
        "ix_deliveries_dead", "deliveries", ["received_at", "id"], postgresql_where=DEAD
    )
    op.create_index(
        "ix_deliveries_dead_record", "deliveries", ["record_key"], postgresql_where=DEAD
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_dead_record", "deliveries")
    op.drop_index("ix_deliveries_dead", "deliveries")
