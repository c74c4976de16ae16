"""Indexes of the Sync Log for all its filters and for words, made while the log is in use."""

from collections.abc import Sequence

from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

SEARCH_TERMS = """
CREATE OR REPLACE FUNCTION search_terms(moment timestamptz, texts text[], tags text[])
RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    span bigint := floor(extract(epoch FROM moment) / 345600);
    letters text[] := string_to_array(lower(array_to_string(texts, chr(10))), NULL);
BEGIN
    RETURN ARRAY(
        SELECT hashtextextended(term COLLATE "C", span)
        FROM unnest(letters, letters[2:], letters[3:]) AS run (a, b, c),
            LATERAL (VALUES (a), (a || b), (a || b || c)) AS terms (term)
        WHERE term IS NOT NULL
        UNION ALL
        SELECT hashtextextended(tag COLLATE "C", span) FROM unnest(tags) AS tag
        WHERE tag IS NOT NULL);
END $$
"""
"""It calls nothing but functions of the server, which a restore finds without a search path, and
takes a time proportional to the text."""

INDEXES = {
    "ix_sync_log_kind": """
sync_log (store, coalesce(module, 'none'), target, outcome, coalesce(reason, ''), occurred_at, id)
INCLUDE (module, reason)
""",
    "ix_sync_log_run_kind": """
sync_log (run_id, store, coalesce(module, 'none'), target, outcome, coalesce(reason, ''),
    occurred_at, id)
INCLUDE (module, reason) WHERE run_id IS NOT NULL
""",
    "ix_sync_log_terms": """
sync_log USING gin (search_terms(occurred_at, ARRAY[message, label, source_id, target_id],
    ARRAY['store=' || store, 'module=' || coalesce(module, 'none'), 'target=' || target,
        'outcome=' || outcome, 'reason=' || reason, 'run_id=' || run_id::text]))
WITH (gin_pending_list_limit = 512)
""",
}
REPLACED = {
    "ix_sync_log_store_module_occurred_at": "sync_log (store, module, occurred_at)",
    "ix_sync_log_run_id": "sync_log (run_id) WHERE run_id IS NOT NULL",
}
NO_LIMIT = "SET lock_timeout = 0"
"""Nobody waits for these statements, so they may wait for long transactions of others."""
LIMIT = "SET lock_timeout = '10s'"


def upgrade() -> None:
    op.execute(SEARCH_TERMS)
    with op.get_context().autocommit_block():
        op.execute(NO_LIMIT)
        for name, definition in INDEXES.items():
            _create(name, definition)
        for name in REPLACED:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(LIMIT)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(NO_LIMIT)
        for name, definition in REPLACED.items():
            _create(name, definition)
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(LIMIT)
    op.execute("DROP FUNCTION search_terms")


def _create(name: str, definition: str) -> None:
    """Create an index while others read and write; what a broken-off attempt left is replaced."""
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")
