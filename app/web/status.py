"""The status: what waits, what is broken, how far the polls are; both systems asked on demand."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request, Response

from app.db.session import Session
from app.errors import System, WooVtigerError
from app.inbox.repository import count_open, find_oldest_due
from app.incidents.models import IncidentRow
from app.incidents.repository import IncidentFilter, search_incidents
from app.links.repository import search_watermarks
from app.queue import count_workers
from app.records import Module
from app.runtime import Runtime
from app.sync.polling import BEFORE_ALL
from app.web.forms import Reader
from app.web.pages import PageRoute, render
from app.web.words import SYSTEMS
from app.woocommerce import webhooks
from app.woocommerce.webhooks import ACTIVE, WebhookAct, WebhookStep

router = APIRouter(prefix="/ui/status", route_class=PageRoute, include_in_schema=False)

PATIENCE_S = 10.0
MOST_ENDED = 10
MOST_LASTING = 50
NEEDS = {
    WebhookAct.CREATE: "missing",
    WebhookAct.REMOVE: "there twice",
    WebhookAct.REPLACE: "given up by the shop",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database knows."""

    queue: Mapping[str, int]
    oldest: datetime | None
    workers: int
    lasting: Sequence[IncidentRow]
    ended: Sequence[IncidentRow]
    marks: Mapping[str, datetime]

    def mark(self, store: str, module: Module, system: System) -> datetime | None:
        return self.marks.get(f"{store}:{module}:{system}")


@dataclass(frozen=True, slots=True)
class Answer:
    """How one of the systems answered just now."""

    name: str
    ok: bool
    message: str
    missing: Sequence[str] = ()


@router.get("")
async def show_status(request: Request, visitor: Reader) -> Response:
    """With ?check=1 both systems are asked, which may take some seconds."""
    runtime: Runtime = request.app.state.runtime
    asked = request.query_params.get("check") == "1"
    return render(
        request,
        "status.html",
        visitor=visitor,
        standing=await _stand(runtime),
        answers=await _ask(runtime) if asked else None,
        settings=runtime.settings,
        now=runtime.clock(),
        systems=SYSTEMS,
        modules=list(Module),
        beginning=BEFORE_ALL,
    )


async def _stand(runtime: Runtime) -> Standing:
    async with runtime.sessions() as session:
        lasting, ended = IncidentFilter(lasting=True), IncidentFilter(lasting=False)
        return Standing(
            queue=await count_open(session),
            oldest=await find_oldest_due(session),
            workers=await count_workers(session, runtime.settings.worker.stalled_after),
            lasting=await _incidents(session, lasting, MOST_LASTING),
            ended=await _incidents(session, ended, MOST_ENDED),
            marks=await search_watermarks(session),
        )


async def _incidents(
    session: Session, filters: IncidentFilter, limit: int
) -> Sequence[IncidentRow]:
    return (await search_incidents(session, filters, cursor=None, limit=limit)).items


async def _ask(runtime: Runtime) -> list[Answer]:
    shops = [
        _answer(f"WooCommerce, {store}", _ask_shop(runtime, store)) for store in runtime.stores
    ]
    return await asyncio.gather(*shops, _answer("Vtiger CRM", _ask_vtiger(runtime)))


async def _answer(name: str, asking: Awaitable[Answer]) -> Answer:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await asking
    except TimeoutError:
        return Answer(name, ok=False, message=f"No answer within {PATIENCE_S:.0f} seconds.")
    except WooVtigerError as error:
        return Answer(name, ok=False, message=str(error))


async def _ask_shop(runtime: Runtime, store: str) -> Answer:
    name = f"WooCommerce, {store}"
    address = runtime.settings.webhook_url(store)
    if address is None:
        await runtime.stores[store].search_webhooks()
        message = "It answers. PUBLIC_URL is not set, so no webhook can lead here."
        return Answer(name, ok=False, message=message)
    found = await webhooks.status(runtime.stores[store], address)
    missing = [_need(step) for step in found.steps if step.act is not WebhookAct.KEEP]
    count = sum(step.act is WebhookAct.KEEP for step in found.steps)
    message = f"It answers; {count} of {count + len(missing)} webhooks are active."
    return Answer(name, ok=not missing, message=message, missing=missing)


def _need(step: WebhookStep) -> str:
    at = step.webhook.status if step.webhook and step.webhook.status != ACTIVE else NEEDS[step.act]
    return f"{step.topic}: {at}"


async def _ask_vtiger(runtime: Runtime) -> Answer:
    types = await runtime.vtiger.list_types()
    return Answer("Vtiger CRM", ok=True, message=f"It answers; {len(types)} modules are in sight.")
