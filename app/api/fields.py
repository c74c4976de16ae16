"""The kinds of values in requests and answers: ids are text, times UTC with `Z`."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Path, Request, Response
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from app.db.pagination import MOST_PER_PAGE

T = TypeVar("T")

BIGGEST = 2**63 - 1
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _within_reach(moment: datetime) -> datetime:
    """As UTC, and no further out than any row can lie, so that sums of times stay possible."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if aware.replace(tzinfo=UTC) >= _LATEST:
        return _LATEST
    return _EARLIEST if aware.replace(tzinfo=UTC) <= _EARLIEST else aware.astimezone(UTC)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not hold a NUL character")
    return text


def _text_of(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


Text = Annotated[str, StringConstraints(max_length=200), AfterValidator(_no_nul)]
Number = Annotated[int, Field(ge=1, le=BIGGEST)]
Moment = Annotated[datetime, AfterValidator(_within_reach)]
RowId = Annotated[int, Path(ge=1, le=BIGGEST)]

Id = Annotated[str, BeforeValidator(_text_of)]
OptionalId = Annotated[str | None, BeforeValidator(_text_of)]
Time = Annotated[datetime, AfterValidator(_utc)]


class Query(BaseModel):
    """Query parameters; an unknown one is refused, so that a mistyped filter is noticed."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Query):
    """What all paged lists take."""

    limit: int = Field(50, ge=1, le=MOST_PER_PAGE, description="items per page")
    cursor: Text | None = Field(None, description="`next_cursor` of the page before")


class Answer(BaseModel):
    """Built from a row."""

    model_config = ConfigDict(from_attributes=True)


class PageAnswer(BaseModel, Generic[T]):
    """One page, newest first; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    if cursor is not None:
        url = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{url}>; rel="next"'
