"""`webhooks`: install, show, repair and remove the shops' webhooks to this service."""

from collections.abc import Awaitable, Callable

import typer

from app.cli.console import OUT, new_table, print_json, run
from app.cli.context import chosen_stores, cli_sessions, load_cli_settings
from app.cli.failures import FAILED
from app.config.settings import Settings
from app.runtime import open_store
from app.sync.webhook_watch import ShopWebhooks, open_webhooks
from app.woocommerce.webhook_setup import WebhookAction, WebhookReport, WebhookStep

Work = Callable[[ShopWebhooks], Awaitable[WebhookReport]]

DONE = {
    WebhookAction.KEEP: "active",
    WebhookAction.CREATE: "installed",
    WebhookAction.REPLACE: "replaced",
    WebhookAction.RENEW: "secret renewed",
    WebhookAction.REMOVE: "removed",
}


def install(*, store: str | None, json: bool) -> None:
    _work(ShopWebhooks.install, store, as_json=json)


def heal(*, store: str | None, json: bool) -> None:
    _work(ShopWebhooks.heal, store, as_json=json)


def remove(*, store: str | None, json: bool) -> None:
    _work(ShopWebhooks.remove, store, as_json=json)


def status(*, store: str | None, json: bool) -> None:
    reports = _reports(ShopWebhooks.status, store)
    _print(reports, _found, as_json=json)
    if not all(report.healthy for report in reports.values()):
        raise typer.Exit(FAILED)


def _work(work: Work, store: str | None, *, as_json: bool) -> None:
    reports = _reports(work, store)
    _print(reports, _done, as_json=as_json)
    if any(report.failed for report in reports.values()):
        raise typer.Exit(FAILED)


def _reports(work: Work, store: str | None) -> dict[str, WebhookReport]:
    settings = load_cli_settings()
    stores = chosen_stores(settings, store)
    return run(_each(settings, stores, work))


async def _each(settings: Settings, stores: list[str], work: Work) -> dict[str, WebhookReport]:
    reports = {}
    async with cli_sessions(settings) as sessions:
        for store in stores:
            async with open_store(settings, store) as client:
                hooks = open_webhooks(settings, sessions, client, store)
                reports[store] = await work(hooks)
    return reports


def _print(
    reports: dict[str, WebhookReport], describe: Callable[[WebhookStep], str], *, as_json: bool
) -> None:
    rows = [
        {
            "store": store,
            "topic": step.topic,
            "webhook_id": step.webhook.id if step.webhook else None,
            "state": describe(step),
        }
        for store, report in reports.items()
        for step in report.steps
    ]
    if as_json:
        print_json(rows)
        return
    table = new_table("Store", "Topic", "Webhook", "State", numbers=("Webhook",))
    for row in rows:
        table.add_row(*(text or "" for text in row.values()))
    OUT.print(table if rows else "There are none.")


def _found(step: WebhookStep) -> str:
    return step.problem or "active"


def _done(step: WebhookStep) -> str:
    return f"failed: {step.error}" if step.error else DONE[step.act]
