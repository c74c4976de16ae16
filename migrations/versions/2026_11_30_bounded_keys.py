"""Keys of bounded length, and how often a delivery was taken up without a word."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LENGTH = "ck_deliveries_record_key_length"
SHORTEN = """
UPDATE deliveries
SET record_key = left(record_key, 335) || '#'
    || encode(sha256(convert_to(record_key, 'UTF8')), 'hex')
WHERE length(record_key) > 400
"""
"""As `app.domain.bounded_key` does it."""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "deliveries", sa.Column("lost_claims", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.execute(SHORTEN)
    op.create_check_constraint(op.f(LENGTH), "deliveries", "length(record_key) <= 400")


def downgrade() -> None:
    op.drop_constraint(op.f(LENGTH), "deliveries")
    op.drop_column("deliveries", "lost_claims")
