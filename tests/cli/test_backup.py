"""`backup` and `restore`, as they are typed."""

from pathlib import Path

from tests.cli.processes import Shell


def test_what_was_backed_up_is_there_again(shell: Shell, database_url: str) -> None:
    env = {"DATABASE_URL": database_url}
    shell.run("token", "create", "--name", "Ada", "--scope", "read", env=env)
    written = shell.run("backup", "woo.dump", env=env)
    shell.run("token", "create", "--name", "Grace", "--scope", "read", env=env)
    refused = shell.run("restore", "woo.dump", env=env)
    after_refusal = shell.run("token", "list", env=env).stdout
    restored = shell.run("restore", "woo.dump", "--replace", env=env)

    assert (written.exit_code, "Written to woo.dump" in written.stderr) == (0, True)
    assert (refused.exit_code, "--replace" in refused.stderr) == (2, True)
    assert "Grace" in after_refusal
    assert (restored.exit_code, "Start the service" in restored.stdout) == (0, True)
    names = shell.run("token", "list", env=env).stdout
    assert ("Ada" in names, "Grace" in names) == (True, False)


def test_a_backup_may_go_through_a_pipe(shell: Shell, database_url: str) -> None:
    piped = shell.run("backup", "-", env={"DATABASE_URL": database_url})
    assert (piped.exit_code, piped.stdout_bytes[:5]) == (0, b"PGDMP")


def test_without_a_name_the_file_has_the_time_in_its_name(shell: Shell, database_url: str) -> None:
    done = shell.run("backup", env={"DATABASE_URL": database_url})
    [file] = Path().glob("woo-vtiger-2*Z.dump")
    assert file.name in done.stderr


def test_a_file_that_is_there_is_replaced_only_if_somebody_agrees(
    shell: Shell, database_url: str
) -> None:
    env, file = {"DATABASE_URL": database_url}, Path("woo.dump")
    file.write_text("kept")
    refused = shell.run("backup", "woo.dump", env=env)
    kept = file.read_text()
    agreed = shell.run("backup", "woo.dump", "--yes", env=env)

    assert (refused.exit_code, kept) == (2, "kept")
    assert "woo.dump exists already" in refused.stderr
    assert (agreed.exit_code, file.read_bytes()[:5]) == (0, b"PGDMP")
