"""What sales orders rest on: setup records, the taxes that products carry, guests."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "carried_taxes",
        sa.Column("vtiger_id", sa.String(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("vtiger_id", name=op.f("pk_carried_taxes")),
    )
    op.create_table(
        "guest_orders",
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("store", "email", name=op.f("pk_guest_orders")),
    )
    op.create_table(
        "setup_records",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("vtiger_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_setup_records")),
    )


def downgrade() -> None:
    op.drop_table("setup_records")
    op.drop_table("guest_orders")
    op.drop_table("carried_taxes")
