"""The sandbox day's stage: both simulated systems, and the service between them, in one process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from secrets import token_urlsafe
from socket import socket

from pydantic import SecretStr

from app.db.session import transaction
from app.errors import WooVtigerError
from app.inbox.repository import count_open
from app.main import create_app
from app.module_facts import FACTS, WITH_ROWS
from app.policies.repository import save_policy
from app.policies.schemas import SyncPolicy
from app.policies.tokens import PREFIX
from app.records import CreationPolicy, Module
from app.runtime import Runtime
from app.sandbox.app import SHOP_PATH, Sandbox, create_sandbox_app, new_sandbox
from app.sandbox.cast import Cast
from app.sandbox.day import DAY, no_pause, play
from app.sandbox.shop_calls import ShopCalls
from app.sandbox.story import Step
from app.sandbox.vtiger.workflows import Callback
from app.sandbox.woocommerce import ApiKey
from app.serving import Served, listen, serving, url_of
from app.setting_systems import StoreSettings, VtigerSettings
from app.settings import Settings
from app.sync.webhook_watch import open_webhooks

STORE = "main"
HOST = "127.0.0.1"
CALLBACK_MODULES = {FACTS[module].vtiger_name: module.value for module in WITH_ROWS}
PORTS_TRIED = 20
LAST_PORT = 65_535
PATIENCE_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 0.05


class Unsettled(WooVtigerError):
    """The day's work does not come to an end."""


@dataclass(frozen=True, slots=True)
class Stage:
    """All of it running; `url` is the service's, the settings are those it runs with."""

    sandbox: Sandbox
    sandbox_url: str
    url: str
    settings: Settings
    runtime: Runtime

    async def play_day(
        self, *, seconds: float, tell: Callable[[Step], None], patience: float = PATIENCE_SECONDS
    ) -> None:
        """Spread over `seconds`; with 0 each scene as fast as it goes, waiting for the sync after.

        A step waits up to `patience` seconds for what the sync should have brought before it.

        Raises StoryStuck or Unsettled if the sync does not keep up.
        """
        pause = no_pause if seconds else self.settle
        known = self.sandbox.credentials
        key = ApiKey(known.consumer_key, known.consumer_secret)
        async with ShopCalls(f"{self.sandbox_url}{SHOP_PATH}", key) as shop:
            cast = Cast(self.sandbox, shop, patience_s=patience)
            await play(DAY, cast, tell=tell, seconds=seconds, pause=pause)

    async def settle(self) -> None:
        """Wait until nothing is under way any more. Raises Unsettled if that takes too long."""
        quiet = 0
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while quiet < 2:  # one look may miss what is between two queues just then
                    quiet = quiet + 1 if await self._is_quiet() else 0
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
        except TimeoutError:
            raise Unsettled(f"work is left after {PATIENCE_SECONDS:.0f} s") from None

    async def _is_quiet(self) -> bool:
        await self.sandbox.shop.webhooks.flush()
        async with self.runtime.sessions() as session:
            counts = await count_open(session)
        waiting = counts["pending"] + counts["processing"]
        return not waiting and not self.sandbox.shop.webhooks.pending


@asynccontextmanager
async def open_stage(
    base: Settings, listener: socket, *, address: str, sandbox_port: int, cron_seconds: float
) -> AsyncIterator[Stage]:
    """`base` gives what the user chose, `address` is a database of the stage's own.

    The sandbox takes the first free port from `sandbox_port` on; 0 takes any. The shop's
    webhooks are sent every `cron_seconds`.
    """
    sandbox = new_sandbox(cron_interval_s=cron_seconds)
    async with AsyncExitStack() as stack:
        served = await _serve_sandbox(stack, sandbox, sandbox_port)
        known = sandbox.describe(served.url)
        settings = _settings(base, known, url=url_of(listener), address=address)
        app = create_app(settings)
        await stack.enter_async_context(app.router.lifespan_context(app))
        service = serving(app, listener, lifespan="off", grace_seconds=_grace(settings))
        await stack.enter_async_context(service)
        stage = Stage(sandbox, served.url, url_of(listener), settings, app.state.runtime)
        await _introduce(stage)
        yield stage


async def _serve_sandbox(stack: AsyncExitStack, sandbox: Sandbox, first_port: int) -> Served:
    app = create_sandbox_app(sandbox)
    return await stack.enter_async_context(serving(app, _listen_near(first_port)))


def _listen_near(first_port: int) -> socket:
    last = min(first_port + PORTS_TRIED, LAST_PORT + 1)
    for port in range(first_port, last) if first_port else ():
        try:
            return listen(HOST, port)
        except OSError:
            continue
    return listen(HOST, 0)


def _settings(
    base: Settings, known: Mapping[str, Mapping[str, str]], *, url: str, address: str
) -> Settings:
    vtiger = {**known["vtiger"], "callback_secret": token_urlsafe(24)}
    made = {
        "database_url": SecretStr(address),
        "public_url": url,
        "stores": {STORE: StoreSettings.model_validate(known["woocommerce"])},
        "vtiger": VtigerSettings.model_validate(vtiger),
        "api_tokens": base.api_tokens or (SecretStr(PREFIX + token_urlsafe(24)),),
    }
    return base.model_copy(update=made)


def _grace(settings: Settings) -> int:
    return max(1, round(settings.worker.shutdown_grace))


async def _introduce(stage: Stage) -> None:
    """Webhooks in the shop and workflow callbacks in the CRM, as a user would set them up. Nobody
    real is mailed here: every contact becomes a customer."""
    runtime = stage.runtime
    async with transaction(runtime.sessions) as session:
        everyone = SyncPolicy(create_in_shop=CreationPolicy.ALL)
        await save_policy(session, STORE, module=Module.CONTACTS, policy=everyone, by="sandbox day")
    hooks = open_webhooks(stage.settings, runtime.sessions, runtime.stores[STORE], STORE)
    report = await hooks.install()
    for step in report.failed:
        raise step.error or RuntimeError(step.topic)
    stage.sandbox.crm.workflows.callbacks += [
        _callback(stage, module, route) for module, route in CALLBACK_MODULES.items()
    ]


def _callback(stage: Stage, module: str, route: str) -> Callback:
    vtiger = stage.settings.vtiger
    secret = vtiger.callback_secret.get_secret_value() if vtiger else ""
    headers = {"X-Callback-Token": secret}
    return Callback(module, f"{stage.url}/callbacks/vtiger/{route}", headers=headers)
