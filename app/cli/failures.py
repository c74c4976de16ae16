"""Expected failures as one sentence on stderr and an exit code; only a bug shows a traceback."""

import errno
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from app.domain import ConfigError, InvalidInput, RemoteError, StaleState

FAILED = 1
UNUSABLE = 2


class Commands(TyperGroup):
    """The root of all commands: whatever one of them raises passes here."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            told = _tell(error)
            if told is None:
                raise
            from app.cli.console import ERR  # noqa: PLC0415 - what goes well does without

            sentence, code = told
            ERR.print(sentence, style="red")
            raise typer.Exit(code) from None


def _tell(error: Exception) -> tuple[str, int] | None:
    match error:
        case ConfigError() | InvalidInput():
            return str(error), UNUSABLE
        case StaleState():
            return str(error), FAILED
        case RemoteError():
            named = error.system.label in str(error)
            told = str(error).rstrip(".") + "."
            return told if named else f"{error.system.label}: {told}", FAILED
    return _tell_of_database(error) if "psycopg" in sys.modules else None


def _tell_of_database(error: Exception) -> tuple[str, int] | None:
    """Only a driver that is loaded can have raised it: help and wrong options need none."""
    from app.db.session import driver_message, is_unmigrated  # noqa: PLC0415
    from app.queue import WITHOUT_DATABASE  # noqa: PLC0415

    if is_unmigrated(error):
        return "The database is not up to date: run `woo-vtiger migrate`.", UNUSABLE
    if isinstance(error, WITHOUT_DATABASE):
        return f"The database does not answer: {driver_message(error)}", UNUSABLE
    return None


def port_error(host: str, port: int, error: OSError) -> ConfigError:
    """Why the service cannot listen there, and what to do about it."""
    match error.errno:
        case errno.EADDRINUSE:
            trouble = "is taken: stop what runs there, or choose another port"
        case errno.EACCES:
            trouble = "needs more rights: choose one above 1023"
        case _:
            trouble = f"cannot be used ({error.strerror})"
    return ConfigError(f"Port {port} on {host} {trouble} (--port, or PORT in .env).")
