"""GET /incidents: what broke around the records, since when, and how it was mended."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as QueryParameters
from pydantic import BeforeValidator, Field

from app.api.deps import Guard, RuntimeDep, only_known
from app.api.errors import documented
from app.api.examples import INCIDENT, example, page_of
from app.api.fields import Answer, Id, PageAnswer, PageQuery, Time, link_next
from app.errors import System
from app.incidents.models import IncidentKind, IncidentRow
from app.incidents.remedies import find_remedy
from app.incidents.repository import IncidentFilter
from app.incidents.repository import search_incidents as search
from app.inputs import Moment, Several, Text
from app.policies.tokens import Scope

router = APIRouter(
    prefix="/incidents",
    tags=["Incidents"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(only_known)],
    responses=documented(401, 403, 422),
)

OptionalText = Annotated[str | None, BeforeValidator(lambda text: text or None)]


class IncidentQuery(PageQuery):
    """Every filter may be given several times, which means either."""

    store: Several[Text] = Field([], description="key of a shop; those of the CRM have none")
    system: Several[System] = Field([], description="the system that is in trouble")
    kind: Several[IncidentKind] = Field([], description="what is broken")
    lasting: bool | None = Field(None, description="only those that last, or only those that ended")
    since: Several[Moment] = Field([], description="began at this moment or later")
    until: Several[Moment] = Field([], description="began before this moment")

    def filters(self) -> IncidentFilter:
        return IncidentFilter(
            store=self.store,
            system=self.system,
            kind=self.kind,
            lasting=self.lasting,
            since=min(self.since, default=None),
            until=max(self.until, default=None),
        )


class IncidentItem(Answer):
    """One incident. `subject` names the broken part (a topic, a module), null for the whole;
    `ended_at` and `mended`, how it ended, are null as long as it lasts; `remedy` is what a person
    can do about it."""

    id: Id
    kind: IncidentKind
    system: System
    store: OptionalText
    subject: OptionalText
    message: str
    began_at: Time
    last_seen_at: Time
    ended_at: Time | None
    mended: OptionalText
    remedy: str = ""


@router.get("", responses=example(page_of(INCIDENT)))
async def search_incidents(
    runtime: RuntimeDep,
    query: Annotated[IncidentQuery, QueryParameters()],
    request: Request,
    response: Response,
) -> PageAnswer[IncidentItem]:
    """Incidents, those that began last first."""
    async with runtime.sessions() as session:
        page = await search(session, query.filters(), cursor=query.cursor, limit=query.limit)
    link_next(request, response, page.next_cursor)
    items = [_item(row) for row in page.items]
    return PageAnswer(items=items, next_cursor=page.next_cursor)


def _item(row: IncidentRow) -> IncidentItem:
    remedy = find_remedy(row.kind, System(row.system), row.store)
    return IncidentItem.model_validate(row).model_copy(update={"remedy": remedy})
