"""The `mappings` commands: a table to read, a file to review, an import that is all or nothing."""

from pathlib import Path

import pytest

from tests.cli.processes import Shell

Env = dict[str, str]

FILE = """
mappings:
  main:
    contacts:
      - id: title
        woo: meta:job_title
        vtiger: title
        comment: Of the checkout fields.
      - id: mobile
        direction: off
"""


@pytest.fixture
def wanted(tmp_path: Path) -> str:
    (tmp_path / "mappings.yaml").write_text(FILE)
    return "mappings.yaml"


def row_ids(shell: Shell, env: Env) -> list[str]:
    [contacts] = shell.json("mappings", "list", "--module", "contacts", env=env)
    return [row["id"] for row in contacts["rows"] if row["origin"] != "default"]


def test_a_file_is_tried_imported_and_then_nothing_is_left_to_do(
    shell: Shell, systems: Env, wanted: str
) -> None:
    tried = shell.json("mappings", "import", wanted, "--dry-run", env=systems)
    assert row_ids(shell, systems) == []
    kept = shell.json("mappings", "import", wanted, env=systems)
    again = shell.run("mappings", "import", wanted, env=systems)

    assert tried == kept
    assert (kept[0]["added"], kept[0]["version"]) == (["title", "mobile"], 1)
    assert row_ids(shell, systems) == ["mobile", "title"]
    assert again.stdout == "No changes: the mappings already have this content.\n"


def test_what_is_exported_can_be_imported(
    shell: Shell, systems: Env, wanted: str, tmp_path: Path
) -> None:
    shell.run("mappings", "import", wanted, env=systems)
    first = shell.run("mappings", "export", env=systems)
    done = shell.run("mappings", "export", "-o", "exported.yaml", env=systems)
    text = (tmp_path / "exported.yaml").read_text()
    again = shell.json("mappings", "import", "exported.yaml", env=systems)

    assert (first.exit_code, done.exit_code, first.stdout) == (0, 0, text)
    assert "# default row: shipping.phone and mobile" in text
    assert again == []


def test_one_row_that_cannot_work_keeps_the_whole_file_out(
    shell: Shell, systems: Env, tmp_path: Path
) -> None:
    bad = "    products:\n      - {id: origin, woo: meta:origin, vtiger: cf_999}\n"
    (tmp_path / "bad.yaml").write_text(FILE + bad)
    done = shell.run("mappings", "import", "bad.yaml", env=systems)

    assert done.exit_code == 2
    assert "origin: Vtiger's Products has no field cf_999" in done.stderr
    assert row_ids(shell, systems) == []


def test_the_table_shows_where_each_row_comes_from(shell: Shell, systems: Env, wanted: str) -> None:
    shell.run("mappings", "import", wanted, env=systems)
    done = shell.run("mappings", "list", "--module", "contacts", env=systems)

    assert (done.exit_code, "Contacts of main (version 1)" in done.stdout) == (0, True)
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "meta:job_title" in lines["title"]
    assert "custom" in lines["title"]
    assert "changed" in lines["mobile"]


def test_a_file_that_is_not_there_is_told(shell: Shell, systems: Env) -> None:
    done = shell.run("mappings", "import", "nothing.yaml", env=systems)
    assert done.exit_code == 2
    assert done.stderr.endswith("nothing.yaml cannot be read: No such file or directory.\n")


def test_an_empty_file_is_refused(shell: Shell, systems: Env, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# mappings:\n")
    done = shell.run("mappings", "import", "empty.yaml", env=systems)
    assert (done.exit_code, "has no `mappings:`" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--json", "--output", "rows.yaml"), "choose one"),
        (("--module", "taxes"), "nothing to export"),
    ],
)
def test_an_export_that_would_drop_an_option_is_refused(
    shell: Shell, options: tuple[str, ...], sentence: str
) -> None:
    done = shell.run("mappings", "export", *options)

    assert (done.exit_code, sentence in done.stderr) == (2, True)
