"""Both sandboxes as one ASGI application: the shop under /shop, the CRM under /crm."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from secrets import token_hex, token_urlsafe
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.faults import FaultMiddleware, Faults
from sandbox.pages import Pages
from sandbox.vtiger.app import create_crm_app
from sandbox.vtiger.cloud import Limits, create_cloud_app
from sandbox.vtiger.crm import Crm
from sandbox.vtiger.users import CrmUser, default_users
from sandbox.woocommerce.app import create_shop_app
from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.shop import Shop
from sandbox.woocommerce.shopdata import ShopData
from sandbox.woocommerce.site import Clock, utc_now

SHOP_PATH: Final = "/shop"
CRM_PATH: Final = "/crm"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the service needs to reach both systems; made up anew where not given.

    `webhook_secret` is what the service is meant to set when it installs its webhooks.
    """

    consumer_key: str = field(default_factory=lambda: f"ck_{token_hex(20)}")
    consumer_secret: str = field(default_factory=lambda: f"cs_{token_hex(20)}")
    webhook_secret: str = field(default_factory=lambda: token_urlsafe(24))
    username: str = "apiuser"
    access_key: str = field(default_factory=lambda: token_hex(8))


@dataclass(slots=True)
class Sandbox:
    """A shop and a CRM with the credentials of one API user in each, and their fault switches.

    `cron_interval_s` is how often the shop's webhook queue is run once `start` was called; None
    leaves that to explicit `shop.webhooks.flush()`. With `cloud` the CRM is a Vtiger Cloud
    with these call limits: its REST API in the place of webservice.php. `latency_s` is how long
    each request waits before it is handled, as if both systems were far away or slow.
    """

    shop: Shop
    crm: Crm
    credentials: Credentials
    cron_interval_s: float | None = 1.0
    cloud: Limits | None = None
    latency_s: float = 0.0
    shop_faults: Faults = field(default_factory=Faults)
    crm_faults: Faults = field(default_factory=Faults)
    _cron: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start what runs in the background."""
        if self.cron_interval_s is not None and self._cron is None:
            self._cron = asyncio.create_task(self._run_cron(self.cron_interval_s))

    async def _run_cron(self, interval_s: float) -> None:
        """The cron of both systems: the shop's webhook queue, and the add-on's task if it is
        there."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.shop.webhooks.run(interval_s))
            group.create_task(self.crm.run_addon(interval_s))

    async def stop(self) -> None:
        """Stop it again and close the clients that webhooks and callbacks are sent with."""
        if self._cron is not None:
            self._cron.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._cron
            self._cron = None
        await self.shop.aclose()
        await self.crm.aclose()

    def describe(self, base_url: str) -> dict[str, dict[str, str]]:
        """Addresses and credentials, in the shape of the first line of `sandbox --json`."""
        known = self.credentials
        return {
            "woocommerce": {
                "url": f"{base_url}{SHOP_PATH}",
                "consumer_key": known.consumer_key,
                "consumer_secret": known.consumer_secret,
                "webhook_secret": known.webhook_secret,
            },
            "vtiger": {
                "url": f"{base_url}{CRM_PATH}",
                "username": known.username,
                "access_key": known.access_key,
            },
        }


def new_sandbox(
    data: ShopData | None = None,
    *,
    credentials: Credentials | None = None,
    cron_interval_s: float | None = 1.0,
    cloud: Limits | None = None,
    clock: Clock = utc_now,
    vtiger_version: str = "8.2.0",
) -> Sandbox:
    """Both systems, the shop loaded with `data`, the CRM empty but for its users."""
    credentials = credentials or Credentials()
    crm = Crm(users=_crm_users(credentials), clock=clock, version=vtiger_version)
    return Sandbox(Shop(data, clock=clock), crm, credentials, cron_interval_s, cloud)


def _crm_users(credentials: Credentials) -> list[CrmUser]:
    person, _ = default_users()
    api_user = CrmUser(
        credentials.username,
        credentials.access_key,
        last_name=credentials.username,
        email="apiuser@crm.example",
        currency_decimals=5,
    )
    return [person, api_user]


def create_sandbox_app(sandbox: Sandbox) -> ASGIApp:
    """The application to serve; its lifespan starts and stops the sandbox."""
    known = sandbox.credentials
    keys = [ApiKey(known.consumer_key, known.consumer_secret)]
    shop = create_shop_app(sandbox.shop, credentials=keys, faults=sandbox.shop_faults)
    crm = FaultMiddleware(_crm_app(sandbox), sandbox.crm_faults)
    return _SandboxApp(sandbox, {SHOP_PATH: shop, CRM_PATH: crm})


def _crm_app(sandbox: Sandbox) -> ASGIApp:
    if sandbox.cloud is not None:
        return create_cloud_app(sandbox.crm, sandbox.cloud)
    return create_crm_app(sandbox.crm)


class _SandboxApp:
    """Passes the server's own `send` on unwrapped, which the fault switches need."""

    def __init__(self, sandbox: Sandbox, mounts: dict[str, ASGIApp]) -> None:
        self._sandbox = sandbox
        self._mounts = mounts
        self._pages = Pages(sandbox.shop, sandbox.crm, shop_path=SHOP_PATH, crm_path=CRM_PATH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            if page := await self._pages.find(Request(scope)):
                await page(scope, receive, send)
                return
            app, root_path = self._mounted(scope)
            if self._sandbox.latency_s:
                await asyncio.sleep(self._sandbox.latency_s)
            await app({**scope, "root_path": root_path}, receive, send)

    def _mounted(self, scope: Scope) -> tuple[ASGIApp, str]:
        root = scope.get("root_path", "")
        for prefix, app in self._mounts.items():
            if scope["path"].startswith(f"{root}{prefix}/"):
                return app, f"{root}{prefix}"
        return _not_found, root

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._sandbox.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._sandbox.stop()
        await send({"type": "lifespan.shutdown.complete"})


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    body = f"The shop is under {SHOP_PATH}, the CRM under {CRM_PATH}.\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
