"""Everything that can go wrong around the service, at random: the two systems, the network, the
database, sessions, clocks, and workers that die in the middle of a call."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from sandbox.faults import Faults
from tests.world import World

HTML = b"<!doctype html><title>Maintenance</title>"
TORN = b'{"id": 17, "email": "some'


@dataclass(slots=True)
class Weather:
    """`blow` breaks one thing; `clear` mends everything. `deaths` counts workers that died."""

    world: World
    random: Random
    deaths: int = 0
    _doomed: asyncio.Task[object] | None = None
    _calls_left: int = 0
    _kinds: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._kinds = [
            *(self._fail, self._drop, self._slow_down, self._garble, self._hang),
            *(self._end_sessions, self._let_time_pass),
        ]

    async def blow(self) -> None:
        if self.random.random() < 0.03:
            await self.world.break_connections()
        else:
            self.random.choice(self._kinds)()

    async def work(self) -> None:
        """One round of the workers, which in a third of cases die at one of their calls."""
        task: asyncio.Task[object] = asyncio.create_task(self.world.step())
        if self.random.random() < 0.3:
            self._doomed, self._calls_left = task, self.random.randint(1, 12)
            self.world.traffic.always = self._count_down
        with suppress(asyncio.CancelledError):
            await task
        self.world.traffic.always, self._doomed = None, None
        if task.cancelled():
            self.deaths += 1
            await self.world.strand()

    async def clear(self) -> None:
        for faults in (self.world.sandbox.shop_faults, self.world.sandbox.crm_faults):
            faults.clear()
        await self.world.strand()
        await self.world.age_intents(seconds=3600)
        await self.world.age_remotes(seconds=3600)

    async def _count_down(self) -> None:
        self._calls_left -= 1
        if self._calls_left == 0 and self._doomed is not None:
            self._doomed.cancel()

    def _side(self) -> Faults:
        return self.random.choice([self.world.sandbox.shop_faults, self.world.sandbox.crm_faults])

    def _after(self) -> bool:
        return self.random.random() < 0.5

    def _method(self) -> str:
        return self.random.choice(["", "GET", "POST", "PUT"])

    def _fail(self) -> None:
        status = self.random.choice([500, 502, 503, 504])
        self._side().fail(self._method(), status=status, after_write=self._after())

    def _drop(self) -> None:
        self._side().drop(self._method(), after_write=self._after())

    def _slow_down(self) -> None:
        self._side().fail(status=429, headers={"Retry-After": "1"})

    def _garble(self) -> None:
        body = self.random.choice([HTML, TORN, b""])
        self._side().fail(self._method(), status=200, after_write=self._after(), body=body)

    def _hang(self) -> None:
        self._side().hang(self._method(), seconds=0.0, after_write=self._after())

    def _end_sessions(self) -> None:
        self.world.sandbox.crm.expire_sessions()

    def _let_time_pass(self) -> None:
        self.world.later(self.random.choice([1, 2, 30]))
