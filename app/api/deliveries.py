"""/deliveries: every accepted hint with its state, and replays."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as QueryParameters
from pydantic import BaseModel, Field, model_validator

from app.api.deps import (
    Answer,
    Guard,
    Id,
    OptionalId,
    PageAnswer,
    PageQuery,
    Query,
    RuntimeDep,
    Time,
    link_next,
    refuse_unknown,
)
from app.api.errors import FieldProblem, documented, invalid, not_found
from app.api.examples import ACCEPTED, DELIVERY, REPLAYED, example, page_of
from app.api.receivers import store_hints
from app.domain import (
    CallsPaused,
    CircuitOpen,
    DeliveryState,
    Module,
    Origin,
    Outcome,
    Scope,
    System,
)
from app.inbox.models import Delivery
from app.inbox.replay import hint_again, replay
from app.inbox.repository import DeliveryFilter, find_delivery, search_deliveries
from app.parsing import Moment, RowNumber, Several, Text
from app.remotes.gate import RemoteState, explain_pause, keys_of, pause_end, search_remotes
from app.runtime import Runtime

# Deliveries that wait for a paused remote

Remotes = Mapping[str, RemoteState]


class Held(BaseModel):
    """Why a due delivery is not processed: calls to `remote` (`vtiger`, `woocommerce:<store>`) are
    paused until `until`, when it is probed or the pause that it asked for ends."""

    remote: str
    reason: str
    since: Time | None
    until: Time
    message: str


def find_pause(store: str, remotes: Remotes, now: datetime) -> Held | None:
    """The longest pause among the remotes of a store; None if none is paused."""
    known = {key: remotes[key] for key in keys_of(store) if key in remotes}
    pauses = [
        Held(
            remote=key,
            reason=(CircuitOpen if state.is_open else CallsPaused).reason,
            since=state.opened_at if state.is_open else state.slowed_at,
            until=until,
            message=explain_pause(state, now),
        )
        for key, state in known.items()
        if (until := pause_end(state, now)) is not None
    ]
    return max(pauses, key=lambda pause: pause.until, default=None)


router = APIRouter(
    prefix="/deliveries",
    tags=["Deliveries"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(refuse_unknown)],
    responses=documented(401, 403, 422),
)


class DeliveryFilters(Query):
    """Each filter may be repeated; repeated values are alternatives."""

    state: Several[DeliveryState] = Field([], description="state of the delivery")
    store: Several[Text] = Field([], description="key of a shop")
    module: Several[Module] = Field([], description="module of the record")
    source: Several[System | Origin] = Field(
        [], description="the system of the record, or the origin of the hint"
    )
    record_id: Several[Text] = Field([], description="id of the record in its system")
    reason: Several[Text] = Field([], description="reason of the outcome, or of the last attempt")
    outcome: Several[Outcome] = Field([], description="outcome of the delivery")
    since: Several[Moment] = Field([], description="received at this time or later")
    until: Several[Moment] = Field([], description="received before this time")

    def filters(self) -> DeliveryFilter:
        return DeliveryFilter(
            state=self.state,
            store=self.store,
            module=self.module,
            system=[source for source in self.source if isinstance(source, System)],
            origin=[source for source in self.source if isinstance(source, Origin)],
            record_id=self.record_id,
            reason=self.reason,
            outcome=self.outcome,
            since=min(self.since, default=None),
            until=max(self.until, default=None),
        )


class DeliveryQuery(DeliveryFilters, PageQuery):
    """Filters and pagination."""


class ReplayFilters(DeliveryFilters):
    """The same filters in a body, where a single value needs no list."""

    @model_validator(mode="before")
    @classmethod
    def _as_lists(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: each if isinstance(each, list) else [each] for name, each in given.items()}


class DeliveryItem(Answer):
    """One accepted hint. `duplicates` counts copies that arrived while it waited; `held` names the
    paused remote for which it waits, without an attempt."""

    id: Id
    received_at: Time
    last_received_at: Time
    origin: str
    source: str = Field(validation_alias="system")
    store: str
    module: str | None
    kind: str
    event: str
    record_id: str
    remote_note: str
    duplicates: int
    state: str
    attempts: int
    next_attempt_at: Time | None
    settled_at: Time | None
    last_reason: str | None
    last_error: str | None
    sync_log_id: OptionalId
    run_id: OptionalId
    held: Held | None = None


_ENDED = (DeliveryState.DONE, DeliveryState.DEAD)


def describe(delivery: Delivery) -> DeliveryItem:
    """The delivery as the API returns it; one that has ended has no next attempt."""
    item = DeliveryItem.model_validate(delivery)
    return item.model_copy(update={"next_attempt_at": None}) if item.state in _ENDED else item


def describe_with_pause(delivery: Delivery, remotes: Remotes, now: datetime) -> DeliveryItem:
    """The delivery with the pause that it waits for; its next attempt is not before the pause
    ends."""
    item, pause = describe(delivery), find_pause(delivery.store, remotes, now)
    if pause is None or item.state != DeliveryState.PENDING:
        return item
    next_attempt = _next_attempt(item, pause)
    return item.model_copy(update={"held": pause, "next_attempt_at": next_attempt})


def _next_attempt(item: DeliveryItem, pause: Held) -> datetime:
    return max(pause.until, item.next_attempt_at or pause.until)


class Replayed(BaseModel):
    """The new delivery; `duplicate` is true if a replay of the record was waiting already."""

    delivery_id: Id
    duplicate: bool = False


class ReplayedMany(BaseModel):
    """The number of matching deliveries, of new deliveries (one for each record), and of records
    for which a replay was waiting already."""

    matched: int
    replayed: int
    duplicates: int


@router.get("", responses=example(page_of(DELIVERY)))
async def search_all_deliveries(
    runtime: RuntimeDep,
    query: Annotated[DeliveryQuery, QueryParameters()],
    request: Request,
    response: Response,
) -> PageAnswer[DeliveryItem]:
    """Deliveries, newest first."""
    async with runtime.sessions() as session:
        page = await search_deliveries(
            session, query.filters(), cursor=query.cursor, limit=query.limit
        )
        remotes = await search_remotes(session)
    link_next(request, response, page.next_cursor)
    items = [describe_with_pause(delivery, remotes, runtime.clock()) for delivery in page.items]
    return PageAnswer(items=items, next_cursor=page.next_cursor)


async def _get(runtime: Runtime, delivery_id: int) -> Delivery:
    async with runtime.sessions() as session:
        delivery = await find_delivery(session, delivery_id)
    if delivery is None:
        raise not_found(f"delivery {delivery_id}")
    return delivery


@router.post(
    "/replay",
    status_code=202,
    dependencies=[Depends(Guard(Scope.ADMIN))],
    responses=example(REPLAYED, status=202),
)
async def replay_deliveries(
    runtime: RuntimeDep,
    query: Annotated[DeliveryFilters, QueryParameters()],
    body: ReplayFilters | None = None,
) -> ReplayedMany:
    """Replay the records of all matching deliveries. Filters are given in the query or the body."""
    chosen = DeliveryFilters.model_construct(  # the values are validated already
        **{
            name: getattr(query, name) + (getattr(body, name) if body else [])
            for name in DeliveryFilters.model_fields
        }
    )
    if not any(chosen.model_dump().values()):
        raise invalid([FieldProblem(field="filter", message="name one at least, as state=dead")])
    found = await replay(runtime.sessions, chosen.filters())
    return ReplayedMany(matched=found.matched, replayed=found.replayed, duplicates=found.duplicates)


@router.get(
    "/{delivery_id}",
    responses=example(DELIVERY) | documented(404),
)
async def get_delivery(runtime: RuntimeDep, delivery_id: RowNumber) -> DeliveryItem:
    """One delivery; `sync_log_id` is the id of its Sync Log entry once it is settled."""
    delivery = await _get(runtime, delivery_id)
    async with runtime.sessions() as session:
        remotes = await search_remotes(session)
    return describe_with_pause(delivery, remotes, runtime.clock())


@router.post(
    "/{delivery_id}/replay",
    status_code=202,
    dependencies=[Depends(Guard(Scope.ADMIN))],
    responses=example(ACCEPTED, status=202) | documented(404, 503),
)
async def replay_delivery(
    runtime: RuntimeDep, delivery_id: RowNumber, response: Response
) -> Replayed:
    """Replay the record of the delivery. This is safe at any time: both sides are read again."""
    delivery = await _get(runtime, delivery_id)
    [accepted] = await store_hints(runtime, [hint_again(delivery)])
    response.status_code = 200 if accepted.duplicate else 202
    return Replayed(delivery_id=str(accepted.id), duplicate=accepted.duplicate)
