"""The page of a store's status table: its rows, what a changed table would do, its history."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.datastructures import QueryParams

from app.domain import Direction, RemoteError
from app.modules.context import status_map
from app.modules.orders.statuses import DEFAULT, NO_SHOP, NO_VTIGER, StatusFault, StatusMap
from app.parsing import VERSION
from app.policies.repository import (
    StatusChoice,
    StatusTable,
    find_status_table,
    search_status_tables,
)
from app.runtime import Runtime
from app.sync.mappings.statuses import (
    NOTHING_CONFIRMED,
    Confirmation,
    NotConfirmed,
    TableChanged,
    TablePreview,
    TableRefused,
    change_status_table,
    describe_preview,
    find_known,
    preview_table,
    read_status_table,
)
from app.web.forms import AdminForm, Posted, Reader
from app.web.pages import PageFault, PageRoute, go_to, not_found, render
from app.web.session import Visitor
from app.web.words import describe_faults
from app.woocommerce.client import MAILS

router = APIRouter(prefix="/ui/statuses", route_class=PageRoute, include_in_schema=False)

EMPTY_ROWS = 3
MOST_VERSIONS = 20
WAYS: Mapping[str, str] = {
    Direction.BOTH: "Both ways",
    Direction.WOO_TO_VTIGER: "To Vtiger",
    Direction.VTIGER_TO_WOO: "To the shop",
}
STALE = (
    "This table has been changed in the meantime, so nothing was saved. Your rows are shown below:"
    " check them against the current version, then preview them again."
)
UNCONFIRMED = "Tick the box to confirm the numbers of the preview."
GREW = "The numbers have grown since the preview, so nothing was saved. Check and confirm them."
MADE_OF = {"shop": "Small letters, digits, - and _, without wc- before it."}
EMPTY = {"shop": NO_SHOP, "vtiger": NO_VTIGER}


@dataclass(frozen=True, slots=True)
class RowEntry:
    """One row of the form as typed, and its errors by field."""

    shop: str = ""
    direction: str = Direction.BOTH
    vtiger: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not self.shop and not self.vtiger


@dataclass(frozen=True, slots=True)
class TableForm:
    """The form of a table: all its rows as typed, and what was found out about them.

    `preview` is shown to be confirmed; `error` concerns the whole table.
    """

    rows: Sequence[RowEntry]
    new_order: str
    version: int
    preview: TablePreview | None = None
    error: str = ""
    new_order_error: str = ""

    @property
    def shown_rows(self) -> list[RowEntry]:
        """The rows, and empty ones for new statuses."""
        return [*self.rows, *[RowEntry()] * EMPTY_ROWS]

    @property
    def has_errors(self) -> bool:
        return bool(self.error or self.new_order_error or any(row.errors for row in self.rows))


def _form_of(statuses: StatusMap, version: int, params: QueryParams) -> TableForm:
    """The form of a table. A status in the address that has no row gets one, to be completed."""
    rows = [RowEntry(row.shop, row.direction, row.vtiger) for row in statuses.rows]
    added = RowEntry(params.get("shop", ""), vtiger=params.get("vtiger", ""))
    return TableForm([*rows, *([] if added.is_empty else [added])], statuses.first, version)


def _read(posted: Posted) -> TableForm:
    """The form as posted, without empty rows."""
    columns = [
        [str(value).strip() for value in posted.form.getlist(name)]
        for name in ("shop", "direction", "vtiger")
    ]
    entries = [RowEntry(*cells) for cells in zip(*columns, strict=False)]
    rows = [row for row in entries if not row.is_empty]
    return TableForm(rows, posted.text("new_order"), _number(posted.text("version")))


def _number(text: str) -> int:
    try:
        return VERSION.read(text)
    except ValueError:
        raise PageFault(422, "Invalid request", "The form has no version.") from None


def _choices(form: TableForm) -> tuple[TableForm, list[StatusChoice]]:
    """The rows of a form; those with an invalid value keep it, and get errors."""
    rows, found = [], []
    for row in form.rows:
        given = {"shop": row.shop, "vtiger": row.vtiger, "direction": row.direction}
        try:
            found.append(StatusChoice.model_validate(given))
            rows.append(row)
        except ValidationError as error:
            faults = describe_faults(error, MADE_OF)
            texts = {name: EMPTY[name] for name in EMPTY if not given[name]}
            rows.append(replace(row, errors=faults | texts))
    return replace(form, rows=rows), found


def _with_faults(form: TableForm, faults: Iterable[StatusFault]) -> TableForm:
    """The form with each error at its row, warnings left out."""
    rows, of_table = list(form.rows), ""
    for fault in faults:
        if fault.is_warning:
            continue
        if fault.row is None:
            of_table = fault.message
        else:
            row = rows[fault.row]
            rows[fault.row] = replace(row, errors={**row.errors, fault.field: fault.message})
    return replace(form, rows=rows, new_order_error=of_table)


@router.get("")
async def show_statuses(request: Request, visitor: Reader) -> Response:
    """Redirect to the table of the first store."""
    del visitor  # is signed in
    runtime: Runtime = request.app.state.runtime
    return go_to(address(next(iter(runtime.settings.stores))))


def address(store: str) -> str:
    return f"/ui/statuses/{store}"


@router.get("/{store}")
async def show_table(request: Request, visitor: Reader, store: str) -> Response:
    """The current table as a form. With `from`, the rows of an earlier version, to be previewed;
    with `shop` or `vtiger`, a new row for that status."""
    runtime = _place(request, store)
    now = await read_status_table(runtime, store)
    shown, params = now, request.query_params
    if "from" in params:
        async with runtime.sessions() as session:
            earlier = await find_status_table(session, store, version=_number(params["from"]))
        if earlier is None:
            raise not_found(f"version {params['from']}")
        shown = earlier
    form = _form_of(status_map(runtime, store, shown), now.version, params)
    return await _show(request, visitor, store, form=form)


@router.post("/{store}")
async def post_table(request: Request, posted: AdminForm, store: str) -> Response:
    """Preview the table in the form, or save it once its numbers are confirmed. A form with errors
    is shown again with everything that was typed."""
    runtime = _place(request, store)
    form, rows = _choices(_read(posted))
    if form.has_errors:
        return await _show(request, posted.visitor, store, form=form)
    try:
        if posted.text("step") == "save":
            form = await _save(runtime, posted, store, form=form, rows=rows)
        else:
            preview = await preview_table(runtime, store, rows, new_order=form.new_order)
            form = replace(form, preview=preview)
    except TableRefused as refused:
        form = _with_faults(form, refused.faults)
    except TableChanged:
        form = replace(form, error=STALE)
    except RemoteError as error:
        message = f"{error.system.label} could not be read, so nothing was saved: {error}"
        form = replace(form, error=message)
    else:
        if form.preview is None:
            return go_to(f"{address(store)}?saved=1")
    if form.preview is not None and form.preview.errors:
        form = replace(_with_faults(form, form.preview.errors), preview=None)
    return await _show(request, posted.visitor, store, form=form)


async def _save(
    runtime: Runtime, posted: Posted, store: str, *, form: TableForm, rows: Sequence[StatusChoice]
) -> TableForm:
    """Save the table; the form has no preview then. Without a confirmation it has one again."""
    table = StatusTable(
        form.version,
        tuple(rows),
        form.new_order if rows else "",
        created_by=posted.by,
        message="Changed the table." if rows else "Back to the default table.",
    )
    is_confirmed = posted.text("confirmed") == "yes"
    confirmed = _confirmation(posted) if is_confirmed else NOTHING_CONFIRMED
    try:
        await change_status_table(runtime, store, table=table, confirmed=confirmed)
    except NotConfirmed as unconfirmed:
        error = GREW if is_confirmed else UNCONFIRMED
        return replace(form, preview=unconfirmed.preview, error=error)
    return replace(form, preview=None)


def _confirmation(posted: Posted) -> Confirmation:
    return Confirmation(_number(posted.text("orders")), _number(posted.text("mails")))


async def _show(request: Request, visitor: Visitor, store: str, *, form: TableForm) -> Response:
    runtime: Runtime = request.app.state.runtime
    known = await find_known(runtime, store)
    now = await read_status_table(runtime, store)
    async with runtime.sessions() as session:
        versions = await search_status_tables(session, store, before=None, limit=MOST_VERSIONS)
    context: dict[str, Any] = {
        "store": store,
        "stores": list(runtime.settings.stores),
        "table": now,
        "form": form,
        "known": known,
        "lacking": known.unmapped(status_map(runtime, store, now)),
        "names": {status.slug: status.name for status in known.shop},
        "versions": versions,
        "ways": WAYS,
        "default_new_order": DEFAULT.first,
        "message": describe_preview(form.preview) if form.preview else "",
        "mails": MAILS,
        "saved": request.query_params.get("saved", ""),
    }
    status = 422 if form.has_errors else 200
    return render(request, "statuses.html", visitor=visitor, status=status, **context)


def _place(request: Request, store: str) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    if store not in runtime.settings.stores:
        raise not_found(f"store {store}")
    return runtime
