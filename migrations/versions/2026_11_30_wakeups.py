"""A row for each record that waits, with the time it is due at; triggers on deliveries keep it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

WAITING = sa.text("woken_at IS NULL")

NOTE_ADDED = """
CREATE FUNCTION note_added_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO wakeups AS known (record_key, store, is_bulk, due_at, since, claimed_at)
    SELECT record_key, min(store), bool_and(run_id IS NOT NULL OR origin IN ('poll', 'replay')),
        min(next_attempt_at) FILTER (WHERE state = 'pending'), min(received_at),
        min(claimed_at) FILTER (WHERE state = 'processing')
    FROM added WHERE state IN ('pending', 'processing')
    GROUP BY record_key ORDER BY record_key COLLATE "C"
    ON CONFLICT (record_key) DO UPDATE SET
        is_bulk = known.is_bulk AND excluded.is_bulk,
        due_at = least(known.due_at, excluded.due_at),
        since = least(known.since, excluded.since),
        claimed_at = least(known.claimed_at, excluded.claimed_at)
    WHERE (known.is_bulk AND NOT excluded.is_bulk)
        OR excluded.due_at < coalesce(known.due_at, 'infinity')
        OR excluded.since < known.since
        OR excluded.claimed_at < coalesce(known.claimed_at, 'infinity');
    RETURN NULL;
END $$
"""
"""What is new can only make a record due earlier. A row that need not change is locked all the
same, so that whoever sums up the record's deliveries meanwhile waits, or leaves it to us."""

SUM_UP = """
CREATE FUNCTION sum_up_wakeups(keys text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    free text[] := ARRAY(
        SELECT record_key FROM wakeups WHERE record_key = ANY (keys)
        ORDER BY record_key COLLATE "C" FOR UPDATE SKIP LOCKED);
BEGIN
    UPDATE wakeups SET is_bulk = summed.is_bulk, due_at = summed.due_at, since = summed.since,
        claimed_at = summed.claimed_at
    FROM (
        SELECT record_key, bool_and(run_id IS NOT NULL OR origin IN ('poll', 'replay')) AS is_bulk,
            min(next_attempt_at) FILTER (WHERE state = 'pending') AS due_at,
            min(received_at) AS since,
            min(claimed_at) FILTER (WHERE state = 'processing') AS claimed_at
        FROM deliveries WHERE record_key = ANY (free) AND state IN ('pending', 'processing')
        GROUP BY record_key
    ) AS summed
    WHERE wakeups.record_key = summed.record_key;
    DELETE FROM wakeups WHERE record_key = ANY (free) AND NOT EXISTS (
        SELECT FROM deliveries WHERE deliveries.record_key = wakeups.record_key
            AND state IN ('pending', 'processing'));
END $$
"""
"""A row that is locked is left to whoever holds it: a receiver, which has the record looked at, or
a dispatcher, which is about to. So a worker never waits for a row here, and cannot deadlock."""

NOTE_CHANGED = """
CREATE FUNCTION note_changed_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    keys text[] := ARRAY(
        SELECT DISTINCT now_.record_key FROM became AS now_ JOIN was USING (id)
        WHERE (now_.state, now_.next_attempt_at, now_.claimed_at, now_.received_at)
                IS DISTINCT FROM (was.state, was.next_attempt_at, was.claimed_at, was.received_at)
            AND (now_.state IN ('pending', 'processing')
                OR was.state IN ('pending', 'processing')));
BEGIN
    IF keys <> '{}' THEN
        INSERT INTO wakeups AS known (record_key, store, is_bulk, due_at, since, claimed_at)
        SELECT now_.record_key, min(now_.store), false,
            min(now_.next_attempt_at) FILTER (WHERE now_.state = 'pending'), min(now_.received_at),
            min(now_.claimed_at) FILTER (WHERE now_.state = 'processing')
        FROM became AS now_ JOIN was USING (id)
        WHERE now_.state IN ('pending', 'processing')
            AND was.state NOT IN ('pending', 'processing')
        GROUP BY now_.record_key ORDER BY now_.record_key COLLATE "C"
        ON CONFLICT (record_key) DO UPDATE SET due_at = least(known.due_at, excluded.due_at);
        PERFORM sum_up_wakeups(keys);
    END IF;
    RETURN NULL;
END $$
"""

"""The service opens no settled delivery again, but a person may, by hand."""

TRIGGERS = (
    """
CREATE TRIGGER note_added AFTER INSERT ON deliveries REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION note_added_deliveries()
""",
    """
CREATE TRIGGER note_changed AFTER UPDATE ON deliveries
REFERENCING OLD TABLE AS was NEW TABLE AS became
FOR EACH STATEMENT EXECUTE FUNCTION note_changed_deliveries()
""",
)


def upgrade() -> None:
    op.execute("DELETE FROM wakeups")  # the next revision makes them anew; a job too many is none
    op.drop_column("wakeups", "created_at")
    op.add_column("wakeups", sa.Column("store", sa.String(), nullable=False))
    op.add_column("wakeups", sa.Column("is_bulk", sa.Boolean(), nullable=False))
    for name in ("due_at", "claimed_at", "woken_at"):
        op.add_column("wakeups", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("wakeups", sa.Column("since", sa.DateTime(timezone=True), nullable=False))
    op.create_index(
        "ix_wakeups_due",
        "wakeups",
        ["store", "is_bulk", "due_at", "record_key"],
        postgresql_where=WAITING,
    )
    op.create_index("ix_wakeups_since", "wakeups", ["store", "since"], postgresql_where=WAITING)
    op.create_index(
        "ix_wakeups_claimed",
        "wakeups",
        ["claimed_at"],
        postgresql_where=sa.text("woken_at IS NULL AND claimed_at IS NOT NULL"),
    )
    op.create_index(
        "ix_wakeups_woken",
        "wakeups",
        ["is_bulk"],
        postgresql_where=sa.text("woken_at IS NOT NULL"),
    )
    op.execute(
        "ALTER TABLE wakeups SET (autovacuum_vacuum_scale_factor = 0.02,"
        " autovacuum_analyze_scale_factor = 0.05)"
    )
    for statement in (NOTE_ADDED, SUM_UP, NOTE_CHANGED, *TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION note_added_deliveries CASCADE")
    op.execute("DROP FUNCTION note_changed_deliveries CASCADE")
    op.execute("DROP FUNCTION sum_up_wakeups")
    op.drop_table("wakeups")
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
