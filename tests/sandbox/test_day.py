"""The day's steps against both sandboxes, with a stand-in for the sync between them."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from app.sandbox.app import Sandbox, new_sandbox
from app.sandbox.day import DAY, count_steps, play
from app.sandbox.story import Cast, Scene, Step, StoryStuck, change, register, type_in

pytestmark = pytest.mark.anyio


class Mirror:
    """The shop's API and a sync in one: what one system gets by e-mail, the other gets too."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.closed: list[str] = []

    async def create_customer(self, body: Mapping[str, Any], /) -> None:
        self.sandbox.shop.customers.create(body)

    async def update_customer(self, customer_id: str, patch: Mapping[str, Any], /) -> None:
        self.sandbox.shop.customers.update(int(customer_id), patch)

    async def delete_customer(self, customer_id: str, /) -> None:
        self.closed.append(self.sandbox.shop.customers.delete(int(customer_id)).email)

    async def sync(self) -> None:
        contacts = {each["email"]: each for each in self.sandbox.crm.records("Contacts")}
        users = {user.email: user for user in self.sandbox.shop.users}
        for email in users.keys() - contacts.keys():
            values = {"lastname": users[email].last_name or "-", "email": email}
            await self.sandbox.crm.ui_create("Contacts", values)
        for email in contacts.keys() - users.keys() - {""}:
            self.sandbox.shop.customers.create({"email": email})


@pytest.fixture
def sandbox() -> Sandbox:
    return new_sandbox(cron_interval_s=None)


@pytest.fixture
def mirror(sandbox: Sandbox) -> Mirror:
    return Mirror(sandbox)


@pytest.fixture
def cast(sandbox: Sandbox, mirror: Mirror) -> Cast:
    return Cast(sandbox, mirror, patience_s=0.05)


async def test_a_day_that_is_synced_goes_through_to_its_end(cast: Cast, mirror: Mirror) -> None:
    told: list[Step] = []
    for scene in DAY:
        for step in scene.steps:
            await play([Scene("", (step,))], cast, tell=told.append, pause=mirror.sync)

    assert told == [step for scene in DAY for step in scene.steps]
    assert {step.where for step in told} == {"shop", "CRM", "both"}


async def test_the_story_has_people_whom_a_sync_finds_hard(cast: Cast, mirror: Mirror) -> None:
    for scene in DAY:
        await play(
            [Scene("", (step,)) for step in scene.steps], cast, tell=_hear, pause=mirror.sync
        )

    contacts = cast.sandbox.crm.records("Contacts")
    users = list(cast.sandbox.shop.users)
    emails = {user.email for user in users}
    assert "" in {contact["email"] for contact in contacts}
    assert "subscriber" in {user.role for user in users}
    assert "kjaer@nyadresse.example" in emails
    assert mirror.closed == ["old.account@mail.example"]
    assert {"山田", "O'Brien", "García Peña"} <= {user.last_name for user in users}
    assert any("🌻" in user.first_name for user in users)


def _hear(_: Step) -> None:
    """The story is not told."""


async def test_who_is_typed_in_with_a_company_shares_its_account(cast: Cast) -> None:
    steps = (
        type_in("one", "Northgate", lastname="Brown"),
        type_in("two", "Northgate", lastname="Conti"),
    )
    await play([Scene("", steps)], cast, tell=_hear)

    accounts = {contact["account_id"] for contact in cast.sandbox.crm.records("Contacts")}
    assert len(accounts) == len(cast.sandbox.crm.records("Accounts")) == 1


async def test_a_step_waits_for_the_record_that_it_is_about(cast: Cast, mirror: Mirror) -> None:
    patient = Cast(cast.sandbox, mirror, patience_s=5)
    customer = register("", "zoe@shop.example", first="Zoë", last="M", billing={})
    edit = change("CRM", "", whose="zoe@shop.example", phone="1")
    editing = asyncio.create_task(play([Scene("", (edit,))], patient, tell=_hear))
    await play([Scene("", (customer,))], patient, tell=_hear, pause=mirror.sync)
    await editing

    [contact] = [c for c in cast.sandbox.crm.records("Contacts") if c["phone"] == "1"]
    assert contact["email"] == "zoe@shop.example"


async def test_a_story_without_a_sync_gets_stuck(cast: Cast) -> None:
    step = change("CRM", "", whose="nobody@shop.example", phone="1")
    with pytest.raises(StoryStuck, match=r"contact nobody@shop\.example"):
        await play([Scene("", (step,))], cast, tell=_hear)


async def test_both_sides_of_a_pair_are_edited_before_either_is_told(
    cast: Cast, mirror: Mirror
) -> None:
    """The webhook is only queued, and the callback finds the customer changed already."""
    await mirror.create_customer({"email": "zoe@shop.example"})
    await mirror.sync()
    patch, changes = {"billing": {"city": "Lyon"}}, {"mobile": "7"}
    await cast.edit_both("zoe@shop.example", patch=patch, changes=changes)

    user = cast.sandbox.shop.users.find_by_email("zoe@shop.example")
    assert user is not None
    assert user.billing["city"] == "Lyon"
    [contact] = [c for c in cast.sandbox.crm.records("Contacts") if c["mobile"] == "7"]
    assert contact["email"] == "zoe@shop.example"


async def test_the_steps_are_spread_over_the_time_given(cast: Cast) -> None:
    loop, told_at = asyncio.get_running_loop(), []
    steps = tuple(type_in(name, lastname=name) for name in ("one", "two", "three"))
    began_at = loop.time()
    await play([Scene("", steps)], cast, seconds=0.3, tell=lambda _: told_at.append(loop.time()))

    assert count_steps([Scene("", steps)]) == 3
    assert all(at >= began_at + 0.1 * number for number, at in enumerate(told_at))
