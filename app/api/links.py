"""GET /links: which records are the same in both systems."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as QueryParameters
from pydantic import Field

from app.api.deps import Guard, RuntimeDep, only_known
from app.api.errors import documented
from app.api.examples import LINK, example, page_of
from app.api.fields import Answer, Id, PageAnswer, PageQuery, Time, link_next
from app.inputs import Several, Text
from app.links.repository import LinkFilter, search_pairs
from app.policies.tokens import Scope
from app.records import Module

router = APIRouter(
    prefix="/links",
    tags=["Links"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(only_known)],
    responses=documented(401, 403, 422),
)


class LinkQuery(PageQuery):
    """Every filter may be given several times, which means either."""

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
    """One pair. `*_modified_at` are the systems' own stamps when that side was last seen."""

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


@router.get("", responses=example(page_of(LINK)))
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
