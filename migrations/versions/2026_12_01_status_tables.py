"""The status tables of stores, in versions. A change raises the settings' version."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

RAISE_VERSION = """
CREATE CONSTRAINT TRIGGER raise_settings_version AFTER INSERT OR UPDATE OR DELETE ON status_tables
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version()
"""


def upgrade() -> None:
    op.create_table(
        "status_tables",
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rows", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("new_order", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("store", "version", name=op.f("pk_status_tables")),
    )
    op.execute(RAISE_VERSION)


def downgrade() -> None:
    op.drop_table("status_tables")
