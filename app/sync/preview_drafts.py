"""The request that a change of one record would be; made by the module's own pure mapping."""

from collections.abc import Mapping

from app.mapping.values import Patch, Value
from app.sync.registry import SPECS
from app.sync.sides import Adapter, Side


async def draft(
    adapter: Adapter, changes: Mapping[str, Value], source: Side, current: Side | None
) -> Patch:
    """What would be sent to bring `changes` of `source` to `current`, or to a new record (None)."""
    draft_of_module = SPECS[adapter.module].draft
    if draft_of_module is None:
        raise TypeError(f"{adapter.module} cannot be drafted")
    return await draft_of_module(adapter, changes, source, current)
