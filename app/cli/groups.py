"""The commands that come in groups, as app.cli.commands has the others: loaded when they run."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Json, Store, number, word
from app.loading import loading
from app.policies.scopes import LIFETIME, Scope
from app.records import Module

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


@mappings.command()
def export(
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
