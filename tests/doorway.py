"""The network between the two systems and the service, as good or as bad as a test wants it."""

from dataclasses import dataclass
from random import Random

import httpx
from starlette.types import ASGIApp


@dataclass(frozen=True, slots=True)
class Mischief:
    """How bad the way is: shares of what is sent that arrives twice, or never."""

    random: Random
    doubled: float = 0.15
    lost: float = 0.05


class Doorway(httpx.AsyncBaseTransport):
    """Leads to the service once it is open. With `mischief` everything sent is kept first, and
    `let_in` brings it in any order."""

    def __init__(self) -> None:
        self.mischief: Mischief | None = None
        self._way: httpx.ASGITransport | None = None
        self._kept: list[httpx.Request] = []

    def open_to(self, app: ASGIApp) -> None:
        self._way = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.mischief is not None:
            await request.aread()
            self._keep(request, self.mischief)
            return httpx.Response(202, request=request)
        return await self._pass(request)

    def _keep(self, request: httpx.Request, mischief: Mischief) -> None:
        draw = mischief.random.random()
        times = 0 if draw < mischief.lost else 2 if draw < mischief.lost + mischief.doubled else 1
        self._kept += [request] * times

    async def let_in(self, most: int) -> int:
        """Some of what was kept arrives, the order is chance; how many that were."""
        assert self.mischief is not None
        self.mischief.random.shuffle(self._kept)
        arriving, self._kept = self._kept[:most], self._kept[most:]
        for request in arriving:
            answer = await self._pass(request)
            assert answer.status_code in (200, 202), answer.text
        return len(arriving)

    async def _pass(self, request: httpx.Request) -> httpx.Response:
        if self._way is None:
            raise httpx.ConnectError("the service is not there")
        return await self._way.handle_async_request(request)
