"""What a run says before it makes accounts, or mails people: counted, asked about, and kept to."""

from collections.abc import AsyncIterator

import pytest

from app.domain import Module, StaleState, System
from app.modules.context import ensure_setup
from app.runs.models import Consent, RunState, SyncRun
from app.sync.runs.execution import execute
from app.sync.runs.forecast import MANY, Forecast, describe_forecast, needs_consent
from app.sync.runs.requests import confirm_run, get_progress
from tests.goods import listed, product
from tests.running import begin, run
from tests.trade import item, typed
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def silent(emptied_database_url: str) -> AsyncIterator[World]:
    """Neither system tells of anything, so that runs alone bring it up."""
    async with open_world(emptied_database_url, hooks=False) as opened:
        yield opened


def forecast(*, shop: int = 0, crm: int = 0, mailed: int = 0, updated: int = 0) -> Forecast:
    created = {
        System.WOOCOMMERCE: {Module.CONTACTS: shop},
        System.VTIGER: {Module.CONTACTS: crm},
    }
    return Forecast(created, updated, mailed)


def mailed(world: World) -> list[str]:
    return [mail.to for mail in world.sandbox.shop.mailbox.to_people()]


async def test_a_first_sync_says_whom_it_would_mail_and_waits(silent: World) -> None:
    world = silent
    await world.customer("zoe@shop.example", last_name="Müller")
    for number in range(3):
        await world.contact(lastname="Ruiz", email=f"c{number}@crm.example")
    await world.contact(lastname="Müller", email="zoe@shop.example")
    before = mailed(world)
    asked = await run(world, Module.CONTACTS, consent=Consent.NEEDED)
    assert asked.run.expected is not None
    told = Forecast.from_json(asked.run.expected)

    assert asked.run.state == RunState.ASKING
    assert (told.accounts, told.mailed) == (3, 3)
    assert "3 accounts will be created in the shop, 3 people mailed by it." in describe_forecast(
        told
    )
    assert mailed(world) == before
    assert len((await world.people()).woo) == 1

    await confirm_run(world.runtime, asked.run.id)
    assert await execute(world.runtime, asked.run.id)
    done = await get_progress(world.runtime, asked.run.id)
    assert done.run.state == RunState.DONE
    assert sorted(mailed(world)[len(before) :]) == [f"c{n}@crm.example" for n in range(3)]


async def test_a_shop_that_mails_nobody_is_asked_about_accounts_alone(silent: World) -> None:
    silent.sandbox.shop.settings["email_customer_new_account/enabled"] = "no"
    await silent.contact(lastname="Ruiz", email="ana@crm.example")
    asked = await run(silent, Module.CONTACTS, consent=Consent.NEEDED)

    assert asked.run.state == RunState.ASKING
    assert asked.run.expected is not None
    assert (asked.run.expected["accounts"], asked.run.expected["mailed"]) == (1, 0)


async def test_a_run_that_makes_no_account_asks_nothing(silent: World) -> None:
    await silent.set_policy(create_in_shop="with_orders")
    await silent.customer("zoe@shop.example", last_name="Müller")
    await silent.contact(lastname="Ruiz", email="ana@crm.example")
    done = await run(silent, Module.CONTACTS, consent=Consent.NEEDED)

    assert done.run.state == RunState.DONE
    assert len(silent.contacts()) == 2
    with pytest.raises(StaleState):
        await confirm_run(silent.runtime, done.run.id)


async def test_an_order_of_vtiger_counts_with_the_account_of_its_contact(silent: World) -> None:
    await silent.set_policy(create_in_shop="with_orders")
    await ensure_setup(silent.runtime)
    product(silent, name="Mug", sku="MUG")
    await run(silent, Module.PRODUCTS)
    [mug] = [row["id"] for row in listed(silent) if row["productcode"] == "MUG"]
    ana = await silent.contact(lastname="Ruiz", email="ana@crm.example")
    await typed(silent, item(mug, "1", "10"), contact_id=ana)
    asked = await run(silent, consent=Consent.NEEDED)
    assert asked.run.expected is not None
    told = asked.run.expected
    await confirm_run(silent.runtime, asked.run.id)
    await execute(silent.runtime, asked.run.id)
    await silent.settle()

    assert told["created"]["woocommerce"]["sales_orders"] == 1
    assert (told["accounts"], told["mailed"]) == (1, 2)
    assert mailed(silent) == ["ana@crm.example"] * 2


async def test_a_comparison_says_what_a_repair_would_make_and_the_repair_asks(
    silent: World,
) -> None:
    await silent.contact(lastname="Ruiz", email="ana@crm.example")
    report = await run(silent, Module.CONTACTS, dry_run=True, consent=Consent.NEEDED)
    repair = await run(silent, repair_of=report.run.id, consent=Consent.NEEDED)

    assert report.run.state == RunState.DONE
    assert report.run.expected == repair.run.expected
    assert repair.run.state == RunState.ASKING
    assert repair.run.expected is not None
    assert (repair.run.expected["accounts"], repair.run.expected["mailed"]) == (1, 1)
    assert mailed(silent) == []


async def test_a_run_that_asks_is_not_taken_up_by_a_worker(silent: World) -> None:
    await silent.contact(lastname="Ruiz", email="ana@crm.example")
    started = await begin(silent, Module.CONTACTS, consent=Consent.NEEDED)
    assert await execute(silent.runtime, started.id)
    assert not await execute(silent.runtime, started.id)
    assert mailed(silent) == []


@pytest.mark.parametrize(
    ("consent", "told", "asks"),
    [
        (Consent.GIVEN, forecast(shop=9, mailed=9), False),
        (Consent.NEEDED, forecast(crm=MANY + 1), False),
        (Consent.NEEDED_IF_MANY, forecast(crm=MANY + 1), True),
        (Consent.NEEDED_IF_MANY, forecast(crm=MANY), False),
        (Consent.NEEDED, forecast(shop=1), True),
        (Consent.NEEDED, forecast(mailed=1), True),
        (Consent.NEEDED, forecast(updated=9), False),
    ],
)
def test_what_is_asked_about(consent: Consent, told: Forecast, *, asks: bool) -> None:
    assert needs_consent(SyncRun(consent=consent, dry_run=False), told) is asks


def test_a_repair_is_asked_about_unless_it_does_nothing() -> None:
    repair = SyncRun(consent=Consent.NEEDED, dry_run=False, repair_of=1)
    assert needs_consent(repair, forecast(updated=1))
    assert not needs_consent(repair, forecast())


def test_a_forecast_is_kept_as_it_was() -> None:
    told = forecast(shop=1, crm=2, mailed=1, updated=3)
    assert Forecast.from_json(told.as_json()) == told
    assert describe_forecast(told) == (
        "1 contact will be created in WooCommerce; 2 contacts will be created in Vtiger; "
        "3 pairs will be updated. 1 account will be created in the shop, 1 person mailed by it."
    )
