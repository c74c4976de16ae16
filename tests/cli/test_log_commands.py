"""`replay` and `export`: commands that need the database alone."""

import csv
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.processes import Shell, at_terminal

Env = dict[str, str]

DELIVERIES = """
INSERT INTO deliveries (origin, store, system, module, kind, event, record_id, record_key,
    dedupe_key, state)
SELECT 'webhook', store, 'woocommerce', 'contacts', 'customer', 'updated', n, store || n,
    store || n, 'dead'
FROM unnest(ARRAY['main', 'shop-fr']) AS store, generate_series(1, 3) AS n
"""
ENTRIES = """
INSERT INTO sync_log (occurred_at, store, module, target, source_id, event, outcome, message, label,
    attempts, duration_ms, delivery_count)
SELECT '2026-11-20'::timestamptz + make_interval(days => n), 'main',
    (ARRAY['contacts', 'taxes'])[1 + n % 2], 'vtiger', n, 'updated', 'updated', '=1+1', 'Zoë',
    1, 1, 1
FROM generate_series(1, 4) AS n
"""


@pytest.fixture
def env(database_url: str) -> Env:
    with psycopg.connect(database_url) as connection:
        connection.execute(DELIVERIES)
        connection.execute(ENTRIES)
    return {"DATABASE_URL": database_url}


def test_dead_letters_are_replayed_by_filter_and_by_number(shell: Shell, env: Env) -> None:
    by_filter = shell.json("replay", "--state", "dead", "--store", "main", env=env)
    again = shell.run("replay", "--state", "dead", env=env)
    one = shell.json("replay", "1", "--since", "2026-01-01", env=env)

    assert by_filter == {"matched": 3, "replayed": 3, "duplicates": 0}
    assert "3 records are replayed, 3 are waiting already" in again.stdout
    assert one == {"matched": 1, "replayed": 0, "duplicates": 1}


def test_a_replay_that_finds_nothing_or_means_everything_says_so(shell: Shell, env: Env) -> None:
    nothing = shell.run("replay", "--state", "dead", "--until", "2000-01-01", env=env)
    unknown = shell.run("replay", "4711", env=env)
    everything = shell.run("replay", env=env)

    assert (nothing.exit_code, unknown.exit_code, everything.exit_code) == (1, 1, 2)
    assert "No delivery matches" in nothing.stderr
    assert "--state dead" in everything.stderr


def test_the_log_is_exported_as_the_api_does(shell: Shell, env: Env, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    done = shell.run("export", "--module", "contacts", "--output", str(file), env=env)
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))

    assert done.exit_code == 0
    assert [row["source_id"] for row in rows] == ["4", "2"]
    assert {(row["message"], row["label"]) for row in rows} == {("'=1+1", "Zoë")}


def test_the_log_is_printed_a_line_each(shell: Shell, env: Env) -> None:
    told = shell.run("export", "--format", "ndjson", "--until", "2026-11-23", env=env)
    rows: list[dict[str, Any]] = [json.loads(line) for line in told.stdout.splitlines()]

    assert [row["source_id"] for row in rows] == ["2", "1"]
    assert rows[0]["occurred_at"] == "2026-11-22T00:00:00Z"
    assert rows[0]["changes"] == []


def test_a_file_that_cannot_be_written_is_told(shell: Shell, env: Env, tmp_path: Path) -> None:
    done = shell.run("export", "--output", str(tmp_path), env=env)

    assert (done.exit_code, "cannot be written" in done.stderr) == (2, True)


def test_a_person_is_forgotten(shell: Shell, env: Env) -> None:
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        connection.execute("UPDATE sync_log SET label = 'Zoë <zoe@shop.example>' WHERE id < 3")
        connection.execute("UPDATE deliveries SET last_error = 'zoe@shop.example?' WHERE id = 1")
    asked = shell.run("forget", "--email", "Zoe@shop.example", env=env)
    told = shell.run("forget", "--email", "Zoe@shop.example", "--yes", env=env)
    again = shell.json("forget", "--email", "zoe@shop.example", "--store", "main", "--yes", env=env)
    wrong = shell.run("forget", "--email", "zoe", env=env)

    assert (asked.exit_code, asked.stdout) == (2, "")
    assert "1 Deliveries, 2 Sync Log" in asked.stderr
    assert "--yes" in asked.stderr

    assert (told.exit_code, wrong.exit_code) == (0, 2)
    rows = [line.split() for line in told.stdout.splitlines()]
    assert [row[-1] for row in rows if row[:2] == ["Sync", "Log:"]] == ["2"]
    assert set(again.values()) == {0}


def test_nothing_is_asked_about_a_person_of_whom_nothing_is_kept(shell: Shell, env: Env) -> None:
    done = shell.run("forget", "--email", "nobody@shop.example", env=env)
    assert done.exit_code == 0
    assert done.stdout == "No data of nobody@shop.example is stored: nothing was done.\n"


def test_whoever_says_no_at_the_terminal_keeps_everything(env: Env, folder: Path) -> None:
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        connection.execute("UPDATE sync_log SET label = 'Zoë <zoe@shop.example>' WHERE id < 3")
    command = ("forget", "--email", "zoe@shop.example")
    refused = at_terminal(*command, answer="n", folder=folder, env=env)
    agreed = at_terminal(*command, answer="y", folder=folder, env=env)

    assert (refused.returncode, "Nothing was done" in refused.stderr) == (1, True)
    assert (agreed.returncode, "2" in agreed.stdout) == (0, True)
