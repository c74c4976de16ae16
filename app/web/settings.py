"""The sync settings of each store and module: seen together, changed one module at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from app.db.session import transaction
from app.policies.models import SyncSetting
from app.policies.repository import find_choice, get_policy, save_policy
from app.policies.schemas import SyncPolicy
from app.records import Module
from app.runtime import Runtime
from app.web.faults import not_found
from app.web.forms import AdminForm, Reader
from app.web.pages import PageRoute, go_to, render
from app.web.setting_fields import CONFLICTS, DELETIONS, fields_of
from app.web.visitors import Visitor

router = APIRouter(prefix="/ui/settings", route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings of one module, and who chose them when; None while the defaults hold."""

    store: str
    module: Module
    policy: SyncPolicy
    by: SyncSetting | None

    @property
    def address(self) -> str:
        return f"/ui/settings/{self.store}/{self.module}"


async def _read(runtime: Runtime, store: str, module: Module) -> Choice:
    async with runtime.sessions() as session:
        policy = await get_policy(session, store, module)
        return Choice(store, module, policy, await find_choice(session, store, module))


@router.get("")
async def show_settings(request: Request, visitor: Reader) -> Response:
    """All modules of all stores."""
    runtime: Runtime = request.app.state.runtime
    choices = {
        store: [await _read(runtime, store, module) for module in Module]
        for store in runtime.settings.stores
    }
    return render(
        request,
        "settings.html",
        visitor=visitor,
        choices=choices,
        conflicts=CONFLICTS,
        deletions=DELETIONS,
    )


@router.get("/{store}/{module}")
async def show_module(request: Request, visitor: Reader, store: str, module: Module) -> Response:
    """The form of one module."""
    choice = await _read(*_place(request, store), module)
    fields = fields_of(module)
    texts = {field.name: field.text(choice.policy) for field in fields}
    saved = request.query_params.get("saved") == "1"
    return _form(request, visitor, choice, texts=texts, saved=saved)


@router.post("/{store}/{module}")
async def save_module(request: Request, posted: AdminForm, store: str, module: Module) -> Response:
    """Keep the choices, or show the form again with what is wrong where."""
    choice = await _read(*_place(request, store), module)
    fields = fields_of(module)
    given = {field.name: field.read(posted.form) for field in fields}
    try:
        policy = SyncPolicy.model_validate(choice.policy.model_dump() | given)
    except ValidationError as error:
        texts = {field.name: posted.text(field.name) for field in fields}
        return _form(request, posted.visitor, choice, texts=texts, errors=_errors(error))
    runtime: Runtime = request.app.state.runtime
    async with transaction(runtime.sessions) as session:
        await save_policy(session, store, module=module, policy=policy, by=posted.by)
    return go_to(f"{choice.address}?saved=1")


def _place(request: Request, store: str) -> tuple[Runtime, str]:
    runtime: Runtime = request.app.state.runtime
    if store not in runtime.settings.stores:
        raise not_found(f"store {store}")
    return runtime, store


def _errors(error: ValidationError) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in error.errors(include_url=False):
        name, *way = each["loc"]
        at = f"“{each['input']}”: " if way else ""
        found.setdefault(str(name), f"{at}{each['msg']}")
    return found


def _form(
    request: Request,
    visitor: Visitor,
    choice: Choice,
    *,
    texts: Mapping[str, str],
    errors: Mapping[str, Any] | None = None,
    saved: bool = False,
) -> Response:
    return render(
        request,
        "module_settings.html",
        visitor=visitor,
        status=422 if errors else 200,
        choice=choice,
        fields=fields_of(choice.module),
        texts=texts,
        errors=errors or {},
        saved=saved,
    )
