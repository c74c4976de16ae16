"""What a sync would find in one module of one store, right now, without a run being kept."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import uuid4

from app.errors import InvalidInput, LeaseLost
from app.links.leases import hold
from app.records import Module
from app.runtime import Runtime
from app.sync.adapters import policy_of
from app.sync.comparison import Compared
from app.sync.listings import open_listing
from app.sync.module_spec import Context
from app.sync.run import OFF
from app.sync.survey import Survey

BUSY = "A run of store {store} is under way."


async def compare_store(
    runtime: Runtime, store: str, *, module: Module, since: datetime | None = None
) -> AsyncIterator[Compared]:
    """Each pair and each record without one, compared whole; nothing is written or hinted.

    Raises InvalidInput if the module is off or a run of this store is under way, Waiting, and
    the RemoteError tree.
    """
    policy = await policy_of(runtime, store, module)
    if not policy.enabled:
        raise InvalidInput(OFF.format(module=module, store=store), "module")
    seconds = runtime.settings.worker.lease_seconds
    try:
        async with hold(
            runtime.sessions, [f"run:{store}"], owner=uuid4().hex, seconds=seconds
        ) as lease:
            listing = await open_listing(Context(runtime, store, policy, lease), module)
            async for compared in Survey(runtime, store, listing, policy).run(since):
                yield compared
    except LeaseLost:
        raise InvalidInput(BUSY.format(store=store), "store") from None
