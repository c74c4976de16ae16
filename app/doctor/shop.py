"""Checks of one shop: reachability, permissions, webhooks, e-mails, clock and order statuses."""

from collections.abc import Awaitable, Callable, Mapping

from app.doctor.findings import Finding, Subject, check_clock
from app.domain import (
    AuthRejected,
    Module,
    NotFound,
    RateLimited,
    Rejected,
    RemoteError,
    RemoteUnavailable,
    ResponseUnreadable,
)
from app.modules.context import policy_of, statuses_of
from app.modules.orders.statuses import find_faults, unknown_values
from app.modules.registry import WHERE, describe_mails
from app.runtime import Runtime
from app.sync.mappings.statuses import describe_fault, find_known
from app.woocommerce import webhook_setup
from app.woocommerce.client import WooClient
from app.woocommerce.webhook_setup import WebhookAction

REACH = (
    "Open the address in a browser from this machine: name, port and certificate must be right,"
    " and permalinks other than *Plain* (Settings > Permalinks), which hide the REST API."
)
NOISE = (
    "The shop answers, but not with valid JSON: the message shows the text at the error. A PHP"
    " notice comes from a plug-in: set WP_DEBUG_DISPLAY to false and check the PHP log."
    " A web page means that permalinks are *Plain* (Settings > Permalinks), which hide the REST"
    " API, or that a firewall or a maintenance page is in front of it."
)
KEYS = (
    "Create a new key under WooCommerce > Settings > Advanced > REST API, for an administrator,"
    " with permission Read/Write, and set CONSUMER_KEY and CONSUMER_SECRET of this store."
)
LOOK = "Check the shop's log (WooCommerce > Status > Logs) for the error."
WEBHOOKS = "Run `woo-vtiger webhooks heal`, or let `doctor --fix` do it."
MAILS = (
    f"Switch them off in {WHERE}, before the first sync, if records from Vtiger should not cause"
    " e-mails; `create_in_shop` sets which contacts become customers."
)
STATUSES = "order statuses"
CORRECT_STATUSES = (
    "Correct the rows of the status table at {page}; their orders keep their statuses until then."
)
ADD_STATUSES = (
    "Add rows for them to the status table at {page}, if the other system should follow; orders"
    " with these statuses keep the one that they have there."
)
Look = Callable[[], Awaitable[object]]


async def check_shop(runtime: Runtime, store: str) -> list[Finding]:
    """Run the checks in order. Checks that depend on a failed one are skipped."""
    client, subject = runtime.stores[store], Subject(store)
    reached = await check_reach(subject, client)
    found = [*reached, *check_clock(subject, client.clock_skew)]
    if reached[0].verdict != "ok":
        return found
    rights = await check_rights(subject, client)
    found += rights
    if any(finding.verdict != "ok" for finding in rights):
        return found
    found.append(await check_webhooks(subject, client, runtime.settings.webhook_url(store)))
    return [*found, await check_mails(subject, client)]


async def check_reach(subject: Subject, client: WooClient) -> list[Finding]:
    try:
        index = await client.get_index()
    except AuthRejected as error:
        return [subject.error("credentials", error, KEYS)]
    except RateLimited as error:
        return [
            subject.warning("reachable", str(error), "Wait for a while, then repeat the check.")
        ]
    except ResponseUnreadable as error:
        return [subject.error("reachable", error, NOISE)]
    except RemoteError as error:
        return [subject.error("reachable", error, REACH)]
    return [subject.ok("reachable", f"answers with {len(index.routes)} routes")]


async def check_rights(subject: Subject, client: WooClient) -> list[Finding]:
    """Check the permissions of the key: read one record of each kind, then send an empty batch,
    which writes nothing but needs write permission (contract page WooCommerce §2, Auth; recording
    auth_readonly_key_post)."""
    looks: dict[str, Look] = {
        "customers": lambda: client.search_customers(page=1, per_page=1, role="all"),
        "products": client.find_last_product_change,
        "orders": client.find_last_order_change,
        "settings": lambda: client.get_setting("general", "woocommerce_currency"),
        "webhooks": lambda: client.search_webhooks(per_page=1),
    }
    refused = {name: error for name, look in looks.items() if (error := await _try(look))}
    if refused:
        return [_unread(subject, refused)]
    found = [subject.ok("credentials", "the key can read all synced records")]
    error = await _try(client.probe_write)
    if error is not None:
        return [*found, subject.failed("permission", f"the key cannot write: {error}", KEYS)]
    return [*found, subject.ok("permission", "the key can write")]


def _unread(subject: Subject, refused: Mapping[str, RemoteError]) -> Finding:
    names, first = ", ".join(refused), next(iter(refused.values()))
    if all(isinstance(error, AuthRejected) for error in refused.values()):
        return subject.failed("credentials", f"the key cannot read {names}: {first}", KEYS)
    return subject.failed("reachable", f"{names} cannot be read: {first}", LOOK)


async def _try(look: Look) -> RemoteError | None:
    try:
        await look()
    except (AuthRejected, Rejected, NotFound, RemoteUnavailable, ResponseUnreadable) as error:
        return error
    return None


async def check_webhooks(subject: Subject, client: WooClient, address: str | None) -> Finding:
    """Check the webhooks; not without PUBLIC_URL, for which there is a check of its own."""
    if address is None:
        return subject.note("webhooks", "not checked: PUBLIC_URL is not set", "Set PUBLIC_URL.")
    report = await webhook_setup.status(client, address)
    if report.healthy:
        return subject.ok("webhooks", f"{len(report.steps)} topics, all active")
    states = ", ".join(f"{step.topic} ({_state(step)})" for step in report.steps if _is_bad(step))
    return subject.failed("webhooks", f"to {address}: {states}", WEBHOOKS, can_fix=True)


async def check_mails(subject: Subject, client: WooClient) -> Finding:
    """Check which e-mails the shop sends when records are written to it (recording
    email-settings)."""
    try:
        on = await client.find_mails()
    except RemoteError as error:
        return subject.note("mails", f"the e-mail settings cannot be read: {error}", MAILS)
    message = describe_mails(on)
    return subject.note("mails", message, MAILS) if on else subject.ok("mails", message)


def _is_bad(step: webhook_setup.WebhookStep) -> bool:
    return step.act is not WebhookAction.KEEP


def _state(step: webhook_setup.WebhookStep) -> str:
    if step.act is WebhookAction.CREATE:
        return "missing"
    if step.act is WebhookAction.REMOVE:
        return "twice"
    return step.webhook.status if step.webhook else "missing"


async def check_statuses(runtime: Runtime, store: str) -> list[Finding]:
    """Check the current table. It cannot be checked while Vtiger is not reached, which is a
    finding of its own."""
    policy = await policy_of(runtime, store, Module.SALES_ORDERS)
    if not policy.enabled:
        return []
    subject, statuses = Subject(store), await statuses_of(runtime, store)
    known = await find_known(runtime, store, anew=True)
    slugs = known.slugs if known.is_listed else ()
    faults = [
        *find_faults(statuses.rows),
        *unknown_values(statuses.rows, statuses.first, shop=slugs, vtiger=known.vtiger),
    ]
    errors = [describe_fault(fault) for fault in faults if not fault.is_warning]
    warnings = [describe_fault(fault) for fault in faults if fault.is_warning]
    correct = CORRECT_STATUSES.format(page=statuses.page)
    add = ADD_STATUSES.format(page=statuses.page)
    if errors:
        return [subject.warning(STATUSES, " ".join([*errors, *warnings]), correct)]
    lacking = known.unmapped(statuses)
    shop = [f"{each.slug} ({each.orders})" for each in lacking.shop]
    parts = [f"of the shop {', '.join(shop)}"] if shop else []
    parts += [f"of Vtiger {', '.join(lacking.vtiger)}"] if lacking.vtiger else []
    if parts or warnings:
        unmapped = [f"without a row: {'; '.join(parts)}"] if parts else []
        return [subject.note(STATUSES, " ".join([*warnings, *unmapped]), add if parts else correct)]
    return [subject.ok(STATUSES, "every status has a row in the status table")]
