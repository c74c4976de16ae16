"""The rules of the house that no other tool holds: words, texts and locks."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    p
    for name in ("app", "benchmarks", "migrations", "sandbox", "tests")
    for p in (ROOT / name).rglob("*.py")
)
NOT_OURS = {"data", "dist", "recordings", "node_modules", "mutants"}
TEXTS = {".py", ".md", ".toml", ".ini", ".sh", ".lock", ".php", ".mako", ".html", ".css", ".js", ""}
VAGUE = {"utils", "util", "helpers", "helper", "common", "core", "manager", "service", "misc"}
# Put together here so that this file does not hold them itself.
BANNED = [
    "/" + "work/",
    "shared/" + "contract",
    "python" + "hosted.org",
    "pypi" + ".org",
    "TO" + "DO",
    "FIX" + "ME",
    "xx" + "x: ",
]


def _texts() -> Iterator[Path]:
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part in NOT_OURS or part[0] == "." for part in parts[:-1]) or parts == (
            ".git",
        )
        if path.is_file() and not hidden and path.suffix in TEXTS:
            yield path


def test_every_module_says_why_it_exists() -> None:
    silent = [p for p in MODULES if p.read_text().strip() and not ast.get_docstring(_tree(p))]
    assert not silent


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_modules_have_names_that_say_something() -> None:
    assert not [path for path in MODULES if path.stem in VAGUE or path.parent.name in VAGUE]


def test_nothing_names_a_place_or_a_chore_that_users_do_not_have() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in _texts()
        for word in BANNED
        if word in path.read_text(errors="replace")
    ]
    assert not found


def test_tests_neither_sleep_nor_skip_nor_patch() -> None:
    forbidden = re.compile(
        r"(asyncio|time|anyio)\.sleep\((?!0\))|mark\.(skip|xfail)|pytest\.skip|mock\.|(?<!client\.)(?<!stranger\.)\bpatch\("
    )
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    assert not [path for path in tests if forbidden.search(path.read_text())]


def test_imports_go_down_only() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_readme_is_one_screen_with_both_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "\nmake run " in readme
    assert "\nmake test " in readme
    assert len(readme.splitlines()) <= 70


def test_tests_that_the_texts_name_are_there() -> None:
    named = set()
    for page in (ROOT / "docs").rglob("*.md"):
        named |= set(re.findall(r"`(?:tests/\w+/)?(test_\w+\.py)`", page.read_text()))
    there = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert len(named) > 10
    assert named - there == set()


def test_each_threat_names_a_test_that_is_there() -> None:
    """`path::name` in a text: the function in that file."""
    rows = [
        line
        for line in (ROOT / "docs" / "security.md").read_text().splitlines()
        if line.startswith("| T")
    ]
    assert len(rows) > 20
    named = {row: re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row) for row in rows}
    assert [row for row, tests in named.items() if not tests] == []
    assert _absent(named.values()) == set()


def test_each_cell_of_the_table_of_versions_names_a_test_that_is_there() -> None:
    """Or says that it was not tried. Numbers in cells lead to lines below the table."""
    page = (ROOT / "docs" / "connect-vtiger.md").read_text()
    section = page.partition("## What works on which version\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    cells = [cell for row in rows[1:] if not row[0].startswith("**") for cell in row[1:]]
    notes = dict(re.findall(r"^- \[(\d+)\] (.*?)(?=^- \[|\Z)", section, re.DOTALL | re.MULTILINE))
    tests = {
        number: re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", note) for number, note in notes.items()
    }
    assert len(cells) >= 60
    assert [number for number, named in tests.items() if not named] == []
    unsaid = [cell for cell in cells if cell not in {"not tried", "—"} and "[" not in cell]
    assert unsaid == []
    assert {number for cell in cells for number in re.findall(r"\[(\d+)\]", cell)} == set(tests)
    assert _absent(tests.values()) == set()


def _absent(named: Iterable[Iterable[tuple[str, str]]]) -> set[str]:
    """Those of these files and functions that are not there."""
    return {
        f"{file}::{name}"
        for tests in named
        for file, name in tests
        if not (ROOT / file).is_file() or f"def {name}(" not in (ROOT / file).read_text()
    }


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    extras = [
        line for lines in project["project"]["optional-dependencies"].values() for line in lines
    ]
    wanted = [*project["project"]["dependencies"], *extras, *groups["build"], *groups["dev"]]
    names = {re.split(r"[\[<>=;, ]", line)[0] for line in wanted}
    reasons = (ROOT / "docs" / "decisions" / "0003-dependencies.md").read_text()
    assert not [name for name in names if not re.search(rf"\| .*\b{name}\b.* \|", reasons)]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_locks_hold_versions_with_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    requirements = re.findall(r"^[a-z0-9-]+==\S+.*$", text, flags=re.MULTILINE)
    assert len(requirements) > 50
    assert all(line.endswith("\\") for line in requirements)


@pytest.mark.parametrize(
    "name", [".ci/run", "scripts/setup.sh", "scripts/find-python.sh", "scripts/setup-browser.sh"]
)
def test_scripts_can_be_run(name: str) -> None:
    assert (ROOT / name).stat().st_mode & 0o111
