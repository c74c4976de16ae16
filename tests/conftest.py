"""A real PostgreSQL, built once a run by the real migrations; each test gets a fresh copy."""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from psycopg import sql
from sqlalchemy.engine import make_url

from app.db import session
from app.db.embedded import start_embedded
from app.db.migrate import upgrade
from app.db.opening import libpq_url
from app.observability import new_provider
from tests.engines import SharedStatements
from tests.tampering import EMPTY, RESTART
from tests.vtiger_addon.php import ABSENT, has_php

RUN_FOLDER = "WOO_VTIGER_TEST_FOLDER"
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


settings.register_profile("steady", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("quick", max_examples=10, deadline=None, derandomize=True)
settings.register_profile("searching", max_examples=400, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    """One folder a run, made by the controller, so that all xdist workers share one server.

    The suite tries the same examples each time; `make search` looks for new ones.
    """
    settings.load_profile(os.environ.get("WOO_VTIGER_EXAMPLES", "steady"))
    if not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="woo-vtiger-tests-"))
        folder.chmod(0o711)
        os.environ[RUN_FOLDER] = str(folder)


def pytest_collection_finish() -> None:
    """Thousands of tests are collected; the collector need not look at them again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A failure is told at once: what is told at the end is lost when a run is broken off."""
    if report.failed and not os.environ.get("PYTEST_XDIST_WORKER"):
        told = f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext}\n"
        sys.stdout.write(told)
        sys.stdout.flush()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(RUN_FOLDER), ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What could not be tested on this machine is said at the end, not passed over in silence."""
    if not has_php():
        terminalreporter.section("NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(ABSENT, red=True)


@pytest.fixture(scope="session", autouse=True)
def shared_statements() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "create_async_engine", SharedStatements().create)
        yield


@pytest.fixture(scope="session")
def all_spans() -> InMemorySpanExporter:
    """What this process traces: a provider can be set only once in its life."""
    exporter = InMemorySpanExporter()
    trace.set_tracer_provider(new_provider("0", SimpleSpanProcessor(exporter)))
    return exporter


@pytest.fixture
def spans(all_spans: InMemorySpanExporter) -> InMemorySpanExporter:
    """The spans that end during the test."""
    all_spans.clear()
    return all_spans


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def admin_url() -> Iterator[str]:
    """A database from which others can be made: TEST_DATABASE_URL, or the embedded server's."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield libpq_url(given)
        return
    server = start_embedded(Path(os.environ[RUN_FOLDER]) / "data", FAST)
    yield server.dsn("postgres")
    server.stop()


@pytest.fixture(scope="session")
def template(admin_url: str) -> Iterator[str]:
    """A migrated database to copy: TEST_TEMPLATE names one that is there already."""
    if given := os.environ.get("TEST_TEMPLATE"):
        yield given
        return
    name = _create(admin_url)
    upgrade(_address(admin_url, name))
    yield name
    _drop(admin_url, name)


@pytest.fixture
def empty_database_url(admin_url: str) -> Iterator[str]:
    """A database without any table, dropped after the test."""
    name = _create(admin_url)
    yield _address(admin_url, name)
    _drop(admin_url, name)


@pytest.fixture
def database_url(admin_url: str, template: str) -> Iterator[str]:
    """A migrated, empty database of the test's own, dropped after it."""
    with new_database(admin_url, template) as url:
        yield url


@pytest.fixture(scope="session")
def shared_database_url(admin_url: str, template: str) -> Iterator[str]:
    with new_database(admin_url, template) as url:
        yield url


@pytest.fixture
def emptied_database_url(shared_database_url: str) -> str:
    """As good as a new database and quicker: numbers start anew, and deleting few rows is quicker
    than to truncate."""
    with psycopg.connect(shared_database_url, autocommit=True) as connection:
        connection.execute(EMPTY)
        connection.execute(RESTART)
    return shared_database_url


@contextmanager
def new_database(admin_url: str, template: str) -> Iterator[str]:
    name = _create(admin_url, template)
    yield _address(admin_url, name)
    _drop(admin_url, name)


def _create(admin_url: str, template: str = "template0") -> str:
    name = f"test_{uuid4().hex}"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    _execute(admin_url, statement.format(sql.Identifier(name), sql.Identifier(template)))
    return name


def _drop(admin_url: str, name: str) -> None:
    _execute(admin_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _execute(admin_url: str, statement: sql.Composed) -> None:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(statement)


def _address(admin_url: str, name: str) -> str:
    return make_url(admin_url).set(database=name).render_as_string(hide_password=False)
