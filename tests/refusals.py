"""A database that refuses rows of one value, as it refuses a value too large for an index."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from app.db.session import Sessions, transaction

_FUNCTION = """
CREATE FUNCTION refuse_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.{column} = '{value}' THEN
        RAISE EXCEPTION 'index row size exceeds the maximum' USING ERRCODE = '54000';
    END IF;
    RETURN NEW;
END $$
"""
_TRIGGER = """
CREATE TRIGGER refuse_{table} BEFORE INSERT OR UPDATE ON {table}
FOR EACH ROW EXECUTE FUNCTION refuse_{table}()
"""


@asynccontextmanager
async def refusing(sessions: Sessions, table: str, column: str, value: str) -> AsyncIterator[None]:
    """No row of the table may hold this value in this column."""
    given = {"table": table, "column": column, "value": value}
    async with transaction(sessions) as session:
        await session.execute(text(_FUNCTION.format(**given)))
        await session.execute(text(_TRIGGER.format(**given)))
    try:
        yield
    finally:
        async with transaction(sessions) as session:
            await session.execute(text(f"DROP FUNCTION refuse_{table} CASCADE"))
