"""/statuses/{store}: the status table of orders, its versions, and what a changed one would do."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import Admin, Guard, RuntimeDep, Time, check_store, refuse_unknown
from app.api.errors import FieldProblem, Problem, documented, invalid, not_found
from app.api.examples import STATUS_PREVIEW, STATUS_TABLE, STATUS_VERSIONS, example
from app.api.mappings import VersionsQuery
from app.domain import RemoteError, Scope, System
from app.modules.context import status_map
from app.modules.orders.statuses import StatusFault, StatusMap
from app.parsing import Version
from app.policies.repository import (
    StatusChoice,
    StatusTable,
    VtigerStatus,
    search_status_tables,
)
from app.runtime import Runtime
from app.sync.mappings.statuses import (
    NOTHING_CONFIRMED,
    Confirmation,
    KnownStatuses,
    NotConfirmed,
    StatusChange,
    TableChanged,
    TablePreview,
    TableRefused,
    change_status_table,
    describe_preview,
    find_known,
    preview_table,
    read_status_table,
    restore_table,
)

# Request and response models


class ShopStatusOut(BaseModel):
    """A status of the shop."""

    slug: str = Field(description="without `wc-`")
    name: str
    orders: int = Field(description="orders that have it now, by the shop's own count")
    mapped: bool = Field(description="whether a row of the current table has it")


class VtigerStatusOut(BaseModel):
    """A value of Vtiger's picklist sostatus."""

    value: str
    mapped: bool


class StatusTableOut(BaseModel):
    """The current status table, and the statuses that its rows can have."""

    store: str
    version: int = Field(description="increases with every change; 0: no change yet")
    origin: str = Field(description="`default`, or `own`: the store has a table of its own")
    updated_at: Time | None
    updated_by: str
    new_order: str = Field(
        description="Vtiger's status of new orders whose status leads to none there"
    )
    rows: list[StatusChoice]
    shop_statuses: list[ShopStatusOut]
    shop_listed: bool = Field(
        description="false: the shop's list could not be read; these are WooCommerce's own "
        "statuses, and those of synced orders"
    )
    vtiger_statuses: list[VtigerStatusOut] = Field(description="empty if Vtiger cannot be read")

    @classmethod
    def of(cls, store: str, table: StatusTable, known: KnownStatuses, now: StatusMap) -> Self:
        missing = known.unmapped(now)
        lacking = {*missing.slugs, *missing.vtiger}
        return cls(
            store=store,
            version=table.version,
            origin="own" if table.rows else "default",
            updated_at=table.created_at,
            updated_by=table.created_by,
            new_order=now.first,
            rows=[
                StatusChoice.model_validate(
                    {"shop": row.shop, "vtiger": row.vtiger, "direction": row.direction}
                )
                for row in now.rows
            ],
            shop_statuses=[
                ShopStatusOut(
                    slug=each.slug,
                    name=each.name,
                    orders=each.orders,
                    mapped=each.slug not in lacking,
                )
                for each in known.shop
            ],
            shop_listed=known.is_listed,
            vtiger_statuses=[
                VtigerStatusOut(value=value, mapped=value not in missing.vtiger)
                for value in known.vtiger
            ],
        )


class ProposedTable(BaseModel):
    """All rows of a table; none: the default table."""

    model_config = ConfigDict(extra="forbid")

    rows: list[StatusChoice] = Field(max_length=500)
    new_order: VtigerStatus | None = Field(
        None,
        description="Vtiger's status of new orders whose status leads to none there; Created if "
        "it is not given",
    )


class ConfirmIn(BaseModel):
    """The numbers of the preview that a person has seen; a change of more is refused."""

    model_config = ConfigDict(extra="forbid")

    orders: int = Field(ge=0, le=10**9, description="orders that the table changes, at most")
    mails: int = Field(ge=0, le=10**9, description="e-mails that customers get for it, at most")

    @property
    def confirmation(self) -> Confirmation:
        return Confirmation(self.orders, self.mails)


class NewTable(ProposedTable):
    """A table to save. Without `confirm` it is saved only if it changes no order."""

    confirm: ConfirmIn | None = None


class RestoreIn(BaseModel):
    """What was confirmed, as for a new table."""

    model_config = ConfigDict(extra="forbid")

    confirm: ConfirmIn | None = None


class StatusChangeOut(BaseModel):
    """What happens to the orders that have two statuses now."""

    orders: int
    shop: str = Field(description="their status in the shop")
    vtiger: str
    target: System = Field(description="the system that gets another status")
    before: str
    after: str
    open: bool = Field(description="not completed, cancelled, refunded or failed in the shop")
    mail: str | None = Field(description="WooCommerce's e-mail to their customers; null: none")
    plugin_status: bool = Field(
        description="the shop gets a status of a plug-in, which may send e-mails of its own"
    )

    @classmethod
    def of(cls, change: StatusChange) -> Self:
        return cls(
            orders=change.orders,
            shop=change.shop,
            vtiger=change.vtiger,
            target=change.target,
            before=change.before,
            after=change.after,
            open=change.is_open,
            mail=change.mail,
            plugin_status=change.by_plugin,
        )


class StatusPreviewOut(BaseModel):
    """What a table would change, by the last sync of each order; nothing was written."""

    message: str
    orders: int = Field(description="orders that change: to be confirmed")
    open_orders: int
    mails: int = Field(description="e-mails that customers get: to be confirmed")
    mails_known: bool = Field(
        description="false: the shop's e-mail settings could not be read, so that all its e-mails "
        "are counted"
    )
    changes: list[StatusChangeOut]
    warnings: list[FieldProblem]

    @classmethod
    def of(cls, preview: TablePreview) -> Self:
        return cls(
            message=describe_preview(preview),
            orders=preview.orders,
            open_orders=preview.open_orders,
            mails=preview.mails,
            mails_known=preview.mails_known,
            changes=[StatusChangeOut.of(change) for change in preview.changes],
            warnings=_problems(preview.warnings),
        )


class TableVersionOut(BaseModel):
    """One version of a table; without rows it is the default table."""

    version: int
    created_at: Time | None
    created_by: str
    message: str
    new_order: str
    rows: list[StatusChoice]


class TableVersionsOut(BaseModel):
    """Versions, newest first; `next_before` is null on the last page."""

    items: list[TableVersionOut]
    next_before: int | None


def _problems(faults: Iterable[StatusFault]) -> list[FieldProblem]:
    """The faults by the part of the request: `rows.2.vtiger`, counted from 0."""
    return [
        FieldProblem(
            field=fault.field if fault.row is None else f"rows.{fault.row}.{fault.field}",
            message=fault.message,
        )
        for fault in faults
    ]


# Routes

router = APIRouter(
    prefix="/statuses",
    tags=["Order statuses"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(refuse_unknown)],
    responses=documented(401, 403, 404, 422),
)

Seen = Annotated[
    Version | None,
    Query(description="the version that the change is based on; 409 if there is a newer one"),
]
CHANGES = documented(409, 502)


@router.get("/{store}", responses=example(STATUS_TABLE))
async def get_status_table(runtime: RuntimeDep, store: str) -> StatusTableOut:
    """The current table: the default one, or the store's own; and the statuses of both systems,
    those of plug-ins and of changed picklists included."""
    check_store(runtime, store)
    return await _read(runtime, store)


# A preview reads Vtiger with the service's own key, so it needs a token of scope `admin`.

tools_router = APIRouter(
    prefix="/statuses",
    tags=["Order statuses"],
    dependencies=[Depends(Guard(Scope.ADMIN)), Depends(refuse_unknown)],
    responses=documented(401, 403, 404, 422, 502),
)


@tools_router.post("/{store}/preview", responses=example(STATUS_PREVIEW))
async def preview_status_table(
    runtime: RuntimeDep, store: str, proposed: ProposedTable
) -> StatusPreviewOut:
    """What a table would change: how many orders, in which system, and how many customers
    WooCommerce would mail. Writes nothing."""
    check_store(runtime, store)
    async with table_problems():
        preview = await preview_table(
            runtime, store, proposed.rows, new_order=proposed.new_order or ""
        )
    if preview.errors:
        raise invalid(_problems(preview.errors))
    return StatusPreviewOut.of(preview)


@router.put("/{store}", responses=example(STATUS_TABLE) | CHANGES)
async def put_status_table(
    runtime: RuntimeDep, caller: Admin, store: str, proposed: NewTable, version: Seen = None
) -> StatusTableOut:
    """Replace the table; no rows: the default table. It applies from the next hint on, in every
    worker, and the orders that it changes are hinted. A table that changes orders needs `confirm`:
    without it, or if the numbers are larger by now, it is refused with 409 and the preview."""
    now = await _current(runtime, store, version=version)
    table = StatusTable(
        now.version,
        tuple(proposed.rows),
        (proposed.new_order or "") if proposed.rows else "",
        created_by=caller.name,
        message="Changed the table." if proposed.rows else "Back to the default table.",
    )
    confirmed = proposed.confirm.confirmation if proposed.confirm else NOTHING_CONFIRMED
    async with table_problems():
        await change_status_table(runtime, store, table=table, confirmed=confirmed)
    return await _read(runtime, store)


@router.get("/{store}/history", responses=example(STATUS_VERSIONS))
async def search_status_table_versions(
    runtime: RuntimeDep, store: str, query: Annotated[VersionsQuery, Depends()]
) -> TableVersionsOut:
    """Every version of the table, with its author and time."""
    check_store(runtime, store)
    async with runtime.sessions() as session:
        found = await search_status_tables(
            session, store, before=query.before, limit=query.limit + 1
        )
    items = [
        TableVersionOut(
            version=table.version,
            created_at=table.created_at,
            created_by=table.created_by,
            message=table.message,
            new_order=table.new_order,
            rows=list(table.rows),
        )
        for table in found[: query.limit]
    ]
    more = len(found) > query.limit
    return TableVersionsOut(items=items, next_before=items[-1].version if more else None)


@router.post("/{store}/history/{wanted}/restore", responses=example(STATUS_TABLE) | CHANGES)
async def restore_status_table(
    runtime: RuntimeDep,
    caller: Admin,
    store: str,
    wanted: Annotated[Version, Path(description="version; 0: the default table")],
    given: RestoreIn | None = None,
    version: Seen = None,
) -> StatusTableOut:
    """Restore an earlier version as a new one, if it is still valid; to be confirmed like any
    change."""
    now = await _current(runtime, store, version=version)
    confirm = given.confirm if given else None
    confirmed = confirm.confirmation if confirm else NOTHING_CONFIRMED
    change = StatusTable(now.version, created_by=caller.name)
    async with table_problems():
        saved = await restore_table(
            runtime, store, wanted=wanted, change=change, confirmed=confirmed
        )
    if saved is None:
        raise not_found(f"version {wanted}")
    return await _read(runtime, store)


async def _read(runtime: Runtime, store: str) -> StatusTableOut:
    table = await read_status_table(runtime, store)
    known = await find_known(runtime, store)
    return StatusTableOut.of(store, table, known, status_map(runtime, store, table))


async def _current(runtime: Runtime, store: str, *, version: int | None) -> StatusTable:
    """The current table, for a change; 409 if the caller read an older version."""
    check_store(runtime, store)
    now = await read_status_table(runtime, store)
    if version not in (None, now.version):
        detail = f"The status table is at version {now.version}: read it again."
        raise Problem(409, "mapping_changed", detail)
    return now


@asynccontextmanager
async def table_problems() -> AsyncIterator[None]:
    """Convert refusals of a table, and errors of the remotes, to problems."""
    try:
        yield
    except TableRefused as refused:
        raise invalid(_problems(refused.faults)) from None
    except TableChanged as changed:
        raise Problem(409, "mapping_changed", str(changed)) from None
    except NotConfirmed as unconfirmed:
        shown: dict[str, Any] = StatusPreviewOut.of(unconfirmed.preview).model_dump(mode="json")
        members = {"preview": shown}
        raise Problem(409, "not_confirmed", str(unconfirmed), members=members) from None
    except RemoteError as error:
        detail = f"{error.system.label} could not be read: {error}"
        raise Problem(502, error.reason, detail) from None
