"""/links and /conflicts: the pairs of records, and decisions on fields that both sides changed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as QueryParameters
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import (
    Admin,
    Answer,
    Guard,
    Id,
    PageAnswer,
    PageQuery,
    RuntimeDep,
    Time,
    link_next,
    refuse_unknown,
)
from app.api.errors import documented, not_found
from app.api.examples import CONFLICT, LINK, RESOLVED, example, page_of
from app.domain import Module, Scope, System
from app.links.conflicts import ConflictFilter, ConflictState, find_conflict, search_conflicts
from app.links.repository import LinkFilter, search_pairs
from app.parsing import Moment, RowNumber, Several, Text
from app.sync.conflicts import resolve

# GET /links

links_router = APIRouter(
    prefix="/links",
    tags=["Links"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(refuse_unknown)],
    responses=documented(401, 403, 422),
)


class LinkQuery(PageQuery):
    """Each filter may be repeated; repeated values are alternatives."""

    store: Several[Text] = Field([], description="key of a shop")
    module: Several[Module] = Field([], description="module of the record")
    woocommerce_id: Several[Text] = Field([], description="id in the shop")
    vtiger_id: Several[Text] = Field([], description="as `12x34`")
    held: bool | None = Field(None, description="pairs whose deletion the brake holds back")

    def filters(self) -> LinkFilter:
        return LinkFilter(
            store=self.store,
            module=self.module,
            woo_id=self.woocommerce_id,
            vtiger_id=self.vtiger_id,
            held=self.held,
        )


class LinkItem(Answer):
    """One pair. `*_modified_at` are the systems' own timestamps as of the last read."""

    id: Id
    store: str
    module: str
    woocommerce_id: str = Field(validation_alias="woo_id")
    vtiger_id: str
    created_at: Time
    updated_at: Time
    woocommerce_modified_at: Time | None = Field(validation_alias="woo_modified_at")
    vtiger_modified_at: Time | None
    woocommerce_deleted_at: Time | None = Field(validation_alias="woo_deleted_at")
    vtiger_deleted_at: Time | None
    delete_held_at: Time | None


@links_router.get("", responses=example(page_of(LINK)))
async def search_links(
    runtime: RuntimeDep,
    query: Annotated[LinkQuery, QueryParameters()],
    request: Request,
    response: Response,
) -> PageAnswer[LinkItem]:
    """Pairs, newest first."""
    async with runtime.sessions() as session:
        page = await search_pairs(session, query.filters(), cursor=query.cursor, limit=query.limit)
    link_next(request, response, page.next_cursor)
    items = [LinkItem.model_validate(link) for link in page.items]
    return PageAnswer(items=items, next_cursor=page.next_cursor)


router = APIRouter(
    prefix="/conflicts",
    tags=["Conflicts"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(refuse_unknown)],
    responses=documented(401, 403, 422),
)


class ConflictQuery(PageQuery):
    """Each filter may be repeated; repeated values are alternatives."""

    store: Several[Text] = Field([], description="key of a shop")
    module: Several[Module] = Field([], description="module of the pair")
    state: Several[ConflictState] = Field([], description="`open`: waits for a decision")
    link_id: Several[RowNumber] = Field([], description="id of the pair")
    field: Several[Text] = Field([], description="mapped name of the field")

    def filters(self) -> ConflictFilter:
        return ConflictFilter(
            store=self.store,
            module=self.module,
            state=self.state,
            link_id=self.link_id,
            field=self.field,
        )


class ConflictItem(Answer):
    """One field with both values. `resolution` is the system whose value was kept, or `vanished`
    if no decision was needed any more; `applied_at` is the time when the decision was written."""

    id: Id
    store: str
    module: str
    link_id: Id
    woocommerce_id: str = Field(validation_alias="woo_id")
    vtiger_id: str
    label: str
    field: str
    woocommerce: str | None = Field(validation_alias="woo")
    vtiger: str | None
    woocommerce_modified_at: Time | None = Field(validation_alias="woo_modified_at")
    vtiger_modified_at: Time | None
    began_at: Time
    updated_at: Time
    state: str
    resolution: str | None
    resolved_by: str | None
    resolved_at: Time | None
    applied_at: Time | None


class Resolution(BaseModel):
    """The side whose value is kept. If `updated_at` of the conflict is given, the decision is
    refused when a side has changed since."""

    model_config = ConfigDict(extra="forbid")

    keep: System
    updated_at: Moment | None = None


class Resolved(ConflictItem):
    """The conflict with the decision, and the delivery that applies it."""

    delivery_id: Id = ""


@router.get("", responses=example(page_of(CONFLICT)))
async def search_all_conflicts(
    runtime: RuntimeDep,
    query: Annotated[ConflictQuery, QueryParameters()],
    request: Request,
    response: Response,
) -> PageAnswer[ConflictItem]:
    """Open and resolved conflicts, newest first."""
    async with runtime.sessions() as session:
        page = await search_conflicts(
            session, query.filters(), cursor=query.cursor, limit=query.limit
        )
    link_next(request, response, page.next_cursor)
    items = [ConflictItem.model_validate(conflict) for conflict in page.items]
    return PageAnswer(items=items, next_cursor=page.next_cursor)


@router.get(
    "/{conflict_id}",
    responses=example(CONFLICT) | documented(404),
)
async def get_conflict(runtime: RuntimeDep, conflict_id: RowNumber) -> ConflictItem:
    """One conflict."""
    async with runtime.sessions() as session:
        conflict = await find_conflict(session, conflict_id)
    if conflict is None:
        raise not_found(f"conflict {conflict_id}")
    return ConflictItem.model_validate(conflict)


@router.post(
    "/{conflict_id}/resolve",
    status_code=202,
    responses=example(RESOLVED, status=202) | documented(404, 409),
)
async def resolve_conflict(
    runtime: RuntimeDep, caller: Admin, conflict_id: RowNumber, choice: Resolution
) -> Resolved:
    """Keep one side's value. If a side changes before the write, the conflict is opened again."""
    decided = await resolve(
        runtime, conflict_id, keep=choice.keep, by=caller.name, seen_at=choice.updated_at
    )
    if decided is None:
        raise not_found(f"conflict {conflict_id}")
    item = Resolved.model_validate(decided.conflict)
    return item.model_copy(update={"delivery_id": str(decided.delivery_id)})
