"""Full comparisons that come by themselves: `STORES__<key>__COMPARE_HOURS`."""

from app.db.session import transaction
from app.runs.models import SyncRun
from app.runs.repository import NewRun, schedule_run
from app.runtime import Runtime

HOUR = 3600.0
SCHEDULE = "schedule"


async def ask_for_scheduled(runtime: Runtime) -> list[SyncRun]:
    """The runs that are due now, and that no other worker has asked for."""
    found = [await _ask(runtime, store) for store in runtime.stores]
    return [run for run in found if run is not None]


async def _ask(runtime: Runtime, store: str) -> SyncRun | None:
    chosen = runtime.settings.stores[store]
    if not chosen.compare_hours:
        return None
    wanted = NewRun(store, dry_run=not chosen.compare_repairs, started_by=SCHEDULE)
    async with transaction(runtime.sessions) as session:
        return await schedule_run(session, wanted, every_seconds=chosen.compare_hours * HOUR)
