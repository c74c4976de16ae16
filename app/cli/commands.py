"""All commands with their options. The implementation of a command is imported when it runs."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.domain import (
    TOKEN_LIFETIME,
    DeliveryState,
    Direction,
    Module,
    Origin,
    Outcome,
    Scope,
    System,
)
from app.loading import loading

# Choices of options


class Form(StrEnum):
    """CSV for a spreadsheet, or one JSON object per line with changes, notes and conflicts."""

    CSV = "csv"
    NDJSON = "ndjson"


class VtigerVersion(StrEnum):
    """The simulated releases of Community Edition; the first one by default."""

    V8_2 = "8.2.0"
    V8_3 = "8.3.0"
    V8_4 = "8.4.0"


class AddonVersion(StrEnum):
    """The simulated versions of the add-on; the last one by default."""

    V1_1 = "1.1.0"
    V2_0 = "2.0.0"


# Options of several commands
#
# They accept the same values as requests (`app.parsing`, which is imported with the first value, so
# that `--help` does not need it); invalid values end the command with exit code 2.


def _reader(kind: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        from app import parsing

        try:
            return getattr(parsing, kind).read(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return read


number = _reader("NUMBER")
word = _reader("TEXT")
moment = _reader("MOMENT")


def _at(help_text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        parser=moment, metavar="TIME", help=f"{help_text}; UTC unless it has an offset."
    )
    return option


Since = Annotated[datetime | None, _at("At this time or later")]
Until = Annotated[datetime | None, _at("Before this time")]
Stores = Annotated[
    list[str] | None, typer.Option("--store", parser=word, metavar="KEY", help="Key of a shop.")
]
Modules = Annotated[list[Module] | None, typer.Option("--module", help="Module of the record.")]
Outcomes = Annotated[list[Outcome] | None, typer.Option("--outcome", help="Outcome of the record.")]
Reasons = Annotated[
    list[str] | None,
    typer.Option(
        "--reason", parser=word, metavar="CODE", help="A reason code, such as delete_brake."
    ),
]
Store = Annotated[
    str | None,
    typer.Option(parser=word, metavar="KEY", help="Key of a shop; all shops by default."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Confirm in advance.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


# Groups of commands

webhooks = typer.Typer(
    help="Manage the webhooks of the shops to this service.", no_args_is_help=True
)
tokens = typer.Typer(help="Create, list and revoke API tokens.", no_args_is_help=True)
mappings = typer.Typer(help="Show, export and import field mappings.", no_args_is_help=True)
statuses = typer.Typer(
    help="Show, export and import the status tables of orders.", no_args_is_help=True
)

Chosen = Annotated[
    Module | None, typer.Option("--module", help="A module; all modules by default.")
]


@webhooks.command()
def install(*, store: Store = None, json: Json = False) -> None:
    """Install an active webhook for every topic, with the secret of the settings. It can be
    repeated."""
    with loading():
        from app.cli import webhooks as work
    work.install(store=store, json=json)


@webhooks.command()
def heal(*, store: Store = None, json: Json = False) -> None:
    """Repair webhooks: replace paused, disabled and redirected ones, add missing ones, remove
    duplicates."""
    with loading():
        from app.cli import webhooks as work
    work.heal(store=store, json=json)


@webhooks.command()
def remove(*, store: Store = None, json: Json = False) -> None:
    """Delete the webhooks that deliver to this service, and no others. They are not restored."""
    with loading():
        from app.cli import webhooks as work
    work.remove(store=store, json=json)


@webhooks.command()
def status(*, store: Store = None, json: Json = False) -> None:
    """Show the webhooks of each shop. Exit code 1 unless every topic has one active webhook."""
    with loading():
        from app.cli import webhooks as work
    work.status(store=store, json=json)


@tokens.command()
def create(
    *,
    name: Annotated[
        str, typer.Option(parser=word, metavar="NAME", help="Name of the owner in the logs.")
    ],
    scope: Annotated[Scope, typer.Option(help="Scope of the token; `admin` includes `read`.")],
    expires: Annotated[
        str,
        typer.Option(
            metavar="WHEN",
            help="Days, such as 90d; a date, such as 2027-06-30 (to its end, UTC); or never.",
        ),
    ] = f"{TOKEN_LIFETIME.days}d",
    json: Json = False,
) -> None:
    """Create a token. It is printed once and cannot be shown again."""
    with loading():
        from app.cli import tokens as work
    work.create(name=name, scope=scope, expires=expires, json=json)


@tokens.command("list")
def list_tokens(*, json: Json = False) -> None:
    """List all tokens, including expired and revoked ones, except those of API_TOKENS."""
    with loading():
        from app.cli import tokens as work
    work.list_tokens(json=json)


@tokens.command()
def revoke(token_id: Annotated[int, typer.Argument(parser=number, metavar="ID")]) -> None:
    """Revoke a token. It is refused immediately."""
    with loading():
        from app.cli import tokens as work
    work.revoke(token_id)


@mappings.command("list")
def list_mappings(*, store: Store = None, module: Chosen = None, json: Json = False) -> None:
    """List every current row with its origin and its problems."""
    with loading():
        from app.cli import mappings as work
    work.list_mappings(store=store, module=module, json=json)


@mappings.command("export")
def export_mappings(
    *,
    store: Store = None,
    module: Chosen = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; standard output by default."),
    ] = None,
    json: Json = False,
) -> None:
    """Export custom and changed rows as YAML, always in the same format."""
    with loading():
        from app.cli import mappings as work
    work.export(store=store, module=module, output=output, json=json)


@mappings.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file written by `export`.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file and show the changes; save nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Replace the mappings with those of a file: completely, or not at all if a row is invalid."""
    with loading():
        from app.cli import mappings as work
    work.import_(file, dry_run=dry_run, json=json)


@statuses.command("list")
def list_statuses(*, store: Store = None, json: Json = False) -> None:
    """List the current rows, and the statuses of both systems that have none."""
    with loading():
        from app.cli import statuses as work
    work.list_statuses(store=store, json=json)


@statuses.command("export")
def export_statuses(
    *,
    store: Store = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; standard output by default."),
    ] = None,
    json: Json = False,
) -> None:
    """Export the status tables as YAML, the default table included."""
    with loading():
        from app.cli import statuses as work
    work.export(store=store, output=output, json=json)


@statuses.command("import")
def import_statuses(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file written by `export`.")],
    *,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check the file and show what it changes; save nothing."),
    ] = False,
    confirm_orders: Annotated[
        int, typer.Option(min=0, metavar="N", help="Orders that may change, by the dry run.")
    ] = 0,
    confirm_mails: Annotated[
        int, typer.Option(min=0, metavar="N", help="E-mails that customers may get for it.")
    ] = 0,
    json: Json = False,
) -> None:
    """Replace the status tables with those of a file: completely, or not at all if a row is invalid
    or if more orders or e-mails follow than are confirmed."""
    with loading():
        from app.cli import statuses as work
    work.import_(file, dry_run=dry_run, orders=confirm_orders, mails=confirm_mails, json=json)


CREDENTIAL = "Credentials (random by default)"


def serve(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; HOST, 127.0.0.1 by default.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; PORT, 8000 by default.")
    ] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Only accept requests; `worker` processes them.")
    ] = False,
) -> None:
    """Serve webhooks, callbacks, the API and the pages, with a worker in the same process.

    Without a configuration it runs on simulated systems and plays a short day of events.
    """
    with loading():
        from app.cli import serve as work
    work.serve(host=host, port=port, no_worker=no_worker)


def worker() -> None:
    """Process accepted deliveries, together with any number of other workers.

    Without DATABASE_URL it uses the embedded PostgreSQL in DATA_DIR.
    """
    with loading():
        from app.cli import serve as work
    work.worker()


def demo(
    *,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="End after one day. By default days are repeated until one fails."
        ),
    ] = False,
) -> None:
    """Play the sandbox day at full speed and check that both systems agree.

    It needs no configuration and writes only to a temporary folder.
    """
    with loading():
        from app.cli import sandbox_day as work
    work.demo(once=once)


def doctor(
    *,
    store: Store = None,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix",
            help="Repair what is safe: migrations, webhooks, prerequisites of orders in Vtiger.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Check the requirements of a sync. Exit code 1 if a problem keeps records from syncing."""
    with loading():
        from app.cli import doctor as work
    work.doctor(store=store, fix=fix, json=json)


def sync(
    *,
    store: Store = None,
    module: Annotated[
        Module | None, typer.Option(help="Module to sync; all modules by default.")
    ] = None,
    direction: Annotated[
        Direction | None,
        typer.Option(
            help="Restricts the direction of the settings, never extends it; both by default."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every record (the default).")] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=moment,
            metavar="TIME",
            help="Only records changed at this time or later; UTC unless it has an offset.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report every difference; write nothing.")
    ] = False,
    repair: Annotated[
        int | None,
        typer.Option(
            parser=number, metavar="RUN", help="Sync the differences that this dry run found."
        ),
    ] = None,
    resume: Annotated[
        int | None,
        typer.Option(parser=number, metavar="RUN", help="Continue an interrupted run."),
    ] = None,
    yes: Yes = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON for each run.")
    ] = False,
) -> None:
    """Sync every record that differs or has no partner yet.

    A run that would create accounts in a shop or send e-mails shows the numbers and asks for a
    confirmation first; so does a repair.
    """
    with loading():
        from app.cli import sync as work
    work.sync(
        store=store,
        module=module,
        direction=direction,
        every=every,
        since=since,
        dry_run=dry_run,
        repair=repair,
        resume=resume,
        yes=yes,
        json=json,
    )


def replay(
    delivery_ids: Annotated[
        list[int] | None,
        typer.Argument(parser=number, metavar="[ID]...", help="Ids of deliveries."),
    ] = None,
    *,
    state: Annotated[
        list[DeliveryState] | None, typer.Option(help="State of the delivery.")
    ] = None,
    store: Stores = None,
    module: Modules = None,
    system: Annotated[
        list[System] | None, typer.Option("--source", help="System of the record.")
    ] = None,
    origin: Annotated[list[Origin] | None, typer.Option(help="Origin of the delivery.")] = None,
    record_id: Annotated[
        list[str] | None,
        typer.Option(parser=word, metavar="ID", help="Id of the record in its system."),
    ] = None,
    outcome: Outcomes = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    json: Json = False,
) -> None:
    """Replay records; a running service or worker syncs them. This is safe at any time."""
    with loading():
        from app.cli import replay as work
    work.replay(
        delivery_ids,
        state=state,
        store=store,
        module=module,
        system=system,
        origin=origin,
        record_id=record_id,
        outcome=outcome,
        reason=reason,
        since=since,
        until=until,
        json=json,
    )


def deletions(
    *,
    store: Stores = None,
    module: Modules = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Confirm the deletions: delete the other records too.")
    ] = False,
    json: Json = False,
) -> None:
    """Show, or confirm, deletions that are held back because there were too many at once."""
    with loading():
        from app.cli import replay as work
    work.deletions(store=store, module=module, confirm=confirm, json=json)


def forget(
    *,
    email: Annotated[
        str,
        typer.Option(
            parser=word, metavar="EMAIL", help="The person's e-mail address; case is ignored."
        ),
    ],
    store: Annotated[
        str | None,
        typer.Option(
            parser=word,
            metavar="KEY",
            help="Key of a configured shop; by default all shops, including former ones.",
        ),
    ] = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Erase a person's data from deliveries, Sync Log, pairs, conflicts and comparisons."""
    with loading():
        from app.cli import data as work
    work.forget(email=email, store=store, yes=yes, json=json)


def export(
    *,
    form: Annotated[Form, typer.Option("--format", help="Format of the file.")] = Form.CSV,
    output: Annotated[
        Path | None, typer.Option(help="File to write; standard output by default.")
    ] = None,
    store: Stores = None,
    module: Modules = None,
    target: Annotated[
        list[System] | None, typer.Option(help="The system that was written to.")
    ] = None,
    outcome: Outcomes = None,
    reason: Reasons = None,
    run_id: Annotated[
        list[int] | None,
        typer.Option(parser=number, metavar="RUN", help="Id of a run."),
    ] = None,
    q: Annotated[
        list[str] | None,
        typer.Option(
            "--search", parser=word, metavar="TEXT", help="Part of the message, the label or an id."
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Export all matching entries of the Sync Log, newest first."""
    with loading():
        from app.cli import data as work
    work.export(
        form=form,
        output=output,
        store=store,
        module=module,
        target=target,
        outcome=outcome,
        reason=reason,
        run_id=run_id,
        q=q,
        since=since,
        until=until,
    )


def sandbox(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")] = 9000,
    shop_data: Annotated[
        Path | None, typer.Option(help="Shop data to load: a JSON object of WooCommerce objects.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print addresses and credentials as one JSON line.")
    ] = False,
    callback_url: Annotated[
        list[str] | None,
        typer.Option(
            help="Address that the CRM calls when a contact is saved. It can be repeated."
        ),
    ] = None,
    cloud: Annotated[
        bool, typer.Option("--cloud", help="Vtiger Cloud's REST API instead of webservice.php.")
    ] = False,
    vtiger_version: Annotated[
        VtigerVersion | None,
        typer.Option(
            help="8.3.0 and 8.4.0 refuse and corrupt orders like those versions, except those that"
            " the add-on writes."
        ),
    ] = None,
    lose_lines: Annotated[
        bool,
        typer.Option(
            "--lose-lines",
            help="Orders that two sessions write at once lose lines, like in every version; those"
            " of the add-on do not.",
        ),
    ] = False,
    latency: Annotated[
        int, typer.Option(min=0, help="Milliseconds that each request waits before it is handled.")
    ] = 0,
    addon: Annotated[bool, typer.Option(help="Whether the CRM has the WooSync add-on.")] = False,
    addon_version: Annotated[
        AddonVersion | None,
        typer.Option(help="1.1.0 only reports changes; 2.0.0 also writes and reads records."),
    ] = None,
    addon_url: Annotated[
        str, typer.Option(help="Address of the service to which the add-on sends changes.")
    ] = "",
    addon_secret: Annotated[
        str, typer.Option(help="VTIGER__CALLBACK_SECRET of that service, for signatures.")
    ] = "",
    consumer_key: Annotated[str | None, typer.Option(rich_help_panel=CREDENTIAL)] = None,
    consumer_secret: Annotated[str | None, typer.Option(rich_help_panel=CREDENTIAL)] = None,
    webhook_secret: Annotated[str | None, typer.Option(rich_help_panel=CREDENTIAL)] = None,
    username: Annotated[str | None, typer.Option(rich_help_panel=CREDENTIAL)] = None,
    access_key: Annotated[str | None, typer.Option(rich_help_panel=CREDENTIAL)] = None,
) -> None:
    """Simulate WooCommerce under /shop and Vtiger under /crm.

    All data is in memory and is lost when the command ends.
    """
    with loading():
        from app.cli import sandbox as work
    work.sandbox(
        port=port,
        shop_data=shop_data,
        json=json,
        callback_url=callback_url,
        cloud=cloud,
        vtiger_version=vtiger_version,
        lose_lines=lose_lines,
        latency=latency,
        addon=addon,
        addon_version=addon_version,
        addon_url=addon_url,
        addon_secret=addon_secret,
        consumer_key=consumer_key,
        consumer_secret=consumer_secret,
        webhook_secret=webhook_secret,
        username=username,
        access_key=access_key,
    )


def migrate() -> None:
    """Apply pending migrations. It is safe to run it several times at once."""
    with loading():
        from app.cli import data as work
    work.migrate()


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="File to write, - for standard output; woo-vtiger-<time>.dump by default.",
        ),
    ] = None,
    *,
    yes: Yes = False,
) -> None:
    """Write the database to a file, while the service may run. The file contains personal data.

    An existing file is replaced only after a confirmation, or with --yes.
    """
    with loading():
        from app.cli import data as work
    work.backup(file, yes=yes)


def restore(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A file written by `backup`, - for standard input."),
    ],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Drop the data in the database.")
    ] = False,
) -> None:
    """Replace the database by a backup, completely or not at all. The service must be stopped."""
    with loading():
        from app.cli import data as work
    work.restore(file, replace=replace)
