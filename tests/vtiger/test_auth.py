"""Sessions: one for all, renewed when lost, and logins that do not trip over each other."""

import logging
import traceback

import anyio
import httpx
import pytest

from app.domain import AuthRejected, RemoteError, RemoteTimeout, RemoteUnavailable
from tests.vtiger.crm import ACCESS_KEY, Crm, connect, open_crm, recorded, refusal, result

pytestmark = pytest.mark.anyio

RECORD = result({"id": "12x1"})


async def test_the_first_call_logs_in_and_later_ones_share_the_session() -> None:
    client, crm = open_crm(RECORD)
    await client.retrieve("12x1", "Contacts")
    await client.retrieve("12x1", "Contacts")
    challenge, login, *calls = crm.asked
    assert (challenge.method, challenge.query) == (
        "GET",
        {"operation": "getchallenge", "username": "sync"},
    )
    assert (login.method, login.query, login.form["operation"]) == ("POST", {}, "login")
    assert [one.query["sessionName"] for one in calls] == ["session1", "session1"]


@pytest.mark.parametrize(
    "code",
    ["INVALID_SESSIONID", "SESSION_EXPIRED", "SESSION_LEFT_IDLE", "AUTHENTICATION_REQUIRED"],
)
async def test_a_lost_session_is_renewed_and_the_write_sent_again(code: str) -> None:
    client, crm = open_crm(RECORD)
    await client.retrieve("12x1", "Contacts")
    crm.sessions.clear()
    crm.stale_code = code
    await client.revise("12x1", {"phone": "5"}, module="Contacts")
    assert crm.logins == 2
    assert [one.query["sessionName"] for one in crm.calls] == ["session1", "session1", "session2"]
    assert crm.calls[1].form == crm.calls[2].form != {}


async def test_calls_at_once_log_in_once() -> None:
    client, crm = open_crm(RECORD)

    async def call() -> None:
        await client.retrieve("12x1", "Contacts")

    for _ in range(2):
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(call)
        crm.sessions.clear()
    assert crm.logins == 2
    assert crm.slept == []


async def test_another_process_between_challenge_and_login_costs_a_try() -> None:
    client, crm = open_crm(RECORD)
    crm.intruders = 2
    await client.retrieve("12x1", "Contacts")
    assert crm.logins == 1
    assert len(crm.slept) == 2
    assert all(0 < seconds < 1.5 for seconds in crm.slept)


async def test_a_wrong_key_is_refused_after_a_few_tries() -> None:
    _, crm = open_crm(RECORD)
    with pytest.raises(AuthRejected, match="Invalid username or password") as caught:
        await connect(crm, access_key="wrong").retrieve("12x1", "Contacts")
    assert caught.value.code == "INVALID_USER_CREDENTIALS"
    assert crm.challenges == 5
    assert crm.calls == []


async def test_an_unknown_user_is_refused_at_once() -> None:
    _, crm = open_crm(RECORD)
    with pytest.raises(AuthRejected, match="username does not exists"):
        await connect(crm, username="nobody").retrieve("12x1", "Contacts")
    assert len(crm.asked) == 1


async def test_a_session_that_is_refused_for_ever_ends() -> None:
    client, crm = open_crm(refusal("INVALID_SESSIONID", "Session Identifier provided is Invalid"))
    with pytest.raises(AuthRejected, match="Session Identifier"):
        await client.retrieve("12x1", "Contacts")
    assert crm.logins == 2


@pytest.mark.parametrize("operation", ["getchallenge", "login"])
@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx.Response(500), RemoteUnavailable),
        (httpx.ReadTimeout("slow"), RemoteTimeout),
        (httpx.ReadError("reset"), RemoteUnavailable),
        (httpx.Response(200, html="<h1>maintenance</h1>"), RemoteUnavailable),
        (result([]), RemoteUnavailable),
        (result({"token": "", "sessionName": 5}), RemoteUnavailable),
    ],
)
async def test_a_failed_login_leaves_no_doubt_about_the_write(
    operation: str, failure: httpx.Response | Exception, kind: type[RemoteError]
) -> None:
    client, crm = open_crm(RECORD)
    crm.failures[operation] = failure
    with pytest.raises(kind) as caught:
        await client.revise("12x1", {"phone": "5"}, module="Contacts")
    assert not caught.value.ambiguous
    crm.failures.clear()
    assert (await client.retrieve("12x1", "Contacts")).id == "12x1"


async def test_a_call_that_gives_up_while_logging_in_does_not_block_the_next() -> None:
    client, crm = open_crm(RECORD)

    class Hangs(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            await anyio.sleep_forever()
            yield b""

    crm.failures["login"] = lambda _: httpx.Response(200, stream=Hangs())
    with anyio.move_on_after(0.01) as scope:
        await client.retrieve("12x1", "Contacts")
    assert scope.cancelled_caught
    crm.failures.clear()
    assert (await client.retrieve("12x1", "Contacts")).id == "12x1"


async def test_recorded_logins_are_understood() -> None:
    crm = Crm([recorded("02-listtypes")])
    crm.failures = {
        "getchallenge": recorded("01-getchallenge"),
        "login": recorded("01-login"),
    }
    crm.sessions.add("53f936b6b04ac5cc8d52")
    assert await connect(crm).user_id() == "19x1"


async def test_no_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")  # a command under test quiets it
    client, _ = open_crm(httpx.ReadError("reset"))
    with pytest.raises(RemoteError) as caught:
        await client.retrieve("12x1", "Contacts")
    shown = "".join(traceback.format_exception(caught.value)) + repr(client) + caplog.text
    assert "webservice.php" in caplog.text
    for secret in (ACCESS_KEY, "session1", "sessionName", "accessKey"):
        assert secret not in shown
