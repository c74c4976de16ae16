"""The demo plays the day, prints the two tables and tells by its exit code whether all agree."""

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from app.cli.agreement import Verdict, judge, print_verdict
from app.cli.sandbox_day import print_banner
from app.cli.stage import HOST, STORE, Stage, open_stage
from app.errors import System
from app.records import Module, Outcome
from app.runtime import open_store
from app.serving import listen
from app.settings import Settings
from app.sync.comparison import Compared, Plan
from tests.cli.processes import run


def _row(output: str, title: str) -> list[int]:
    """Created, updated, deleted, skipped and failed contacts of a table."""
    lines = output.partition(title)[2].splitlines()
    row = next(line for line in lines if line.startswith("Contacts"))
    return [int(number) for number in row.split()[1:]]


def test_the_demo_syncs_its_day_and_both_systems_agree(folder: Path) -> None:
    """Whatever the environment says; and it leaves nothing behind."""
    settings = {"DATA_DIR": str(folder / "data"), "STORES__main__URL": "not used"}
    done = run("demo", "--once", folder=folder, env=settings | {"TMPDIR": str(folder)})

    assert (done.returncode, done.stderr) == (0, "")
    assert _row(done.stdout, "WooCommerce") == [4, 6, 0, 2, 0]
    assert _row(done.stdout, "Vtiger CRM") == [13, 7, 0, 2, 0]
    assert "Both systems agree: 17 pairs" in done.stdout
    assert "Walter Visitor, missing_required_field" in done.stdout
    assert list(folder.iterdir()) == []


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    base = Settings.model_construct(api_tokens=(SecretStr("a-token-of-my-own"),))
    with closing(listen(HOST, 0)) as listener:
        async with open_stage(
            base, listener, address=database_url, sandbox_port=0, cron_seconds=0.05
        ) as opened:
            yield opened


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
