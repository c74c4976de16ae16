"""What commands load, counted: a package that one more of them waits for has to be meant."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import environment

PROBE = """
import json, sys
from app.cli import app
app(sys.argv[1:], standalone_mode=False)
foreign = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
ours = {name for name in sys.modules if name.startswith("app.")}
print(json.dumps([sorted(foreign), sorted(ours)]), file=sys.stderr)
"""
COMMAND_LINE = frozenset({"annotated_doc", "app", "orjson", "shellingham", "typer"})
FORMATTED = frozenset({"attr", "linkify_it", "markdown_it", "mdurl", "pygments", "rich"})
"""What typer lays help out with; `linkify_it` where the tools of `make mutants` brought it."""
VALUES = frozenset(
    {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
)
"""What typer converts options with."""
SETTINGS = VALUES | {"dotenv", "pydantic_settings"}
DATABASE = frozenset({"greenlet", "psycopg", "psycopg_binary", "psycopg_pool", "sqlalchemy"})
OF_THE_MACHINE = ("_", "cython_runtime", "sitecustomize")  # such as _distutils_hack
DECLARED = {
    "app.cli",
    "app.cli.failures",
    "app.cli.commands",
    "app.inbox",
    "app.loading",
    "app.logging",
    "app.policies",
    "app.escaping",
    "app.domain",
}
"""The modules of ours that know the commands and their options, and do none of the work."""


def _loaded(*arguments: str, folder: Path, **env: str) -> tuple[set[str], set[str]]:
    """Packages of others, and modules of ours, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        cwd=folder,
        env=environment(env),
        capture_output=True,
        text=True,
        check=True,
    )
    foreign, ours = json.loads(done.stderr.splitlines()[-1])
    return {name for name in foreign if not name.startswith(OF_THE_MACHINE)}, set(ours)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--help"], COMMAND_LINE | FORMATTED),
        (["--version"], COMMAND_LINE | VALUES),
        (["serve", "--help"], COMMAND_LINE | FORMATTED | VALUES),
    ],
)
def test_help_and_version_load_no_work(
    tmp_path: Path, arguments: list[str], wanted: frozenset[str]
) -> None:
    foreign, ours = _loaded(*arguments, folder=tmp_path)

    assert foreign - wanted == set()
    assert ours - DECLARED == set()


def test_a_command_on_the_database_loads_no_service(tmp_path: Path, database_url: str) -> None:
    foreign, ours = _loaded("token", "list", folder=tmp_path, DATABASE_URL=database_url)

    wanted = COMMAND_LINE | FORMATTED | SETTINGS | DATABASE | {"uvloop"}
    assert foreign - wanted == set()
    packages = {name.split(".")[1] for name in ours}
    assert packages & {"api", "clients", "main", "runtime", "sandbox", "sync", "web", "worker"} == (
        set()
    )
