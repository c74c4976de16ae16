"""Every shell and Python example of README and docs is executed, in order, page by page."""

import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from socket import socket

import httpx
import pytest

from app.config.reference import setting_names
from app.woocommerce.client import WooClient
from tests.cli.processes import ROOT, environment, run, running, sandbox_environment
from tests.conftest import RUN_FOLDER
from tests.docs.pages import NEEDS, blocks, is_runnable, pages
from tests.docs.reader import Reader

TOKEN = "5e8f2c6b9a1d40735e8f2c6b9a1d4073"
LONGEST_S = 900  # all pages, one after the other, on a busy machine
QUICK_START = ROOT / "docs" / "quick-start.md"
SETTING = re.compile(r"^#?([A-Z][A-Za-z_]*)=", re.MULTILINE)
RUNNABLE = [
    page
    for page in pages()
    if page != QUICK_START and any(is_runnable(block) for block in blocks(page))
]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir=os.environ[RUN_FOLDER]))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def env(folder: Path) -> dict[str, str]:
    """The command is on the PATH, as `make setup` leaves it, and a token in $TOKEN."""
    command = folder / "bin" / "woo-vtiger"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m app "$@"\n')
    command.chmod(0o755)
    base = environment({"TOKEN": TOKEN})
    return base | {"PATH": f"{command.parent}:{base['PATH']}"}


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[tuple[dict[str, str], str]]:
    """Settings and port of a service that has brought one customer over from a sandbox; its
    database is the embedded one."""
    with running("sandbox", "--port", "0", "--json", folder=folder, longest_s=LONGEST_S) as sandbox:
        known = sandbox_environment(sandbox.line_with("{"), "")
        port = _free_port()
        own = known | {"API_TOKENS": TOKEN, "PUBLIC_URL": f"http://127.0.0.1:{port}"}
        asyncio.run(_register(known))
        with running(
            "serve", "--port", port, folder=folder, env=own, longest_s=LONGEST_S
        ) as serving:
            serving.error_with("listens on")
            done = run("sync", "--module", "contacts", folder=folder, env=own)
            assert done.returncode == 0, done.stderr
            yield own, port
            serving.stop(signal.SIGTERM)


async def _register(known: dict[str, str]) -> None:
    async with WooClient(
        known["STORES__main__URL"],
        consumer_key=known["STORES__main__CONSUMER_KEY"],
        consumer_secret=known["STORES__main__CONSUMER_SECRET"],
    ) as shop:
        await shop.create_customer({"email": "ada@example.com", "last_name": "Byron"})


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.stem)
def test_examples_do_what_they_say(
    page: Path, folder: Path, env: dict[str, str], service: tuple[dict[str, str], str]
) -> None:
    settings, port = service
    reader = Reader(folder, env | settings, {"8000": port})
    try:
        for block in filter(is_runnable, blocks(page)):
            reader.follows(block)
    finally:
        reader.leaves()


def test_a_newcomer_sees_a_record_flow_in_both_directions(
    tmp_path: Path, env: dict[str, str], database_url: str
) -> None:
    """Two running systems on other ports, addresses, keys and secrets by .env, and the page."""
    ports = {"9000": _free_port(), "8000": _free_port()}
    own = {"DATABASE_URL": database_url, "PORT": ports["8000"]}
    reader = Reader(tmp_path, env, ports, own)
    try:
        for block in blocks(QUICK_START):
            reader.follows(block)
        created = _wait_for_both(f"http://127.0.0.1:{ports['8000']}")
    finally:
        reader.leaves()
    assert created == (1, 1)


def _wait_for_both(url: str) -> tuple[int, int]:
    """Contacts created in each table, asked for again until both are there."""
    created = (0, 0)
    with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        for _ in range(2000):
            tables = client.get(f"{url}/sync-log/summary").json()
            shop, crm = (tables[target]["contacts"] for target in ("woocommerce", "vtiger"))
            created = (shop["created"], crm["created"])
            if all(created):
                return created
    return created


def _free_port() -> str:
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def test_what_is_not_executed_says_what_it_needs() -> None:
    used = {block.needs for page in pages() for block in blocks(page) if block.needs}
    assert used <= set(NEEDS)


def test_examples_can_be_pasted_as_they_are() -> None:
    """A shell takes <name> for a file, * for all of them and … for a word; and what cannot be
    taken back is not the next line after a harmless one."""
    placeholder = re.compile(r"<[\w -]+>|…|\[--|^\s*\* \*", re.MULTILINE)
    final = re.compile(r"--confirm\b|\bforget --|\brestore \w|--fix\b|\brm -r|\buninstall\b")
    for page in pages():
        for block in blocks(page):
            if block.language == "sh":
                assert not placeholder.search(block.text), (block.name, block.text)
                lines = block.text.strip().splitlines()
                is_final = any(final.search(line) for line in lines)
                assert not is_final or lines[0] == next(filter(final.search, lines)), block.text


def test_commands_are_in_blocks_that_are_executed() -> None:
    """Not in paragraphs that are indented by four blanks, which nobody tries."""
    indented = [
        (page.name, line)
        for page in pages()
        for line in page.read_text().splitlines()
        if re.match(r" {4}(woo-vtiger|curl|docker|POST|GET) ", line)
    ]
    assert indented == []


def test_settings_in_examples_exist() -> None:
    named = {
        name
        for page in pages()
        for block in blocks(page)
        if block.language == "ini"
        for name in SETTING.findall(block.text)
    }
    assert {"VTIGER__URL", "STORES__main__URL"} <= named <= set(setting_names())
