"""What tests do to the service's own tables: time that has passed, things that were lost."""

from dataclasses import dataclass

import psycopg
from psycopg import sql
from sqlalchemy import delete, text
from sqlalchemy.engine import make_url

from app.db.session import transaction
from app.inbox.models import Delivery, Wakeup
from app.links.models import Link
from app.runtime import Runtime
from app.synclog.models import Entry

EMPTY = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
END $$
"""
RESTART = """
SELECT setval(oid::regclass, 1, false) FROM pg_class
WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
"""
BREAK = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
AGE_REMOTES = """
UPDATE remotes SET
    opened_at = opened_at - make_interval(secs => :by),
    closed_at = closed_at - make_interval(secs => :by),
    probe_at = probe_at - make_interval(secs => :by),
    slowed_at = slowed_at - make_interval(secs => :by),
    paused_until = paused_until - make_interval(secs => :by),
    booked_until = booked_until - make_interval(secs => :by),
    silent_since = silent_since - make_interval(secs => :by)
"""


@dataclass(slots=True)
class Tampering:
    """The database behind a runtime, in a test's hands."""

    runtime: Runtime

    async def forget_log(self) -> None:
        async with transaction(self.runtime.sessions) as session:
            await session.execute(delete(Entry))

    async def forget_hints(self) -> None:
        """Deliveries that wait are lost."""
        async with transaction(self.runtime.sessions) as session:
            await session.execute(delete(Delivery))
            await session.execute(delete(Wakeup))

    async def forget_links(self) -> None:
        async with transaction(self.runtime.sessions) as session:
            await session.execute(delete(Link))

    async def lose_database(self) -> None:
        """All that the service knew is gone, but for what it read within the last minute."""
        await self.execute(EMPTY)
        for store in self.runtime.stores:
            self.runtime.memory.forget(f"history:{store}")

    async def strand(self) -> None:
        """As long after a worker's death as it takes others to notice."""
        await self.execute("UPDATE leases SET expires_at = now() - interval '1 second'")
        await self.execute("UPDATE deliveries SET claimed_at = now() - interval '1 hour'")

    async def age_intents(self, *, seconds: float) -> None:
        await self.execute(
            "UPDATE intents SET created_at = created_at - make_interval(secs => :by)", by=seconds
        )

    async def age_hints(self, *, days: float) -> None:
        await self.execute(
            "UPDATE deliveries SET received_at = received_at - make_interval(secs => :by)",
            by=days * 86_400,
        )

    async def age_remotes(self, *, seconds: float) -> None:
        """What is known of the remotes was learned so much earlier."""
        await self.execute(AGE_REMOTES, by=seconds)

    async def break_connections(self) -> None:
        """All connections end, as when the server restarts."""
        await self.execute(BREAK)

    async def close_database(self, *, closed: bool) -> None:
        """No connection is taken, and those that there are end."""
        address = make_url(self.runtime.address)
        name = sql.Identifier(address.database or "")
        admin = address.set(database="postgres").render_as_string(hide_password=False)
        allowed = sql.Literal(not closed)
        statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(name, allowed)
        async with await psycopg.AsyncConnection.connect(admin, autocommit=True) as connection:
            await connection.execute(statement)
            await connection.execute(END_ALL, [address.database])

    async def execute(self, statement: str, **values: object) -> None:
        async with transaction(self.runtime.sessions) as session:
            await session.execute(text(statement), values)
