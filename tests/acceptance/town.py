"""The small world with the service as processes: real network, real clocks, real deaths."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.config.settings import Settings
from app.http.server import listen, url_of
from app.runtime import open_runtime
from app.sync.polling import poll
from sandbox.app import create_sandbox_app
from sandbox.server import serve
from sandbox.woocommerce.shopdata import ShopData
from tests.acceptance.process import NeverCame, Process, answers, running, wait_until
from tests.doorway import Doorway
from tests.setting import (
    LONG_WEBHOOK_SECRET,
    Clock,
    as_environment,
    build_sandbox,
    connect,
    setting_values,
)
from tests.traffic import Traffic
from tests.world import World

QUICK = {
    "worker": {"lease_seconds": 2, "stalled_after": 2, "heartbeat": 0.5, "dispatch_interval": 0.2},
    "sync": {
        "poll_interval": 1,
        "retry_base_delay": 0.2,
        "ambiguous_wait_seconds": 1,
        "delete_brake_percent": 100,
    },
}


@dataclass(slots=True)
class Town:
    """`world` for what people do and hold; `url` is where the service is to listen."""

    world: World
    database_url: str
    url: str
    environment: Mapping[str, str]
    log: Path

    @asynccontextmanager
    async def service(self) -> AsyncIterator[Process]:
        port = self.url.rpartition(":")[2]
        async with running(
            "serve", "--port", port, environment=self.environment, log=self.log
        ) as process:
            await wait_until(self.database_url, lambda: answers(self.url), "the service")
            yield process

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Process]:
        async with running("worker", environment=self.environment, log=self.log) as process:
            yield process

    async def come_to_rest(self) -> None:
        """Wait until nothing waits and both systems agree, as long as the log still grows."""
        faults = ["nobody has looked yet"]

        async def rests() -> bool:
            waiting = await self.world.waiting()
            faults[:] = [f"{key}: {error}" for key, error in waiting]
            if not waiting and not self.world.sandbox.shop.webhooks.pending:
                faults[:] = (await self.world.people()).faults()
                return not faults
            return False

        rows = -1
        while (now := len(await self.world.log())) > rows:
            rows = now
            with contextlib.suppress(NeverCame):
                return await wait_until(self.database_url, rests, faults)
        raise NeverCame(str(faults))


@asynccontextmanager
async def open_town(
    database_url: str,
    folder: Path,
    settings: Mapping[str, Any] = QUICK,
    *,
    data: ShopData | None = None,
    hooks: bool = True,
) -> AsyncIterator[Town]:
    """With `hooks` both systems tell the service of everything. What was there before was taken
    stock of."""
    clock = Clock()
    sandbox = build_sandbox(
        data,
        clock,
        httpx.AsyncHTTPTransport(),
        cron_interval_s=0.05,
        webhook_secret=LONG_WEBHOOK_SECRET,
    )
    traffic = Traffic(create_sandbox_app(sandbox))
    listener = listen("127.0.0.1", 0)
    url = url_of(listener)
    listener.close()
    async with serve(traffic) as remote:
        values = setting_values(sandbox, remote.url, database_url, public_url=url, **settings)
        async with open_runtime(Settings.model_validate(values)) as runtime:
            world = World(runtime, sandbox, traffic, Doorway(), clock)
            await world.set_policy()
            await poll(runtime)
            if hooks:
                connect(sandbox, url)
            traffic.reset()
            yield Town(world, database_url, url, as_environment(values), folder / "service.log")
