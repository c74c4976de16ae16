"""`doctor` as a person and as a program reads it."""

import json

from tests.cli.processes import Shell


def test_what_is_wrong_is_told_with_how_to_mend_it(shell: Shell, systems: dict[str, str]) -> None:
    env = systems | {"PUBLIC_URL": "https://sync.example.com"}
    done = shell.run("doctor", env=env)
    assert done.exit_code == 1
    assert "webhooks heal" in done.stdout
    assert "found, " in done.stdout
    assert "Traceback" not in done.stderr


def test_a_program_reads_the_findings(shell: Shell, systems: dict[str, str]) -> None:
    done = shell.run("doctor", "--json", env=systems)
    found = {(each["subject"], each["check"]): each for each in json.loads(done.stdout)}
    assert found["vtiger", "reachable"]["verdict"] == "ok"
    assert found["service", "workers"]["verdict"] == "warning"
    assert found["service", "workers"]["remedy"]


def test_nothing_configured_is_told_in_a_sentence(shell: Shell) -> None:
    done = shell.run("doctor")
    assert done.exit_code == 2
    assert done.stdout == ""


def test_a_store_that_is_not_configured_is_told(shell: Shell, systems: dict[str, str]) -> None:
    assert shell.run("doctor", "--store", "other", env=systems).exit_code == 2
