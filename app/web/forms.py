"""What forms send, believed only with the token of the visitor's session."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request
from starlette.datastructures import FormData

from app.web.faults import PageFault, SignInNeeded
from app.web.visitors import Visitor, find_visitor

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
        return self.visitor.holder.name if self.visitor.holder else ""

    def text(self, name: str) -> str:
        """The field's text, trimmed; "" if it is not there."""
        return text_of(self.form, name)

    def texts(self, name: str) -> list[str]:
        """All of a field's texts but empty ones."""
        return [text for value in self.form.getlist(name) if (text := str(value).strip())]


def text_of(form: FormData, name: str) -> str:
    return str(form.get(name, "")).strip()


def check_form(visitor: Visitor, form: FormData) -> None:
    if not visitor.seal.is_form_token(visitor.ticket, text_of(form, TOKEN_FIELD)):
        raise PageFault(
            403,
            "This form is out of date",
            "It was opened in another session, or by another site. Go back, reload the page, and "
            "send it again.",
        )


async def get_reader(visitor: Annotated[Visitor, Depends(find_visitor)]) -> Visitor:
    """Who is signed in; everybody else is led to the sign-in page."""
    if visitor.holder is None:
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
