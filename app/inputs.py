"""The kinds of values that come from outside: ids, texts and moments, one type each.

Requests of the API, the filters and forms of the pages, and the options of commands all take these
types, so that what the database or the calendar cannot hold is refused at every door.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError

T = TypeVar("T")

LARGEST = 2**63 - 1
"""The largest whole number that a column of the database holds."""
LONGEST_TEXT = 200
MOST_VALUES = 500
"""How many values one filter may have: a statement of the database has room for 65,535 in all."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _printable(text: str) -> str:
    """Neither NUL nor half a surrogate pair: no database, address or file takes these."""
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("Leave out NUL characters and halves of surrogate pairs.")
    return text


def _in_utc(moment: datetime) -> datetime:
    """As UTC, which it is unless it says. No row lies further out than the bounds, and sums of
    times within them are possible in every zone."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not EARLIEST <= aware.replace(tzinfo=UTC) <= LATEST:
        raise ValueError("Give a time between 1970 and 2200.")
    return aware.astimezone(UTC)


RowNumber = Annotated[int, Field(ge=1, le=LARGEST)]
"""The id of a row of ours."""
Version = Annotated[int, Field(ge=0, le=LARGEST)]
"""The version of a mapping; 0 is the one that nobody changed yet."""
Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT), AfterValidator(_printable)]
"""A word or a line, such as the id of a record in its system, which is not kept as a value."""
Moment = Annotated[datetime, AfterValidator(_in_utc)]
Several = Annotated[list[T], Field(max_length=MOST_VALUES, fail_fast=True)]
"""The values of a filter that means either of them. The first wrong one is told: to tell all of a
hundred thousand takes seconds."""


class Kind(Generic[T]):
    """One of these types where no model of pydantic reads it. `wanted` says what to give."""

    def __init__(self, annotated: Any, wanted: str) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(annotated)
        self._wanted = wanted

    def read(self, text: str) -> T:
        """ValueError says in a sentence what to give instead."""
        try:
            return self._adapter.validate_python(text)
        except ValidationError as error:
            [fault, *_] = error.errors(include_input=False, include_url=False)
            own = fault["ctx"]["error"] if fault["type"] == "value_error" else self._wanted
            raise ValueError(str(own)) from None


NUMBER: Kind[int] = Kind(RowNumber, "Give a whole number.")
VERSION: Kind[int] = Kind(Version, "Give the number of a version.")
TEXT: Kind[str] = Kind(Text, f"Give at most {LONGEST_TEXT} characters.")
MOMENT: Kind[datetime] = Kind(Moment, "Give a time such as 2026-11-24T08:00:00Z.")
