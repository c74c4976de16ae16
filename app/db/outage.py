"""What an absent or an outdated database looks like, so that callers need not know its driver."""

import psycopg
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolExhausted

OUTAGES: tuple[type[Exception], ...] = (
    OperationalError,
    InterfaceError,
    PoolExhausted,
    psycopg.OperationalError,
    PoolTimeout,
)


OUTDATED: tuple[type[Exception], ...] = (ProgrammingError, psycopg.ProgrammingError)
"""What `is_unmigrated` tells apart from a bug."""


def is_unmigrated(error: Exception) -> bool:
    """Whether a table or column is missing because migrations were not applied."""
    origin = error.orig if isinstance(error, ProgrammingError) else error
    return isinstance(origin, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn)


def driver_message(error: Exception) -> str:
    """The first line of what the driver said: where it looked, and why that failed."""
    origin = error.orig if isinstance(error, DBAPIError) else error.__cause__ or error
    return str(origin or error).strip().partition("\n")[0]
