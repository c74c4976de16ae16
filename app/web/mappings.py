"""The field mapping of each module: every row in force, what is wrong with it, and its history."""

from fastapi import APIRouter, Request, Response

from app.errors import InvalidInput, RemoteError, System, Waiting
from app.inputs import TEXT, VERSION
from app.mapping.lenses import OFFERED
from app.module_facts import WITH_ROWS
from app.policies.mappings import Change, find_mapping, search_mappings
from app.records import Module
from app.runtime import Runtime
from app.sync.mapping_table import MappingChanged, MappingRefused, change_table, read_table
from app.sync.preview import Preview, Trial, preview
from app.web.faults import PageFault, not_found
from app.web.forms import AdminForm, Posted, Reader
from app.web.pages import PageRoute, go_to, render
from app.web.visitors import Visitor

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
    except (InvalidInput, Waiting) as error:
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
