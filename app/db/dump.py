"""Backup and restore of the database, with PostgreSQL's programs in the wheel.

A dump of any release is restored completely or not at all, and migrated afterwards. With the
wheel's programs nothing has to be installed, and no dump is newer than pg_restore."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.db.cluster import client_programs
from app.db.migrate import LOCK_KEY, is_known
from app.domain import ConfigError

VERSIONS = "alembic_version"
ENGINE = "procrastinate_"
HEADER_LINES = 40
SINCE_17 = b"SET transaction_timeout = 0;\n"
"""Written by the wheel's pg_restore at the beginning, and not understood by servers before 17."""
PG_17 = 170_000
BLOCK = 1024 * 1024
AS_OURS = ("--no-owner", "--no-privileges")
QUIETLY = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction")
EMPTY = """
DO $$ DECLARE command text; BEGIN
  FOR command IN
    SELECT format('DROP TABLE IF EXISTS %s CASCADE', oid::regclass) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  LOOP EXECUTE command; END LOOP;
  FOR command IN
    SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure) FROM pg_proc p
    WHERE pronamespace = 'public'::regnamespace AND NOT EXISTS (
      SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
  LOOP EXECUTE command; END LOOP;
  FOR command IN
    SELECT format('DROP TYPE IF EXISTS %s CASCADE', t.oid::regtype) FROM pg_type t
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE typnamespace = 'public'::regnamespace AND (typtype = 'e' OR c.relkind = 'c')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
  LOOP EXECUTE command; END LOOP;
END $$
"""


def dump(address: str, file: Path) -> None:
    """Write a snapshot of the database to `file`; the service may run meanwhile.

    The file is readable by its owner only, and is renamed to its name once it is complete. Raises
    ConfigError.
    """
    with psycopg.connect(address) as connection:
        if VERSIONS not in _tables(connection):
            raise ConfigError("The database is empty: there is nothing to back up.")
    part = file.with_name(f"{file.name}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        try:
            _run("pg_dump", [*AS_OURS, "--format=custom", f"--file={part}"], address)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.") from None


def restore(address: str, file: Path, *, known: Collection[str], replace: bool) -> None:
    """Replace the content of the database by a file of `dump`, in one transaction.

    `known` are the tables of this release. Raises ConfigError with the remedy, and changes nothing,
    if the file is of a newer release, or the database has other tables, is in use, or has data
    and `replace` is not set.
    """
    revision = _revision(file)
    if not is_known(revision):
        raise ConfigError(
            f"{file} was made by a newer release of woo-vtiger: restore it with that one."
        )
    with psycopg.connect(address, autocommit=True) as connection:
        # A service that starts meanwhile waits with its migrations until the restore is done.
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        _check_target(connection, known, replace=replace)
        _load(address, file, connection.info.server_version)


def _check_target(connection: psycopg.Connection, known: Collection[str], *, replace: bool) -> None:
    tables = _tables(connection)
    foreign = {name for name in tables - {VERSIONS, *known} if not name.startswith(ENGINE)}
    if foreign:
        raise ConfigError(
            f"The database holds tables of something else ({', '.join(sorted(foreign)[:5])}):"
            " restore into a database of woo-vtiger's own, named by DATABASE_URL."
        )
    if others := _count_others(connection):
        raise ConfigError(
            f"The database is in use ({others} connections): stop the service and all workers"
            " first."
        )
    if not replace and any(_has_rows(connection, name) for name in sorted(tables & set(known))):
        raise ConfigError(
            "The database holds data already. Back it up if it may be needed, then say --replace:"
            " what it holds is dropped."
        )


def _tables(connection: psycopg.Connection) -> set[str]:
    found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in found}


def _count_others(connection: psycopg.Connection) -> int:
    found = connection.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND coalesce(backend_type, 'client backend') = 'client backend'"
    )
    [(count,)] = found
    return int(count)


def _has_rows(connection: psycopg.Connection, table: str) -> bool:
    name = sql.Identifier("public", table)
    [(found,)] = connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(name))
    return bool(found)


def _revision(file: Path) -> str:
    """The migration of a dump. Raises ConfigError for a file that is no dump of this service."""
    if not file.is_file():
        raise ConfigError(f"There is no file {file}.")
    rows = ["--data-only", f"--table={VERSIONS}", "--file=-", str(file)]
    try:
        text = _run("pg_restore", rows)
    except ConfigError as error:
        raise ConfigError(f"{file} is no file of `woo-vtiger backup`. {error}") from None
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("COPY ") and VERSIONS in line:
            return next(lines, "")
    raise ConfigError(f"{file} is a dump of something else than woo-vtiger's database.")


def _load(address: str, file: Path, server: int) -> None:
    """Empty the database and read the file into it, in one transaction of psql."""
    programs, (target, environment) = client_programs(), _target(address)
    with tempfile.TemporaryFile() as messages:
        with (
            subprocess.Popen(  # noqa: S603 (the wheel's own programs)
                [programs / "pg_restore", *AS_OURS, "--file=-", file],
                stdout=subprocess.PIPE,
                stderr=messages,
            ) as reading,
            subprocess.Popen(  # noqa: S603
                [programs / "psql", *QUIETLY, "-c", EMPTY, "--file=-", target],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=messages,
                env=environment,
            ) as loading,
        ):
            is_complete = _copy_dump(reading, loading, before_17=server < PG_17)
        if not is_complete or loading.returncode != 0:
            messages.seek(0)
            text = messages.read().decode(errors="replace")
            raise ConfigError(f"Nothing was restored, all is as it was: {_last_messages(text)}")


def _copy_dump(
    reading: subprocess.Popen[bytes], loading: subprocess.Popen[bytes], *, before_17: bool
) -> bool:
    """Copy pg_restore's output to psql; False if it was not copied completely.

    At the end of its input psql commits, so it is killed before that unless the dump was complete.
    """
    assert reading.stdout is not None and loading.stdin is not None  # noqa: S101, PT018 (pipes)
    is_complete = False
    try:
        for _ in range(HEADER_LINES):
            line = reading.stdout.readline()
            if not (before_17 and line == SINCE_17):
                loading.stdin.write(line)
        shutil.copyfileobj(reading.stdout, loading.stdin, BLOCK)
        is_complete = reading.wait() == 0
    except BrokenPipeError:
        pass  # psql has ended with a message
    finally:
        if not is_complete:
            reading.kill()
            loading.kill()
        with suppress(BrokenPipeError):
            loading.stdin.close()
    return is_complete


def _run(program: str, arguments: Sequence[str], address: str | None = None) -> str:
    """The output of a program. Raises ConfigError with the end of its messages if it fails."""
    target, environment = _target(address) if address else (None, None)
    command = [str(client_programs() / program), *arguments, *([target] if target else [])]
    done = subprocess.run(  # noqa: S603 (the wheel's own programs)
        command, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        raise ConfigError(f"{program} failed: {_last_messages(done.stderr)}")
    return done.stdout


def _target(address: str) -> tuple[str, dict[str, str]]:
    """The argument and the environment that name the database to a program; the password is in the
    environment, since other users can list arguments."""
    parts = conninfo_to_dict(address)
    password = parts.pop("password", None)
    secret = {"PGPASSWORD": str(password)} if password is not None else {}
    return f"--dbname={make_conninfo('', **parts)}", os.environ | secret


def _last_messages(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-3:]) or "no message"
