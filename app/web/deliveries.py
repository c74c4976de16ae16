"""The pages of deliveries: every accepted hint, its state, and its last error."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from starlette.datastructures import QueryParams

from app.domain import DeliveryState, Module, System
from app.inbox.models import Delivery
from app.inbox.replay import hint_again, replay
from app.inbox.repository import DeliveryFilter, count_open, find_delivery, search_deliveries
from app.parsing import RowNumber
from app.reasons import REASONS
from app.runtime import Runtime
from app.synclog.search import LogFilter, search
from app.web.forms import AdminForm, Chosen, Filter, Reader, choose
from app.web.pages import PageFault, PageRoute, go_to, not_found, render
from app.web.records import remote_link
from app.web.words import MODULES, ORIGINS, OUTCOMES, STATES, SYSTEMS

router = APIRouter(prefix="/ui/deliveries", route_class=PageRoute, include_in_schema=False)

PER_PAGE = 50
MOST_ENTRIES = 20
MOST_BODY = 20_000


def filters_of(stores: Sequence[str]) -> tuple[Filter, ...]:
    """The filters of GET /deliveries."""
    return (
        Filter("state", "State", "choice", STATES),
        Filter("module", "Module", "choice", MODULES),
        Filter("system", "About", "choice", SYSTEMS),
        Filter("origin", "Came by", "choice", ORIGINS),
        Filter("store", "Store", "choice", {store: store for store in stores}),
        Filter("reason", "Reason", "choice", {code: code.replace("_", " ") for code in REASONS}),
        Filter("outcome", "Ended", "choice", OUTCOMES),
        Filter("record_id", "Record id"),
        Filter("since", "From (UTC)", "time"),
        Filter("until", "Before (UTC)", "time"),
    )


def delivery_filter(chosen: Chosen) -> DeliveryFilter:
    names = ("state", "module", "system", "origin", "store", "record_id", "reason", "outcome")
    return DeliveryFilter(
        **{name: chosen.many(name) for name in names},
        since=chosen.earliest("since"),
        until=chosen.latest("until"),
    )


@router.get("")
async def show_deliveries(request: Request, visitor: Reader) -> Response:
    """A page of deliveries, newest first."""
    runtime: Runtime = request.app.state.runtime
    params = request.query_params
    chosen = choose("/ui/deliveries", filters_of(list(runtime.settings.stores)), params)
    cursor = params.get("cursor") or None
    async with runtime.sessions() as session:
        page = await search_deliveries(
            session, delivery_filter(chosen), cursor=cursor, limit=PER_PAGE
        )
        queue = await count_open(session)
    return render(
        request,
        "deliveries.html",
        visitor=visitor,
        status=422 if chosen.errors else 200,
        chosen=chosen,
        page=page,
        cursor=cursor,
        queue=queue,
        replayed=params.get("replayed"),
    )


@router.get("/{delivery_id}")
async def show_delivery(request: Request, visitor: Reader, delivery_id: RowNumber) -> Response:
    """One delivery: its state, its last error, its body and its entries in the Sync Log."""
    runtime: Runtime = request.app.state.runtime
    delivery = await _get(runtime, delivery_id)
    async with runtime.sessions() as session:
        filters = LogFilter(delivery_id=[delivery.id])
        entries = await search(session, filters, cursor=None, limit=MOST_ENTRIES)
    link = remote_link(
        runtime.settings,
        delivery.store,
        system=System(delivery.system),
        module=Module(delivery.module) if delivery.module else None,
        record_id=delivery.record_id,
    )
    return render(
        request,
        "delivery.html",
        visitor=visitor,
        delivery=delivery,
        entries=entries.items,
        link=link,
        body=_readable(delivery.body),
        reason=REASONS.get(delivery.last_reason or ""),
        has_ended=delivery.state in (DeliveryState.DONE, DeliveryState.DEAD),
        replayed=request.query_params.get("replayed"),
    )


def _readable(body: bytes | None) -> str:
    """The received body as text; only the beginning of a long one."""
    text = (body or b"").decode("utf-8", "replace")
    return text if len(text) <= MOST_BODY else f"{text[:MOST_BODY]}…"


@router.post("/replay")
async def replay_all(request: Request, posted: AdminForm) -> Response:
    """Replay the records of all deliveries that match the filters."""
    runtime: Runtime = request.app.state.runtime
    filters = filters_of(list(runtime.settings.stores))
    chosen = choose("/ui/deliveries", filters, QueryParams(posted.text("filters")))
    if chosen.errors:
        raise PageFault(422, "Not replayed", " ".join(dict.fromkeys(chosen.errors.values())))
    if not chosen.chips:
        raise PageFault(
            422, "Not replayed", "Choose a filter first, so that not all deliveries are replayed."
        )
    found = await replay(runtime.sessions, delivery_filter(chosen))
    return go_to(chosen.address(replayed=str(found.replayed + found.duplicates)))


@router.post("/{delivery_id}/replay")
async def replay_delivery(request: Request, posted: AdminForm, delivery_id: RowNumber) -> Response:
    """Replay the record of a delivery. This is safe at any time: both sides are read again."""
    del posted  # is validated
    runtime: Runtime = request.app.state.runtime
    delivery = await _get(runtime, delivery_id)
    [accepted] = await runtime.acceptor.accept([hint_again(delivery)])
    return go_to(f"/ui/deliveries/{accepted.id}?replayed=1")


async def _get(runtime: Runtime, delivery_id: int) -> Delivery:
    async with runtime.sessions() as session:
        delivery = await find_delivery(session, delivery_id)
    if delivery is None:
        raise not_found(f"delivery {delivery_id}")
    return delivery
