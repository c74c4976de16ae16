"""The sandbox day on both simulated systems: `serve` without a configuration, and `demo`."""

import asyncio
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from secrets import token_urlsafe
from socket import socket
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

from app import __version__
from app.cli.console import ERR, OUT, TITLES, print_summary, run, stop_event, styled
from app.cli.context import joinable
from app.cli.failures import FAILED
from app.config.settings import Settings, StoreSettings, VtigerSettings
from app.db.embedded import DatabaseTaken, start_embedded
from app.db.session import transaction
from app.domain import ConfigError, CreationPolicy, Module, Outcome, System, WooVtigerError
from app.http.server import Served, listen, serving, url_of
from app.inbox.repository import count_open
from app.logging import configure_logging
from app.main import create_app
from app.module_facts import FACTS, WITH_ROWS
from app.policies.access import PREFIX
from app.policies.repository import SyncPolicy, save_policy
from app.runtime import Runtime
from app.sync.runs.comparison import Compared, compare_store
from app.sync.runs.requests import modules_of
from app.sync.webhook_watch import open_webhooks
from app.synclog.models import Entry
from app.synclog.search import LogFilter, search
from app.synclog.totals import Summary, summary
from sandbox.app import SHOP_PATH, Sandbox, create_sandbox_app, new_sandbox
from sandbox.cast import Cast, StoryStuck
from sandbox.day import DAY, count_steps, no_pause, play
from sandbox.shop_calls import ShopCalls
from sandbox.story import Step
from sandbox.vtiger.workflows import Callback
from sandbox.woocommerce.credentials import ApiKey

# The stage: both simulated systems and the service in one process

STORE = "main"
HOST = "127.0.0.1"
CALLBACK_MODULES = {FACTS[module].vtiger_name: module.value for module in WITH_ROWS}
PORTS_TRIED = 20
LAST_PORT = 65_535
PATIENCE_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 0.05


class Unsettled(WooVtigerError):
    """The work of the day is not completed in time."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The running systems and service; `url` and `settings` are those of the service."""

    sandbox: Sandbox
    sandbox_url: str
    url: str
    settings: Settings
    runtime: Runtime

    async def play_day(
        self, *, seconds: float, report: Callable[[Step], None], patience: float = PATIENCE_SECONDS
    ) -> None:
        """Play the events over `seconds`; with 0 without pauses, but waiting for the sync after
        each scene.

        A step waits up to `patience` seconds for the result of the sync that it requires. Raises
        StoryStuck or Unsettled if the sync does not keep up.
        """
        pause = no_pause if seconds else self.settle
        known = self.sandbox.credentials
        key = ApiKey(known.consumer_key, known.consumer_secret)
        async with ShopCalls(f"{self.sandbox_url}{SHOP_PATH}", key) as shop:
            cast = Cast(self.sandbox, shop, patience_s=patience)
            await play(DAY, cast, report=report, seconds=seconds, pause=pause)

    async def settle(self) -> None:
        """Wait until all deliveries are settled. Raises Unsettled if that takes too long."""
        quiet = 0
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while quiet < 2:  # a single check may miss work between two queues
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
    """Start the stage. `base` are the user's settings, `address` is the stage's own database.

    The sandbox uses the first free port from `sandbox_port` on, or any for 0. The shop sends its
    webhooks every `cron_seconds`.
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
    """Set up webhooks in the shop and workflow callbacks in the CRM, as a user would. Every contact
    becomes a customer, because no real e-mails are sent."""
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


# The verdict: the two tables, and whether both systems agree field by field


@dataclass(slots=True)
class Verdict:
    """The totals and the comparison after all deliveries were settled."""

    counts: Summary
    dead: int
    pairs: int = 0
    fields: int = 0
    kept: int = 0
    mails: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)
    differing: list[Compared] = field(default_factory=list)

    @property
    def failed(self) -> int:
        rows = (row for modules in self.counts.values() for row in modules.values())
        return max(self.dead, sum(row[Outcome.FAILED] for row in rows))

    @property
    def agrees(self) -> bool:
        return not self.differing and not self.failed

    def add(self, compared: Compared) -> None:
        if compared.skip is not None:
            self.left_out.append((compared.label, compared.skip.reason))
        elif not compared.agrees:
            self.differing.append(compared)
        else:
            self.pairs += 1
            self.fields += compared.checked
            self.kept += len(compared.fields)


async def judge(stage: Stage) -> Verdict:
    """Wait until all is settled, then compare both systems. Raises Unsettled."""
    await stage.settle()
    async with stage.runtime.sessions() as session:
        counts = await summary(session)
        dead = (await count_open(session))["dead"]
    verdict = Verdict(counts, dead, mails=len(stage.sandbox.shop.mailbox.to_people()))
    for module in await modules_of(stage.runtime, STORE):
        async for compared in compare_store(stage.runtime, STORE, module=module):
            verdict.add(compared)
    return verdict


def print_verdict(verdict: Verdict) -> None:
    print_summary(verdict.counts)
    for compared in verdict.differing:
        _print_difference(compared)
    if verdict.failed:
        failed = f"{verdict.failed} records failed"
        OUT.print(styled((failed, "red"), ": see GET /sync-log?outcome=failed"))
    if verdict.agrees:
        extent = f"{verdict.pairs} pairs, {verdict.fields} fields"
        OUT.print(styled(("Both systems agree", "green"), f": {extent}{_exceptions(verdict)}."))
    mailed = f"A real shop would have sent {verdict.mails} e-mails to customers."
    OUT.print(mailed, style="dim")
    for label, reason in verdict.left_out:
        OUT.print(f"Left out: {label}, {reason}", style="dim")


def _exceptions(verdict: Verdict) -> str:
    """The number of fields that cannot be equal: too long for Vtiger, or not storable there."""
    return f", {verdict.kept} of them as close as the systems allow" if verdict.kept else ""


def _print_difference(compared: Compared) -> None:
    where = f"WooCommerce {compared.woo_id or '-'}, Vtiger {compared.vtiger_id or '-'}"
    OUT.print(styled((compared.plan, "red"), f"  {compared.label}  ", (where, "dim")))
    for each in compared.unexplained:
        values = f"WooCommerce {each.woo!r}, Vtiger {each.vtiger!r}"
        OUT.print(styled(f"    {each.field}: {values}  ", (each.act, "dim")))


# `demo`: the sandbox day without pauses; the exit code is the verdict

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
DEMO_CRON_SECONDS = 0.1


def demo(*, once: bool) -> None:
    configure_logging("WARNING", json=False)
    good = _play()
    while good and not once:
        good = _play()
    if not good:
        raise typer.Exit(FAILED)


def _play() -> bool:
    started = time.monotonic()
    try:
        with _scratch_server() as address:
            verdict = run(_play_day(address))
    except (StoryStuck, Unsettled) as error:
        ERR.print(f"The day was aborted: {error}.", style="red")
        return False
    print_verdict(verdict)
    OUT.print(f"{count_steps(DAY)} events in {time.monotonic() - started:.1f} s", style="dim")
    return verdict.agrees


@contextmanager
def _scratch_server() -> Iterator[str]:
    """A temporary PostgreSQL server, whose data need not survive a power failure."""
    with tempfile.TemporaryDirectory(prefix="woo-vtiger-demo-") as folder:
        Path(folder).chmod(0o711)  # for the account of the server if root runs this
        server = start_embedded(Path(folder) / "data", FAST)
        try:
            yield server.ensure_database("demo")
        finally:
            server.stop()


async def _play_day(address: str) -> Verdict:
    base = Settings.model_construct()  # the defaults, independent of the environment
    with closing(listen(HOST, 0)) as listener:
        async with open_stage(
            base, listener, address=address, sandbox_port=0, cron_seconds=DEMO_CRON_SECONDS
        ) as stage:
            await stage.play_day(seconds=0, report=lambda _: None)
            return await judge(stage)


log = logging.getLogger(__name__)

DATABASE = "woo_vtiger_sandbox"
SANDBOX_PORT = 9000
DAY_SECONDS = 120.0
SLOW_SECONDS = 600.0
"""Time that a step waits for the sync, so that a busy machine does not end the day."""
CRON_SECONDS = 1.0
TICK_SECONDS = 0.5
ABORTED = (
    "\nThe day was aborted: {error}. The service and both systems keep running; restart for a "
    "whole day."
)
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
COLOURS = {
    Outcome.CREATED: "green",
    Outcome.UPDATED: "cyan",
    Outcome.SKIPPED: "yellow",
    Outcome.FAILED: "red",
}


async def serve_day(settings: Settings, listener: socket) -> None:
    """Serve until a signal arrives. The day ends earlier."""
    _log_quietly(settings)
    with _database(settings) as address:
        async with (
            stop_event() as stop,
            open_stage(
                settings,
                listener,
                address=address,
                sandbox_port=SANDBOX_PORT,
                cron_seconds=CRON_SECONDS,
            ) as stage,
        ):
            with joinable(stage.settings, settings.data_dir):
                print_banner(stage, settings)
                day = asyncio.create_task(_live(stage))
                await stop.wait()
                OUT.print("\nStopping after the running work. Press Ctrl-C again to abort it.")
                day.cancel()
                await asyncio.gather(day, return_exceptions=True)


def _log_quietly(settings: Settings) -> None:
    """Log only warnings and errors by default, because the events of the day are printed."""
    level = settings.log_level if "log_level" in settings.model_fields_set else "WARNING"
    configure_logging(level, bool(settings.log_json), secrets=settings.secret_values())


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    """A new database of the embedded server at each start, never a database of the user."""
    server = start_embedded(settings.data_dir)
    try:
        with server.scratch_database(DATABASE) as address:
            yield address
    except DatabaseTaken:
        raise ConfigError(
            f"Another service runs its sandbox day in {settings.data_dir.absolute()}: stop it "
            "first, or set DATA_DIR to another folder."
        ) from None
    finally:
        server.stop()


def print_banner(stage: Stage, given: Settings) -> None:
    token = stage.settings.api_tokens[0].get_secret_value()
    shown = "<one of API_TOKENS>" if given.api_tokens else token
    name = (f"woo-vtiger {__version__}", "bold")
    OUT.print(styled(name, " on simulated systems, all on this machine\n"))
    for label, text in {
        "Open": _sign_in_address(stage.url, "" if given.api_tokens else token),
        "Service": stage.url,
        **({"API": f"{stage.url}/docs"} if given.api_docs else {}),
        "WooCommerce": f"{stage.sandbox_url}/shop",
        "Vtiger CRM": f"{stage.sandbox_url}/crm",
        "Token": shown,
        "Sync Log": f'curl -H "Authorization: Bearer {shown}" {stage.url}/sync-log/summary',
    }.items():
        OUT.print(f"  {label:<12} {text}")
    if given.database_url is not None:
        OUT.print("\n  DATABASE_URL is not used: the simulated day stores its data in DATA_DIR.")
    OUT.print(
        "\nWhile it runs, commands in this folder use this demo: try .venv/bin/woo-vtiger doctor."
    )
    OUT.print("To serve your own shop and CRM, copy .env.example to .env. Ctrl-C stops.\n")


def _sign_in_address(url: str, token: str) -> str:
    """The address of the pages, with a token for the sign-in. The part after the # stays in the
    browser, and the page accepts it only on this machine. The user's own tokens are not printed."""
    is_local = urlsplit(url).hostname in LOCAL_HOSTS
    return f"{url}/sign-in#{token}" if token and is_local else url


async def _live(stage: Stage) -> None:
    """Play the day and print its outcomes, then both tables."""
    tail = Tail(stage)
    tailing = asyncio.create_task(tail.follow())
    try:
        await stage.play_day(seconds=DAY_SECONDS, report=_print_step, patience=SLOW_SECONDS)
        verdict = await judge(stage)
    except (StoryStuck, Unsettled) as error:
        OUT.print(ABORTED.format(error=error), style="yellow")
        return
    except Exception:
        log.exception("The day was aborted; the service keeps running")
        return
    finally:
        tailing.cancel()
    await tail.print_new()
    OUT.print(f"\nThe day is over, {count_steps(DAY)} events; the service keeps running.\n")
    print_verdict(verdict)


def _print_step(step: Step) -> None:
    at = datetime.now().astimezone()
    OUT.print(f"{at:%H:%M:%S}  {step.where:<5} {step.name}")


@dataclass(slots=True)
class Tail:
    """Prints new entries of the Sync Log, except unchanged ones."""

    stage: Stage
    last: int = 0

    async def follow(self) -> None:
        while True:
            await self.print_new()
            await asyncio.sleep(TICK_SECONDS)

    async def print_new(self) -> None:
        async with self.stage.runtime.sessions() as session:
            page = await search(session, LogFilter(), cursor=None, limit=100)
        for entry in reversed(page.items):
            if entry.id > self.last and entry.outcome != Outcome.UNCHANGED:
                _print_entry(entry)
        self.last = max([self.last, *(entry.id for entry in page.items)])


def _print_entry(entry: Entry) -> None:
    at, outcome = entry.occurred_at.astimezone(), Outcome(entry.outcome)
    target = f"{TITLES[System(entry.target)]:<11}"
    label = entry.label or f"record {entry.source_id}"
    reason = f", {entry.reason}" if entry.reason else ""
    shown = (f"{outcome:<7}", COLOURS.get(outcome, ""))
    parts = (f"{at:%H:%M:%S}    ", ("→", "dim"), f" {target} ", shown, f" {label}", (reason, "dim"))
    OUT.print(styled(*parts))
