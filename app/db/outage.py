"""What an absent or an outdated database looks like, so that callers need not know its driver."""

import psycopg
from psycopg_pool import PoolTimeout
from sqlalchemy import ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolExhausted

OUTAGES: tuple[type[Exception], ...] = (
    OperationalError,
    InterfaceError,
    PoolExhausted,
    psycopg.OperationalError,
    PoolTimeout,
)
"""What passes by itself: the same statement may succeed later. `StatementRefused` is none."""

PASSING_CLASSES = frozenset({"08", "40", "53", "57", "58"})
"""SQLSTATE classes of errors that say nothing against the statement: lost connections, transactions
that lost to another one, exhausted resources, shutdowns and cancellations, input/output errors."""
PASSING_STATES = frozenset({"55P03"})  # lock_not_available


class StatementRefused(DBAPIError):
    """The database refuses this very statement, now and later, such as a value that is too large
    for an index (54000). Retrying it unchanged helps nobody."""


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


def is_refusal(error: BaseException | None) -> bool:
    """Whether a driver's error is the database's word against this very statement."""
    if not isinstance(error, psycopg.Error) or error.sqlstate is None:
        return False
    return error.sqlstate[:2] not in PASSING_CLASSES and error.sqlstate not in PASSING_STATES


def tell_refusals_apart(context: ExceptionContext) -> None:
    """A listener of the engine's `handle_error`: the driver calls a refused statement an
    OperationalError, as it calls a lost connection. Raises StatementRefused for the former."""
    refused = context.original_exception
    if isinstance(refused, psycopg.OperationalError) and is_refusal(refused):
        raise StatementRefused(context.statement, None, refused, hide_parameters=True)
