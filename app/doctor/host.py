"""The service itself: its database, its clock, its workers, and where it can be reached."""

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
MAKE_ROOM = "Make room on the disk of DATA_DIR, or set DATABASE_URL to a server elsewhere."
NAME_PROXY = "Set TRUSTED_PROXIES to the address from which the proxy calls, as in 127.0.0.1."
RENEW = (
    "Make another with `woo-vtiger token create`, give it to whoever uses this one, then"
    " `woo-vtiger token revoke {id}`."
)
GUIDE = (
    "Allow it in the shop by the WordPress filters `http_request_host_is_external` and "
    "`http_allowed_safe_ports`, in a small plugin as the guide “Connect WooCommerce” has it."
)


async def check_database(runtime: Runtime) -> list[Finding]:
    """Reachable, up to date, of the same time, with a worker; later checks need the earlier."""
    try:
        missing = await asyncio.to_thread(pending, runtime.address)
        if missing:
            message = f"{len(missing)} migrations wait: {', '.join(missing)}"
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
    """Megabytes left for the embedded database; None where another server is used."""
    if free is None:
        return []
    message = f"{free} MB free where the embedded database is"
    if free < NEEDED_MB:
        return [SERVICE.failed("disk", message, MAKE_ROOM)]
    return [
        SERVICE.warning("disk", message, MAKE_ROOM)
        if free < PLENTY_MB
        else SERVICE.ok("disk", message)
    ]


def unreachable(why: str) -> Finding:
    """Nothing else is looked at until the database answers."""
    return SERVICE.failed("database", why, "Start PostgreSQL, or correct DATABASE_URL.")


def _workers(count: int) -> Finding:
    if count:
        return SERVICE.ok("workers", f"{count} at work")
    message = "none gives a sign of life; hints are accepted but not worked on"
    return SERVICE.warning("workers", message, "Start `woo-vtiger serve` or `woo-vtiger worker`.")


def check_address(settings: Settings) -> list[Finding]:
    """WordPress calls neither private addresses nor odd ports unless filters allow it
    (contract page WooCommerce §1)."""
    if settings.public_url is None:
        message = "PUBLIC_URL is not set: webhooks cannot be installed, polls alone find changes"
        remedy = "Set PUBLIC_URL to the address at which the shop reaches this service."
        return [SERVICE.warning("address", message, remedy)]
    parts = urlsplit(settings.public_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if port not in ALLOWED_PORTS or _is_private(parts.hostname or ""):
        message = f"WordPress refuses to call {settings.public_url} by itself"
        return [SERVICE.note("address", message, GUIDE)]
    return [SERVICE.ok("address", settings.public_url)]


def check_proxies(settings: Settings) -> list[Finding]:
    """The service speaks no TLS itself, so where its address has https:// a proxy is in front."""
    if not (settings.public_url or "").startswith("https:"):
        return []
    if settings.trusted_proxies:
        return [SERVICE.ok("proxy", f"{', '.join(settings.trusted_proxies)} are believed")]
    message = (
        "PUBLIC_URL has https://, so there is a proxy, but TRUSTED_PROXIES is not set: all who"
        " come through it count as one address"
    )
    return [SERVICE.warning("proxy", message, NAME_PROXY)]


async def check_tokens(runtime: Runtime) -> list[Finding]:
    """Tokens that are about to expire, or did so of late; nothing for all others."""
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
