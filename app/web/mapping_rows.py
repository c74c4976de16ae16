"""One row of a mapping: added, changed, removed, or tried out on a record before it counts."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app.errors import InvalidInput, RemoteError, System
from app.mapping.defaults import find_default
from app.mapping.lenses import OFFERED
from app.mapping.rules import FieldRule
from app.policies.mapping_rows import MappingRow
from app.policies.mappings import Change, Mapping
from app.records import Direction, Module, WriteCondition
from app.runtime import Runtime
from app.sync.mapping_fields import Offer, offer_fields
from app.sync.mapping_table import MappingChanged, MappingRefused, change_table, new_id
from app.sync.mappings import mapping_of
from app.sync.preview import Preview, Trial
from app.web.faults import PageFault, not_found
from app.web.forms import Admin, AdminForm, Posted
from app.web.mapping_form import (
    UNNAMED,
    RowForm,
    form_of,
    read_form,
    row_of,
    with_error,
    with_faults,
)
from app.web.mappings import OVERTAKEN, address, check_place, show, try_out, version_of
from app.web.pages import PageRoute, go_to, render
from app.web.visitors import Visitor
from app.web.words import DIRECTIONS

router = APIRouter(prefix="/ui/mappings", route_class=PageRoute, include_in_schema=False)

WRITES = {
    WriteCondition.ALWAYS: "Whenever it changes",
    WriteCondition.ON_CREATE: "Only when the record is created",
    WriteCondition.IF_EMPTY: "Only where the target is empty",
}
NEW = "new"


@dataclass(frozen=True, slots=True)
class Desk:
    """One row of one mapping, being looked at. `row_id` is "" for a new one; `default` is the
    default row that it is or changes."""

    runtime: Runtime
    store: str
    module: Module
    row_id: str
    now: Mapping
    default: FieldRule | None

    @property
    def row(self) -> MappingRow | None:
        return self.now.find_row(self.row_id)

    @property
    def address(self) -> str:
        return f"{address(self.store, self.module)}/rows/{self.row_id or NEW}"

    def with_row(self, row: MappingRow) -> list[MappingRow]:
        """All rows of users with this one in its place, or at the end."""
        if self.row is None:
            return [*self.now.rows, row]
        return [row if each.id == row.id else each for each in self.now.rows]


async def _desk(request: Request, store: str, module: Module, *, row_id: str) -> Desk:
    runtime = check_place(request, store, module)
    now = await mapping_of(runtime, store, module)
    wanted = "" if row_id == NEW else row_id
    default = find_default(module, wanted) if wanted else None
    if wanted and default is None and now.find_row(wanted) is None:
        raise not_found(f"row {row_id}")
    return Desk(runtime, store, module, wanted, now, default)


@router.get("/{store}/{module}/rows/{row_id}")
async def show_row(
    request: Request, visitor: Admin, store: str, module: Module, row_id: str
) -> Response:
    """The form of one row, with examples of recent records; `new` for one that is added."""
    desk = await _desk(request, store, module, row_id=row_id)
    form = form_of(desk.row, desk.default)
    return await _form(request, visitor, desk, form=form, version=desk.now.version)


@router.post("/{store}/{module}/rows/{row_id}")
async def save_row(
    request: Request, posted: AdminForm, store: str, module: Module, row_id: str
) -> Response:
    """Keep the row, or show the form again with what is wrong where."""
    desk = await _desk(request, store, module, row_id=row_id)
    form = read_form(posted, desk.row_id)
    try:
        row = row_of(form, desk.row_id or _name(desk, posted))
        message = f"Changed row {row.id}." if desk.row_id else f"Added row {row.id}."
        change = Change(desk.with_row(row), posted.by, message, version_of(posted))
        await change_table(desk.runtime, store, module, change=change)
    except MappingRefused as refused:
        form = with_faults(form, refused.faults, row.id)
    except MappingChanged:
        form = with_error(form, InvalidInput(OVERTAKEN))
    except InvalidInput as error:
        form = with_error(form, error)
    except RemoteError as error:
        told = f"{error.system.label} could not be asked, so nothing was saved: {error}"
        form = with_error(form, InvalidInput(told))
    else:
        return go_to(f"{address(store, module)}?saved={row.id}")
    return await _form(request, posted.visitor, desk, form=form, version=version_of(posted))


def _name(desk: Desk, posted: Posted) -> str:
    """The id of a new row: as said, or after its field."""
    said = posted.text("id")
    taken = desk.now.find_row(said) or (said and find_default(desk.module, said))
    if taken:
        raise InvalidInput(f"There is a row {said} already: choose another name.", "id")
    wanted = posted.text("vtiger") or "".join(posted.texts("woo"))
    return said or new_id(desk.module, desk.now.rows, wanted)


@router.post("/{store}/{module}/rows/{row_id}/try")
async def try_row(
    request: Request, posted: AdminForm, store: str, module: Module, row_id: str
) -> Response:
    """What a sync of one record would do if the row were as the form says. Nothing is kept."""
    desk = await _desk(request, store, module, row_id=row_id)
    form = read_form(posted, desk.row_id)
    record_id, tried = posted.text("record_id"), None
    try:
        if not record_id:
            raise InvalidInput("Say which record to try it on.", "record_id")
        row = row_of(form, desk.row_id or UNNAMED)
    except InvalidInput as error:
        form = with_error(form, error)
    else:
        system = System.VTIGER if posted.text("system") == System.VTIGER else System.WOOCOMMERCE
        trial = Trial(store, module, system, record_id, desk.with_row(row))
        tried, trouble = await try_out(desk.runtime, trial)
        form = with_error(form, InvalidInput(trouble)) if trouble else form
        form = with_faults(form, tried.faults, row.id) if tried and tried.faults else form
    asked = {"system": posted.text("system"), "record_id": record_id}
    return await _form(
        request,
        posted.visitor,
        desk,
        form=form,
        version=version_of(posted),
        tried=tried,
        asked=asked,
    )


@router.post("/{store}/{module}/rows/{row_id}/remove")
async def remove_row(
    request: Request, posted: AdminForm, store: str, module: Module, row_id: str
) -> Response:
    """Take a row of one's own away, or make a changed default row what it was."""
    desk = await _desk(request, store, module, row_id=row_id)
    if desk.row is None:
        raise PageFault(422, "Not removed", "A default row cannot be removed: switch it off.")
    rows = [row for row in desk.now.rows if row.id != desk.row_id]
    message = f"Removed row {desk.row_id}."
    change = Change(rows, posted.by, message, version_of(posted))
    try:
        await change_table(desk.runtime, store, module, change=change)
    except MappingChanged:
        return await show(request, posted.visitor, store, module=module, error=OVERTAKEN)
    except MappingRefused as error:
        return await show(request, posted.visitor, store, module=module, error=str(error))
    except RemoteError as error:
        told = f"{error.system.label} could not be asked: {error}"
        return await show(request, posted.visitor, store, module=module, error=told)
    return go_to(f"{address(store, module)}?saved={desk.row_id}")


async def _form(
    request: Request,
    visitor: Visitor,
    desk: Desk,
    *,
    form: RowForm,
    version: int,
    tried: Preview | None = None,
    asked: dict[str, str] | None = None,
) -> Response:
    offer, trouble = await _offer(desk)
    return render(
        request,
        "mapping_row.html",
        visitor=visitor,
        status=422 if form.errors else 200,
        desk=desk,
        form=form,
        version=version,
        offer=offer,
        trouble=trouble,
        transforms=OFFERED,
        directions=DIRECTIONS,
        writes=WRITES,
        off=Direction.OFF,
        tried=tried,
        asked=asked or {"system": "", "record_id": ""},
        country_rows=_country_rows(desk),
    )


async def _offer(desk: Desk) -> tuple[Offer, str]:
    """What both systems have; nothing, and why, while one does not answer."""
    try:
        return await offer_fields(desk.runtime, desk.store, desk.module), ""
    except RemoteError as error:
        return Offer((), ()), f"{error.system.label} could not be asked for its fields: {error}"


def _country_rows(desk: Desk) -> Sequence[str]:
    """Rows that a state may read its country from."""
    return [row.id for row in desk.now.rows if row.transform == "country"]
