"""The commands that do one thing and end, on systems that run beside them."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import anyio.to_thread
import psycopg
import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.db.session import open_engine, open_sessions, transaction
from app.domain import CreationPolicy, Module
from app.policies.repository import SyncPolicy, save_policy
from app.vtiger.client import open_vtiger
from app.woocommerce.client import WooClient
from app.woocommerce.webhook_delivery import TOPICS
from tests.cli.processes import END_OF_INPUT, Shell, at_terminal

COMMANDS = (
    "serve",
    "worker",
    "demo",
    "sync",
    "sandbox",
    "migrate",
    "backup",
    "restore",
    "webhooks",
    "token",
    "replay",
    "deletions",
    "forget",
    "export",
    "mappings",
)
Env = dict[str, str]


@pytest.fixture
def env(systems: Env) -> Env:
    return systems | {"PUBLIC_URL": "http://127.0.0.1:1"}


@pytest.fixture
async def shop(systems: Env) -> WooClient:
    return WooClient(
        systems["STORES__main__URL"],
        consumer_key=systems["STORES__main__CONSUMER_KEY"],
        consumer_secret=systems["STORES__main__CONSUMER_SECRET"],
    )


@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS), ("token", "create")])
def test_every_command_has_its_help(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*arguments, "--help"])

    assert done.exit_code == 0
    assert "Usage: " in done.stdout


def test_the_help_names_every_command() -> None:
    text = CliRunner().invoke(app, ["--help"]).stdout
    assert [name for name in COMMANDS if f" {name} " not in text] == []


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.strip().count(".") == 2


def test_webhooks_are_installed_seen_and_removed(shell: Shell, env: Env) -> None:
    missing = shell.json("webhooks", "status", env=env)
    unhealthy = shell.run("webhooks", "status", env=env)
    installed = shell.json("webhooks", "install", env=env)
    healthy = shell.run("webhooks", "status", env=env)
    healed = shell.json("webhooks", "heal", env=env)
    removed = shell.json("webhooks", "remove", env=env)

    assert [row["topic"] for row in missing] == list(TOPICS)
    assert ({row["state"] for row in missing}, unhealthy.exit_code) == ({"missing"}, 1)
    assert {row["state"] for row in installed} == {"installed"}
    assert (healthy.exit_code, "customer.created" in healthy.stdout) == (0, True)
    assert {row["state"] for row in healed} == {"active"}
    assert {row["state"] for row in removed} == {"removed"}
    assert shell.run("webhooks", "remove", env=env).stdout == "There are none.\n"


def test_webhooks_need_to_know_where_the_service_is(shell: Shell, systems: Env) -> None:
    done = shell.run("webhooks", "status", env=systems)

    assert (done.exit_code, "PUBLIC_URL is not set" in done.stderr) == (2, True)


def test_a_store_that_is_not_set_is_told(shell: Shell, env: Env) -> None:
    done = shell.run("webhooks", "status", "--store", "shop-fr", env=env)

    assert done.exit_code == 2
    assert done.stderr == "There is no store shop-fr; the configured stores are main.\n"


def test_without_a_shop_there_is_nothing_to_sync(shell: Shell) -> None:
    done = shell.run("sync")

    assert (done.exit_code, "No shop is configured" in done.stderr) == (2, True)


def test_a_shop_that_does_not_answer_is_told(shell: Shell, env: Env) -> None:
    gone = env | {"STORES__main__URL": "http://127.0.0.1:1/shop"}
    done = shell.run("webhooks", "status", env=gone)

    assert done.exit_code == 1
    assert "WooCommerce could not be reached" in done.stderr


@pytest.mark.anyio
async def test_a_dry_run_tells_and_a_sync_does(shell: Shell, env: Env, shop: WooClient) -> None:
    async def run(*arguments: str) -> Result:
        """A command has an event loop of its own."""
        asked = ("sync", "--module", "contacts", *arguments)
        return await anyio.to_thread.run_sync(lambda: shell.run(*asked, env=env))

    async with shop:
        made = await shop.create_customer({"email": "zoe@shop.example", "last_name": "Müller"})
    before, planned = await run("--dry-run"), await run("--dry-run", "--json")
    done, after, again = await run(), await run("--dry-run"), await run("--json")

    assert "new in Vtiger" in before.stdout
    [plan] = json.loads(planned.stdout)["differences"]
    assert (plan["plan"], plan["woocommerce_id"], plan["vtiger_id"]) == ("create", made.id, None)
    assert done.exit_code == 0
    assert "Contacts             1" in done.stdout.partition("Vtiger CRM")[2]
    assert after.stdout == "No differences: both systems agree.\n"
    assert json.loads(again.stdout)["waiting"] == 0


def test_what_a_comparison_found_is_repaired_by_one_command(shell: Shell, env: Env) -> None:
    """And a run that has ended can be looked at again, but not gone on with."""
    report = shell.json("sync", "--module", "taxes", "--dry-run", env=env)
    asked = shell.run("sync", "--repair", report["run_id"], env=env)
    mended = shell.json("sync", "--repair", report["run_id"], "--yes", env=env)
    again = shell.json("sync", "--resume", mended["run_id"], env=env)
    unknown = shell.run("sync", "--resume", "999999", env=env)

    assert (asked.exit_code, asked.stderr) == (0, "")  # it would make and write nothing
    assert (report["state"], report["dry_run"]) == ("done", True)
    assert (mended["state"], mended["dry_run"], mended["done"]) == ("done", False, 3)
    assert len(report["differences"]) == mended["outcomes"]["skipped"] == 3
    assert again["run_id"] == mended["run_id"]
    assert (unknown.exit_code, "There is no run 999999" in unknown.stderr) == (2, True)


@pytest.mark.anyio
async def test_a_sync_that_would_mail_people_asks_first(
    shell: Shell, env: Env, shop: WooClient
) -> None:
    """With nobody there to answer it does nothing, and tells how to go on without."""

    def work(*arguments: str, env: Env = env) -> Result:
        return shell.run("sync", "--module", "contacts", *arguments, env=env)

    await _eager(env)
    email = f"{uuid4().hex}@crm.example"
    url, user, key = (env[f"VTIGER__{name}"] for name in ("URL", "USERNAME", "ACCESS_KEY"))
    async with open_vtiger(url, username=user, access_key=key) as crm:
        await crm.create("Contacts", {"lastname": "Ruiz", "email": email})
    planned = await anyio.to_thread.run_sync(lambda: work("--dry-run"))
    asked = await anyio.to_thread.run_sync(work)
    async with shop:
        before = await shop.search_customers_by_email(email)
        done = await anyio.to_thread.run_sync(lambda: work("--yes"))
        after = await shop.search_customers_by_email(email)

    told = "1 account will be created in the shop, 1 person mailed by it."
    assert told in planned.stdout
    assert (asked.exit_code, told in asked.stderr, "--yes" in asked.stderr) == (2, True, True)
    assert (before, done.exit_code, len(after)) == ([], 0, 1)


@pytest.mark.anyio
async def test_a_question_is_answered_at_the_terminal_or_on_the_pages(
    env: Env, folder: Path, shop: WooClient
) -> None:
    """Whoever leaves without a word has said no; what somebody agreed to elsewhere goes on."""
    await _eager(env)
    url, user, key = (env[f"VTIGER__{name}"] for name in ("URL", "USERNAME", "ACCESS_KEY"))
    async with open_vtiger(url, username=user, access_key=key) as crm:
        email = f"{uuid4().hex}@crm.example"
        await crm.create("Contacts", {"lastname": "Ruiz", "email": email})
    command = ("sync", "--module", "contacts")

    def agree_elsewhere() -> None:
        with psycopg.connect(env["DATABASE_URL"]) as connection:
            agreed = "UPDATE sync_runs SET state = 'queued', consent = 'given'"
            found = connection.execute(f"{agreed} WHERE state = 'asking'")
            assert found.rowcount == 1

    left = await anyio.to_thread.run_sync(
        lambda: at_terminal(*command, answer=END_OF_INPUT, folder=folder, env=env)
    )
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        states = connection.execute("SELECT state FROM sync_runs ORDER BY id").fetchall()
    told = ("created in the shop", agree_elsewhere)
    done = await anyio.to_thread.run_sync(
        lambda: at_terminal(
            *command,
            answer="y",
            folder=folder,
            env=env,
            once_told=told,
        )
    )

    assert (left.returncode, states[-1]) == (1, ("cancelled",))
    async with shop:
        made = await shop.search_customers_by_email(email)
    assert (done.returncode, len(made)) == (0, 1), done.stderr


async def _eager(env: Env) -> None:
    """Every contact becomes a customer."""
    engine = open_engine(env["DATABASE_URL"])
    policy = SyncPolicy(create_in_shop=CreationPolicy.ALL)
    async with transaction(open_sessions(engine)) as session:
        await save_policy(session, "main", module=Module.CONTACTS, policy=policy, by="test")
    await engine.dispose()


def test_a_sync_is_of_all_modules_unless_one_is_named(shell: Shell, env: Env) -> None:
    """What the CRM has of its own is left out: taxes without a country, and what orders rest on."""
    done, after = shell.run("sync", env=env), shell.run("sync", "--dry-run", "--json", env=env)

    assert done.exit_code == 0
    found = json.loads(after.stdout)["differences"]
    left = [(each["module"], each["plan"], each["reason"]) for each in found]
    taxes = [("taxes", "skip", "missing_required_field")] * 3
    assert left == [*taxes, ("products", "skip", "filtered")]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--all", "--since", "2026-01-01"), "exclude each other"),
        (("--since", "yesterday"), "2026-11-24T08:00:00Z"),
        (("--repair", "1", "--resume", "1"), "exclude each other"),
        (("--repair", "1", "--dry-run"), "exclude each other"),
        (("--repair", "1", "--module", "contacts"), "exclude each other"),
        (("--repair", "1", "--since", "2026-01-01"), "exclude each other"),
        (("--repair", "1", "--all"), "exclude each other"),
        (("--repair", "1", "--store", "main"), "exclude each other"),
        (("--resume", "1", "--dry-run"), "exclude each other"),
        (("--resume", "1", "--direction", "both"), "exclude each other"),
        (("--resume", "1", "--all"), "exclude each other"),
        (("--repair", "999999"), "not a finished comparison"),
        (("--direction", "off"), "has no effect"),
    ],
)
def test_what_cannot_be_synced_is_told(
    shell: Shell, env: Env, arguments: tuple[str, ...], sentence: str
) -> None:
    done = shell.run("sync", *arguments, env=env)

    assert (done.exit_code, sentence in done.stderr) == (2, True)


def test_a_token_is_shown_once_listed_and_revoked(shell: Shell, env: Env) -> None:
    made = shell.run("token", "create", "--name", "grafana", "--scope", "read", env=env)
    listed = shell.run("token", "list", env=env)
    [row] = shell.json("token", "list", env=env)
    revoked = shell.run("token", "revoke", row["id"], env=env)
    again = shell.run("token", "revoke", row["id"], env=env)

    secret = made.stdout.strip()
    assert (secret.startswith("wv_"), secret in listed.stdout) == (True, False)
    assert ("grafana" in listed.stdout, row["scope"], row["revoked_at"]) == (True, "read", None)
    assert (revoked.exit_code, again.exit_code) == (0, 1)
    [row] = shell.json("token", "list", env=env)
    assert row["revoked_at"] is not None


@pytest.mark.parametrize(
    ("expires", "days"), [((), 365), (("--expires", "30d"), 30), (("--expires", "never"), None)]
)
def test_a_token_expires_when_it_was_said(
    shell: Shell, env: Env, expires: tuple[str, ...], days: int | None
) -> None:
    made = shell.json("token", "create", "--name", "g", "--scope", "read", *expires, env=env)
    moments = [made["created_at"], made["expires_at"]]
    begin, end = (datetime.fromisoformat(each) if each else None for each in moments)
    assert begin is not None
    assert days == (round((end - begin) / timedelta(days=1)) if end else None)


@pytest.mark.parametrize("expires", ["0d", "soon", "2020-01-01", "2027-02-30", ""])
def test_a_moment_that_is_none_or_over_is_refused(shell: Shell, env: Env, expires: str) -> None:
    done = shell.run(
        "token", "create", "--name", "g", "--scope", "read", "--expires", expires, env=env
    )
    assert (done.exit_code, "--expires" in done.stderr) == (2, True)


def test_a_token_for_a_program_comes_as_json(shell: Shell, env: Env) -> None:
    made = shell.json("token", "create", "--name", "grafana", "--scope", "admin", env=env)

    assert (made["scope"], made["token"][:3]) == ("admin", "wv_")


def test_an_empty_database_is_migrated_once(shell: Shell, empty_database_url: str) -> None:
    env = {"DATABASE_URL": empty_database_url, "AUTO_MIGRATE": "false"}
    too_early = shell.run("token", "list", env=env)
    first, second = shell.run("migrate", env=env), shell.run("migrate", env=env)

    assert (too_early.exit_code, "woo-vtiger migrate" in too_early.stderr) == (2, True)
    assert (first.exit_code, first.stdout[:9]) == (0, "Applied: ")
    assert second.stdout == "The database is up to date.\n"
    assert shell.run("token", "list", env=env).exit_code == 0


def test_deletions_that_are_held_back_are_shown_and_confirmed(shell: Shell, env: Env) -> None:
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        connection.execute(HELD)
    shown = shell.json("deletions", env=env)
    elsewhere = shell.run("deletions", "--store", "shop-fr", "--confirm", env=env)
    confirmed = shell.json("deletions", "--module", "contacts", "--confirm", env=env)

    assert shown == [
        {"store": "main", "module": "contacts", "held": 2},
        {"store": "main", "module": "products", "held": 2},
    ]
    assert (elsewhere.exit_code, "no store shop-fr" in elsewhere.stderr) == (2, True)
    assert confirmed == shown[:1]
    assert shell.json("deletions", env=env) == shown[1:]


HELD = """
INSERT INTO links (store, module, woo_id, vtiger_id, woo_deleted_at, delete_held_at)
SELECT 'main', module, n, n, now(), now()
FROM unnest(ARRAY['contacts', 'products']) AS module, generate_series(1, 2) AS n
"""
