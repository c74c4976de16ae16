"""The add-on for Vtiger Community Edition: the zip to install, and the changes that it tells."""

from collections.abc import Iterable, Sequence

import orjson
from fastapi import APIRouter, Depends, Request, Response

from app.api.addon_signature import read_signed_body
from app.api.deps import Guard, only_known
from app.api.errors import Problem, documented
from app.api.intake import store_hints
from app.db.session import transaction
from app.errors import InvalidInput, System
from app.inbox.dedupe import addon_key
from app.inbox.heard import keep_heard, search_heard
from app.inbox.repository import NewDelivery
from app.links.outbox_marks import forget_absent
from app.module_facts import OF_VTIGER
from app.policies.tokens import Scope
from app.records import Origin, Record
from app.runtime import Runtime
from app.vtiger.addon_hints import AddonBatch, AddonChange, parse_batch
from app.vtiger.addon_package import build_package

PATH = "/callbacks/vtiger"
ZIP = "application/zip"
SERVICE = "woo-vtiger"
"""The word by which the add-on knows that it was this service that answered."""
router = APIRouter(
    tags=["Vtiger add-on"], dependencies=[Depends(Guard(Scope.ADMIN)), Depends(only_known)]
)


@router.get(
    "/vtiger-addon.zip",
    summary="The add-on for Vtiger Community Edition",
    description="To be installed in Vtiger's Module Manager; the same bytes each time.",
    response_class=Response,
    responses={
        200: {
            "description": "The zip",
            "content": {ZIP: {"schema": {"type": "string", "format": "binary"}, "example": "PK"}},
        },
        **documented(401, 403, 422),
    },
)
def download_vtiger_addon() -> Response:
    package = build_package()
    name = {"Content-Disposition": f'attachment; filename="{package.name}"'}
    return Response(package.content, media_type=ZIP, headers=name)


async def receive(request: Request) -> Response:
    """A batch of changes; those of modules that are not synced, and repeated ones, are counted."""
    runtime: Runtime = request.app.state.runtime
    batch = _read(await read_signed_body(request, runtime.settings.receiver.max_body_bytes))
    known = [change for change in batch.changes if change.module in OF_VTIGER]
    async with runtime.sessions() as session:
        heard = await search_heard(session, batch.installation, [one.sequence for one in known])
    fresh = [change for change in known if change.sequence not in heard]
    accepted = await store_hints(runtime, _deliveries(runtime, batch.installation, fresh))
    async with transaction(runtime.sessions) as session:
        await keep_heard(session, batch.installation, {one.sequence for one in fresh})
        await forget_absent(session)
    return _answer([str(each.id) for each in accepted], batch, known=known, fresh=fresh)


def _read(body: bytes) -> AddonBatch:
    try:
        return parse_batch(body)
    except InvalidInput as error:
        raise Problem(400, "unreadable", str(error)) from error


def _deliveries(
    runtime: Runtime, installation: str, changes: Iterable[AddonChange]
) -> list[NewDelivery]:
    return [
        _delivery(store, installation, change)
        for change in changes
        for store in runtime.settings.stores
    ]


def _delivery(store: str, installation: str, change: AddonChange) -> NewDelivery:
    module = OF_VTIGER[change.module]
    return NewDelivery(
        record=Record(store, System.VTIGER, module, change.record_id, change.module),
        origin=Origin.CALLBACK,
        event=change.event,
        dedupe_key=addon_key(store, installation, change.sequence),
    )


def _answer(
    ids: Sequence[str],
    batch: AddonBatch,
    *,
    known: Sequence[AddonChange],
    fresh: Sequence[AddonChange],
) -> Response:
    skipped = len(batch.changes) - len(known) + batch.unreadable
    answer = {
        "service": SERVICE,
        "delivery_ids": ids,
        "duplicates": len(known) - len(fresh),
        "skipped": skipped,
    }
    return Response(orjson.dumps(answer), 202 if ids else 200, media_type="application/json")
