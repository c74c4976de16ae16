"""The embedded PostgreSQL: started if DATABASE_URL is not set, shared by the processes of one data
directory, and restarted if it ends unexpectedly.

Every process that uses the server holds a shared lock on a file; the last one stops the server.
The kernel releases locks when a process ends, so a `kill -9` leaves a running server that the next
start joins."""

import asyncio
import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg
from psycopg import sql

from app.config.settings import Settings
from app.db.cluster import Cluster, open_cluster
from app.domain import ConfigError
from app.tasks import in_background

# Disk space of the embedded server, which ends if it cannot write its write-ahead log.

NEEDED_MB = 64
"""Four segments of the write-ahead log."""
PLENTY_MB = 1024
_MB = 1024 * 1024


def free_megabytes(settings: Settings) -> int | None:
    """Free megabytes on the disk of the embedded server's data; None with DATABASE_URL, or if there
    are no data yet."""
    folder = settings.data_dir / "postgresql"
    if settings.database_url is not None or not folder.exists():
        return None
    return shutil.disk_usage(folder).free // _MB


def describe_space(free: int) -> str:
    """`ok`, or how much space is left, for `/health/ready`."""
    return "ok" if free >= NEEDED_MB else f"{free} MB free on the data's disk: free some space"


SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_LIMIT = 103  # bytes of a socket's path: 107 on Linux, 103 on macOS
START_SECONDS = 60  # recovery after a crash included
RETRY_SECONDS = 10  # children of a killed server keep its shared memory for a moment


class DatabaseTaken(ConfigError):
    """Another process uses a database that was to be created again."""


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A running server that this process uses; `stop` it when done."""

    data_dir: Path
    cluster: Cluster
    socket_dir: Path
    user_lock: IO[str]
    options: Mapping[str, str]

    def dsn(self, database: str) -> str:
        return f"postgresql://postgres@/{quote(database)}?host={quote(str(self.socket_dir), '')}"

    def ensure_database(self, name: str) -> str:
        """Create the database if it is missing; return its DSN."""
        create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        with (
            psycopg.connect(self.dsn("postgres"), autocommit=True) as connection,
            # the second if another process creates it concurrently
            suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation),
        ):
            connection.execute(create)
        return self.dsn(name)

    @contextmanager
    def scratch_database(self, name: str) -> Iterator[str]:
        """The DSN of an empty database, which replaces any existing one and is in use while the
        body runs.

        Raises DatabaseTaken, and changes nothing, if another process uses it.
        """
        with _exclusive(self.data_dir):
            self._drop(name)
            self.ensure_database(name)
            holder = psycopg.connect(self.dsn(name), autocommit=True)
        with holder:
            yield self.dsn(name)

    def _drop(self, name: str) -> None:
        drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            try:
                connection.execute(drop)
            except psycopg.errors.ObjectInUse:
                raise DatabaseTaken(f"The database {name} is in use.") from None

    def restart_if_ended(self, *, wait_seconds: float = RETRY_SECONDS) -> bool:
        """Restart the server if it ended unexpectedly, as on a full disk; True if it had.

        Raises ConfigError with its last messages if it does not start within so many seconds.
        """
        with _exclusive(self.data_dir):
            lines = _lines(self.cluster.path / "postmaster.pid")
            if lines and _is_alive(self.cluster, int(lines[0])):
                return False
            _start(self.cluster, self.socket_dir, self.options, wait_seconds=wait_seconds)
        return True

    def stop(self) -> bool:
        """Release the server; True if no other process used it, so that it was stopped."""
        if self.user_lock.closed:
            return False
        with _exclusive(self.data_dir):
            last = _try_exclusive(self.user_lock)
            if last:
                self.cluster.run("pg_ctl", "stop", "-w", "-m", "fast", "-s")
            self.user_lock.close()
        if last and self.socket_dir != self.cluster.path:
            shutil.rmtree(self.socket_dir, ignore_errors=True)
        return last


def start_embedded(data_dir: Path, options: Mapping[str, str] | None = None) -> EmbeddedServer:
    """Start the server in `data_dir`, or join the one that runs there.

    `options` are server settings for a start (not for a join). Raises ConfigError with the remedy.
    """
    data_dir = data_dir.expanduser().absolute()
    _make_private(data_dir)
    with _exclusive(data_dir):
        cluster = open_cluster(data_dir)
        socket_dir = _find_running(cluster)
        if socket_dir is None:
            socket_dir = _socket_dir(cluster)
            _start(cluster, socket_dir, options or {})
        user_lock = _open_lock(data_dir / "postgresql.users")
        fcntl.flock(user_lock, fcntl.LOCK_SH)
    return EmbeddedServer(data_dir, cluster, socket_dir, user_lock, options or {})


def _make_private(data_dir: Path) -> None:
    """Create the folder, which other users cannot list; root's server account can traverse it."""
    try:
        data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"DATA_DIR {data_dir} cannot be created: {error.strerror}.") from error


def _open_lock(path: Path) -> IO[str]:
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except PermissionError:
        raise ConfigError(f"{path} belongs to another user: start as that user.") from None


@contextmanager
def _exclusive(data_dir: Path) -> Iterator[None]:
    """A lock that serialises starts and stops in one folder."""
    with _open_lock(data_dir / "postgresql.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _try_exclusive(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _find_running(cluster: Cluster) -> Path | None:
    """The socket folder of a server that runs already, None without one; waits while it starts."""
    lock_file = cluster.path / "postmaster.pid"
    deadline = time.monotonic() + START_SECONDS
    while (lines := _lines(lock_file)) and _is_alive(cluster, int(lines[0])):
        socket_dir = Path(lines[4]) if len(lines) > 4 and lines[4] else cluster.path
        if _answers(socket_dir):
            return socket_dir
        if time.monotonic() > deadline:
            raise ConfigError(
                f"The PostgreSQL server with process id {lines[0]} on {cluster.path} does not "
                f"answer; stop it with `kill -INT {lines[0]}` and start again."
            )
        time.sleep(0.1)
    lock_file.unlink(missing_ok=True)
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []


def _is_alive(cluster: Cluster, pid: int) -> bool:
    """Whether the server runs: after a reboot another process may have its id, so the working
    directory is compared."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == cluster.path
        except OSError:
            return False
    return cluster.run("pg_ctl", "status").returncode == 0


def _answers(socket_dir: Path) -> bool:
    try:
        psycopg.connect(host=str(socket_dir), user="postgres", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def _start(
    cluster: Cluster,
    socket_dir: Path,
    options: Mapping[str, str],
    *,
    wait_seconds: float = RETRY_SECONDS,
) -> None:
    settings = {"unix_socket_directories": str(socket_dir), **options}
    arguments = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    waits = ("-w", "-t", str(START_SECONDS), "-s", "-l", cluster.path / "start.log")
    deadline = time.monotonic() + wait_seconds
    while cluster.run("pg_ctl", "start", *waits, "-o", arguments).returncode != 0:
        if time.monotonic() > deadline:
            raise ConfigError(
                f"The embedded PostgreSQL did not start; its log ends: {_last_messages(cluster)}"
            )
        time.sleep(0.1)


def _last_messages(cluster: Cluster) -> str:
    logs = [cluster.path / "start.log", *cluster.path.glob("log/*.log")]
    newest = max(logs, key=lambda log: log.stat().st_mtime if log.exists() else 0)
    return " / ".join(_lines(newest)[-3:]) or "none"


def _socket_dir(cluster: Cluster) -> Path:
    if len(os.fsencode(cluster.path / SOCKET_NAME)) <= SOCKET_LIMIT:
        return cluster.path
    short = Path(tempfile.mkdtemp(prefix="woo-vtiger-", dir="/tmp"))  # $TMPDIR may be deep
    cluster.account.own(short)
    return short


# Supervision of the embedded server, which no service manager restarts: it ends on a full disk, as
# it needs its write-ahead log, and when the system is out of memory.

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0


@asynccontextmanager
async def supervised(
    server: EmbeddedServer, *, every_seconds: float = CHECK_SECONDS
) -> AsyncIterator[None]:
    """Restart the server whenever it ended while the body runs."""
    async with in_background(_supervise(server, every_seconds)):
        yield


async def _supervise(server: EmbeddedServer, every_seconds: float) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        try:
            if await asyncio.to_thread(server.restart_if_ended):
                log.warning("the embedded PostgreSQL had ended unexpectedly and was restarted")
        except ConfigError as error:
            log.error("%s The start is retried.", error)
