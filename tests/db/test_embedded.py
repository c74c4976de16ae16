"""The embedded server survives restarts and kills, is shared, and lets nobody else in."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from app.db.embedded import EmbeddedServer, start_embedded, supervised
from app.domain import ConfigError
from tests.acceptance.process import wait_until
from tests.conftest import FAST, RUN_FOLDER

USER = """
import sys
from pathlib import Path
from app.db.embedded import start_embedded
server = start_embedded(Path(sys.argv[1]))
print(server.ensure_database("woo_vtiger"), flush=True)
sys.stdin.read()
server.stop()
"""

MOMENTS = 1000  # a killed process is there a little longer
Start = Callable[..., EmbeddedServer]


@pytest.fixture
def folder() -> Path:
    """A data folder, not made yet, that the server's account can reach."""
    home = Path(tempfile.mkdtemp(dir=os.environ[RUN_FOLDER]))
    home.chmod(0o711)
    return home / "data"


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts or joins a server; whatever still runs after the test is stopped."""
    servers: list[EmbeddedServer] = []

    def _start(data_dir: Path = folder, *, durable: bool = False) -> EmbeddedServer:
        servers.append(start_embedded(data_dir, {} if durable else FAST))
        return servers[-1]

    yield _start
    for server in servers:
        server.stop()


def _ask(dsn: str, question: LiteralString) -> str:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(question).fetchone()
    return str(row[0]) if row else ""


def _keep(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")


def _kept(dsn: str) -> str:
    return _ask(dsn, "SELECT n FROM kept")


def _server_id(folder: Path) -> int:
    return int((folder / "postgresql" / "postmaster.pid").read_text().splitlines()[0])


def _user(folder: Path) -> subprocess.Popen[str]:
    """Another process that uses the server until its stdin is closed."""
    command = [sys.executable, "-c", USER, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _dsn(user: subprocess.Popen[str]) -> str:
    assert user.stdout is not None
    return user.stdout.readline().strip()


def test_data_are_kept_over_a_restart(start: Start) -> None:
    first = start()
    _keep(first.ensure_database("shop"))
    assert first.stop()
    assert _kept(start().ensure_database("shop")) == "7"


def test_a_second_user_joins_and_the_last_one_to_leave_stops_it(start: Start) -> None:
    first, second = start(), start()
    assert second.dsn("postgres") == first.dsn("postgres")
    assert not second.stop()
    assert not second.stop()
    assert _ask(first.dsn("postgres"), "SELECT 1") == "1"
    assert first.stop()


def test_two_first_starts_at_once_end_on_one_server(folder: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        users = list(pool.map(_user, [folder] * 2))
    assert len({_dsn(user) for user in users}) == 1
    assert [user.communicate("")[0] for user in users] == ["", ""]
    assert [user.returncode for user in users] == [0, 0]
    assert not (folder / "postgresql" / "postmaster.pid").exists()


def test_after_kill_9_of_its_user_the_next_start_joins_and_stops_it(
    folder: Path, start: Start
) -> None:
    user = _user(folder)
    _keep(_dsn(user))
    server_id = _server_id(folder)
    user.kill()
    user.communicate()
    joined = start()
    assert _server_id(folder) == server_id
    assert _kept(joined.dsn("woo_vtiger")) == "7"
    assert joined.stop()


def test_after_kill_9_of_the_server_what_was_committed_is_there(folder: Path, start: Start) -> None:
    _keep(start(durable=True).ensure_database("shop"))
    os.kill(_server_id(folder), signal.SIGKILL)
    assert _kept(start(durable=True).dsn("shop")) == "7"


def test_a_folder_half_made_by_a_crash_is_made_anew(folder: Path, start: Start) -> None:
    draft = folder / "postgresql.draft"
    draft.mkdir(parents=True)
    folder.chmod(0o711)
    (draft / "PG_VERSION").write_text("18")
    assert _ask(start().dsn("postgres"), "SELECT 1") == "1"


def test_a_process_id_that_passed_to_a_stranger_is_no_server(folder: Path, start: Start) -> None:
    first = start()
    pid_file = folder / "postgresql" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    first.stop()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert _ask(start().dsn("postgres"), "SELECT 1") == "1"


def test_a_path_too_long_for_a_socket_is_no_obstacle(folder: Path, start: Start) -> None:
    deep = folder / ("x" * 120)
    deep.mkdir(parents=True)
    folder.chmod(0o711)
    server = start(deep)
    assert _ask(server.dsn("postgres"), "SELECT 1") == "1"
    assert server.socket_dir.stat().st_mode & 0o077 == 0
    server.stop()
    assert not server.socket_dir.exists()


def test_nobody_else_gets_in_or_reads_the_files(folder: Path, start: Start) -> None:
    server = start()
    assert _ask(server.dsn("postgres"), "SHOW listen_addresses") == ""
    assert server.cluster.path.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o066 == 0


def test_writes_are_on_disk_before_they_count(start: Start) -> None:
    server = start(durable=True)
    question = "SELECT string_agg(setting, ',') FROM pg_settings WHERE name IN"
    question += " ('fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums')"
    assert _ask(server.dsn("postgres"), question) == "on,on,on,on"


def test_data_of_another_major_version_are_left_alone(folder: Path, start: Start) -> None:
    start().stop()
    version = folder / "postgresql" / "PG_VERSION"
    version.write_text("15\n")
    with pytest.raises(ConfigError, match=r"PostgreSQL 15.*embedded-postgresql\.md"):
        start()


def test_a_link_to_data_that_are_gone_is_no_fresh_start(folder: Path, start: Start) -> None:
    folder.mkdir()
    (folder / "postgresql").symlink_to(folder.parent / "gone" / "postgresql")
    with pytest.raises(ConfigError, match="which does not exist"):
        start()


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"DATA_DIR .* cannot be created"):
        start_embedded(tmp_path / "file" / "data")


def test_a_database_asked_for_twice_at_once_is_made_once(start: Start) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(start().ensure_database, ["shop"] * 2))) == 1


def test_a_scratch_database_is_empty_each_time(start: Start) -> None:
    server = start()
    for _ in range(2):
        with server.scratch_database("scratch") as dsn:
            assert _ask(dsn, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"
            _keep(dsn)
    assert _kept(server.dsn("scratch")) == "7"


def test_a_server_that_ended_by_itself_is_started_again_where_it_was(
    folder: Path, start: Start
) -> None:
    server = start(durable=True)
    _keep(server.ensure_database("shop"))
    os.kill(_server_id(folder), signal.SIGKILL)
    assert any(server.restart_if_ended() for _ in range(MOMENTS))
    assert _kept(server.dsn("shop")) == "7"
    assert not server.restart_if_ended()


def test_a_server_that_does_not_start_again_says_why(folder: Path, start: Start) -> None:
    server = start()
    configuration = folder / "postgresql" / "postgresql.auto.conf"
    before = configuration.read_bytes()
    configuration.write_bytes(b"no_such_setting = 1\n")
    os.kill(_server_id(folder), signal.SIGKILL)
    with pytest.raises(ConfigError, match="its log ends"):
        any(server.restart_if_ended(wait_seconds=0) for _ in range(MOMENTS))
    configuration.write_bytes(before)
    assert server.restart_if_ended()


@pytest.mark.anyio
async def test_a_server_in_use_is_watched(folder: Path, start: Start, database_url: str) -> None:
    server = start(durable=True)
    database = server.ensure_database("shop")
    _keep(database)
    async with supervised(server, every_seconds=0.05):
        os.kill(_server_id(folder), signal.SIGKILL)
        await wait_until(database_url, lambda: _comes_back(database), "the server")


async def _comes_back(database: str) -> bool:
    try:
        return _kept(database) == "7"
    except psycopg.OperationalError:
        return False
