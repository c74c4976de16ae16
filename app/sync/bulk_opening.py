"""Opens the bulk side of a module for the pages of a run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.records import Module
from app.sync.bulk import Bulk
from app.sync.module_spec import Context
from app.sync.registry import SPECS


@dataclass(frozen=True, slots=True)
class BulkOpener:
    """What lasts from page to page of a run."""

    begun: dict[Module, Callable[[Context, Any], Bulk]] = field(default_factory=dict)

    async def open(self, context: Context, module: Module) -> Bulk:
        """For one page: its lease is the context's. TypeError for a module that is not in bulk."""
        spec = SPECS[module]
        if spec.begin_bulk is None:
            raise TypeError(f"{module} is not created in bulk")
        if module not in self.begun:
            self.begun[module] = spec.begin_bulk()
        return self.begun[module](context, await spec.open(context))
