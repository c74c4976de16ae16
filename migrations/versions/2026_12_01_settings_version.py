"""A number that grows with each change of settings, mappings and setup records, for caches."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

WATCHED = ("sync_settings", "mapping_versions", "setup_records")

RAISE_VERSION = """
CREATE FUNCTION raise_settings_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO settings_version AS known (name, version) VALUES ('settings', 1)
    ON CONFLICT (name) DO UPDATE SET version = known.version + 1;
    RETURN NULL;
END $$
"""

RAISED_BY = """
CREATE CONSTRAINT TRIGGER raise_settings_version AFTER INSERT OR UPDATE OR DELETE ON {table}
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_settings_version()
"""
"""Deferred to the commit, so that a transaction that changes more waits for nobody before that."""


def upgrade() -> None:
    op.create_table(
        "settings_version",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings_version")),
    )
    op.execute(RAISE_VERSION)
    for table in WATCHED:
        op.execute(RAISED_BY.format(table=table))


def downgrade() -> None:
    op.execute("DROP FUNCTION raise_settings_version CASCADE")
    op.drop_table("settings_version")
