"""All checks, and the repair of findings that can be repaired safely."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from app.config.settings import Settings
from app.db.migrate import pending, upgrade
from app.db.opening import database_address
from app.db.session import OUTAGES, driver_message
from app.doctor.crm import check_crm
from app.doctor.findings import Finding, Verdict
from app.doctor.host import check_address, check_database, check_proxies, check_tokens, unreachable
from app.doctor.shop import check_shop, check_statuses
from app.domain import RemoteError
from app.modules.context import ensure_setup
from app.remotes.gate import probing
from app.runtime import Runtime, open_runtime
from app.sync.webhook_watch import open_webhooks

Repair = Callable[[Runtime, Finding], Awaitable[str]]


async def examine(settings: Settings, stores: Sequence[str], *, fix: bool = False) -> list[Finding]:
    """Run all checks; with `fix`, repair what can be repaired and report it as `mended`.

    The checks themselves do not migrate the database. Raises ConfigError if the settings are
    invalid.
    """
    without_migration = settings.model_copy(update={"auto_migrate": False})
    try:
        with database_address(
            without_migration
        ) as address:  # first, because a pool waits half a minute
            await asyncio.to_thread(pending, address)
            async with open_runtime(without_migration) as runtime:
                return await examine_runtime(runtime, stores, fix=fix)
    except OUTAGES as error:
        return [unreachable(driver_message(error))]


async def examine_runtime(
    runtime: Runtime, stores: Sequence[str], *, fix: bool = False
) -> list[Finding]:
    """Run all checks in a running service. Systems whose breaker is open are called too, to find
    out whether they answer again."""
    with probing(every=True):
        return await _examine(runtime, stores, fix=fix)


async def _examine(runtime: Runtime, stores: Sequence[str], *, fix: bool) -> list[Finding]:
    found = [*await _repair_all(runtime, await check_database(runtime), fix=fix)]
    if any(finding.verdict is Verdict.FAILED for finding in found):
        return found
    found += check_address(runtime.settings)
    found += check_proxies(runtime.settings)
    found += await check_tokens(runtime)
    for store in stores:
        found += await _repair_all(runtime, await check_shop(runtime, store), fix=fix)
        found += await check_statuses(runtime, store)
    return [*found, *await _repair_all(runtime, await check_crm(runtime), fix=fix)]


async def _repair_all(runtime: Runtime, found: Sequence[Finding], *, fix: bool) -> list[Finding]:
    return [await _repair(runtime, each) if fix and each.can_fix else each for each in found]


async def _repair(runtime: Runtime, finding: Finding) -> Finding:
    try:
        return finding.mended(await REPAIRS[finding.check](runtime, finding))
    except RemoteError as error:
        return finding.still_there(str(error))


async def _migrate(runtime: Runtime, _finding: Finding) -> str:
    await asyncio.to_thread(upgrade, runtime.address)
    return "all applied"


async def _heal_webhooks(runtime: Runtime, finding: Finding) -> str:
    store = finding.subject
    hooks = open_webhooks(runtime.settings, runtime.sessions, runtime.stores[store], store)
    report = await hooks.heal()
    for step in report.failed:
        if step.error is not None:
            raise step.error
    return f"{len(report.steps)} topics, all active"


async def _set_up(runtime: Runtime, _finding: Finding) -> str:
    await ensure_setup(runtime)
    return "the prerequisites of orders were created"


REPAIRS: Mapping[str, Repair] = {
    "migrations": _migrate,
    "webhooks": _heal_webhooks,
    "setup": _set_up,
}
