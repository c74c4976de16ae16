"""What a comparison found: the filters of its findings, and these as a file."""

from collections.abc import AsyncIterator, Mapping

from app.errors import System
from app.reasons import REASONS
from app.records import Module
from app.runs.models import RunDifference, SyncRun
from app.runs.repository import DifferenceFilter
from app.runtime import Runtime
from app.settings import Settings
from app.spreadsheet import csv_line
from app.sync.run import each_difference
from app.web.filters import Chosen, Filter
from app.web.remote_links import remote_link
from app.web.words import ACTS, FOUND, MODULES, PLANS

COLUMNS = (
    "Module",
    "A sync would",
    "Record",
    "WooCommerce id",
    "Vtiger id",
    "Reason",
    "Message",
    "Field",
    "In WooCommerce",
    "In Vtiger",
    "What a sync would do with the field",
    "WooCommerce address",
    "Vtiger address",
)


def filters_of() -> tuple[Filter, ...]:
    reasons = {code: code.replace("_", " ") for code in sorted(REASONS)}
    return (
        Filter("q", "Search"),
        Filter("module", "Module", "choice", MODULES),
        Filter("plan", "Kind", "choice", FOUND),
        Filter("reason", "Reason", "choice", reasons),
    )


def difference_filter(chosen: Chosen) -> DifferenceFilter:
    return DifferenceFilter(
        module=chosen.many("module"),
        plan=chosen.many("plan"),
        reason=chosen.many("reason"),
        q=chosen.many("q"),
    )


async def csv_of(runtime: Runtime, run: SyncRun, filters: DifferenceFilter) -> AsyncIterator[str]:
    """A line for each field that differs, and one for a record without any."""
    yield csv_line(COLUMNS)
    async for row in each_difference(runtime, run.id, filters):
        for field in row.fields or [{}]:
            yield csv_line(_cells(runtime.settings, run, row, field))


def _cells(
    settings: Settings, run: SyncRun, row: RunDifference, field: Mapping[str, str | None]
) -> list[str | None]:
    ids = {System.WOOCOMMERCE: row.woo_id, System.VTIGER: row.vtiger_id}
    addresses = [
        remote_link(
            settings, run.store, system=system, module=Module(row.module), record_id=record_id
        ).url
        if record_id
        else None
        for system, record_id in ids.items()
    ]
    act = field.get("act") or ""
    return [
        MODULES[row.module],
        PLANS.get(row.plan, row.plan),
        row.label,
        row.woo_id,
        row.vtiger_id,
        row.reason,
        row.message,
        field.get("field"),
        field.get("woocommerce"),
        field.get("vtiger"),
        ACTS.get(act, act),
        *addresses,
    ]
