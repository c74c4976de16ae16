"""The first tables: inbox, links, sync log, the users' choices, and the job engine's own."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _run(SchemaManager.get_schema())
    op.create_table(
        "api_tokens",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
    )
    op.create_index("uq_api_tokens_digest", "api_tokens", ["digest"], unique=True)
    op.create_table(
        "deliveries",
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("record_key", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("dedupe_key", sa.String(), nullable=False),
        sa.Column("remote_note", sa.String(), server_default="", nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "last_received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("duplicates", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.String(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("last_reason", sa.String(), nullable=True),
        sa.Column("sync_log_id", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_deliveries_open_record",
        "deliveries",
        ["record_key"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'processing')"),
    )
    op.create_index(
        "ix_deliveries_received_at_id", "deliveries", ["received_at", "id"], unique=False
    )
    op.create_index(
        "uq_deliveries_pending_dedupe_key",
        "deliveries",
        ["dedupe_key"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "intents",
        sa.Column("record_key", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("natural_key", sa.String(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intents")),
    )
    op.create_index("uq_intents_record", "intents", ["record_key"], unique=True)
    op.create_table(
        "leases",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_leases")),
    )
    op.create_table(
        "links",
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("woo_id", sa.String(), nullable=False),
        sa.Column("vtiger_id", sa.String(), nullable=False),
        sa.Column(
            "base",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("woo_modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("vtiger_modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("woo_written_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("vtiger_written_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("woo_deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("vtiger_deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
    )
    op.create_index("uq_links_vtiger", "links", ["store", "module", "vtiger_id"], unique=True)
    op.create_index("uq_links_woo", "links", ["store", "module", "woo_id"], unique=True)
    op.create_table(
        "sightings",
        sa.Column("record_key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("record_key", name=op.f("pk_sightings")),
    )
    op.create_table(
        "sync_log",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=True),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("target_id", sa.String(), nullable=True),
        sa.Column("link_id", sa.BigInteger(), nullable=True),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("delivery_count", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("label", sa.String(), server_default="", nullable=False),
        sa.Column(
            "changes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column(
            "notes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column(
            "conflicts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_log")),
    )
    op.create_index("ix_sync_log_link_id", "sync_log", ["link_id"], unique=False)
    op.create_index("ix_sync_log_occurred_at_id", "sync_log", ["occurred_at", "id"], unique=False)
    op.create_index(
        "ix_sync_log_run_id",
        "sync_log",
        ["run_id"],
        unique=False,
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )
    op.create_index("ix_sync_log_source_id", "sync_log", ["source_id"], unique=False)
    op.create_index(
        "ix_sync_log_store_module_occurred_at",
        "sync_log",
        ["store", "module", "occurred_at"],
        unique=False,
    )
    op.create_index("ix_sync_log_target_id", "sync_log", ["target_id"], unique=False)
    op.create_table(
        "sync_log_deliveries",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "delivery_id", name=op.f("pk_sync_log_deliveries")),
    )
    op.create_index(
        "ix_sync_log_deliveries_delivery_id", "sync_log_deliveries", ["delivery_id"], unique=False
    )
    op.create_table(
        "sync_settings",
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("values", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("store", "module", name=op.f("pk_sync_settings")),
    )
    op.create_table(
        "sync_totals",
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("hour_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shard", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "store", "module", "target", "outcome", "hour_at", "shard", name=op.f("pk_sync_totals")
        ),
    )
    op.create_table(
        "wakeups",
        sa.Column("record_key", sa.String(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("record_key", name=op.f("pk_wakeups")),
    )
    op.create_table(
        "watermarks",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_watermarks")),
    )


def downgrade() -> None:
    for table in (
        "watermarks",
        "wakeups",
        "sync_totals",
        "sync_settings",
        "sync_log_deliveries",
        "sync_log",
        "sightings",
        "links",
        "leases",
        "intents",
        "deliveries",
        "api_tokens",
    ):
        op.drop_table(table)
    _run(
        """
        DROP TABLE procrastinate_events, procrastinate_periodic_defers,
            procrastinate_jobs, procrastinate_workers CASCADE;
        DROP TYPE procrastinate_job_to_defer_v1, procrastinate_job_event_type,
            procrastinate_job_status CASCADE;
        DO $$ DECLARE f regprocedure; BEGIN
            FOR f IN SELECT oid FROM pg_proc WHERE proname LIKE 'procrastinate%' LOOP
                EXECUTE 'DROP FUNCTION ' || f || ' CASCADE';
            END LOOP;
        END $$
        """
    )


def _run(script: str) -> None:
    """Many statements at once, and percent signs as they are."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None  # noqa: S101 - a migration always runs on a live connection
    connection.execute(script)
