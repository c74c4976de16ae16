"""The demo plays the day, prints the two tables and tells by its exit code whether all agree."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import pytest
from pydantic import SecretStr
from typer.testing import Result

from app.cli.console import TITLES
from app.cli.context import joinable
from app.cli.sandbox_day import (
    HOST,
    STORE,
    Stage,
    Verdict,
    judge,
    open_stage,
    print_banner,
    print_verdict,
)
from app.config.settings import Settings
from app.domain import Module, Outcome, System
from app.http.server import listen
from app.module_facts import LABELS
from app.runtime import open_store
from app.sync.runs.comparison import Compared, Plan
from app.synclog.totals import TABLE_OUTCOMES
from sandbox.app import Sandbox
from tests.cli.processes import Shell, run
from tests.made import made_in_crm, made_in_shop


def _row(output: str, title: str, module: str) -> list[int]:
    """Created, updated, deleted, skipped and failed records of a module in a table."""
    lines = output.partition(title)[2].splitlines()
    row = next(line for line in lines if line.startswith(module))
    return [int(number) for number in row.removeprefix(module).split()]


def test_the_demo_syncs_its_day_and_both_systems_agree(folder: Path) -> None:
    """Whatever the environment says; and it leaves nothing behind."""
    settings = {"DATA_DIR": str(folder / "data"), "STORES__main__URL": "not used"}
    done = run("demo", "--once", folder=folder, env=settings | {"TMPDIR": str(folder)})

    assert (done.returncode, done.stderr) == (0, "")
    assert "A real shop would have sent" in done.stdout
    rows = {
        (title, module): _row(done.stdout, title, module)
        for title in ("WooCommerce", "Vtiger CRM")
        for module in ("Contacts", "Products", "Sales Orders", "Taxes")
    }
    assert rows["WooCommerce", "Contacts"] == [4, 6, 0, 2, 0]
    assert rows["WooCommerce", "Sales Orders"] == [1, 4, 0, 0, 0]
    assert rows["WooCommerce", "Taxes"] == [0, 0, 0, 0, 0]
    assert rows["Vtiger CRM", "Contacts"] == [29, 8, 0, 2, 0]
    assert rows["Vtiger CRM", "Sales Orders"] == [42, 6, 0, 3, 0]
    assert rows["Vtiger CRM", "Taxes"] == [7, 1, 0, 8, 0]
    # A product that sells is told of at every sale: how often it is written is chance.
    assert rows["WooCommerce", "Products"][::2] == [1, 0, 0]
    assert rows["Vtiger CRM", "Products"][::2] == [9, 0, 0]
    assert "Both systems agree: 91 pairs" in done.stdout
    assert "Walter Visitor, missing_required_field" in done.stdout
    assert "Harbour Roast (box) (COFFEE-250), ambiguous_match" in done.stdout
    assert "#36, currency_unavailable" in done.stdout
    assert list(folder.iterdir()) == []


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    base = Settings.model_construct(api_tokens=(SecretStr("a-token-of-my-own"),))
    with closing(listen(HOST, 0)) as listener:
        async with open_stage(
            base, listener, address=database_url, sandbox_port=0, cron_seconds=0.05
        ) as opened:
            yield opened


@pytest.mark.faults  # the browser's tests show the same on the screen, of a day they play once
@pytest.mark.anyio
async def test_what_is_told_is_what_both_systems_hold(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    await stage.play_day(seconds=0, report=lambda _: None)
    print_verdict(await judge(stage))
    printed = capsys.readouterr().out
    headers = {"Authorization": "Bearer a-token-of-my-own"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        told = (await client.get(f"{stage.url}/sync-log/summary")).json()

    for system, title in TITLES.items():
        for module, name in LABELS.items():
            counts = told[system][module]
            assert _row(printed, title, name) == [counts[outcome] for outcome in TABLE_OUTCOMES]
    assert made_in_crm(stage.sandbox) == {
        Module.CONTACTS: told["vtiger"]["contacts"]["created"],
        Module.PRODUCTS: told["vtiger"]["products"]["created"],
        Module.SALES_ORDERS: told["vtiger"]["sales_orders"]["created"],
        Module.TAXES: told["vtiger"]["taxes"]["created"],
    }
    assert made_in_shop(stage.sandbox) == {
        Module.PRODUCTS: told["woocommerce"]["products"]["created"],
        Module.SALES_ORDERS: told["woocommerce"]["sales_orders"]["created"],
    }
    assert _unequal_totals(stage.sandbox) == []


def _unequal_totals(sandbox: Sandbox) -> list[tuple[str, str, str]]:
    """Orders of the shop that cost something else in the CRM, be it a cent."""
    there = {row["subject"]: row["hdnGrandTotal"] for row in sandbox.crm.records("SalesOrder")}
    here = {f"WooCommerce order #{row.id}": row for row in sandbox.shop.trade.orders}
    pairs = [(name, there[name], here[name].totals["total"]) for name in there if name in here]
    assert len(pairs) == 42
    return [(name, t, w) for name, t, w in pairs if round(Decimal(t), 2) != Decimal(w)]


@pytest.mark.anyio
async def test_an_edit_that_nobody_told_of_is_a_disagreement(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_store(stage.settings, STORE) as shop:
        await shop.create_customer({"email": "zoe@shop.example", "last_name": "Müller"})
    before = await judge(stage)
    stage.sandbox.crm.workflows.callbacks.clear()
    [contact] = stage.sandbox.crm.records("Contacts")
    await stage.sandbox.crm.ui_edit(contact["id"], {"phone": "+1 555"})
    verdict = await judge(stage)
    print_verdict(verdict)

    assert (before.agrees, before.pairs) == (True, 1)
    assert not verdict.agrees
    assert "phone: WooCommerce '', Vtiger '+1 555'" in capsys.readouterr().out


@pytest.mark.anyio
async def test_a_token_of_ones_own_is_honoured_and_not_printed(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    print_banner(stage, stage.settings)
    headers = {"Authorization": "Bearer a-token-of-my-own"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        answer = await client.get(f"{stage.url}/sync-log/summary")
    shown = capsys.readouterr().out

    assert answer.status_code == 200
    assert ("<one of API_TOKENS>" in shown, "a-token-of-my-own" in shown) == (True, False)
    assert f"  Open         {stage.url}\n" in shown


@pytest.mark.anyio
async def test_a_token_made_for_the_day_opens_the_sync_log_by_a_link(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    print_banner(stage, Settings.model_construct(api_tokens=()))
    lines = capsys.readouterr().out.split()
    assert f"{stage.url}/sign-in#a-token-of-my-own" in lines


def _from_home(folder: Path) -> Path:
    """As somebody may write DATA_DIR."""
    return Path("~") / os.path.relpath(folder, Path.home())


@pytest.mark.anyio
async def test_commands_in_the_same_folder_join_the_running_demo(
    database_url: str, shell: Shell, tmp_path: Path
) -> None:
    base = Settings.model_construct(data_dir=tmp_path, api_tokens=())
    env = {"DATA_DIR": str(tmp_path)}

    def type_in() -> tuple[str, Any, Result, Result]:
        told = shell.run("token", "create", "--name", "Ada", "--scope", "read", env=env)
        exported = shell.run("webhooks", "status", "--json", env=env)
        assert exported.stderr.count("the demo that runs at") == 1
        person = ("--email", "zoe@shop.example", "--store", "main", "--yes")
        forgotten = shell.run("forget", *person, env=env)
        return told.stdout.strip(), json.loads(exported.stdout), told, forgotten

    with closing(listen(HOST, 0)) as listener:
        async with open_stage(
            base, listener, address=database_url, sandbox_port=0, cron_seconds=0.05
        ) as stage:
            with joinable(stage.settings, _from_home(tmp_path)):
                mode = (tmp_path / "demo.json").stat().st_mode & 0o777
                token, webhooks, told, forgotten = await anyio.to_thread.run_sync(type_in)
            async with httpx.AsyncClient(trust_env=False) as client:
                headers = {"Authorization": f"Bearer {token}"}
                answer = await client.get(f"{stage.url}/sync-log", headers=headers)
    is_left = (tmp_path / "demo.json").exists()

    assert mode == 0o600
    assert not is_left
    assert f"the demo that runs at {stage.url}" in told.stderr
    assert answer.status_code == 200
    assert {row["state"] for row in webhooks} == {"active"}
    assert (forgotten.exit_code, forgotten.stderr.count("the demo that runs at")) == (0, 1)


def test_what_a_killed_demo_left_behind_is_not_joined(shell: Shell, database_url: str) -> None:
    settings = {"public_url": "http://127.0.0.1:9", "database_url": "postgresql://nowhere/none"}
    Path("demo.json").write_text(json.dumps(settings))
    env = {"DATA_DIR": ".", "DATABASE_URL": database_url}
    done = shell.run("token", "list", env=env)
    assert (done.exit_code, "demo" in done.stderr) == (0, False)


def test_without_a_demo_the_command_says_which_database_it_is_about(
    shell: Shell, folder: Path
) -> None:
    done = shell.run("token", "list", env={"DATA_DIR": str(folder / "data")})
    assert (done.exit_code, str(folder / "data") in done.stderr) == (0, True)
    assert "no demo runs here" in done.stderr


def _verdict(*, failed: int = 0, dead: int = 0) -> Verdict:
    counts = {system: {module: dict.fromkeys(Outcome, 0) for module in Module} for system in System}
    counts[System.VTIGER][Module.CONTACTS][Outcome.FAILED] = failed
    return Verdict(counts, dead)


def test_a_failed_record_is_no_agreement() -> None:
    assert _verdict().agrees
    assert not _verdict(failed=1).agrees
    assert not _verdict(dead=1).agrees


def test_a_record_that_was_never_synced_is_no_agreement() -> None:
    verdict = _verdict()
    verdict.add(Compared(Plan.CREATE, "Zoë", "7", None))
    assert not verdict.agrees
