"""The add-on as it shows from outside (contract page Vtiger extension §4 to §6)."""

import hashlib
import hmac
from typing import Any

import httpx
import pytest

from sandbox.vtiger.addon import Addon
from sandbox.vtiger.crm import Crm
from sandbox.vtiger.users import CrmUser, default_users
from tests.sandbox.vtiger.webservice import Clock, Refused, WebService

pytestmark = pytest.mark.anyio

SECRET = "s3cret"
SERVICE = "http://sync"


class Service:
    """Keeps what it is told; no answer at all while `status` is 0."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.status = 202
        self.service = "woo-vtiger"

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if not self.status:
            raise httpx.ReadTimeout("too slow", request=request)
        return httpx.Response(self.status, json={"service": self.service})


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def crm(service: Service, clock: Clock) -> Crm:
    return Crm(clock=clock, http=httpx.AsyncClient(transport=httpx.MockTransport(service)))


@pytest.fixture
def addon(crm: Crm) -> Addon:
    return crm.install_addon(SERVICE, SECRET)


async def changes(crm: Crm, since: int | str = 0, limit: int | str = 100) -> dict[str, Any]:
    service = WebService(crm)
    await service.login()
    found: dict[str, Any] = await service.get("woosync_changes", since=str(since), limit=str(limit))
    return found


def events(addon: Addon) -> list[tuple[str, str]]:
    return [(row.ws_id, row.event) for row in addon.rows]


async def test_without_the_add_on_the_operation_is_an_empty_500(crm: Crm) -> None:
    service = WebService(crm)
    for login in (False, True):
        if login:
            await service.login()
        with pytest.raises(Refused) as refused:
            await service.get("woosync_changes")
        assert (refused.value.status, refused.value.text) == (500, "")


async def test_saves_deletions_and_restores_are_told(crm: Crm, addon: Addon) -> None:
    ws_id = await crm.ui_create("Contacts", {"lastname": "A"})
    await crm.ui_edit(ws_id, {"lastname": "B"})
    crm.ui_delete(ws_id)
    crm.ui_restore(ws_id)
    told = ["created", "updated", "deleted", "restored"]
    assert events(addon) == [(ws_id, event) for event in told]


async def test_saves_of_programs_are_told_with_their_user(crm: Crm, addon: Addon) -> None:
    service = WebService(crm)
    await service.login()
    contact = await service.create("Contacts", lastname="A")
    await service.post("delete", id=contact["id"])
    assert events(addon) == [(contact["id"], "created"), (contact["id"], "deleted")]
    assert {row.user_id for row in addon.rows} == {contact["modifiedby"]}


async def test_requests_are_signed_over_time_and_body(
    crm: Crm, addon: Addon, service: Service, clock: Clock
) -> None:
    await crm.ui_create("Contacts", {"lastname": "A"})
    [request] = service.requests
    stamp = request.headers["x-woosync-timestamp"]
    digest = hmac.new(SECRET.encode(), f"{stamp}.".encode() + request.content, hashlib.sha256)
    assert request.url == f"{SERVICE}/callbacks/vtiger"
    assert request.headers["x-woosync-signature"] == f"sha256={digest.hexdigest()}"
    assert int(stamp) == int(clock.now.timestamp())
    assert addon.rows[0].sent


async def test_imports_are_found_by_the_cron_task_alone(
    crm: Crm, addon: Addon, service: Service
) -> None:
    ws_id = crm.ui_import("Products", {"productname": "P"})
    assert events(addon) == []
    assert [await addon.cron() for _ in range(2)] == [1, 0]
    assert events(addon) == [(ws_id, "created")]
    assert len(service.requests) == 1


async def test_what_was_there_before_is_not_told(crm: Crm, clock: Clock) -> None:
    crm.ui_import("Contacts", {"lastname": "A"})
    clock.move(hours=1)
    addon = crm.install_addon()
    assert await addon.cron() == 0


async def test_changes_come_in_pages_once_they_are_two_seconds_old(
    crm: Crm, addon: Addon, clock: Clock
) -> None:
    ids = [await crm.ui_create("Contacts", {"lastname": name}) for name in "ABC"]
    crm.ui_delete(ids[0])
    assert (await changes(crm))["changes"] == []
    clock.move(seconds=3)
    first = await changes(crm, 0, 3)
    second = await changes(crm, first["last"], 3)
    assert [change["id"] for change in first["changes"]] == ids
    assert (first["more"], first["oldest"], first["newest"]) == (True, 1, 4)
    assert [(row["seq"], row["event"]) for row in second["changes"]] == [(4, "deleted")]
    assert (second["more"], second["last"]) == (False, 4)
    assert second["installation"] == addon.installation


async def test_only_administrators_may_read_changes(clock: Clock) -> None:
    person, _ = default_users()
    plain = CrmUser("apiuser", "sandboxApiKey5dec", is_admin=False)
    crm = Crm(users=[person, plain], clock=clock)
    crm.install_addon()
    with pytest.raises(Refused, match="ACCESS_DENIED"):
        await changes(crm)


async def test_a_dead_service_is_left_alone_until_somebody_else_tries(
    crm: Crm, addon: Addon, service: Service
) -> None:
    service.status = 0
    for name in "ABC":
        await crm.ui_create("Contacts", {"lastname": name})
    assert len(service.requests) == 1
    service.status = 202
    await changes(crm)
    assert len(service.requests) == 2
    assert all(row.sent for row in addon.rows)


async def test_any_other_server_that_answers_has_taken_nothing(
    crm: Crm, addon: Addon, service: Service
) -> None:
    service.service = "another"
    await crm.ui_create("Contacts", {"lastname": "A"})
    assert "not woo-vtiger" in addon.last_error
    assert not any(row.sent for row in addon.rows)


async def test_old_rows_go_but_for_the_newest(crm: Crm, addon: Addon, clock: Clock) -> None:
    for name in "ABC":
        await crm.ui_create("Contacts", {"lastname": name})
    clock.move(days=31)
    await addon.cron()
    assert [row.sequence for row in addon.rows] == [3]


async def test_modules_that_are_not_synced_by_anyone_are_not_told(crm: Crm, addon: Addon) -> None:
    addon.modules = ("Contacts",)
    await crm.ui_create("Products", {"productname": "P"})
    await crm.ui_create("Contacts", {"lastname": "A"})
    assert [row.module for row in addon.rows] == ["Contacts"]


async def test_it_can_be_taken_out_again(crm: Crm, addon: Addon) -> None:
    crm.uninstall_addon()
    await crm.ui_create("Contacts", {"lastname": "A"})
    assert addon.rows == []
