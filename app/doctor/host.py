"""Checks of the service itself: database, clock, workers, tokens, and its public address."""

import asyncio
import ipaddress
from urllib.parse import urlsplit

from app.config.settings import Settings
from app.db.embedded import NEEDED_MB, PLENTY_MB, free_megabytes
from app.db.migrate import pending
from app.db.session import OUTAGES, driver_message, find_clock_skew
from app.doctor.findings import Finding, Subject, check_clock
from app.policies.access import search_expiring
from app.queue import count_workers
from app.runtime import Runtime

SERVICE = Subject("service")
ALLOWED_PORTS = frozenset({80, 443, 8080})
MIGRATE = "Run `woo-vtiger migrate`, or let `doctor --fix` do it."
MAKE_ROOM = "Free space on the disk of DATA_DIR, or set DATABASE_URL to another server."
NAME_PROXY = "Set TRUSTED_PROXIES to the address of the proxy, such as 127.0.0.1."
RENEW = (
    "Create another one with `woo-vtiger token create`, give it to the user of this one, then"
    " `woo-vtiger token revoke {id}`."
)
GUIDE = (
    "Allow it in the shop by the WordPress filters `http_request_host_is_external` and "
    "`http_allowed_safe_ports`, in a small plug-in (see the guide “Connect WooCommerce”)."
)


async def check_database(runtime: Runtime) -> list[Finding]:
    """Check that the database is reachable, migrated and of the same time, and that a worker runs.
    Later checks depend on earlier ones."""
    try:
        missing = await asyncio.to_thread(pending, runtime.address)
        if missing:
            message = f"{len(missing)} migrations are pending: {', '.join(missing)}"
            return [SERVICE.failed("migrations", message, MIGRATE, can_fix=True)]
        async with runtime.sessions() as session:
            skew = await find_clock_skew(session)
            workers = await count_workers(session, runtime.settings.worker.stalled_after)
    except OUTAGES as error:
        return [unreachable(driver_message(error))]
    found = [SERVICE.ok("database", "answers"), SERVICE.ok("migrations", "all applied")]
    found += check_space(free_megabytes(runtime.settings))
    return [*found, *check_clock(Subject("database"), skew), _workers(workers)]


def check_space(free: int | None) -> list[Finding]:
    """Check the free space of the embedded database in megabytes; None if it is not used."""
    if free is None:
        return []
    message = f"{free} MB free on the disk of the embedded database"
    if free < NEEDED_MB:
        return [SERVICE.failed("disk", message, MAKE_ROOM)]
    return [
        SERVICE.warning("disk", message, MAKE_ROOM)
        if free < PLENTY_MB
        else SERVICE.ok("disk", message)
    ]


def unreachable(why: str) -> Finding:
    """The finding for an unreachable database, without which nothing else is checked."""
    return SERVICE.failed("database", why, "Start PostgreSQL, or correct DATABASE_URL.")


def _workers(count: int) -> Finding:
    if count:
        return SERVICE.ok("workers", f"{count} active")
    message = "none is active; hints are accepted but not processed"
    return SERVICE.warning("workers", message, "Start `woo-vtiger serve` or `woo-vtiger worker`.")


def check_address(settings: Settings) -> list[Finding]:
    """Check the public address: WordPress calls private addresses and unusual ports only if filters
    allow it (contract page WooCommerce §1)."""
    if settings.public_url is None:
        message = "PUBLIC_URL is not set: webhooks cannot be installed, only polls find changes"
        remedy = "Set PUBLIC_URL to the address at which the shop reaches this service."
        return [SERVICE.warning("address", message, remedy)]
    parts = urlsplit(settings.public_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if port not in ALLOWED_PORTS or _is_private(parts.hostname or ""):
        message = f"WordPress refuses to call {settings.public_url} by default"
        return [SERVICE.note("address", message, GUIDE)]
    return [SERVICE.ok("address", settings.public_url)]


def check_proxies(settings: Settings) -> list[Finding]:
    """Check the trusted proxies. The service has no TLS of its own, so that an https:// address
    implies a proxy."""
    if not (settings.public_url or "").startswith("https:"):
        return []
    if settings.trusted_proxies:
        return [SERVICE.ok("proxy", f"{', '.join(settings.trusted_proxies)} are trusted")]
    message = (
        "PUBLIC_URL has https://, so there is a proxy, but TRUSTED_PROXIES is not set: all its"
        " clients count as one address"
    )
    return [SERVICE.warning("proxy", message, NAME_PROXY)]


async def check_tokens(runtime: Runtime) -> list[Finding]:
    """Findings for tokens that expire soon or have expired recently."""
    async with runtime.sessions() as session:
        expiring = await search_expiring(session)
    now = runtime.clock()
    found = []
    for token in expiring:
        if token.expires_at is not None:
            verb = "expires" if token.expires_at > now else "expired"
            message = f"token {token.id} of {token.name} {verb} on {token.expires_at:%Y-%m-%d}"
            found.append(SERVICE.warning("tokens", message, RENEW.format(id=token.id)))
    return found


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith((".local", ".internal", ".lan")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False
