"""When polls took stock, which Vtiger orders a shop's orders name, what each step of a run counts.

An installation that polls already took stock at its first look, which is not on record: what has no
pair by now was either hinted before or is to be left alone, so its last look counts. Runs that are
under way are planned anew; they bring up nothing twice.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

PLAN_ANEW = "UPDATE sync_runs SET cursor = '{}' WHERE state IN ('queued', 'running')"


def upgrade() -> None:
    op.add_column("watermarks", sa.Column("stock_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE watermarks SET stock_at = reached_at")
    op.create_table(
        "order_claims",
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("vtiger_id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("store", "vtiger_id", "order_id", name=op.f("pk_order_claims")),
    )
    op.execute(PLAN_ANEW)


def downgrade() -> None:
    op.execute(PLAN_ANEW)
    op.drop_table("order_claims")
    op.drop_column("watermarks", "stock_at")
