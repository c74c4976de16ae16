"""/deliveries: every accepted hint and where it stands; replay brings them up again."""

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
    only_known,
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

# What a delivery waits for while a system that it needs is left alone.

Remotes = Mapping[str, RemoteState]


class Held(BaseModel):
    """Why a delivery that could be worked on is not: `remote` (`vtiger`, `woocommerce:<store>`) is
    not called before `until`, when it is probed or the pause that it asked for ends."""

    remote: str
    reason: str
    since: Time | None
    until: Time
    message: str


def find_pause(store: str, remotes: Remotes, now: datetime) -> Held | None:
    """The remote that makes a store's deliveries wait longest."""
    known = {key: remotes[key] for key in keys_of(store) if key in remotes}
    holds = [
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
    return max(holds, key=lambda held: held.until, default=None)


router = APIRouter(
    prefix="/deliveries",
    tags=["Deliveries"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(only_known)],
    responses=documented(401, 403, 422),
)


class DeliveryFilters(Query):
    """Every filter may be given several times, which means either."""

    state: Several[DeliveryState] = Field([], description="where it stands")
    store: Several[Text] = Field([], description="key of a shop")
    module: Several[Module] = Field([], description="module of the record")
    source: Several[System | Origin] = Field(
        [], description="the system that the hint is about, or where it came from"
    )
    record_id: Several[Text] = Field([], description="id of the record in its system")
    reason: Several[Text] = Field([], description="reason of its end, or of its last try")
    outcome: Several[Outcome] = Field([], description="how it ended")
    since: Several[Moment] = Field([], description="received from this moment on")
    until: Several[Moment] = Field([], description="received before this moment")

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
    """Filters and page."""


class ReplayFilters(DeliveryFilters):
    """The same in a body, where one value needs no list."""

    @model_validator(mode="before")
    @classmethod
    def _as_lists(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: each if isinstance(each, list) else [each] for name, each in given.items()}


class DeliveryItem(Answer):
    """One accepted hint. `duplicates` counts the same hint arriving again while it waited; `held`
    tells for which system's return it waits, without an attempt."""

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
    """A delivery that ended has no next attempt."""
    item = DeliveryItem.model_validate(delivery)
    return item.model_copy(update={"next_attempt_at": None}) if item.state in _ENDED else item


def describe_held(delivery: Delivery, remotes: Remotes, now: datetime) -> DeliveryItem:
    """With what it waits for: the next attempt is not before that is over."""
    item, held = describe(delivery), find_pause(delivery.store, remotes, now)
    if held is None or item.state != DeliveryState.PENDING:
        return item
    return item.model_copy(update={"held": held, "next_attempt_at": _latest(item, held)})


def _latest(item: DeliveryItem, held: Held) -> datetime:
    return max(held.until, item.next_attempt_at or held.until)


class Replayed(BaseModel):
    """The new delivery; `duplicate` tells that a replay of the record was waiting already."""

    delivery_id: Id
    duplicate: bool = False


class ReplayedMany(BaseModel):
    """How many deliveries matched, how many new ones that gave (one a record), and how many
    records had a replay waiting already."""

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
    items = [describe_held(delivery, remotes, runtime.clock()) for delivery in page.items]
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
    """Bring up again the records of all matching deliveries; filters in query or body."""
    chosen = DeliveryFilters.model_construct(  # of values that were checked where they came from
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
    """One delivery; `sync_log_id` names its entry once it is settled."""
    delivery = await _get(runtime, delivery_id)
    async with runtime.sessions() as session:
        remotes = await search_remotes(session)
    return describe_held(delivery, remotes, runtime.clock())


@router.post(
    "/{delivery_id}/replay",
    status_code=202,
    dependencies=[Depends(Guard(Scope.ADMIN))],
    responses=example(ACCEPTED, status=202) | documented(404, 503),
)
async def replay_delivery(
    runtime: RuntimeDep, delivery_id: RowNumber, response: Response
) -> Replayed:
    """Bring its record up again. Safe at any time: both sides are read anew."""
    delivery = await _get(runtime, delivery_id)
    [accepted] = await store_hints(runtime, [hint_again(delivery)])
    response.status_code = 200 if accepted.duplicate else 202
    return Replayed(delivery_id=str(accepted.id), duplicate=accepted.duplicate)
