"""The pages of sync settings: an overview of all modules, and the form of one module."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from app.db.session import transaction
from app.domain import Module, RemoteError
from app.modules.registry import SPECS, WHERE, describe_mails, mails_of
from app.policies.models import SyncSetting
from app.policies.repository import (
    SyncPolicy,
    find_choice,
    find_inapplicable,
    get_policy,
    lock_choice,
    save_policy,
)
from app.runtime import Runtime
from app.web.forms import AdminForm, Reader
from app.web.pages import PageRoute, go_to, not_found, render
from app.web.session import Visitor
from app.web.words import CONFLICTS, DELETIONS, SettingField, describe_faults, fields_of

router = APIRouter(prefix="/ui/settings", route_class=PageRoute, include_in_schema=False)

PATIENCE_S = 3.0
UNREAD = f"The e-mail settings of the shop could not be read: check them in {WHERE}."


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings of one module, and their last change; None if there was none."""

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
    """The settings of all modules of all stores."""
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
    """The form of the settings of one module."""
    choice = await _read(*_place(request, store), module)
    fields = fields_of(module)
    texts = {field.name: field.text(choice.policy) for field in fields}
    saved = request.query_params.get("saved") == "1"
    mails = await _mails(request, choice)
    return _form(request, visitor, choice, texts=texts, saved=saved, mails=mails)


async def _mails(request: Request, choice: Choice) -> str:
    """Whom the shop sends e-mails when records are written to it; "" if that does not apply."""
    runtime: Runtime = request.app.state.runtime
    if not SPECS[choice.module].mails:
        return ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            on = await mails_of(runtime, choice.store)
    except (TimeoutError, RemoteError):
        return UNREAD
    return describe_mails(on, choice.module) + f" Change this in {WHERE}."


@router.post("/{store}/{module}")
async def save_module(request: Request, posted: AdminForm, store: str, module: Module) -> Response:
    """Save the settings, or show the form with its errors. If the settings have been changed since
    the form was opened, it is shown again with the values as posted."""
    runtime, store = _place(request, store)
    choice = await _read(runtime, store, module)
    fields = fields_of(module)
    given = {field.name: field.read(posted.form) for field in fields}
    errors = find_inapplicable(module, given)
    try:
        policy = SyncPolicy.model_validate(choice.policy.model_dump() | given)
    except ValidationError as error:
        errors |= _errors(error, fields)
    texts = {field.name: posted.text(field.name) for field in fields}
    if errors:
        return _form(request, posted.visitor, choice, texts=texts, errors=errors)
    async with transaction(runtime.sessions) as session:
        now = await lock_choice(session, store, module)
        is_stale = "seen" in posted.form and posted.text("seen") != _stamp(now)
        if not is_stale:
            await save_policy(session, store, module=module, policy=policy, by=posted.by)
    if is_stale:
        choice = await _read(runtime, store, module)
        return _form(request, posted.visitor, choice, texts=texts, is_stale=True)
    return go_to(f"{choice.address}?saved=1")


def _stamp(chosen: SyncSetting | None) -> str:
    """The version of the settings that a form is based on."""
    return chosen.updated_at.isoformat() if chosen else ""


def _place(request: Request, store: str) -> tuple[Runtime, str]:
    runtime: Runtime = request.app.state.runtime
    if store not in runtime.settings.stores:
        raise not_found(f"store {store}")
    return runtime, store


def _errors(error: ValidationError, fields: Sequence[SettingField]) -> dict[str, str]:
    return describe_faults(
        error, {field.name: field.pattern_help for field in fields if field.pattern_help}
    )


def _form(
    request: Request,
    visitor: Visitor,
    choice: Choice,
    *,
    texts: Mapping[str, str],
    errors: Mapping[str, Any] | None = None,
    saved: bool = False,
    is_stale: bool = False,
    mails: str = "",
) -> Response:
    return render(
        request,
        "module_settings.html",
        visitor=visitor,
        status=422 if errors else 409 if is_stale else 200,
        choice=choice,
        fields=fields_of(choice.module),
        texts=texts,
        errors=errors or {},
        saved=saved,
        is_stale=is_stale,
        seen=_stamp(choice.by),
        mails=mails,
    )
