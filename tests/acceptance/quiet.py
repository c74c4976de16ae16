"""What must hold at a quiet moment, whatever was before."""

from collections.abc import AsyncIterator

from app.domain import DeliveryState, Module
from app.sync.runs.comparison import compare_store
from tests.acceptance.bazaar import Bazaar
from tests.acceptance.ledger import open_ledger
from tests.setting import STORE
from tests.world import World


async def quiet_faults(world: World, bazaar: Bazaar) -> list[str]:
    """What waits, edits that are lost, where the systems differ, doubles, hints without a row."""
    return [
        *(f"{key} waits: {error}" for key, error in await world.waiting()),
        *bazaar.faults(),
        *await (await open_ledger(world)).faults(),
        *[each async for each in _drift(world)],
        *[each async for each in _untold(world)],
    ]


async def _drift(world: World) -> AsyncIterator[str]:
    """What a full comparison would still find to do."""
    for module in Module:
        async for compared in compare_store(world.runtime, STORE, module=module):
            if compared.skip is None and not compared.agrees:
                yield f"{module} {compared.label}: {compared.plan}, {compared.unexplained}"


async def _untold(world: World) -> AsyncIterator[str]:
    rows = {row.id: set(await world.deliveries_of(row)) for row in await world.log()}
    for delivery in await world.deliveries():
        if delivery.state != DeliveryState.DONE:
            yield f"delivery {delivery.id} is {delivery.state}: {delivery.last_error}"
        elif delivery.id not in rows.get(delivery.sync_log_id or 0, ()):
            yield f"delivery {delivery.id} has no row"
