"""Every secret and every datum of a made-up person is followed through a whole story, and found
nowhere but where it belongs: not in logs, metrics, answers to strangers, traces or other tables."""

import asyncio
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import quote

import httpx
import psycopg
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from psycopg import sql

from app.db.opening import libpq_url
from app.domain import Module, Scope
from app.logging import HumanFormatter, JsonFormatter, configure_logging
from app.modules.context import ensure_setup
from app.privacy import forget
from app.sync.polling import poll
from tests.api.calls import FORM
from tests.cli.processes import Shell
from tests.goods import product
from tests.running import run
from tests.setting import (
    CALLBACK_SECRET,
    LONG_WEBHOOK_SECRET,
    SERVICE,
    STORE,
    TOKEN,
    as_environment,
    setting_values,
)
from tests.trade import ADDRESS, order
from tests.web.browsing import Browser, new_token
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

HEX = "0123456789abcdef"
PAGES = [
    "/",
    "/ui/records",
    "/ui/deliveries",
    "/ui/deliveries/1",
    "/ui/runs",
    "/ui/runs/1",
    "/ui/conflicts",
    "/ui/mappings/main/contacts",
    "/ui/settings/main/contacts",
    "/ui/status",
]
COMMANDS = [
    ("doctor",),
    ("doctor", "--json"),
    ("sync", "--dry-run"),
    ("webhooks", "status"),
    ("token", "list"),
    ("mappings", "list", "--store", "main"),
    ("export",),
    ("replay", "--state", "dead"),
]
PEOPLES_PLACES = {
    "deliveries.body": "what a hint came with",
    "deliveries.last_error": "what a system said of the record",
    "deliveries.record_id": "a guest is known by the e-mail alone",
    "deliveries.record_key": "a guest is known by the e-mail alone",
    "guest_orders.email": "which order of a guest is the latest",
    "links.base": "what both systems last agreed on",
    "links.woo_id": "a guest is known by the e-mail alone",
    "sync_log.changes": "which values changed",
    "sync_log.label": "who a record is",
    "sync_log.source_id": "a guest is known by the e-mail alone",
    "sync_log.target_id": "a guest is known by the e-mail alone",
    "sync_run_differences.label": "who a record is",
    "sync_run_differences.record_key": "a guest is known by the e-mail alone",
    "sync_run_differences.woo_id": "a guest is known by the e-mail alone",
}
"""Columns where a person's data belong; `forget` empties each of them."""


@dataclass(frozen=True, slots=True)
class Person:
    """Made up; each value is found nowhere else."""

    email: str
    first_name: str
    last_name: str
    phone: str
    street: str

    def values(self) -> list[str]:
        return [self.email, self.first_name, self.last_name, self.phone, self.street]

    def billing(self) -> dict[str, str]:
        return {
            **ADDRESS,
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "phone": self.phone,
            "address_1": self.street,
        }


def _person(random: Random) -> Person:
    def word(length: int) -> str:
        return "".join(random.choices(HEX[10:], k=length))

    digits = "".join(random.choices("123456789", k=9))
    return Person(
        email=f"{word(9)}@{word(8)}.example",
        first_name=word(9).capitalize(),
        last_name=word(10).capitalize(),
        phone=f"+33 {digits}",
        street=f"{word(8).capitalize()} Street",
    )


@dataclass(slots=True)
class Story:
    """What went on, and every place that strangers or operators see of it. `wrong` are secrets
    that somebody guessed, or mistyped."""

    world: World
    account: Person
    guest: Person
    secrets: set[str]
    wrong: list[str]
    info: str = ""
    debug: str = ""
    metrics: str = ""
    answers: str = ""
    openapi: str = ""
    traces: str = ""


@pytest.fixture
def log_levels() -> Iterator[None]:
    """What the test does to the log is undone."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def _listen(level: int, secrets: frozenset[str]) -> list[io.StringIO]:
    """The log as a machine and as a person reads it."""
    found = []
    for formatter in (JsonFormatter(secrets), HumanFormatter(secrets)):
        text = io.StringIO()
        handler = logging.StreamHandler(text)
        handler.setLevel(level)
        handler.setFormatter(formatter)
        logging.root.addHandler(handler)
        found.append(text)
    return found


async def _live_through(world: World, random: Random, spans: InMemorySpanExporter) -> Story:
    """Customers, guests, products and orders come and change, both systems fail, people look."""
    secrets = world.runtime.settings.secret_values()
    configure_logging("DEBUG", json=True, secrets=secrets)
    logging.root.handlers.clear()
    info, debug = _listen(logging.INFO, secrets), _listen(logging.DEBUG, secrets)
    guesses = ["".join(random.choices(HEX, k=40)) for _ in range(5)]
    story = Story(world, _person(random), _person(random), set(secrets), guesses)
    async with httpx.AsyncClient(transport=world.doorway, base_url=SERVICE) as client:
        await _trade(world, story)
        await _fail(world, story)
        await _compare(world)
        await _look_around(world, story, client)
        await _try_doors(story, client)
    story.info = "".join(text.getvalue() for text in info)
    story.debug = "".join(text.getvalue() for text in debug)
    story.traces = "".join(span.to_json() for span in spans.get_finished_spans())
    return story


async def _trade(world: World, story: Story) -> None:
    account, guest = story.account, story.guest
    customer = await world.customer(
        account.email,
        first_name=account.first_name,
        last_name=account.last_name,
        billing=account.billing(),
    )
    mug = product(world, name="Mug", sku="MUG")
    order(world, (mug, 1), customer_id=int(customer), billing=account.billing())
    order(world, (mug, 2), billing=guest.billing())
    await world.settle()
    world.later()
    for contact in world.contacts():
        await world.edit_contact(contact["id"], mailingcity="Nantes")
    await world.settle()
    world.edit_customer(customer, billing={"city": "Nice"})
    await world.settle()
    await poll(world.runtime)
    await world.settle()


async def _fail(world: World, story: Story) -> None:
    """Both systems refuse, break off and answer what nobody can read, with the person's data."""
    said = " ".join(story.account.values()).encode()
    [customer, *_] = [link.woo_id for link in await world.links() if link.woo_id.isdigit()]
    for number, (faults, method, text, status) in enumerate(
        (
            (world.sandbox.shop_faults, "GET", "/customers", 500),
            (world.sandbox.crm_faults, "POST", "operation=revise", 400),
            (world.sandbox.crm_faults, "GET", "operation=retrieve", 200),
        )
    ):
        faults.fail(method, text, status=status, body=said)
        world.later()
        world.edit_customer(customer, billing={"city": f"City {number}"})
        await world.settle()


async def _compare(world: World) -> None:
    await run(world, dry_run=True)
    await run(world, Module.CONTACTS)
    await world.settle()


async def _look_around(world: World, story: Story, client: httpx.AsyncClient) -> None:
    """A person with a new token looks at every page and list."""
    _, token = await new_token(world.runtime, Scope.ADMIN)
    story.secrets.add(token)
    browser = Browser(client)
    assert (await browser.sign_in(token)).status_code == 303
    story.secrets |= {cookie.value for cookie in client.cookies.jar if cookie.value}
    for page in PAGES:
        story.answers += _only_secrets_matter(await browser.text(page), story)
    bearer = {"Authorization": f"Bearer {token}"}
    for path in ("/sync-log", "/deliveries", "/links", "/incidents", "/sync-runs", "/settings"):
        answer = await client.get(path, headers=bearer)
        assert answer.status_code == 200, path
        story.answers += _only_secrets_matter(answer.text, story)
    export = await client.get("/sync-log/export", headers=bearer)
    story.answers += _only_secrets_matter(export.text, story)
    story.metrics = (await client.get("/metrics", headers=bearer)).text
    story.openapi = (await client.get("/openapi.json")).text
    client.cookies.clear()


def _only_secrets_matter(text: str, story: Story) -> str:
    """Whoever has a token may see people's data, but no secret."""
    for value in story.account.values() + story.guest.values():
        text = text.replace(value, "").replace(quote(value), "")
    return text


async def _try_doors(story: Story, client: httpx.AsyncClient) -> None:
    """Strangers guess and mistype; what they are told is kept."""
    first, second, third, fourth, fifth = story.wrong
    email = story.account.email
    hook = "/webhooks/woocommerce/main"
    answers = [
        await client.get("/sync-log", headers={"Authorization": f"Bearer {first}"}),
        await client.get(f"/sync-log?token={TOKEN}"),
        await client.post(f"/callbacks/vtiger/contacts?token={second}", data={"id": "12x1"}),
        await client.post(
            "/callbacks/vtiger/contacts", headers={"X-Callback-Token": third}, data={"id": "12x1"}
        ),
        await client.post(hook, content=b"{}", headers={"X-WC-Webhook-Signature": fourth}),
        await client.post(
            hook,
            content=f'{{"email": "{email}"'.encode(),
            headers={"X-WC-Webhook-Signature": fourth, "X-WC-Webhook-Topic": "customer.updated"},
        ),
        await client.post(
            "/callbacks/vtiger",
            content=b"{}",
            headers={"X-WooSync-Timestamp": "1", "X-WooSync-Signature": fifth},
        ),
        await client.post(
            f"/callbacks/vtiger/contacts?token={CALLBACK_SECRET}",
            content=f"name={quote(email)}".encode(),
            headers=FORM,
        ),
        await client.post("/sign-in", data={"token": TOKEN}),
        await client.get("/ui/settings", headers={"Authorization": f"Bearer {TOKEN}"}),
        await client.post(
            "/sync-runs",
            json={"store": email, "since": story.account.phone},
            headers={"Authorization": f"Bearer {TOKEN}"},
        ),
    ]
    assert all(400 <= answer.status_code < 500 or answer.status_code == 303 for answer in answers)
    story.answers += "".join(f"{answer.headers} {answer.text}" for answer in answers[:-1])


def _found(text: str, values: set[str] | list[str]) -> list[str]:
    """Which of the values the text holds, in any spelling."""
    lower = text.casefold()
    return sorted(
        value
        for value in values
        if any(form.casefold() in lower for form in (value, quote(value, safe="")))
    )


def _searched(found: object) -> str:
    raw = bytes(found) if isinstance(found, bytes | memoryview) else str(found).encode()
    return raw.decode("utf-8", "replace")


def _columns_with(address: str, values: set[str]) -> dict[str, list[str]]:
    """Which columns of which tables hold which of the values."""
    found: dict[str, set[str]] = {}
    with psycopg.connect(libpq_url(address)) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        for [table] in tables:
            rows = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
            for row in rows:
                for column, value in zip(rows.description or (), row, strict=True):
                    held = _found(_searched(value), values)
                    if held:
                        found.setdefault(f"{table}.{column.name}", set()).update(held)
    return {place: sorted(held) for place, held in found.items()}


def _say_commands(story: Story, address: str) -> tuple[str, str]:
    """What the commands print, of which the export alone tells people's data, and their log."""
    world = story.world
    remote_url = world.runtime.settings.stores[STORE].url.removesuffix("/shop")
    values = setting_values(
        world.sandbox, remote_url, address, public_url=SERVICE, plain_http_hosts=["service.test"]
    )
    env = as_environment(values)
    env[f"STORES__{STORE}__WEBHOOK_SECRET".upper()] = LONG_WEBHOOK_SECRET
    shell = Shell()
    done = [shell.run(*command, env=env) for command in COMMANDS]
    assert not [each.output for each in done if "Usage" in each.output or each.exit_code == 2]
    return "".join(each.stdout for each in done), "".join(each.stderr for each in done)


async def test_secrets_and_peoples_data_stay_in_their_places(
    database_url: str,
    spans: InMemorySpanExporter,
    log_levels: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del log_levels
    monkeypatch.chdir(tmp_path)  # where no .env is
    async with open_world(database_url) as world:
        await ensure_setup(world.runtime)
        story = await _live_through(world, Random(13), spans)
        printed, logged = await asyncio.to_thread(_say_commands, story, database_url)
        people = {*story.account.values(), *story.guest.values()}
        held = _columns_with(database_url, people)
        for person in (story.account, story.guest):
            await forget(world.runtime.sessions, person.email)
        kept = _columns_with(database_url, people)
    secrets = story.secrets | set(story.wrong)

    assert {"deliveries.body", "links.base"} <= held.keys(), "the story reached the tables"
    assert "hint accepted" in story.info, "the story reached the log"
    assert "sync record" in story.traces, "the story reached the traces"
    assert _columns_with(database_url, secrets) == {}
    elsewhere = {column: values for column, values in held.items() if column not in PEOPLES_PLACES}
    assert not elsewhere, sorted(elsewhere)
    assert kept == {}, "what nobody who erases a person finds"
    places = {
        "log": (story.info + story.debug, people | secrets),
        "metrics": (story.metrics, people | secrets),
        "answers": (story.answers, people | secrets),
        "OpenAPI": (story.openapi, people | secrets),
        "traces": (story.traces, people | secrets),
        "commands": (printed, secrets),
        "log of commands": (logged, people | secrets),
    }
    breaches = [
        f"{place}: {line[:600]}"
        for place, (text, values) in places.items()
        for line in text.splitlines()
        if _found(line, values)
    ]
    assert not breaches, "\n".join(breaches)
