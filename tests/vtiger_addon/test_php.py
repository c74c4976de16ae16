"""The add-on's PHP: every file can be read by PHP, and its plain classes do as they say."""

import re
import subprocess
from pathlib import Path

import pytest

from app.vtiger.addon_package import SOURCES

HERE = Path(__file__).parent
CODE = [path for path in sorted(SOURCES.rglob("*")) if path.suffix in {".php", ".service"}]
STANDINS = [path for path in sorted(HERE.rglob("*")) if path.suffix in {".php", ".inc"}]
MOST_LINES = 250


def test_there_is_php_to_look_at() -> None:
    assert len(CODE) > 20
    assert len(STANDINS) > 5


@pytest.mark.parametrize("paths", [CODE, STANDINS], ids=["add-on", "stand-ins"])
def test_every_file_is_php_that_can_be_read(paths: list[Path]) -> None:
    refused = [done.stdout for done in map(_lint, paths) if done.returncode]
    assert refused == []


def _lint(path: Path) -> subprocess.CompletedProcess[str]:
    command = ["php", "-d", "error_reporting=-1", "-l", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("units", ["units.php", "pages.php"])
def test_the_plain_classes_do_as_they_say(units: str) -> None:
    command = ["php", str(HERE / "units" / units), str(SOURCES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout


def test_every_file_says_why_it_exists_and_is_short() -> None:
    for path in CODE:
        lines = path.read_text().splitlines()
        assert lines[1].startswith("// "), path
        assert len(lines) <= MOST_LINES, path


def test_rows_are_never_read_through_the_calls_that_encode_html() -> None:
    """Contract page Vtiger extension §3.4."""
    text = "".join(path.read_text() for path in CODE).replace("raw_query_result_rowdata", "")
    text = text.replace("$this->adb->query_result_rowdata($result, $i)", "", 1)  # for DataTransform
    assert not re.search(r"query_result|fetch_array|fetchByAssoc|getNextRow", text)
