"""The field mapping of each module: every row in force, its history, and the form of one row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from app.domain import (
    DependencyNotReady,
    Direction,
    InvalidInput,
    Module,
    RemoteError,
    System,
    WriteCondition,
)
from app.mapping.rules import FieldRule
from app.mapping.transforms import OFFERED
from app.module_facts import WITH_ROWS
from app.modules.catalogue import find_default
from app.modules.mapping_checks import RuleFault
from app.modules.reference_data import mapping_of
from app.parsing import TEXT, VERSION
from app.policies.repository import Change, MappingRow, StoreMapping, find_mapping, search_mappings
from app.runtime import Runtime
from app.sync.mappings.fields import Offer, offer_fields
from app.sync.mappings.preview import Preview, Trial, preview
from app.sync.mappings.table import MappingChanged, MappingRefused, change_table, new_id, read_table
from app.web.forms import Admin, AdminForm, Posted, Reader
from app.web.pages import PageFault, PageRoute, go_to, not_found, render
from app.web.session import Visitor
from app.web.words import DIRECTIONS, describe_faults

# The form of one mapping row: what it says, as a row, and a row's faults at its fields.

TEXTS = ("vtiger", "transform", "direction", "write", "given", "size", "value", "notation")
MORE_TEXTS = ("separator", "comment")
NO_PAIR = "Write each line as: WooCommerce's value = Vtiger's value."
MADE_OF = {"id": "Begin with a small letter; go on with small letters, digits and _."}
UNNAMED = "unnamed"
"""The id of a new row that is only tried out."""


@dataclass(frozen=True, slots=True)
class RowForm:
    """A row as its form holds it, and what is wrong where; "" is the row as a whole."""

    id: str = ""
    woo: Sequence[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    pairs: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return self.texts.get(name, "")

    @property
    def paths(self) -> list[str]:
        """The inputs for WooCommerce fields: those that are filled, and one more, two at least."""
        return [*self.woo, *[""] * max(1, 2 - len(self.woo))][:4]


def form_of(row: MappingRow | None, rule: FieldRule | None = None) -> RowForm:
    """A row as the form shows it; for a default row that nobody changed, as it works."""
    if row is None:
        shown = {"direction": rule.direction, "transform": rule.transform} if rule else {}
        shown |= {"write": rule.write} if rule else {}
        return RowForm(rule.name if rule else "", texts={"separator": ",", **shown})
    said = {name: getattr(row, name) for name in (*TEXTS, *MORE_TEXTS)}
    texts = {name: "" if value is None else str(value) for name, value in said.items()}
    pairs = "\n".join(f"{woo} = {vtiger}" for woo, vtiger in row.pairs)
    return RowForm(row.id, row.woo, texts, pairs)


def read_form(posted: Posted, row_id: str) -> RowForm:
    """What was sent, as it was sent."""
    texts = {name: posted.text(name) for name in (*TEXTS, *MORE_TEXTS)}
    return RowForm(row_id, posted.texts("woo"), texts, posted.text("pairs"))


def row_of(form: RowForm, row_id: str) -> MappingRow:
    """The row that the form says. InvalidInput names the field that cannot be as it is."""
    said: dict[str, object] = {name: text for name, text in form.texts.items() if text}
    said["separator"] = form.text("separator")
    said |= {"id": row_id, "woo": list(form.woo), "pairs": _pairs(form.pairs)}
    try:
        return MappingRow.model_validate(said)
    except ValidationError as error:
        name, told = next(iter(describe_faults(error, MADE_OF).items()))
        raise InvalidInput(told, name) from None


def _pairs(text: str) -> list[tuple[str, str]]:
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        woo, equals, vtiger = line.partition(" = ") if " = " in line else line.partition("=")
        if not equals:
            raise InvalidInput(NO_PAIR, "pairs")
        found.append((woo.strip(), vtiger.strip()))
    return found


def with_faults(form: RowForm, faults: Iterable[RuleFault], row_id: str) -> RowForm:
    """The form again, each fault at its field; those of other rows at the row as a whole."""
    errors: dict[str, str] = {}
    for fault in faults:
        own = fault.row == row_id
        told = fault.message if own else f"{fault.row}: {fault.message}"
        name = fault.field if own else ""
        errors[name] = f"{errors[name]} {told}" if name in errors else told
    return RowForm(form.id, form.woo, form.texts, form.pairs, errors)


def with_error(form: RowForm, error: InvalidInput) -> RowForm:
    errors = {error.field: str(error)}
    return RowForm(form.id, form.woo, form.texts, form.pairs, errors)


# The field mapping of each module: every row in force, what is wrong with it, and its history.

router = APIRouter(prefix="/ui/mappings", route_class=PageRoute, include_in_schema=False)

MOST_VERSIONS = 20
OVERTAKEN = (
    "Somebody changed this mapping meanwhile, so nothing was saved. Look at it as it is now, then"
    " make your change again."
)


@router.get("")
async def show_mappings(request: Request, visitor: Reader) -> Response:
    """To the first one; others are a click away."""
    del visitor  # is signed in
    runtime: Runtime = request.app.state.runtime
    return go_to(address(next(iter(runtime.settings.stores)), Module.CONTACTS))


def address(store: str, module: Module) -> str:
    return f"/ui/mappings/{store}/{module}"


@router.get("/{store}/{module}")
async def show_mapping(request: Request, visitor: Reader, store: str, module: Module) -> Response:
    """All rows in force. With `record_id`, what a sync of that record would do by them: for admins,
    as records of both systems are read for it."""
    return await show(request, visitor, store, module=module)


async def show(
    request: Request, visitor: Visitor, store: str, *, module: Module, error: str = ""
) -> Response:
    runtime = check_place(request, store, module)
    async with runtime.sessions() as session:
        versions = await search_mappings(session, store, module, before=None, limit=MOST_VERSIONS)
    params = request.query_params
    tried, trouble = None, ""
    if visitor.is_admin:
        tried, trouble = await _try(runtime, store, module=module, request=request)
    return render(
        request,
        "mapping.html",
        visitor=visitor,
        status=422 if error else 200,
        store=store,
        module=module,
        modules=WITH_ROWS,
        stores=list(runtime.settings.stores),
        table=await read_table(runtime, store, module),
        versions=versions,
        transforms=OFFERED,
        error=error or trouble,
        saved=params.get("saved", ""),
        tried=tried,
        asked={name: params.get(name, "") for name in ("system", "record_id")},
    )


async def _try(
    runtime: Runtime, store: str, *, module: Module, request: Request
) -> tuple[Preview | None, str]:
    """What a sync would do with the record that the address names, or why that cannot be told."""
    params = request.query_params
    record_id = params.get("record_id", "").strip()
    if not record_id:
        return None, ""
    system = System.VTIGER if params.get("system") == System.VTIGER else System.WOOCOMMERCE
    return await try_out(runtime, Trial(store, module, system, record_id))


async def try_out(runtime: Runtime, trial: Trial) -> tuple[Preview | None, str]:
    """A preview, or why there is none."""
    try:
        TEXT.read(trial.record_id)
    except ValueError as error:
        return None, str(error)
    try:
        return await preview(runtime, trial), ""
    except RemoteError as error:
        label, told = error.system.label, str(error)
        return None, told if told.startswith(label) else f"{label}: {told}"
    except (InvalidInput, DependencyNotReady) as error:
        return None, str(error)


@router.post("/{store}/{module}/restore")
async def restore(request: Request, posted: AdminForm, store: str, module: Module) -> Response:
    """Make an earlier version's rows a new version, if they can still work."""
    runtime = check_place(request, store, module)
    wanted = _number(posted.text("wanted"))
    async with runtime.sessions() as session:
        earlier = await find_mapping(session, store, module, version=wanted)
    if earlier is None:
        raise not_found(f"version {wanted}")
    message = f"Restored version {wanted}."
    change = Change(earlier.rows, posted.by, message, version_of(posted))
    try:
        await change_table(runtime, store, module, change=change)
    except MappingChanged:
        return await show(request, posted.visitor, store, module=module, error=OVERTAKEN)
    except MappingRefused as error:
        return await show(request, posted.visitor, store, module=module, error=str(error))
    except RemoteError as error:
        told = f"{error.system.label} could not be asked: {error}"
        return await show(request, posted.visitor, store, module=module, error=told)
    return go_to(f"{address(store, module)}?saved=restored")


def version_of(posted: Posted) -> int:
    """The version that the form was made of."""
    return _number(posted.text("version"))


def _number(text: str) -> int:
    try:
        return VERSION.read(text)
    except ValueError:
        detail = "The form names no version."
        raise PageFault(422, "That cannot be understood", detail) from None


def check_place(request: Request, store: str, module: Module) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    if store not in runtime.settings.stores or module not in WITH_ROWS:
        raise not_found(f"mapping of {module} of store {store}")
    return runtime


WRITES = {
    WriteCondition.ALWAYS: "Whenever it changes",
    WriteCondition.ON_CREATE: "Only when the record is created",
    WriteCondition.IF_EMPTY: "Only where the target is empty",
}
NEW = "new"


@dataclass(frozen=True, slots=True)
class MappingEditor:
    """One row of one mapping, being looked at. `row_id` is "" for a new one; `default` is the
    default row that it is or changes."""

    runtime: Runtime
    store: str
    module: Module
    row_id: str
    now: StoreMapping
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


async def _editor(request: Request, store: str, module: Module, *, row_id: str) -> MappingEditor:
    runtime = check_place(request, store, module)
    now = await mapping_of(runtime, store, module)
    wanted = "" if row_id == NEW else row_id
    default = find_default(module, wanted) if wanted else None
    if wanted and default is None and now.find_row(wanted) is None:
        raise not_found(f"row {row_id}")
    return MappingEditor(runtime, store, module, wanted, now, default)


@router.get("/{store}/{module}/rows/{row_id}")
async def show_row(
    request: Request, visitor: Admin, store: str, module: Module, row_id: str
) -> Response:
    """The form of one row, with examples of recent records; `new` for one that is added."""
    desk = await _editor(request, store, module, row_id=row_id)
    form = form_of(desk.row, desk.default)
    return await _form(request, visitor, desk, form=form, version=desk.now.version)


@router.post("/{store}/{module}/rows/{row_id}")
async def save_row(
    request: Request, posted: AdminForm, store: str, module: Module, row_id: str
) -> Response:
    """Keep the row, or show the form again with what is wrong where."""
    desk = await _editor(request, store, module, row_id=row_id)
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


def _name(desk: MappingEditor, posted: Posted) -> str:
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
    desk = await _editor(request, store, module, row_id=row_id)
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
    desk = await _editor(request, store, module, row_id=row_id)
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
    desk: MappingEditor,
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


async def _offer(desk: MappingEditor) -> tuple[Offer, str]:
    """What both systems have; nothing, and why, while one does not answer."""
    try:
        return await offer_fields(desk.runtime, desk.store, desk.module), ""
    except RemoteError as error:
        return Offer((), ()), f"{error.system.label} could not be asked for its fields: {error}"


def _country_rows(desk: MappingEditor) -> Sequence[str]:
    """Rows that a state may read its country from."""
    return [row.id for row in desk.now.rows if row.transform == "country"]
