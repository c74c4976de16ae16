"""The totals of a comparison, which add up: what was compared either agrees or was found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.module_facts import IN_ORDER
from app.runs.models import SyncRun
from app.runs.repository import count_differences
from app.runtime import Runtime
from app.sync.comparison import Plan


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of one module, or of all where `module` is "". A pair counts once, as does a
    record without a partner; `found` is by what a sync would do with them."""

    module: str
    agreed: int
    found: Mapping[Plan, int]

    @property
    def compared(self) -> int:
        return self.agreed + sum(self.found.values())


async def read_totals(runtime: Runtime, run: SyncRun) -> list[Totals]:
    """One for each module that the run has compared so far, in the order of a run; none for a run
    of a version that did not keep them."""
    async with runtime.sessions() as session:
        counted = await count_differences(session, run.id)
    return [
        Totals(
            module,
            int(run.agreed_in[module]),
            {plan: counted.get(module, {}).get(plan, 0) for plan in Plan},
        )
        for module in IN_ORDER
        if module in run.agreed_in
    ]


def add_up(totals: Iterable[Totals]) -> Totals:
    rows = list(totals)
    found = {plan: sum(row.found[plan] for row in rows) for plan in Plan}
    return Totals("", sum(row.agreed for row in rows), found)
