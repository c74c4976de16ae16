"""Options that several commands have: those that name or narrow down, and the like.

They take the same values as requests do (`app.inputs`, which is loaded with the first value: help
does without); others are told and end with exit code 2.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import typer

from app.records import Module, Outcome


def _reader(kind: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        from app import inputs  # noqa: PLC0415 - see above

        try:
            return getattr(inputs, kind).read(text)
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
