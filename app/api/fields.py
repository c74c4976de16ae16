"""The kinds of values in answers: ids are text, times UTC with `Z`; and what paged lists share."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Request, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.db.pagination import MOST_PER_PAGE
from app.inputs import Text

T = TypeVar("T")


def as_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _text_of(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


Id = Annotated[str, BeforeValidator(_text_of)]
OptionalId = Annotated[str | None, BeforeValidator(_text_of)]
Time = Annotated[datetime, AfterValidator(as_utc)]


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
