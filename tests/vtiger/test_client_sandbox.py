"""The client against the simulated CRM, over real HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from app.domain import (
    AuthRejected,
    Duplicate,
    NotFound,
    Rejected,
    RemoteTimeout,
    RemoteUnavailable,
    ResponseUnreadable,
)
from app.http.client import ClientLimits, Sleep
from app.vtiger.client import VtigerClient, open_vtiger
from app.vtiger.query import Query, equals, one_of, since
from sandbox.app import Sandbox, create_sandbox_app, new_sandbox
from sandbox.server import serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def sandbox() -> Sandbox:
    return new_sandbox(cron_interval_s=None)


@pytest.fixture
async def url(sandbox: Sandbox) -> AsyncIterator[str]:
    async with serve(create_sandbox_app(sandbox)) as served:
        yield sandbox.describe(served.url)["vtiger"]["url"]


@pytest.fixture
async def client(sandbox: Sandbox, url: str) -> AsyncIterator[VtigerClient]:
    async with connect(sandbox, url) as vtiger:
        yield vtiger


async def no_wait(_: float) -> None:
    """A pause between tries that takes no time."""


def connect(
    sandbox: Sandbox,
    url: str,
    *,
    access_key: str = "",
    read_timeout: float = 30.0,
    sleep: Sleep = no_wait,
) -> VtigerClient:
    return open_vtiger(
        url,
        username=sandbox.credentials.username,
        access_key=access_key or sandbox.credentials.access_key,
        limits=ClientLimits(read_timeout=read_timeout, retry_delays=(0.0, 0.0)),
        sleep=sleep,
    )


async def test_a_contact_lives_and_dies(client: VtigerClient) -> None:
    fields = {"lastname": "O'Neil \\ <b>", "email": "zoe@crm.example", "donotcall": True}
    made = await client.create("Contacts", fields)
    assert made.get("assigned_user_id") == await client.user_id() == made.modified_by
    await client.revise(made.id, {"phone": "+33 1", "email": None}, module="Contacts")
    found = await client.retrieve(made.id, "Contacts")
    assert (found.get("lastname"), found.get("phone")) == ("O'Neil \\ <b>", "+33 1")
    assert (found.get("email"), found.get("donotcall")) == ("", "1")
    assert found.modified_at is not None
    assert found.get("contact_no")
    for text in (made.id, made.id.partition("x")[2], found.get("contact_no")):
        assert await client.resolve_id("Contacts", text) == made.id
    await client.delete(made.id)
    for gone in (
        client.retrieve(made.id, "Contacts"),
        client.revise(made.id, {"phone": "2"}, module="Contacts"),
        client.delete(made.id),
    ):
        with pytest.raises(NotFound):
            await gone


@pytest.mark.parametrize(
    "value", ["O'Neil", "back\\slash", "''", "\\'", 'a "b" & <c>', "% _", "é 日本", "a;b", "(x)"]
)
async def test_any_text_is_found_again(client: VtigerClient, value: str) -> None:
    made = await client.create("Contacts", {"lastname": value})
    await client.create("Contacts", {"lastname": "other"})
    for where in (equals("lastname", value), one_of("lastname", ["none", value])):
        found = await client.query(Query("Contacts", ("lastname",), (where,)))
        assert [(one.id, one.get("lastname")) for one in found] == [(made.id, value)]


async def test_pages_hold_every_record_once(sandbox: Sandbox, client: VtigerClient) -> None:
    for number in range(205):
        await sandbox.crm.ui_create("Contacts", {"lastname": f"n{number}"})
    made = [str(row["id"]) for row in sandbox.crm.records("Contacts")]
    recent = since(datetime.now(UTC) - timedelta(minutes=5))
    found = [one async for one in client.search("Contacts", [recent], columns=["lastname"])]
    assert [one.id for one in found] == made
    later = [one.id async for one in client.search("Contacts", after_id=made[199])]
    assert later == made[200:]
    assert await client.count("Contacts", [recent]) == 205
    assert await client.count("Contacts", [since(datetime.now(UTC) + timedelta(hours=1))]) == 0


async def test_describe_finds_the_custom_field(client: VtigerClient) -> None:
    module = await client.describe("Contacts")
    field = module.field_labelled("WooCommerce ID")
    assert field is not None
    made = await client.create("Contacts", {"lastname": "x", field.name: "42"})
    found = await client.query(Query("Contacts", ("id",), (equals(field.name, "42"),)))
    assert [one.id for one in found] == [made.id]
    assert "Contacts" in await client.list_types()


async def test_an_expired_session_is_not_noticed(sandbox: Sandbox, client: VtigerClient) -> None:
    made = await client.create("Contacts", {"lastname": "x"})
    sandbox.crm.expire_sessions()
    await client.revise(made.id, {"phone": "1"}, module="Contacts")
    sandbox.crm.expire_sessions()
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(client.retrieve, made.id, "Contacts")
    assert await client.count("Contacts") == 1


async def test_processes_that_log_in_at_once_all_get_in(sandbox: Sandbox, url: str) -> None:
    """Each waits, before it tries again, for the one before it: random pauses made certain."""
    done = [anyio.Event() for _ in range(4)]
    done[0].set()

    async def run(number: int) -> None:
        async def wait_for_turn(_: float) -> None:
            await done[number - 1].wait()

        async with connect(sandbox, url, sleep=wait_for_turn) as client:
            assert "Contacts" in await client.list_types()
        done[number].set()

    async with anyio.create_task_group() as group:
        for number in range(1, 4):
            group.start_soon(run, number)


async def test_a_wrong_key_is_refused(sandbox: Sandbox, url: str) -> None:
    async with connect(sandbox, url, access_key="wrong") as client:
        with pytest.raises(AuthRejected):
            await client.user_id()


async def test_what_the_crm_refuses(client: VtigerClient) -> None:
    account = await client.create("Accounts", {"accountname": "Acme"})
    with pytest.raises(Duplicate):
        await client.create("Accounts", {"accountname": "ACME"})
    with pytest.raises(Rejected) as caught:
        await client.create("Contacts", {"firstname": "x"})
    assert caught.value.code == "MANDATORY_FIELDS_MISSING"
    with pytest.raises(Rejected) as caught:
        await client.create("Contacts", {"lastname": "x", "account_id": "12x1"})
    assert caught.value.code == "REFERENCE_INVALID"
    with pytest.raises(Rejected):
        await client.query(Query("Contacts", ("nosuch",)))
    with pytest.raises(Rejected):
        await client.describe("Nope")
    assert (await client.retrieve(account.id, "Accounts")).get("accountname") == "Acme"


async def test_an_owner_who_does_not_exist_leaves_a_record_behind(client: VtigerClient) -> None:
    with pytest.raises(ResponseUnreadable) as caught:
        await client.create("Contacts", {"lastname": "BadOwner", "assigned_user_id": "19x99"})
    assert caught.value.ambiguous
    assert await client.count("Contacts", [equals("lastname", "BadOwner")]) == 1


async def test_disturbances(sandbox: Sandbox, client: VtigerClient) -> None:
    async def create() -> object:
        return await client.create("Contacts", {"lastname": "x"})

    await create()
    faults = sandbox.crm_faults
    faults.fail("POST", "operation=create", status=500, after_write=True)
    assert await _ambiguous(create, RemoteUnavailable)
    faults.drop("POST", "operation=create", after_write=True)
    assert await _ambiguous(create, RemoteUnavailable)
    faults.drop("GET", "operation=query")
    faults.fail("GET", "operation=query", status=500)
    assert await client.count("Contacts") == 3


async def test_a_hanging_crm_is_a_timeout(sandbox: Sandbox, url: str) -> None:
    async with connect(sandbox, url, read_timeout=0.2) as client:
        await client.user_id()
        sandbox.crm_faults.hang("POST", "operation=create", seconds=0.5)
        assert await _ambiguous(lambda: client.create("Contacts", {}), RemoteTimeout)


async def _ambiguous(call: Callable[[], Awaitable[object]], kind: type[RemoteUnavailable]) -> bool:
    with pytest.raises(kind) as caught:
        await call()
    return caught.value.ambiguous


async def test_records_are_counted_in_a_version_that_answers_nothing(
    sandbox: Sandbox, client: VtigerClient
) -> None:
    """8.4 leaves rows without an id out, and the row of a count has none."""
    sandbox.crm.upgrade("8.4.0")
    for name in ("A", "B"):
        await client.create("Contacts", {"lastname": name})
    assert await client.count("Contacts") == 2
    assert await client.count("Contacts", [equals("lastname", "B")]) == 1
    assert await client.version() == await client.fetch_version() == "8.4.0"


async def test_the_version_is_asked_anew_with_and_without_a_living_session(
    sandbox: Sandbox, client: VtigerClient
) -> None:
    assert await client.version() == "8.2.0"
    sandbox.crm.upgrade("8.4.0")
    assert await client.version() == "8.2.0"
    assert await client.fetch_version() == "8.4.0"
    sandbox.crm.upgrade("8.2.0")
    sandbox.crm.expire_sessions()
    assert await client.fetch_version() == await client.version() == "8.2.0"
