"""The `woo-vtiger` command line. It contains no business logic."""

from typing import Annotated

import typer

from app import __version__
from app.cli import commands
from app.cli import commands as groups
from app.cli.failures import Commands

EPILOG = "Exit codes: 0 success, 1 a failure or a difference, 2 an invalid setting or option."

app = typer.Typer(
    cls=Commands,
    help="Keeps WooCommerce and Vtiger CRM in sync, both ways.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def root(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Settings come from the environment and from .env in this folder."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


app.command("serve")(commands.serve)
app.command("worker")(commands.worker)
app.command("demo")(commands.demo)
app.command("doctor")(commands.doctor)
app.command("sync")(commands.sync)
app.command("replay")(commands.replay)
app.command("deletions")(commands.deletions)
app.command("forget")(commands.forget)
app.command("export")(commands.export)
app.command("sandbox")(commands.sandbox)
app.command("migrate")(commands.migrate)
app.command("backup")(commands.backup)
app.command("restore")(commands.restore)
app.add_typer(groups.webhooks, name="webhooks")
app.add_typer(groups.tokens, name="token")
app.add_typer(groups.mappings, name="mappings")
app.add_typer(groups.statuses, name="statuses")
