"""Challenges, logins and sessions: what keeps a client in, and what throws it out."""

import asyncio

import pytest

from sandbox.vtiger.crm import Crm
from tests.sandbox.vtiger.webservice import PATH, Clock, Refused, WebService, md5, recorded

pytestmark = pytest.mark.anyio


async def test_a_challenge_and_a_login_have_the_recorded_shape(
    clock: Clock, service: WebService
) -> None:
    challenge = await service.get("getchallenge", username="admin")
    assert list(challenge) == list(recorded("01-getchallenge").result)
    assert len(challenge["token"]) == 13
    assert challenge["serverTime"] == int(clock.now.timestamp())
    assert challenge["expireTime"] - challenge["serverTime"] == 300
    profile = await service.login("admin")
    expected = recorded("01-login").result
    assert list(profile) == list(expected)
    assert profile | {"sessionName": ""} == expected | {"sessionName": ""}


async def test_a_token_serves_several_logins_until_it_expires(
    crm: Crm, clock: Clock, service: WebService
) -> None:
    token = await service.challenge("admin")
    key = md5(token + crm.users.get("admin").access_key)
    names = [
        (await service.post("login", username="admin", accessKey=key))["sessionName"]
        for _ in range(2)
    ]
    assert names[0] != names[1]
    clock.move(seconds=300)
    with pytest.raises(Refused) as refused:
        await service.post("login", username="admin", accessKey=key)
    assert refused.value.code == "INVALID_AUTH_TOKEN"


async def test_the_next_challenge_of_a_user_supersedes_the_token(
    crm: Crm, service: WebService
) -> None:
    key = md5(await service.challenge("admin") + crm.users.get("admin").access_key)
    await service.challenge("apiuser")
    assert await service.post("login", username="admin", accessKey=key)
    await service.challenge("admin")
    for name in ("10-err-login-superseded-token", "10-err-login-bad-key"):
        exchange = recorded(name)
        assert (await service.replay(exchange)).json() == exchange.body
    with pytest.raises(Refused) as refused:
        await service.post("login", username="admin", accessKey=key)
    assert refused.value.code == "INVALID_USER_CREDENTIALS"


async def test_a_session_is_gone_after_24_idle_minutes(clock: Clock, service: WebService) -> None:
    for _ in range(3):
        clock.move(minutes=23)
        await service.get("listtypes")
    clock.move(minutes=25)
    with pytest.raises(Refused) as refused:
        await service.get("listtypes")
    assert refused.value.code == "INVALID_SESSIONID"


async def test_extending_a_session_keeps_it(service: WebService) -> None:
    answer = await service.post("extendsession")
    assert list(answer) == list(recorded("12-extendsession").result)
    assert answer["sessionName"] == service.session


async def test_extending_a_session_is_refused_unless_the_form_names_it(
    service: WebService,
) -> None:
    """As Vtiger 8.2.0 answers when only the address names the operation."""
    response = await service.http.post(
        PATH, params={"operation": "extendsession", "sessionName": service.session}
    )
    assert response.json()["error"]["code"] == "AUTHENTICATION_REQUIRED"


async def test_all_sessions_can_be_thrown_out(crm: Crm, service: WebService) -> None:
    crm.expire_sessions()
    with pytest.raises(Refused) as refused:
        await service.query("SELECT id FROM Contacts;")
    assert refused.value.code == "INVALID_SESSIONID"


async def test_operation_names_ignore_case_and_module_names_do_not(service: WebService) -> None:
    assert (await service.get("ListTypes"))["types"]
    with pytest.raises(Refused) as refused:
        await service.get("describe", elementType="contacts")
    assert refused.value.code == "ACCESS_DENIED"


async def test_requests_of_one_session_wait_for_each_other(crm: Crm, service: WebService) -> None:
    session = crm.sessions.open(service.session)
    async with session.lock:
        waiting = asyncio.create_task(service.get("listtypes"))
        other = WebService(crm)
        await other.login("admin")
        assert (await other.get("listtypes"))["types"]
        assert not waiting.done()
    assert (await waiting)["types"]
