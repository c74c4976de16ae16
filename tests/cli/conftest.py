"""A folder without .env to start commands in, and the two systems to point them at."""

import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import Shell, running, sandbox_environment
from tests.conftest import RUN_FOLDER


@pytest.fixture
def folder() -> Path:
    """One that the account of the embedded server can reach."""
    home = Path(tempfile.mkdtemp(dir=os.environ[RUN_FOLDER]))
    home.chmod(0o711)
    return home


@pytest.fixture(scope="session")
def sandbox_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The first line of a sandbox that runs as long as the tests do."""
    folder = tmp_path_factory.mktemp("sandbox")
    with running("sandbox", "--port", "0", "--json", folder=folder, longest_s=600) as sandbox:
        yield sandbox.line_with("{")


@pytest.fixture
def systems(sandbox_line: str, database_url: str) -> dict[str, str]:
    """The environment of a service for the two systems, on a database of the test's own."""
    return sandbox_environment(sandbox_line, database_url)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """Commands in this process; what they do to the log is undone."""
    monkeypatch.chdir(tmp_path)
    handlers, level = logging.root.handlers[:], logging.root.level
    yield Shell()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
