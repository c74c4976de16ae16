"""Conflicts that a person decides."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "conflicts",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("link_id", sa.BigInteger(), nullable=False),
        sa.Column("woo_id", sa.String(), nullable=False),
        sa.Column("vtiger_id", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("woo", sa.String(), nullable=True),
        sa.Column("vtiger", sa.String(), nullable=True),
        sa.Column("woo_modified_at", TIME, nullable=True),
        sa.Column("vtiger_modified_at", TIME, nullable=True),
        sa.Column("began_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("resolution", sa.String(), nullable=True),
        sa.Column("resolved_by", sa.String(), nullable=True),
        sa.Column("resolved_at", TIME, nullable=True),
        sa.Column("applied_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflicts")),
    )
    op.create_index("ix_conflicts_began_at_id", "conflicts", ["began_at", "id"])
    op.create_index("ix_conflicts_link_id", "conflicts", ["link_id"])
    op.create_index(
        "uq_conflicts_unsettled",
        "conflicts",
        ["link_id", "field"],
        unique=True,
        postgresql_where=sa.text("applied_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("conflicts")
