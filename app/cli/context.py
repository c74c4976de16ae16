"""The settings, stores and database of a command.

The demo generates its settings at each start: a database, two systems, credentials. While it runs,
they are stored in a file next to its database, for the commands of the same user in the same
folder. A lock on the file, which the process holds until it ends, shows whether the demo runs."""

import fcntl
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from app.cli.console import ERR
from app.config.settings import Settings, load_settings
from app.db.opening import open_database
from app.db.session import Sessions, open_sessions
from app.domain import ConfigError

# The database, for commands that call neither system


@asynccontextmanager
async def cli_sessions(settings: Settings) -> AsyncIterator[Sessions]:
    """Sessions of the database in the settings."""
    async with open_database(settings) as (_, engine, _):
        yield open_sessions(engine)


# The shops of a command

NO_STORE = (
    "No shop is configured: copy .env.example to .env and fill it in. (While the demo of"
    " `woo-vtiger serve` runs in this folder, this command uses it.)"
)


def chosen_stores(settings: Settings, store: str | None) -> list[str]:
    """The keys of the chosen shops. Raises ConfigError if there is no shop with this key."""
    if not settings.stores:
        raise ConfigError(NO_STORE)
    if store is None:
        return list(settings.stores)
    if store not in settings.stores:
        known = ", ".join(settings.stores)
        raise ConfigError(f"There is no store {store}; the configured stores are {known}.")
    return [store]


FILE = "demo.json"
JOINED = "No shop and no Vtiger are configured: the command uses the demo that runs at {url}."
NO_DEMO = (
    "No shop and no Vtiger are configured, and no demo runs here: the command uses the database in"
    " {folder}, which the service will use once they are configured."
)


def load_cli_settings() -> Settings:
    """The configured settings; without a configuration those of the running demo, which is reported
    on stderr.

    Raises ConfigError.
    """
    settings = load_settings()
    if settings.is_configured:
        return settings
    if (demo := _find_demo(settings.data_dir)) is not None:
        ERR.print(JOINED.format(url=demo.public_url), style="dim")
        return demo
    if settings.database_url is None:
        text = NO_DEMO.format(folder=settings.data_dir.absolute())
        ERR.print(text, style="yellow")
    return settings


@contextmanager
def joinable(settings: Settings, data_dir: Path) -> Iterator[None]:
    """Publish the settings of the demo in `data_dir` for other commands while the body runs."""
    path = _file_in(data_dir)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate()
        json.dump(_plain(settings), file)
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _file_in(data_dir: Path) -> Path:
    """The file for the settings of the demo, next to its database (`~` is expanded)."""
    return data_dir.expanduser() / FILE


def _find_demo(data_dir: Path) -> Settings | None:
    path = _file_in(data_dir)
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Settings.model_validate(json.load(file))
    except FileNotFoundError:
        return None
    except json.JSONDecodeError:
        return None  # the demo is starting
    except PermissionError:
        raise ConfigError(
            f"{path} belongs to another user: run the command as that user."
        ) from None
    return None


def _plain(value: Any) -> Any:
    """The settings as JSON values, including secrets."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, BaseModel):
        return {name: _plain(part) for name, part in value}
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value
