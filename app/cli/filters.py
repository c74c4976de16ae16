"""Options that name or narrow down: numbers, moments, and lists of stores, modules and the like.

They take the same values as requests do (`app.inputs`); others are told and end with exit code 2.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar

import typer

from app.inputs import MOMENT, NUMBER, TEXT, Kind
from app.records import Module, Outcome

T = TypeVar("T")


def _reader(kind: Kind[T]) -> Callable[[str], T]:
    def read(text: str) -> T:
        try:
            return kind.read(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return read


number = _reader(NUMBER)
word = _reader(TEXT)
moment = _reader(MOMENT)


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
