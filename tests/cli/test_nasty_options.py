"""Values that nothing can hold end a command with a sentence and exit code 2, as on the pages."""

from pathlib import Path

from tests.cli.processes import Shell

HUGE = str(2**63)
SURROGATE = "\udcff"
"""What a byte that is no UTF-8 becomes among a command's arguments."""
CALLS = (
    *[("replay", wrong) for wrong in (HUGE, "0", "9" * 400, "\u0661", "x")],
    *[("export", "--run-id", wrong) for wrong in (HUGE, "0", "9" * 400)],
    *[("sync", name, HUGE) for name in ("--repair", "--resume")],
    ("token", "revoke", HUGE),
    *[
        (command, name, wrong)
        for command, name in (("export", "--since"), ("replay", "--until"), ("sync", "--since"))
        for wrong in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "yesterday")
    ],
    *[
        (*command, wrong)
        for command in (
            ("export", "--search"),
            ("export", "--store"),
            ("export", "--reason"),
            ("replay", "--record-id"),
            ("forget", "--yes", "--email"),
            ("token", "create", "--scope", "read", "--name"),
        )
        for wrong in (SURROGATE, "x@" + "y" * 3000)
    ],
)


def test_it_is_told_and_nothing_is_done(shell: Shell, database_url: str) -> None:
    for call in CALLS:
        done = shell.run(*call, env={"DATABASE_URL": database_url})

        assert done.exit_code == 2, call
        assert "Traceback" not in done.stderr, call
        assert "Invalid value" in done.stderr, call


def test_a_mistyped_store_gives_no_file(shell: Shell, database_url: str, tmp_path: Path) -> None:
    kept = tmp_path / "log.csv"
    kept.write_text("kept")
    done = shell.run(
        "export", "--store", "nix", "--output", str(kept), env={"DATABASE_URL": database_url}
    )

    assert (done.exit_code, done.stdout) == (2, "")
    assert "no store nix" in done.stderr
    assert kept.read_text() == "kept"
