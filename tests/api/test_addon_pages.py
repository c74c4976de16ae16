"""What the add-on is told for its pages in Vtiger: how records stand, and the log's numbers."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from fastapi import FastAPI
from sqlalchemy import update
from starlette.types import Message

from app.config.settings import Settings
from app.db.session import transaction
from app.domain import DeliveryState, Event, Module, Origin, Outcome, Record, System
from app.inbox.repository import NewDelivery, Postponement, accept, claim, postpone
from app.links.conflicts import Report, note
from app.links.models import Link
from app.links.repository import find_link
from app.runtime import Runtime
from app.vtiger.callbacks import sign
from tests.api.calls import ADMIN, CALLBACK_SECRET, problem
from tests.api.rows import ENTRY, link, log, settled_hint, stored
from tests.web.browsing import Browser

pytestmark = pytest.mark.anyio

STATUS = "/callbacks/vtiger/status"
SUMMARY = "/callbacks/vtiger/summary"
PAGES = "https://sync.example.com"
CONTACT = {"id": "12x34", "module": "Contacts"}
BOTH: list[tuple[str, dict[str, Any]]] = [
    (STATUS, {"asks": "status", "records": [CONTACT]}),
    (SUMMARY, {"asks": "summary"}),
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": PAGES})


async def ask(
    client: httpx.AsyncClient,
    path: str,
    question: Mapping[str, Any] | bytes,
    *,
    secret: str = CALLBACK_SECRET,
    ahead: int = 0,
) -> httpx.Response:
    body = question if isinstance(question, bytes) else orjson.dumps(question)
    stamp = str(int(time.time()) + ahead)
    headers = {"X-WooSync-Timestamp": stamp, "X-WooSync-Signature": sign(secret, stamp, body)}
    return await client.post(path, content=body, headers=headers)


async def standings(
    client: httpx.AsyncClient, *records: Mapping[str, str]
) -> Sequence[Sequence[dict[str, Any]]]:
    """What is told of each record, shop by shop."""
    response = await ask(client, STATUS, {"asks": "status", "records": records or [CONTACT]})
    assert response.status_code == 200, response.text
    assert response.json()["service"] == "woo-vtiger"
    return [each["stores"] for each in response.json()["records"]]


async def test_a_pair_is_told_with_its_partner_and_its_last_outcome(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    await link(runtime, "7", "12x34")
    old, new = await log(runtime, ENTRY, replace(ENTRY, outcome=Outcome.UNCHANGED, message=""))
    [[told]] = await standings(stranger)
    assert (told["store"], told["state"]) == ("main", "in_sync")
    assert told["partner"] == {
        "id": "7",
        "url": "http://127.0.0.1:9/wp-admin/user-edit.php?user_id=7",
    }
    assert told["last"]["outcome"] == "unchanged"
    assert told["last"]["at"].endswith("Z")
    assert told["last"]["url"] == f"{PAGES}/ui/records/{new}"
    assert old != new


async def test_each_record_is_answered_in_its_place_and_by_shop(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    await link(runtime, "7", "12x34", "shop-fr")
    await link(runtime, "8", "12x34")
    await link(runtime, "7", "12x35")
    unknown = {"id": "12x99", "module": "Contacts"}
    lead = {"id": "10x34", "module": "Leads"}
    told = await standings(stranger, unknown, CONTACT, lead, {"id": "12x35", "module": "Contacts"})
    partners = [[(one["store"], one["partner"]["id"]) for one in each] for each in told]
    assert partners == [[], [("main", "8"), ("shop-fr", "7")], [], [("main", "7")]]


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.CREATED, "in_sync"),
        (Outcome.UNCHANGED, "in_sync"),
        (Outcome.SKIPPED, "skipped"),
        (Outcome.FAILED, "failed"),
        (Outcome.DELETED, "deleted"),
    ],
)
async def test_the_newest_outcome_counts_whichever_way_it_went(
    stranger: httpx.AsyncClient, runtime: Runtime, outcome: Outcome, state: str
) -> None:
    """Also one that names the shop's record alone, as failures do."""
    from_shop = replace(ENTRY, outcome=outcome, target_id=None, link_id=None, message="Because.")
    from_vtiger = replace(
        ENTRY, target=System.WOOCOMMERCE, source_id="12x34", target_id=None, outcome=outcome
    )
    for entry in (from_shop, from_vtiger):
        await link_once(runtime)
        await log(runtime, ENTRY, replace(ENTRY, module=Module.PRODUCTS, outcome=Outcome.FAILED))
        await log(runtime, entry)
        [[told]] = await standings(stranger)
        assert (told["state"], told["last"]["message"]) == (state, entry.message)


async def link_once(runtime: Runtime) -> Link:
    record = Record("main", System.VTIGER, Module.CONTACTS, "12x34")
    async with runtime.sessions() as session:
        found = await find_link(session, record)
    if found is None:
        await link(runtime, "7", "12x34")
        return await link_once(runtime)
    return found


async def test_a_record_without_a_pair_tells_why(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    skipped = replace(
        ENTRY,
        target=System.WOOCOMMERCE,
        source_id="12x34",
        target_id=None,
        outcome=Outcome.SKIPPED,
        reason="creation_off",
    )
    await log(runtime, skipped)
    [[told]] = await standings(stranger)
    assert (told["state"], told["partner"]) == ("skipped", None)
    assert told["last"]["reason"] == "creation_off"


async def test_what_waits_comes_before_what_ended(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    await link(runtime, "7", "12x34")
    await settled_hint(runtime, "7", DeliveryState.DEAD)
    [[told]] = await standings(stranger)
    assert (told["state"], told["unsettled"]["attempts"]) == ("failed", 1)
    record = Record("main", System.VTIGER, Module.CONTACTS, "12x34")
    async with transaction(runtime.sessions) as session:
        hint = NewDelivery(record, Origin.CALLBACK, Event.UPDATED, "told")
        [accepted] = await accept(session, [hint])
    [[told]] = await standings(stranger)
    assert (told["state"], told["unsettled"]["reason"]) == ("waiting", None)
    assert told["unsettled"]["url"] == f"{PAGES}/ui/deliveries/{accepted.id}"
    async with transaction(runtime.sessions) as session:
        await claim(session, record.key)
        why = Postponement(60, "remote_unavailable", "The shop did not answer.")
        await postpone(session, [accepted.id], why)
    [[told]] = await standings(stranger)
    assert told["unsettled"]["message"] == "The shop did not answer."


async def test_what_a_person_has_to_decide_comes_first(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    pair = await link_once(runtime)
    await log(runtime, replace(ENTRY, outcome=Outcome.FAILED))
    async with transaction(runtime.sessions) as session:
        await note(session, pair, Report(open={"phone": ("1", "2"), "city": ("a", "b")}))
    [[told]] = await standings(stranger)
    assert (told["state"], told["conflicts"]) == ("conflict", 2)
    assert told["conflicts_url"] == f"{PAGES}/ui/conflicts?store=main&module=contacts"
    async with transaction(runtime.sessions) as session:
        held = update(Link).where(Link.id == pair.id).values(delete_held_at=runtime.clock())
        await session.execute(held)
    [[told]] = await standings(stranger)
    assert told["state"] == "held"


async def test_the_summary_has_the_numbers_of_the_log_and_what_happened_last(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    many = [replace(ENTRY, source_id=str(number)) for number in range(22)]
    await log(runtime, *many, replace(ENTRY, outcome=Outcome.UNCHANGED))
    await settled_hint(runtime, "7", DeliveryState.DEAD)
    response = await ask(stranger, SUMMARY, {"asks": "summary"})
    told = response.json()
    counts = told["tables"]["vtiger"]["contacts"]
    assert {name: each["count"] for name, each in counts.items()} == {
        "created": 0, "updated": 23, "deleted": 0, "unchanged": 1, "skipped": 0, "failed": 0,
    }  # fmt: skip
    assert told["tables"]["woocommerce"]["taxes"]["failed"]["count"] == 0
    assert {name: each["count"] for name, each in told["queue"].items()} == {
        "pending": 0, "processing": 0, "dead": 1,
    }  # fmt: skip
    assert told["conflicts"]["count"] == 0
    assert len(told["recent"]) == 20
    assert {entry["outcome"] for entry in told["recent"]} == {"updated"}
    assert told["recent"][0]["label"] == "Ada Lovelace"


async def test_every_address_leads_to_a_page_that_is_there(
    app: FastAPI, stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    await link(runtime, "7", "12x34")
    await settled_hint(runtime, "7", DeliveryState.DEAD)
    answers = [(await ask(stranger, *each)).json() for each in BOTH]
    addresses = {each for each in addresses_in(answers) if each.startswith(PAGES)}
    assert len(addresses) > 50
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    browser = Browser(httpx.AsyncClient(transport=transport, base_url=PAGES))
    assert (await browser.sign_in(ADMIN)).status_code == 303
    kinds = {urlsplit(each).path: each for each in addresses}
    for address in kinds.values():
        shown = await browser.client.get(address.removeprefix(PAGES))
        assert shown.status_code == 200, address
    counted = answers[1]["tables"]["vtiger"]["contacts"]["updated"]
    shown = await browser.client.get(counted["url"].removeprefix(PAGES))
    assert shown.text.count("Ada Lovelace") >= counted["count"] == 1


def addresses_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [each for name, each in value.items() if name.endswith("url") and each]
        return own + [found for each in value.values() for found in addresses_in(each)]
    return (
        [found for each in value for found in addresses_in(each)] if isinstance(value, list) else []
    )


async def test_without_a_public_url_there_are_numbers_without_addresses(
    app: FastAPI, stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    hidden = runtime.settings.model_copy(update={"public_url": None})
    app.state.runtime = replace(runtime, settings=hidden)
    await link(runtime, "7", "12x34")
    await settled_hint(runtime, "7")
    answers = [(await ask(stranger, *each)).json() for each in BOTH]
    assert [each for each in addresses_in(answers) if "/ui/" in each] == []
    assert answers[1]["url"] is None


@pytest.mark.parametrize(("path", "question"), BOTH)
async def test_only_the_secret_is_answered_and_nothing_is_changed(
    stranger: httpx.AsyncClient, runtime: Runtime, path: str, question: dict[str, Any]
) -> None:
    await link(runtime, "7", "12x34")
    assert problem(await ask(stranger, path, question, secret="other")) == (401, "signature_wrong")
    assert problem(await ask(stranger, path, question, ahead=-400)) == (401, "signature_stale")
    missing = await stranger.post(
        path, json=question, headers={"X-Callback-Token": CALLBACK_SECRET}
    )
    assert problem(missing) == (401, "signature_missing")
    assert (await ask(stranger, path, question)).status_code == 200
    assert await stored(runtime) == []


async def test_a_question_for_one_address_asks_nothing_at_another(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    """What somebody overheard is good for what it was made for, and for nothing else."""
    made: dict[str, dict[str, Any]] = {
        **dict(BOTH),
        "/callbacks/vtiger": {"installation": "i", "changes": []},
    }
    for path in made:
        for other in made.keys() - {path}:
            assert problem(await ask(stranger, path, made[other])) == (400, "unreadable")
    assert await stored(runtime) == []


@pytest.mark.parametrize(
    "records",
    [
        [],
        [CONTACT] * 21,
        "12x34",
        ["12x34"],
        [{"id": "34", "module": "Contacts"}],
        [{"id": "1" * 120 + "x1", "module": "Contacts"}],
        [{"id": "12x34"}],
        [{"id": 12, "module": 34}],
    ],
)
async def test_a_question_is_bounded_and_names_records(
    stranger: httpx.AsyncClient, records: Any
) -> None:
    response = await ask(stranger, STATUS, {"asks": "status", "records": records})
    assert problem(response) == (400, "unreadable")


@pytest.mark.parametrize("path", [STATUS, SUMMARY])
async def test_a_question_has_a_size(stranger: httpx.AsyncClient, path: str) -> None:
    body = orjson.dumps({"asks": "status"}) + b" " * 16_384
    assert problem(await ask(stranger, path, body)) == (413, "too_large")


@pytest.mark.parametrize("path", [STATUS, SUMMARY])
async def test_without_a_signature_no_byte_is_read(app: FastAPI, path: str) -> None:
    sent: list[Message] = []
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert (sent[0]["status"], orjson.loads(sent[1]["body"])["code"]) == (401, "signature_missing")
