"""Breaks the code on purpose and counts what the tests notice: `make mutants`.

mutmut makes most mutants, of the files that `[tool.mutmut]` in pyproject.toml lists. It leaves
alone what stands outside functions, such as SQL, and takes no call away, such as `sorted`: such
mutants are chosen by hand, in `[[tool.woo-vtiger.mutants]]`. One PostgreSQL with one migrated
database to copy serves all of them, so that a mutant costs what its tests cost.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from app.db.embedded import start_embedded
from app.db.migrate import upgrade

ROOT = Path(__file__).parent.parent
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
NOTICED = ("killed", "timeout", "segfault", "caught by type check")
TEMPLATE = "template_of_tests"
SAMPLE = "sample="
CHOSEN_SECONDS = 120
"""After which a chosen mutant that hangs is noticed."""


@dataclass(frozen=True, slots=True)
class ChosenMutant:
    """A mutant as pyproject.toml lists it: in `file`, `before` becomes `after`, which one of the
    `tests` should notice."""

    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def write(self, root: Path) -> None:
        """Break the file in the copy of the project at `root`."""
        path = root / self.file
        path.write_text(self.break_text(path.read_text(encoding="utf-8")), encoding="utf-8")

    def break_text(self, text: str) -> str:
        """Raises ValueError unless the text has `before` once."""
        if text.count(self.before) != 1:
            raise ValueError(f"{self.file} should have this once: {self.before}")
        return text.replace(self.before, self.after)


def read_project() -> Mapping[str, Any]:
    """The tables of pyproject.toml under `tool`."""
    tools: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    return tools


def chosen_mutants() -> list[ChosenMutant]:
    rows = read_project()["woo-vtiger"]["mutants"]
    return [
        ChosenMutant(row["file"], row["before"], row["after"], tuple(row["tests"])) for row in rows
    ]


@contextmanager
def running_server() -> Iterator[dict[str, str]]:
    """The environment of tests that share a server, and on it a migrated database to copy."""
    with tempfile.TemporaryDirectory(prefix="woo-vtiger-mutants-") as folder:
        Path(folder).chmod(0o711)
        server = start_embedded(Path(folder) / "data", FAST)
        try:
            upgrade(server.ensure_database(TEMPLATE))
            yield {
                **os.environ,
                "TEST_DATABASE_URL": server.dsn("postgres"),
                "TEST_TEMPLATE": TEMPLATE,
                "WOO_VTIGER_EXAMPLES": "quick",
            }
        finally:
            server.stop()


def run_mutmut(names: Sequence[str], environment: Mapping[str, str]) -> None:
    """Try the mutants of these names, or all that are not tried yet."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)  # noqa: S603 - ours


def mutmut_states() -> dict[str, str]:
    """The state of each mutant that an earlier run generated, by name."""
    command = [sys.executable, "-m", "mutmut", "results", "--all", "true"]
    printed = subprocess.run(  # noqa: S603 - ours
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    rows = (line.strip().rpartition(": ") for line in printed.splitlines())
    return {name: state for name, _, state in rows if name}


def count_states(states: Mapping[str, str]) -> dict[str, Counter[str]]:
    """How many mutants of each module have which state."""
    found: dict[str, Counter[str]] = {}
    for name, state in states.items():
        found.setdefault(name.rpartition(".")[0], Counter())[state] += 1
    return found


def draw_sample(names: Collection[str], patterns: Sequence[str], size: int) -> list[str]:
    """`size` of the mutants that match a pattern, the same ones each time; all if there are
    fewer."""
    matching = sorted(name for name in names if any(fnmatch(name, each) for each in patterns))
    return random.Random(1).sample(matching, min(size, len(matching)))  # noqa: S311 - no secret


def is_noticed(mutant: ChosenMutant, environment: Mapping[str, str]) -> bool:
    """Whether one of its tests fails when a copy of the project is broken by it."""
    config = read_project()["mutmut"]
    with tempfile.TemporaryDirectory(prefix="woo-vtiger-mutant-") as folder:
        root = Path(folder)
        root.chmod(0o711)
        for name in (*config["source_paths"], *config["also_copy"], "tests"):
            shutil.copytree(ROOT / name, root / name)
        shutil.copy(ROOT / "pyproject.toml", root)
        mutant.write(root)
        command = [sys.executable, "-m", "pytest", "-q", "-x", *mutant.tests]
        try:
            ended = subprocess.run(  # noqa: S603 - ours
                command, cwd=root, env=environment, capture_output=True, timeout=CHOSEN_SECONDS
            )
        except subprocess.TimeoutExpired:
            return True
    if ended.returncode not in (0, 1):
        raise RuntimeError(ended.stdout.decode())
    return ended.returncode == 1


def table_of(results: Mapping[str, Counter[str]]) -> Table:
    """The score of each module and of all; mutants that were not tried are not counted."""
    table = Table("module", "mutants", "noticed", "score")
    total: Counter[str] = Counter()
    for name, states in results.items():
        total += states
        table.add_row(name, *_score(states))
    table.add_section()
    table.add_row("all", *_score(total))
    return table


def _score(states: Counter[str]) -> tuple[str, str, str]:
    tried = states.total() - states["not checked"]
    noticed = sum(states[state] for state in NOTICED)
    return str(tried), str(noticed), f"{noticed / tried:.1%}" if tried else "-"


def main(arguments: Sequence[str]) -> None:
    """With `chosen` alone the chosen mutants, with names of mutmut's alone those, else all.

    With `sample=60` before the names, 60 of them. They must have been generated by an earlier run.
    """
    console, chosen = Console(), list(arguments) == ["chosen"]
    if arguments and arguments[0].startswith(SAMPLE):
        arguments = draw_sample(
            mutmut_states(), arguments[1:], int(arguments[0].removeprefix(SAMPLE))
        )
    results: dict[str, Counter[str]] = {}
    with running_server() as environment:
        if not chosen:
            run_mutmut(arguments, environment)
            results.update(count_states(mutmut_states()))
        if chosen or not arguments:
            noticed = results["chosen by hand"] = Counter()
            for mutant in chosen_mutants():
                seen = is_noticed(mutant, environment)
                noticed["killed" if seen else "survived"] += 1
                if not seen:
                    console.print(f"survived: {mutant.file}: {mutant.after}", markup=False)
    console.print(table_of(results))


if __name__ == "__main__":
    main(sys.argv[1:])
