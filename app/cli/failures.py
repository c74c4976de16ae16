"""Expected errors as a sentence on stderr and an exit code; others are shown with a traceback."""

import errno
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from app.domain import ConfigError, InvalidInput, RemoteError, StaleState

FAILED = 1
UNUSABLE = 2


class Commands(TyperGroup):
    """The root of all commands, which handles their errors."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            described = _describe(error)
            if described is None:
                raise
            from app.cli.console import ERR  # noqa: PLC0415 - only needed on errors

            sentence, code = described
            ERR.print(sentence, style="red")
            raise typer.Exit(code) from None


def _describe(error: Exception) -> tuple[str, int] | None:
    match error:
        case ConfigError() | InvalidInput():
            return str(error), UNUSABLE
        case StaleState():
            return str(error), FAILED
        case RemoteError():
            named = error.system.label in str(error)
            message = str(error).rstrip(".") + "."
            return message if named else f"{error.system.label}: {message}", FAILED
    return _describe_database_error(error) if "psycopg" in sys.modules else None


def _describe_database_error(error: Exception) -> tuple[str, int] | None:
    """Errors of the database. Only called if the driver is loaded, which `--help` does not need."""
    from app.db.session import driver_message, is_unmigrated  # noqa: PLC0415
    from app.queue import WITHOUT_DATABASE  # noqa: PLC0415

    if is_unmigrated(error):
        return "The database is not up to date: run `woo-vtiger migrate`.", UNUSABLE
    if isinstance(error, WITHOUT_DATABASE):
        return f"The database does not answer: {driver_message(error)}", UNUSABLE
    return None


def port_error(host: str, port: int, error: OSError) -> ConfigError:
    """The error that the service cannot listen on a port, with its remedy."""
    match error.errno:
        case errno.EADDRINUSE:
            trouble = "is in use: stop the other program, or choose another port"
        case errno.EACCES:
            trouble = "needs more permissions: choose a port above 1023"
        case _:
            trouble = f"cannot be used ({error.strerror})"
    return ConfigError(f"Port {port} on {host} {trouble} (--port, or PORT in .env).")
