"""Both systems alone: found by their first line, with the user's shop and credentials if wanted."""

import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.http.server import listen
from app.vtiger.client import open_vtiger
from app.woocommerce.client import WooClient
from sandbox.server import serve
from tests.cli.processes import Shell, running
from tests.sandbox.test_serving import Inbox

GIVEN = {
    "--consumer-key": "ck_mine",
    "--consumer-secret": "cs_mine",
    "--webhook-secret": "signed-by-me",
    "--username": "woosync",
    "--access-key": "key-of-mine",
}
OPTIONS = tuple(part for pair in GIVEN.items() for part in pair)


def _shop(known: dict[str, Any]) -> WooClient:
    woo = known["woocommerce"]
    keys = {name: woo[name] for name in ("consumer_key", "consumer_secret")}
    return WooClient(woo["url"], **keys)


def test_the_first_line_tells_everything_and_a_signal_ends_it(folder: Path) -> None:
    with running("sandbox", "--port", "0", "--json", folder=folder) as sandbox:
        known = json.loads(sandbox.line_with(""))
        answer = httpx.get(f"{known['woocommerce']['url']}/wp-json/wc/v3", trust_env=False)
        code = sandbox.stop(signal.SIGINT)

    assert {name: set(part) for name, part in known.items()} == {
        "woocommerce": {"url", "consumer_key", "consumer_secret", "webhook_secret"},
        "vtiger": {"url", "username", "access_key"},
    }
    assert (answer.status_code, code, "".join(sandbox.errors)) == (200, 0, "")


def test_for_a_person_it_prints_the_lines_of_an_env_file(folder: Path) -> None:
    with running("sandbox", "--port", "0", *OPTIONS, folder=folder) as sandbox:
        key = sandbox.line_with("CONSUMER_KEY=")
        user = sandbox.line_with("VTIGER__USERNAME=")
        code = sandbox.stop(signal.SIGTERM)

    assert (key, user) == ("STORES__main__CONSUMER_KEY=ck_mine\n", "VTIGER__USERNAME=woosync\n")
    assert code == 0


@pytest.mark.anyio
async def test_a_shop_of_ones_own_is_loaded_and_credentials_are_those_given(folder: Path) -> None:
    customer = {"id": 7, "email": "zoe@shop.example", "role": "customer"}
    (folder / "shop.json").write_text(json.dumps({"customers": [customer]}))
    arguments = ("sandbox", "--port", "0", "--json", "--shop-data", "shop.json", *OPTIONS)
    with running(*arguments, folder=folder) as sandbox:
        known = json.loads(sandbox.line_with("{"))
        async with _shop(known) as shop:
            found = await shop.get_customer("7")

    assert found.email == "zoe@shop.example"
    assert known["woocommerce"]["webhook_secret"] == "signed-by-me"
    assert known["vtiger"]["access_key"] == "key-of-mine"


@pytest.mark.anyio
async def test_the_crm_calls_back_where_it_is_told_to(folder: Path) -> None:
    inbox = Inbox()
    async with serve(inbox, lifespan="off") as receiver:
        arguments = ("--callback-url", f"{receiver.url}/callbacks/vtiger/contacts")
        with running("sandbox", "--port", "0", "--json", *arguments, folder=folder) as sandbox:
            crm = json.loads(sandbox.line_with("{"))["vtiger"]
            async with open_vtiger(
                crm["url"], username=crm["username"], access_key=crm["access_key"]
            ) as vtiger:
                await vtiger.create("Contacts", {"lastname": "Berg"})
        headers = await inbox.arrived.get()

    assert headers["content-type"] == "application/json"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("options", "version"),
    [
        (("--addon",), "2.0.0"),
        (("--addon", "--addon-version", "1.1.0"), "1.1.0"),
        (("--no-addon", "--vtiger-version", "8.4.0", "--lose-lines"), ""),
    ],
)
async def test_the_crm_has_the_add_on_where_it_is_wanted(
    folder: Path, options: tuple[str, ...], version: str
) -> None:
    with running("sandbox", "--port", "0", "--json", *options, folder=folder) as sandbox:
        known = json.loads(sandbox.line_with(""))["vtiger"]
        async with open_vtiger(**known) as client:
            found = await client.find_changes(0)
    assert (found.facts.version if found else "") == version


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "is not JSON"), ('{"customer": []}', "unknown part 'customer'")],
)
def test_a_file_that_is_no_shop_is_told(shell: Shell, text: str, sentence: str) -> None:
    Path("shop.json").write_text(text)
    done = shell.run("sandbox", "--port", "0", "--shop-data", "shop.json")

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("shop.json: ")
    assert sentence in done.stderr


def test_a_file_that_is_not_there_is_told(shell: Shell) -> None:
    done = shell.run("sandbox", "--shop-data", "shop.json")

    assert (done.exit_code, "shop.json cannot be read" in done.stderr) == (2, True)


def test_a_taken_port_is_told(shell: Shell) -> None:
    with listen("127.0.0.1", 0) as listener:
        done = shell.run("sandbox", "--port", str(listener.getsockname()[1]))

    assert (done.exit_code, "is in use" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--addon-url", "http://127.0.0.1:1"), "need --addon too"),
        (("--addon-version", "1.1.0"), "need --addon too"),
        (("--addon", "--addon-secret", "x"), "need each other"),
        (("--consumer-key", ""), "--consumer-key is empty"),
        (("--cloud", "--vtiger-version", "8.4.0"), "exclude each other"),
        (("--cloud", "--lose-lines"), "exclude each other"),
        (("--vtiger-version", "8.4"), "'8.4' is not one of"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    shell: Shell, options: tuple[str, ...], sentence: str
) -> None:
    done = shell.run("sandbox", "--port", "0", *options)

    assert (done.exit_code, sentence in done.stderr) == (2, True)
