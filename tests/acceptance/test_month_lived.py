"""A real shop's month lived beside the service: it works while the shop goes on, hears what the
shop tells, and a full comparison run finds the rest."""

from datetime import UTC, datetime

import pytest

from app.modules.context import ensure_setup
from app.sync.polling import poll
from sandbox.woocommerce.app import create_shop_app
from tests.acceptance.ledger import open_ledger
from tests.acceptance.test_month import check, compare_all
from tests.goods import currency
from tests.sandbox.woocommerce.month import Month, first_state
from tests.sandbox.woocommerce.shopfront import Clock, Front, Receiver
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


class Hands(Clock):
    """Sets the time of both systems as far on as the month is; its start is now."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._start: datetime | None = None
        self._began_at = datetime.now(UTC)

    def __setattr__(self, name: str, value: object) -> None:
        if name == "now" and isinstance(value, datetime):
            self._start = self._start or value
            self._world.clock.stopped_at = self._began_at + (value - self._start)
        super().__setattr__(name, value)


class Till(Front):
    """The world's shop as the month's calls reach it; the service works when the shop has sent."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.clock, self.receiver = Hands(world), Receiver()
        self.shop = world.sandbox.shop
        self.app = create_shop_app(self.shop, credentials=[world.key])
        self.api = self.client(world.key)

    async def subscribe(self, *topics: str) -> None:
        """The world is connected already."""

    async def flushed(self) -> list[str]:
        await self._world.sandbox.shop.webhooks.flush()
        await self._world.step()
        return []


@pytest.mark.faults
async def test_what_a_month_leaves_behind_is_found(emptied_database_url: str) -> None:
    async with open_world(emptied_database_url, first_state()) as world:
        for code in ("USD", "JPY"):
            currency(world, code)
        await ensure_setup(world.runtime)
        await poll(world.runtime)
        await Month(Till(world)).run()
        await world.settle()
        silent = await (await open_ledger(world)).faults()
        await compare_all(world)

        assert silent
        await check(world)
