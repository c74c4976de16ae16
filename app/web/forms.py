"""What forms and filters send, believed only with the token of the visitor's session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlencode

from fastapi import Depends, Request
from starlette.datastructures import FormData, QueryParams

from app.parsing import MOMENT, MOST_VALUES, NUMBER, TEXT
from app.web.pages import PageFault, SignInNeeded
from app.web.session import Visitor, find_visitor

# What forms send, believed only with the token of the visitor's session.

TOKEN_FIELD = "form_token"  # noqa: S105 (a field's name)


async def read_form(request: Request) -> FormData:
    """The fields of a posted form, in order. PageFault for one that is unreadable."""
    body = await request.body()
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise PageFault(400, "That cannot be read", "The form is not in order.") from None
    if any("\x00" in value for values in fields.values() for value in values):
        raise PageFault(400, "That cannot be read", "The form holds a NUL character.")
    return FormData([(name, value) for name, values in fields.items() for value in values])


@dataclass(frozen=True, slots=True)
class Posted:
    """A form that was checked, and the visitor who sent it."""

    visitor: Visitor
    form: FormData

    @property
    def by(self) -> str:
        return self.visitor.principal.name if self.visitor.principal else ""

    def text(self, name: str) -> str:
        """The field's text, trimmed; "" if it is not there."""
        return text_of(self.form, name)

    def texts(self, name: str) -> list[str]:
        """All of a field's texts but empty ones."""
        return [text for value in self.form.getlist(name) if (text := str(value).strip())]


def text_of(form: FormData, name: str) -> str:
    return str(form.get(name, "")).strip()


def check_form(visitor: Visitor, form: FormData) -> None:
    if not visitor.cookie_signer.is_form_token(visitor.session_cookie, text_of(form, TOKEN_FIELD)):
        raise PageFault(
            403,
            "This form is out of date",
            "It was opened in another session, or by another site. Go back, reload the page, and "
            "send it again.",
        )


async def get_reader(visitor: Annotated[Visitor, Depends(find_visitor)]) -> Visitor:
    """Who is signed in; everybody else is led to the sign-in page."""
    if visitor.principal is None:
        raise SignInNeeded
    return visitor


async def get_admin(visitor: Annotated[Visitor, Depends(get_reader)]) -> Visitor:
    """An admin who is signed in."""
    if not visitor.is_admin:
        raise PageFault(
            403,
            "Your token may only look",
            "This needs a token of scope admin. Sign in with one to make changes.",
        )
    return visitor


async def get_admin_form(
    request: Request, visitor: Annotated[Visitor, Depends(get_admin)]
) -> Posted:
    """What an admin posted."""
    form = await read_form(request)
    check_form(visitor, form)
    return Posted(visitor, form)


Reader = Annotated[Visitor, Depends(get_reader)]
Admin = Annotated[Visitor, Depends(get_admin)]
Anybody = Annotated[Visitor, Depends(find_visitor)]
AdminForm = Annotated[Posted, Depends(get_admin_form)]


@dataclass(frozen=True, slots=True)
class Filter:
    """One field of a filter form. `apart` ones are behind "More filters"; `otherwise` says what is
    shown where nothing is chosen."""

    name: str
    label: str
    kind: Literal["choice", "text", "number", "time"] = "text"
    choices: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False
    otherwise: str = "Any"

    def read(self, text: str) -> Any:
        """The value that a repository takes. ValueError tells what is wrong."""
        if self.kind == "choice":
            return self._choice(text)
        if self.kind == "number":
            return NUMBER.read(text)
        return MOMENT.read(text) if self.kind == "time" else TEXT.read(text)

    def _choice(self, text: str) -> str:
        if text not in self.choices:
            raise ValueError("Choose one of the list.")
        return text

    def say(self, text: str) -> str:
        return self.choices.get(text, text)


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force, and the address of the list without it."""

    label: str
    value: str
    without: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was asked for: `values` for the repository, `texts` for the form, `errors` by name."""

    path: str
    filters: Sequence[Filter]
    texts: Mapping[str, Sequence[str]]
    values: Mapping[str, Sequence[Any]]
    errors: Mapping[str, str]

    def first(self, name: str) -> str:
        return next(iter(self.texts.get(name, ())), "")

    def many(self, name: str) -> Sequence[Any]:
        return self.values.get(name, ())

    def earliest(self, name: str) -> datetime | None:
        return min(self.many(name), default=None)

    def latest(self, name: str) -> datetime | None:
        return max(self.many(name), default=None)

    @property
    def some_apart(self) -> bool:
        """Whether a filter is in force that the form keeps out of sight."""
        return any(each.apart and self.texts.get(each.name) for each in self.filters)

    def address(self, **more: str) -> str:
        """This list, with more parameters."""
        pairs = [*self._pairs(), *more.items()]
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    @property
    def query(self) -> str:
        """The filters in force alone."""
        return urlencode(self._pairs())

    @property
    def chips(self) -> list[Chip]:
        return [
            Chip(each.label, each.say(text), self._without(each.name, text))
            for each in self.filters
            for text in self.texts.get(each.name, ())
        ]

    def _pairs(self) -> list[tuple[str, str]]:
        return [(name, text) for name, texts in self.texts.items() for text in texts]

    def _without(self, name: str, text: str) -> str:
        left = [pair for pair in self._pairs() if pair != (name, text)]
        return f"{self.path}?{urlencode(left)}" if left else self.path


def choose(path: str, filters: Sequence[Filter], params: QueryParams) -> Chosen:
    """Empty fields ask for nothing; a wrong value is told and asks for nothing either."""
    texts: dict[str, list[str]] = {}
    values: dict[str, list[Any]] = {}
    errors: dict[str, str] = {}
    for each in filters:
        given = dict.fromkeys(filter(None, map(str.strip, params.getlist(each.name))))
        if len(given) > MOST_VALUES:
            errors[each.name] = f"Give at most {MOST_VALUES} values."
            continue
        for text in given:
            texts.setdefault(each.name, []).append(text)
            try:
                values.setdefault(each.name, []).append(each.read(text))
            except ValueError as error:
                errors[each.name] = str(error)
    return Chosen(path, filters, texts, values, errors)
