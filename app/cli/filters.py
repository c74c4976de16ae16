"""Options that narrow down: moments, and lists of stores, modules and the like."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from app.records import Module, Outcome


def moment(text: str) -> datetime:
    """UTC unless it says."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write it as 2026-11-24 or 2026-11-24T08:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _at(help_text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        parser=moment, metavar="TIME", help=f"{help_text}; UTC unless it says."
    )
    return option


Since = Annotated[datetime | None, _at("From this moment on")]
Until = Annotated[datetime | None, _at("Before this moment")]
Stores = Annotated[list[str] | None, typer.Option("--store", help="Key of a shop.")]
Modules = Annotated[list[Module] | None, typer.Option("--module", help="Module of the record.")]
Outcomes = Annotated[list[Outcome] | None, typer.Option("--outcome", help="How it ended.")]
Reasons = Annotated[
    list[str] | None, typer.Option("--reason", help="A reason code, as delete_brake.")
]
