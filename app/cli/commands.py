"""Every command with its options, as a person sees them. What does the work is loaded when it
runs."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.domain import LIFETIME, DeliveryState, Direction, Module, Origin, Outcome, Scope, System
from app.loading import loading

# What some options let one choose from.


class Form(StrEnum):
    """CSV for a spreadsheet, or one JSON object a line, with changes, notes and conflicts."""

    CSV = "csv"
    NDJSON = "ndjson"


class VtigerVersion(StrEnum):
    """The releases of Community Edition that are imitated; the first unless one is named."""

    V8_2 = "8.2.0"
    V8_3 = "8.3.0"
    V8_4 = "8.4.0"


class AddonVersion(StrEnum):
    """The versions of the add-on that are imitated; the last one unless one is named."""

    V1_1 = "1.1.0"
    V2_0 = "2.0.0"


# Options that several commands have: those that name or narrow down, and the like.
#
# They take the same values as requests do (`app.parsing`, which is loaded with the first value:
# help does without); others are told and end with exit code 2.


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
        parser=moment, metavar="TIME", help=f"{help_text}; UTC unless it says."
    )
    return option


Since = Annotated[datetime | None, _at("From this moment on")]
Until = Annotated[datetime | None, _at("Before this moment")]
Stores = Annotated[
    list[str] | None, typer.Option("--store", parser=word, metavar="KEY", help="Key of a shop.")
]
Modules = Annotated[list[Module] | None, typer.Option("--module", help="Module of the record.")]
Outcomes = Annotated[list[Outcome] | None, typer.Option("--outcome", help="How it ended.")]
Reasons = Annotated[
    list[str] | None,
    typer.Option("--reason", parser=word, metavar="CODE", help="A reason code, as delete_brake."),
]
Store = Annotated[
    str | None,
    typer.Option(parser=word, metavar="KEY", help="Key of one shop; all of them by default."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Go on without asking.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


# The commands that come in groups, as app.cli.commands has the others: loaded when they run.

webhooks = typer.Typer(help="The shops' webhooks towards this service.", no_args_is_help=True)
tokens = typer.Typer(help="Make, list and revoke tokens of the API.", no_args_is_help=True)
mappings = typer.Typer(help="Show, export and import field mappings.", no_args_is_help=True)

Chosen = Annotated[Module | None, typer.Option("--module", help="One module; all by default.")]


@webhooks.command()
def install(*, store: Store = None, json: Json = False) -> None:
    """Give every topic an active webhook with the secret of the settings. Can be repeated."""
    with loading():
        from app.cli import webhooks as work
    work.install(store=store, json=json)


@webhooks.command()
def heal(*, store: Store = None, json: Json = False) -> None:
    """Replace webhooks that were paused, disabled or turned elsewhere, add missing ones, drop
    doubles."""
    with loading():
        from app.cli import webhooks as work
    work.heal(store=store, json=json)


@webhooks.command()
def remove(*, store: Store = None, json: Json = False) -> None:
    """Delete the webhooks that deliver to this service, and no others. None is brought back."""
    with loading():
        from app.cli import webhooks as work
    work.remove(store=store, json=json)


@webhooks.command()
def status(*, store: Store = None, json: Json = False) -> None:
    """Show what each shop has. Exit code 1 unless every topic has one active webhook."""
    with loading():
        from app.cli import webhooks as work
    work.status(store=store, json=json)


@tokens.command()
def create(
    *,
    name: Annotated[
        str, typer.Option(parser=word, metavar="NAME", help="Whose it is, as the logs will say.")
    ],
    scope: Annotated[Scope, typer.Option(help="What it may do; `admin` includes `read`.")],
    expires: Annotated[
        str,
        typer.Option(
            metavar="WHEN", help="Days, as 90d; a day, as 2027-06-30 (to its end, UTC); or never."
        ),
    ] = f"{LIFETIME.days}d",
    json: Json = False,
) -> None:
    """Make a token. It is printed this once and cannot be shown again."""
    with loading():
        from app.cli import tokens as work
    work.create(name=name, scope=scope, expires=expires, json=json)


@tokens.command("list")
def list_tokens(*, json: Json = False) -> None:
    """Every token ever made; not the ones of API_TOKENS, which only the settings hold."""
    with loading():
        from app.cli import tokens as work
    work.list_tokens(json=json)


@tokens.command()
def revoke(token_id: Annotated[int, typer.Argument(parser=number, metavar="ID")]) -> None:
    """End a token. It is refused from this moment on."""
    with loading():
        from app.cli import tokens as work
    work.revoke(token_id)


@mappings.command("list")
def list_mappings(*, store: Store = None, module: Chosen = None, json: Json = False) -> None:
    """Every row in force, where it comes from, and what is wrong with it."""
    with loading():
        from app.cli import mappings as work
    work.list_mappings(store=store, module=module, json=json)


@mappings.command("export")
def export_mappings(
    *,
    store: Store = None,
    module: Chosen = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; the screen by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Your own rows and changes as a YAML file, always in the same form."""
    with loading():
        from app.cli import mappings as work
    work.export(store=store, module=module, output=output, json=json)


@mappings.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file as `export` writes it.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check it and show what it changes; keep nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Make the mappings say what a file says: all of it, or nothing if a row cannot work."""
    with loading():
        from app.cli import mappings as work
    work.import_(file, dry_run=dry_run, json=json)


CREDENTIAL = "Credentials (made up where not given)"


def serve(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; HOST, 127.0.0.1 by default.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; PORT, 8000 by default.")
    ] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Only accept and answer; `worker` does the rest.")
    ] = False,
) -> None:
    """Serve webhooks, callbacks and the API, with a worker inside.

    With nothing configured it runs on simulated systems and plays a short day of events.
    """
    with loading():
        from app.cli import serve as work
    work.serve(host=host, port=port, no_worker=no_worker)


def worker() -> None:
    """Work on what was accepted, beside any number of other workers.

    Without DATABASE_URL it joins the embedded PostgreSQL in DATA_DIR.
    """
    with loading():
        from app.cli import serve as work
    work.worker()


def demo(
    *,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="End after one day. Without it, days follow until one goes wrong."
        ),
    ] = False,
) -> None:
    """Play the sandbox day at full speed and check that both systems agree.

    Needs no configuration and touches nothing but a folder of its own, which it removes.
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
            "--fix", help="Mend what is safe: migrations, webhooks, what orders need in Vtiger."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Check what a sync rests on. Exit code 1 if anything keeps records from syncing."""
    with loading():
        from app.cli import doctor as work
    work.doctor(store=store, fix=fix, json=json)


def sync(
    *,
    store: Store = None,
    module: Annotated[
        Module | None, typer.Option(help="What to sync: all, unless one is named.")
    ] = None,
    direction: Annotated[
        Direction | None,
        typer.Option(help="Less than what the settings allow, never more; all of it by default."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every record: the default.")] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=moment,
            metavar="TIME",
            help="Only records changed at or after this moment; UTC unless it says.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; write nothing.")
    ] = False,
    repair: Annotated[
        int | None, typer.Option(parser=number, metavar="RUN", help="Sync what this dry run found.")
    ] = None,
    resume: Annotated[
        int | None,
        typer.Option(parser=number, metavar="RUN", help="Go on with a run that was interrupted."),
    ] = None,
    yes: Yes = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, a line for each run.")] = False,
) -> None:
    """Bring every record that differs, or has no partner yet, into agreement.

    What would make accounts in a shop, or mail people, is told with the numbers and asked about
    first; so is a repair.
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
        typer.Argument(parser=number, metavar="[ID]...", help="Numbers of deliveries."),
    ] = None,
    *,
    state: Annotated[list[DeliveryState] | None, typer.Option(help="Where it stands.")] = None,
    store: Stores = None,
    module: Modules = None,
    system: Annotated[
        list[System] | None, typer.Option("--source", help="The system that it is about.")
    ] = None,
    origin: Annotated[list[Origin] | None, typer.Option(help="Where it came from.")] = None,
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
    """Bring records up again; a running service or worker looks at them. Safe at any time."""
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
        bool, typer.Option("--confirm", help="They are meant: delete the other records too.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the deletions that wait because there were too many at once, or let them through."""
    with loading():
        from app.cli import replay as work
    work.deletions(store=store, module=module, confirm=confirm, json=json)


def forget(
    *,
    email: Annotated[
        str,
        typer.Option(
            parser=word, metavar="EMAIL", help="The person's e-mail address, in any case."
        ),
    ],
    store: Annotated[
        str | None,
        typer.Option(
            parser=word,
            metavar="KEY",
            help="Key of one shop of the settings; all by default, past ones too.",
        ),
    ] = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Erase one person from deliveries, Sync Log, pairs, conflicts and comparisons."""
    with loading():
        from app.cli import data as work
    work.forget(email=email, store=store, yes=yes, json=json)


def export(
    *,
    form: Annotated[Form, typer.Option("--format", help="The form of the file.")] = Form.CSV,
    output: Annotated[
        Path | None, typer.Option(help="Where to write it; by default it is printed.")
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
        typer.Option(parser=number, metavar="RUN", help="Number of a manual run."),
    ] = None,
    q: Annotated[
        list[str] | None,
        typer.Option(
            "--search", parser=word, metavar="TEXT", help="Part of message, label or an id."
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Write all matching entries of the Sync Log, newest first."""
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
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 9000,
    shop_data: Annotated[
        Path | None, typer.Option(help="A shop to load: one JSON object of WooCommerce's objects.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print addresses and credentials as one JSON line.")
    ] = False,
    callback_url: Annotated[
        list[str] | None,
        typer.Option(help="Where the CRM calls when a contact is saved. May be repeated."),
    ] = None,
    cloud: Annotated[
        bool, typer.Option("--cloud", help="Vtiger Cloud's REST API instead of webservice.php.")
    ] = False,
    vtiger_version: Annotated[
        VtigerVersion | None,
        typer.Option(
            help="8.3.0 and 8.4.0 refuse and ruin orders as those versions do, but for those that"
            " the add-on writes."
        ),
    ] = None,
    lose_lines: Annotated[
        bool,
        typer.Option(
            "--lose-lines",
            help="Orders that two sessions write at once lose lines, as in every version; those"
            " of the add-on do not.",
        ),
    ] = False,
    addon: Annotated[bool, typer.Option(help="Whether the CRM has the WooSync add-on.")] = False,
    addon_version: Annotated[
        AddonVersion | None,
        typer.Option(help="1.1.0 tells of changes alone; 2.0.0 writes and reads records, too."),
    ] = None,
    addon_url: Annotated[
        str, typer.Option(help="Address of the service that the add-on tells at once.")
    ] = "",
    addon_secret: Annotated[
        str, typer.Option(help="VTIGER__CALLBACK_SECRET of that service, to sign with.")
    ] = "",
    consumer_key: Annotated[str | None, typer.Option(rich_help_panel=CREDENTIAL)] = None,
    consumer_secret: Annotated[str | None, typer.Option(rich_help_panel=CREDENTIAL)] = None,
    webhook_secret: Annotated[str | None, typer.Option(rich_help_panel=CREDENTIAL)] = None,
    username: Annotated[str | None, typer.Option(rich_help_panel=CREDENTIAL)] = None,
    access_key: Annotated[str | None, typer.Option(rich_help_panel=CREDENTIAL)] = None,
) -> None:
    """Simulate WooCommerce under /shop and Vtiger under /crm.

    Everything is in memory: it is gone when the command ends.
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
    """Apply the migrations that the database lacks. Safe beside others that do the same."""
    with loading():
        from app.cli import data as work
    work.migrate()


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="File to write, - for the standard output; woo-vtiger-<time>.dump by default.",
        ),
    ] = None,
    *,
    yes: Yes = False,
) -> None:
    """Write the database to a file. Safe while the service runs; people's data are in it.

    A file that is there already is replaced only if somebody agrees, or with --yes.
    """
    with loading():
        from app.cli import data as work
    work.backup(file, yes=yes)


def restore(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file of `backup`, - for the standard input.")
    ],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Drop the data that the database holds.")
    ] = False,
) -> None:
    """Put a backup in the database's place: whole, or not at all. The service must be stopped."""
    with loading():
        from app.cli import data as work
    work.restore(file, replace=replace)
