"""The doctor says how Vtiger's changes are found, and what is wrong with the add-on."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app.doctor.crm import check_changes
from app.doctor.findings import Verdict
from sandbox.vtiger.addon import Addon
from tests.setting import CALLBACK_SECRET, SERVICE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url, hooks=False) as opened:
        yield opened


@pytest.fixture
async def addon(world: World) -> Addon:
    """Installed, and its cron task runs."""
    addon = world.sandbox.crm.install_addon(SERVICE, CALLBACK_SECRET)
    await addon.cron()
    return addon


async def told(world: World) -> list[tuple[Verdict, str]]:
    return [(each.verdict, each.message) for each in await check_changes(world.runtime)]


async def test_without_the_add_on_polls_query(world: World) -> None:
    [(verdict, message)] = await told(world)
    assert verdict is Verdict.OK
    assert "not installed" in message


async def test_with_it_changes_are_read_from_its_outbox(world: World, addon: Addon) -> None:
    [(verdict, message)] = await told(world)
    assert verdict is Verdict.OK
    assert f"WooSync {addon.version}" in message


async def test_an_old_add_on_and_a_dead_cron_are_warned_of(world: World, addon: Addon) -> None:
    addon.version = "0.0.1"
    world.later(7200)
    verdicts = await told(world)
    assert [verdict for verdict, _ in verdicts] == [Verdict.OK, Verdict.WARNING, Verdict.WARNING]
    assert "0.0.1" in verdicts[1][1]
    assert "cron" in verdicts[2][1]


@pytest.mark.parametrize(
    ("url", "secret", "public_url", "word"),
    [
        ("", CALLBACK_SECRET, SERVICE, "has no address"),
        (SERVICE, "", SERVICE, "has no secret"),
        (SERVICE, CALLBACK_SECRET, "https://new.example.com", "but PUBLIC_URL is https://new."),
    ],
)
async def test_an_add_on_that_sends_nowhere_or_elsewhere_is_warned_of(
    world: World, addon: Addon, url: str, secret: str, public_url: str, word: str
) -> None:
    addon.url, addon.secret = url, secret
    settings = world.runtime.settings.model_copy(update={"public_url": public_url})
    _, finding = await check_changes(replace(world.runtime, settings=settings))
    assert finding.verdict is Verdict.WARNING
    assert word in finding.message


async def test_an_add_on_just_installed_is_not_blamed_for_its_cron(world: World) -> None:
    world.sandbox.crm.install_addon(SERVICE, CALLBACK_SECRET)
    assert [verdict for verdict, _ in await told(world)] == [Verdict.OK]


@pytest.mark.usefixtures("addon")
async def test_a_user_who_may_not_read_it_is_warned_of(world: World) -> None:
    world.sandbox.crm.users.get(world.sandbox.credentials.username).is_admin = False
    [finding] = await check_changes(world.runtime)
    assert finding.verdict is Verdict.WARNING
    assert "administrator" in finding.remedy
