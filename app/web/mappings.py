"""The pages of field mappings: the current rows, their history, and the form of one row."""

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
from app.modules.context import mapping_of
from app.modules.default_mappings import find_default
from app.modules.mapping_checks import RuleFault
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

# The form of one mapping row

TEXTS = ("vtiger", "transform", "direction", "write", "given", "size", "value", "notation")
MORE_TEXTS = ("separator", "comment")
NO_PAIR = "Write each line as: WooCommerce value = Vtiger value."
MADE_OF = {"id": "Start with a small letter, followed by small letters, digits and _."}
UNNAMED = "unnamed"
"""The id of a new row in a preview."""


@dataclass(frozen=True, slots=True)
class RowForm:
    """The values of the form of a row, and its errors by field; "" is the whole row."""

    id: str = ""
    woo: Sequence[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    pairs: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return self.texts.get(name, "")

    @property
    def paths(self) -> list[str]:
        """The values of the inputs for WooCommerce fields: the given ones and an empty one, at
        least two."""
        return [*self.woo, *[""] * max(1, 2 - len(self.woo))][:4]


def form_of(row: MappingRow | None, rule: FieldRule | None = None) -> RowForm:
    """The form of a row, or of a default row without changes."""
    if row is None:
        shown = {"direction": rule.direction, "transform": rule.transform} if rule else {}
        shown |= {"write": rule.write} if rule else {}
        return RowForm(rule.name if rule else "", texts={"separator": ",", **shown})
    said = {name: getattr(row, name) for name in (*TEXTS, *MORE_TEXTS)}
    texts = {name: "" if value is None else str(value) for name, value in said.items()}
    pairs = "\n".join(f"{woo} = {vtiger}" for woo, vtiger in row.pairs)
    return RowForm(row.id, row.woo, texts, pairs)


def read_form(posted: Posted, row_id: str) -> RowForm:
    """The form with the values as posted."""
    texts = {name: posted.text(name) for name in (*TEXTS, *MORE_TEXTS)}
    return RowForm(row_id, posted.texts("woo"), texts, posted.text("pairs"))


def row_of(form: RowForm, row_id: str) -> MappingRow:
    """The row in the form. InvalidInput names the first field with an invalid value."""
    said: dict[str, object] = {name: text for name, text in form.texts.items() if text}
    said["separator"] = form.text("separator")
    said |= {"id": row_id, "woo": list(form.woo), "pairs": _pairs(form.pairs)}
    try:
        return MappingRow.model_validate(said)
    except ValidationError as error:
        name, message = next(iter(describe_faults(error, MADE_OF).items()))
        raise InvalidInput(message, name) from None


def _pairs(text: str) -> list[tuple[str, str]]:
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        woo, equals, vtiger = line.partition(" = ") if " = " in line else line.partition("=")
        if not equals:
            raise InvalidInput(NO_PAIR, "pairs")
        found.append((woo.strip(), vtiger.strip()))
    return found


def with_faults(form: RowForm, faults: Iterable[RuleFault], row_id: str) -> RowForm:
    """The form with each fault at its field; those of other rows at the whole row."""
    errors: dict[str, str] = {}
    for fault in faults:
        own = fault.row == row_id
        message = fault.message if own else f"{fault.row}: {fault.message}"
        name = fault.field if own else ""
        errors[name] = f"{errors[name]} {message}" if name in errors else message
    return RowForm(form.id, form.woo, form.texts, form.pairs, errors)


def with_error(form: RowForm, error: InvalidInput) -> RowForm:
    errors = {error.field: str(error)}
    return RowForm(form.id, form.woo, form.texts, form.pairs, errors)


# The mapping of a module

router = APIRouter(prefix="/ui/mappings", route_class=PageRoute, include_in_schema=False)

MOST_VERSIONS = 20
STALE = (
    "This mapping has been changed in the meantime, so nothing was saved. Check the current"
    " version, then make your change again."
)


@router.get("")
async def show_mappings(request: Request, visitor: Reader) -> Response:
    """Redirect to the mapping of the first store."""
    del visitor  # is signed in
    runtime: Runtime = request.app.state.runtime
    return go_to(address(next(iter(runtime.settings.stores)), Module.CONTACTS))


def address(store: str, module: Module) -> str:
    return f"/ui/mappings/{store}/{module}"


@router.get("/{store}/{module}")
async def show_mapping(request: Request, visitor: Reader, store: str, module: Module) -> Response:
    """All current rows. With `record_id`, a preview of a sync of that record: only for admins,
    because it reads records of both systems."""
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
    """A preview for the record in the address, or the error; neither without a record."""
    params = request.query_params
    record_id = params.get("record_id", "").strip()
    if not record_id:
        return None, ""
    system = System.VTIGER if params.get("system") == System.VTIGER else System.WOOCOMMERCE
    return await try_out(runtime, Trial(store, module, system, record_id))


async def try_out(runtime: Runtime, trial: Trial) -> tuple[Preview | None, str]:
    """A preview, or None and the error."""
    try:
        TEXT.read(trial.record_id)
    except ValueError as error:
        return None, str(error)
    try:
        return await preview(runtime, trial), ""
    except RemoteError as error:
        label, message = error.system.label, str(error)
        return None, message if message.startswith(label) else f"{label}: {message}"
    except (InvalidInput, DependencyNotReady) as error:
        return None, str(error)


@router.post("/{store}/{module}/restore")
async def restore(request: Request, posted: AdminForm, store: str, module: Module) -> Response:
    """Restore the rows of an earlier version as a new version, if they are still valid."""
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
        return await show(request, posted.visitor, store, module=module, error=STALE)
    except MappingRefused as error:
        return await show(request, posted.visitor, store, module=module, error=str(error))
    except RemoteError as error:
        message = f"{error.system.label} could not be read: {error}"
        return await show(request, posted.visitor, store, module=module, error=message)
    return go_to(f"{address(store, module)}?saved=restored")


def version_of(posted: Posted) -> int:
    """The version that the form is based on."""
    return _number(posted.text("version"))


def _number(text: str) -> int:
    try:
        return VERSION.read(text)
    except ValueError:
        detail = "The form has no version."
        raise PageFault(422, "Invalid request", detail) from None


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
    """One row of a mapping in the editor. `row_id` is "" for a new row; `default` is the default
    row that it is or changes."""

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
        """All changed and custom rows with this one in its position, or at the end."""
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
    """The form of one row, with examples from recent records; the id `new` is for a new row."""
    editor = await _editor(request, store, module, row_id=row_id)
    form = form_of(editor.row, editor.default)
    return await _form(request, visitor, editor, form=form, version=editor.now.version)


@router.post("/{store}/{module}/rows/{row_id}")
async def save_row(
    request: Request, posted: AdminForm, store: str, module: Module, row_id: str
) -> Response:
    """Save the row, or show the form with its errors."""
    editor = await _editor(request, store, module, row_id=row_id)
    form = read_form(posted, editor.row_id)
    try:
        row = row_of(form, editor.row_id or _name(editor, posted))
        message = f"Changed row {row.id}." if editor.row_id else f"Added row {row.id}."
        change = Change(editor.with_row(row), posted.by, message, version_of(posted))
        await change_table(editor.runtime, store, module, change=change)
    except MappingRefused as refused:
        form = with_faults(form, refused.faults, row.id)
    except MappingChanged:
        form = with_error(form, InvalidInput(STALE))
    except InvalidInput as error:
        form = with_error(form, error)
    except RemoteError as error:
        message = f"{error.system.label} could not be read, so nothing was saved: {error}"
        form = with_error(form, InvalidInput(message))
    else:
        return go_to(f"{address(store, module)}?saved={row.id}")
    return await _form(request, posted.visitor, editor, form=form, version=version_of(posted))


def _name(editor: MappingEditor, posted: Posted) -> str:
    """The id of a new row: as given, or after its field."""
    given = posted.text("id")
    taken = editor.now.find_row(given) or (given and find_default(editor.module, given))
    if taken:
        raise InvalidInput(f"The row {given} exists already: choose another name.", "id")
    wanted = posted.text("vtiger") or "".join(posted.texts("woo"))
    return given or new_id(editor.module, editor.now.rows, wanted)


@router.post("/{store}/{module}/rows/{row_id}/try")
async def try_row(
    request: Request, posted: AdminForm, store: str, module: Module, row_id: str
) -> Response:
    """A preview of a sync of one record with the row in the form. Nothing is saved."""
    editor = await _editor(request, store, module, row_id=row_id)
    form = read_form(posted, editor.row_id)
    record_id, tried = posted.text("record_id"), None
    try:
        if not record_id:
            raise InvalidInput("Enter the id of a record for the preview.", "record_id")
        row = row_of(form, editor.row_id or UNNAMED)
    except InvalidInput as error:
        form = with_error(form, error)
    else:
        system = System.VTIGER if posted.text("system") == System.VTIGER else System.WOOCOMMERCE
        trial = Trial(store, module, system, record_id, editor.with_row(row))
        tried, trouble = await try_out(editor.runtime, trial)
        form = with_error(form, InvalidInput(trouble)) if trouble else form
        form = with_faults(form, tried.faults, row.id) if tried and tried.faults else form
    asked = {"system": posted.text("system"), "record_id": record_id}
    return await _form(
        request,
        posted.visitor,
        editor,
        form=form,
        version=version_of(posted),
        tried=tried,
        asked=asked,
    )


@router.post("/{store}/{module}/rows/{row_id}/remove")
async def remove_row(
    request: Request, posted: AdminForm, store: str, module: Module, row_id: str
) -> Response:
    """Remove a custom row, or reset a changed default row."""
    editor = await _editor(request, store, module, row_id=row_id)
    if editor.row is None:
        raise PageFault(422, "Not removed", "A default row cannot be removed: switch it off.")
    rows = [row for row in editor.now.rows if row.id != editor.row_id]
    message = f"Removed row {editor.row_id}."
    change = Change(rows, posted.by, message, version_of(posted))
    try:
        await change_table(editor.runtime, store, module, change=change)
    except MappingChanged:
        return await show(request, posted.visitor, store, module=module, error=STALE)
    except MappingRefused as error:
        return await show(request, posted.visitor, store, module=module, error=str(error))
    except RemoteError as error:
        message = f"{error.system.label} could not be read: {error}"
        return await show(request, posted.visitor, store, module=module, error=message)
    return go_to(f"{address(store, module)}?saved={editor.row_id}")


async def _form(
    request: Request,
    visitor: Visitor,
    editor: MappingEditor,
    *,
    form: RowForm,
    version: int,
    tried: Preview | None = None,
    asked: dict[str, str] | None = None,
) -> Response:
    offer, trouble = await _offer(editor)
    return render(
        request,
        "mapping_row.html",
        visitor=visitor,
        status=422 if form.errors else 200,
        editor=editor,
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
        country_rows=_country_rows(editor),
    )


async def _offer(editor: MappingEditor) -> tuple[Offer, str]:
    """The fields of both systems; none, and the error, if one system cannot be read."""
    try:
        return await offer_fields(editor.runtime, editor.store, editor.module), ""
    except RemoteError as error:
        return Offer((), ()), f"{error.system.label} could not be read for its fields: {error}"


def _country_rows(editor: MappingEditor) -> Sequence[str]:
    """The ids of the rows that a state row may take its country from."""
    return [row.id for row in editor.now.rows if row.transform == "country"]
