"""The `woo-vtiger` command: what a person or a service manager starts. Decides nothing."""

from typing import Annotated

import typer

from app import __version__
from app.cli import (
    backup,
    deletions,
    demo,
    doctor,
    export,
    forget,
    mappings,
    migrate,
    replay,
    sandbox,
    serve,
    sync,
    tokens,
    webhooks,
)
from app.cli.console import OUT
from app.cli.failures import Commands

EPILOG = "Exit codes: 0 done, 1 something failed or differs, 2 a wrong setting or option."

app = typer.Typer(
    cls=Commands,
    help="Keeps WooCommerce and Vtiger CRM in agreement, both ways.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def root(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Settings come from the environment and from .env in this folder."""
    if version:
        OUT.print(__version__)
        raise typer.Exit


app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("sync")(sync.sync)
app.command("replay")(replay.replay)
app.command("deletions")(deletions.deletions)
app.command("forget")(forget.forget)
app.command("export")(export.export)
app.command("sandbox")(sandbox.sandbox)
app.command("migrate")(migrate.migrate)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(tokens.app, name="token")
app.add_typer(mappings.app, name="mappings")
