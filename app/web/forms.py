"""Posted forms, which need the form token of the visitor's session, and filters of lists."""

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

# Posted forms

TOKEN_FIELD = "form_token"  # noqa: S105 (the name of a field)


async def read_form(request: Request) -> FormData:
    """Read the fields of a posted form, in order; PageFault if the form cannot be read."""
    body = await request.body()
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise PageFault(400, "The form cannot be read", "The form is malformed.") from None
    if any("\x00" in value for values in fields.values() for value in values):
        raise PageFault(400, "The form cannot be read", "The form contains a NUL character.")
    return FormData([(name, value) for name, values in fields.items() for value in values])


@dataclass(frozen=True, slots=True)
class Posted:
    """A form with a valid form token, and the visitor who sent it."""

    visitor: Visitor
    form: FormData

    @property
    def by(self) -> str:
        return self.visitor.principal.name if self.visitor.principal else ""

    def text(self, name: str) -> str:
        """The text of a field, trimmed; "" if the field is missing."""
        return text_of(self.form, name)

    def texts(self, name: str) -> list[str]:
        """All texts of a field except empty ones."""
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
    """The signed-in visitor; others are redirected to the sign-in page."""
    if visitor.principal is None:
        raise SignInNeeded
    return visitor


async def get_admin(visitor: Annotated[Visitor, Depends(get_reader)]) -> Visitor:
    """The signed-in visitor with a token of scope admin; 403 for others."""
    if not visitor.is_admin:
        raise PageFault(
            403,
            "Your token has read access only",
            "This needs a token of scope admin. Sign in with one to make changes.",
        )
    return visitor


async def get_admin_form(
    request: Request, visitor: Annotated[Visitor, Depends(get_admin)]
) -> Posted:
    """The validated form of an administrator."""
    form = await read_form(request)
    check_form(visitor, form)
    return Posted(visitor, form)


Reader = Annotated[Visitor, Depends(get_reader)]
Admin = Annotated[Visitor, Depends(get_admin)]
Anybody = Annotated[Visitor, Depends(find_visitor)]
AdminForm = Annotated[Posted, Depends(get_admin_form)]


@dataclass(frozen=True, slots=True)
class Filter:
    """One field of a filter form. Those that are `apart` are under "More filters"; `otherwise` is
    the label of the empty choice."""

    name: str
    label: str
    kind: Literal["choice", "text", "number", "time"] = "text"
    choices: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False
    otherwise: str = "Any"

    def read(self, text: str) -> Any:
        """The value for a repository; ValueError, with a message for the form, if it is invalid."""
        if self.kind == "choice":
            return self._choice(text)
        if self.kind == "number":
            return NUMBER.read(text)
        return MOMENT.read(text) if self.kind == "time" else TEXT.read(text)

    def _choice(self, text: str) -> str:
        if text not in self.choices:
            raise ValueError("Choose a value from the list.")
        return text

    def say(self, text: str) -> str:
        return self.choices.get(text, text)


@dataclass(frozen=True, slots=True)
class Chip:
    """An active filter, and the address of the list without it."""

    label: str
    value: str
    without: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chosen filters: `values` for the repository, `texts` for the form, `errors` by name."""

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
        """Whether a filter under "More filters" is active."""
        return any(each.apart and self.texts.get(each.name) for each in self.filters)

    def address(self, **more: str) -> str:
        """The address of this list with additional parameters."""
        pairs = [*self._pairs(), *more.items()]
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    @property
    def query(self) -> str:
        """The active filters as a query string."""
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
    """Read the filters of a request. Empty fields are ignored; so are invalid values, which are
    reported at their fields."""
    texts: dict[str, list[str]] = {}
    values: dict[str, list[Any]] = {}
    errors: dict[str, str] = {}
    for each in filters:
        given = dict.fromkeys(filter(None, map(str.strip, params.getlist(each.name))))
        if len(given) > MOST_VALUES:
            errors[each.name] = f"Enter at most {MOST_VALUES} values."
            continue
        for text in given:
            texts.setdefault(each.name, []).append(text)
            try:
                values.setdefault(each.name, []).append(each.read(text))
            except ValueError as error:
                errors[each.name] = str(error)
    return Chosen(path, filters, texts, values, errors)
