"""The `statuses` commands: a table to read, a file to review, an import to be confirmed."""

from pathlib import Path

import pytest

from tests.cli.processes import Shell

Env = dict[str, str]

FILE = """
statuses:
  main:
    new_order: Approved
    rows:
      - shop: processing
        vtiger: Approved
      - {shop: completed, vtiger: Delivered, direction: both}
      - shop: wc-failed
        vtiger: Cancelled
        direction: woo_to_vtiger
"""


@pytest.fixture
def wanted(tmp_path: Path) -> str:
    (tmp_path / "statuses.yaml").write_text(FILE)
    return "statuses.yaml"


def test_a_file_is_tried_imported_and_then_nothing_is_left_to_do(
    shell: Shell, systems: Env, wanted: str
) -> None:
    tried = shell.json("statuses", "import", wanted, "--dry-run", env=systems)
    [before] = shell.json("statuses", "list", env=systems)
    kept = shell.json("statuses", "import", wanted, env=systems)
    [after] = shell.json("statuses", "list", env=systems)
    again = shell.run("statuses", "import", wanted, env=systems)

    assert tried == kept
    assert (kept[0]["orders"], kept[0]["mails"], kept[0]["warnings"]) == (0, 0, [])
    assert (before["origin"], len(before["rows"])) == ("default", 7)
    assert (after["origin"], after["version"], after["new_order"]) == ("own", 1, "Approved")
    assert after["rows"][2] == {
        "shop": "failed", "vtiger": "Cancelled", "direction": "woo_to_vtiger",
    }  # fmt: skip
    assert after["unmapped"]["shop"] == ["pending", "on-hold", "cancelled", "refunded"]
    assert after["unmapped"]["vtiger"] == ["Created"]
    assert again.stdout == "No changes: the status tables already have this content.\n"


def test_the_default_table_is_exported_whole_and_imported_as_the_default(
    shell: Shell, systems: Env, tmp_path: Path
) -> None:
    shell.run("statuses", "export", "-o", "exported.yaml", env=systems)
    text = (tmp_path / "exported.yaml").read_text()
    again = shell.json("statuses", "import", "exported.yaml", env=systems)
    assert "- shop: on-hold\n      vtiger: Created\n      direction: both" in text
    assert again == []


def test_rows_that_cannot_work_keep_the_whole_file_out_and_are_all_named(
    shell: Shell, systems: Env, tmp_path: Path
) -> None:
    bad = FILE + "      - {shop: Packed!, vtiger: Delivered}\n      - {shop: x, vtigr: Created}\n"
    (tmp_path / "bad.yaml").write_text(bad)
    (tmp_path / "worse.yaml").write_text(FILE + "      - {shop: pending, vtiger: Packed}\n")
    done = shell.run("statuses", "import", "bad.yaml", env=systems)
    unknown = shell.run("statuses", "import", "worse.yaml", env=systems)

    assert (done.exit_code, unknown.exit_code) == (2, 2)
    assert "main / row 4: shop" in done.stderr
    assert "main / row 5: vtiger is missing" in done.stderr
    assert "did you mean vtiger?" in done.stderr
    assert "Row 4: Vtiger has no order status Packed" in unknown.stderr
    assert shell.json("statuses", "list", env=systems)[0]["version"] == 0


def test_an_empty_list_is_the_default_table(
    shell: Shell, systems: Env, wanted: str, tmp_path: Path
) -> None:
    shell.run("statuses", "import", wanted, env=systems)
    (tmp_path / "default.yaml").write_text("statuses:\n  main: []\n")
    shell.run("statuses", "import", "default.yaml", env=systems)
    [after] = shell.json("statuses", "list", env=systems)
    assert (after["origin"], after["version"]) == ("default", 2)
