"""The service as a process: on the sandbox or on configured systems, stopped, refused a start."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from app.http.server import listen
from tests.cli.processes import Process, Shell, run, running
from tests.conftest import RUN_FOLDER


def _text_after(line: str, name: str) -> str:
    return line.partition(name)[2].strip()


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with listen("127.0.0.1", 0) as listener:
        yield listener


def _port(listener: socket.socket) -> str:
    return str(listener.getsockname()[1])


def test_without_configuration_the_day_is_played(folder: Path, database_url: str) -> None:
    """DATABASE_URL alone configures no systems, and what it names is not touched."""
    data_dir = str(Path(os.environ[RUN_FOLDER]) / "data")  # where a server runs already
    env = {"DATABASE_URL": database_url, "DATA_DIR": data_dir}
    with running("serve", "--port", "0", folder=folder, env=env) as service:
        url = _text_after(service.line_with("  Service"), "Service")
        token = _text_after(service.line_with("  Token"), "Token")
        service.line_with("DATABASE_URL is not used")
        service.line_with("→ Vtiger CRM  created Anna Schmidt")
        headers = {"Authorization": f"Bearer {token}"}
        summary = httpx.get(f"{url}/sync-log/summary", headers=headers, trust_env=False).json()
        second = run("serve", "--port", "0", folder=folder, env=env)
        code = service.stop(signal.SIGTERM)

    assert summary["vtiger"]["contacts"]["created"] >= 1
    assert (second.returncode, "Another service" in second.stderr) == (2, True)
    assert (code, "".join(service.errors)) == (0, "")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM deliveries").fetchone() == (0,)


def test_an_impatient_second_ctrl_c_is_answered_without_a_traceback(folder: Path) -> None:
    data_dir = str(Path(os.environ[RUN_FOLDER]) / "data")
    with running("serve", "--port", "0", folder=folder, env={"DATA_DIR": data_dir}) as service:
        service.line_with("→ Vtiger CRM  created Anna Schmidt")
        service.popen.send_signal(signal.SIGINT)
        service.line_with("Ctrl-C again")
        code = service.stop(signal.SIGINT)

    assert (code, "".join(service.errors)) == (130, "")


def _start_line(process: Process) -> str:
    return str(json.loads(process.error_with("woo-vtiger"))["message"])


def test_configured_systems_are_served_until_a_signal_comes(
    folder: Path, systems: dict[str, str]
) -> None:
    with running("serve", "--port", "0", folder=folder, env=systems) as service:
        started = _start_line(service)
        url = started.partition(" listens on ")[2].partition(",")[0]
        ready = httpx.get(f"{url}/health/live", trust_env=False)
        service.popen.send_signal(signal.SIGTERM)
        code = service.stop(signal.SIGTERM)  # as `make` passes on what it got

    assert "with a worker" in started
    assert ready.status_code == 200
    assert code == 0
    assert systems["STORES__main__CONSUMER_SECRET"] not in "".join(service.errors)
    assert "Traceback" not in "".join(service.errors)


def test_a_service_without_a_worker_and_a_worker_share_the_work(
    folder: Path, systems: dict[str, str]
) -> None:
    env = systems | {"API_TOKENS": "token-of-the-test-0123456789-abcdef"}
    with (
        running("serve", "--no-worker", "--port", "0", folder=folder, env=env) as service,
        running("worker", folder=folder, env=env) as worker,
    ):
        started, working = _start_line(service), _start_line(worker)
        codes = service.stop(signal.SIGTERM), worker.stop(signal.SIGTERM)

    assert "without a worker" in started
    assert "runs a worker, 4 records at a time" in working
    assert codes == (0, 0)


def test_a_worker_alone_tells_its_metrics(folder: Path, systems: dict[str, str]) -> None:
    with running("worker", folder=folder, env=systems | {"METRICS_PORT": "0"}) as worker:
        told = str(json.loads(worker.error_with("metrics at"))["message"])
        _start_line(worker)
        answer = httpx.get(told.partition(" at ")[2], trust_env=False)
        code = worker.stop(signal.SIGTERM)

    assert "woo_vtiger_outcomes_total" in answer.text
    assert code == 0


def test_a_taken_port_is_told_in_one_sentence(shell: Shell, taken: socket.socket) -> None:
    """Before anything is made in the folder."""
    done = shell.run("serve", "--port", _port(taken))

    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"Port {_port(taken)} on 127.0.0.1 is in use: stop the other program, or choose another "
        "port (--port, or PORT in .env).\n"
    )
    assert list(Path().iterdir()) == []


def test_secrets_that_are_missing_are_named(shell: Shell) -> None:
    Path(".env").write_text("STORES__main__URL=https://shop.example.com\n")
    done = shell.run("serve", "--port", "0")

    assert done.exit_code == 2
    assert "STORES__main__CONSUMER_KEY is not set" in done.stderr


def test_a_placeholder_is_told_and_never_repeated(shell: Shell, systems: dict[str, str]) -> None:
    done = shell.run("serve", env=systems | {"VTIGER__ACCESS_KEY": "your-key-here"})

    assert done.exit_code == 2
    assert "VTIGER__ACCESS_KEY still holds a placeholder" in done.stderr
    assert "your-key-here" not in done.stderr


@pytest.mark.parametrize("arguments", [("worker",), ("serve", "--no-worker")])
def test_a_worker_of_its_own_needs_systems(shell: Shell, arguments: tuple[str, ...]) -> None:
    done = shell.run(*arguments)

    assert (done.exit_code, "copy .env.example" in done.stderr) == (2, True)


def test_a_database_that_does_not_answer_is_told_without_its_password(
    shell: Shell, systems: dict[str, str]
) -> None:
    url = "postgresql://user:pass-4711@127.0.0.1:1/x"
    done = shell.run("serve", "--port", "0", env=systems | {"DATABASE_URL": url})

    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("The database does not answer: ")
    assert "pass-4711" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "module"), [(["--version"], "__init__"), (["serve"], "serve")]
)
def test_ctrl_c_while_the_command_loads_just_ends_it(
    folder: Path, arguments: list[str], module: str
) -> None:
    """And while it loads what it works with."""
    env = {"PYTHONVERBOSE": "1"}  # tells of each module as it is loaded
    with running(*arguments, folder=folder, env=env) as command:
        command.error_with(f"app/cli/{module}")
        code = command.stop(signal.SIGINT)

    assert code == -signal.SIGINT
    assert "Traceback" not in "".join(command.errors)
