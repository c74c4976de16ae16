"""GET, PUT and PATCH /settings: how each module of each store is synced."""

import logging
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from app.api.deps import Admin, Caller, Guard, RuntimeDep, Time, check_store, refuse_unknown
from app.api.errors import FieldProblem, documented, invalid, invalid_fields
from app.api.examples import SETTINGS, example
from app.db.session import transaction
from app.domain import Module, Scope, StaleState
from app.parsing import Moment
from app.policies.models import SyncSetting
from app.policies.repository import (
    EVERYWHERE,
    SyncPolicy,
    find_choice,
    find_inapplicable,
    in_force,
    lock_choice,
    save_policy,
    settings_of,
)
from app.runtime import Runtime
from app.sync.deletion import confirm_deletions

log = logging.getLogger(__name__)

STALE = "These settings have been changed since you read them: read them again, then decide."
METADATA = ("store", "module", "updated_at", "updated_by")
ALWAYS_PRESENT = [*METADATA, *EVERYWHERE]
MODULE_ANSWER = example(SETTINGS) | documented(404)

router = APIRouter(
    prefix="/settings",
    tags=["Settings"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(refuse_unknown)],
    responses=documented(401, 403, 422),
)


class PolicyAnswer(SyncPolicy):
    """The current settings of one module of one store: those that apply to it, with the author
    and the time of the last change; null if there was no change."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: schema.update(required=ALWAYS_PRESENT)
    )

    store: str
    module: Module
    updated_at: Time | None
    updated_by: str | None


class PolicyChange(SyncPolicy):
    """New settings. The other members of a response may be sent back: `store` and `module` must
    match the path, and if `updated_at` or `updated_by` is outdated, the change is refused with
    409."""

    store: str | None = None
    module: Module | None = None
    updated_at: Moment | None = None
    updated_by: str | None = None

    @property
    def chosen(self) -> dict[str, Any]:
        """The settings that the request names."""
        return self.model_dump(exclude_unset=True, include=set(SyncPolicy.model_fields))


class Confirmed(BaseModel):
    """The number of confirmed deletions; GET /links?held=true lists those that are held back."""

    confirmed: int


class AllPolicies(BaseModel):
    """The settings of every configured store."""

    items: list[PolicyAnswer]


@router.get("", response_model_exclude_unset=True, responses=example({"items": [SETTINGS]}))
async def get_settings(runtime: RuntimeDep) -> AllPolicies:
    """The settings of every module of every configured store."""
    stores = runtime.settings.stores
    return AllPolicies(
        items=[await _read(runtime, store, module) for store in stores for module in Module]
    )


@router.get("/{store}/{module}", response_model_exclude_unset=True, responses=MODULE_ANSWER)
async def get_module_settings(runtime: RuntimeDep, store: str, module: Module) -> PolicyAnswer:
    """The current settings, with defaults, and the author and time of the last change."""
    check_store(runtime, store)
    return await _read(runtime, store, module)


@router.put(
    "/{store}/{module}",
    response_model_exclude_unset=True,
    responses=MODULE_ANSWER | documented(409),
)
async def put_module_settings(
    runtime: RuntimeDep, caller: Admin, store: str, module: Module, change: PolicyChange
) -> PolicyAnswer:
    """Replace the settings, all of which must be named. They apply to all hints that are settled
    from now on. PATCH changes single settings."""
    check_store(runtime, store)
    missing = [name for name in settings_of(module) if name not in change.model_fields_set]
    message = "is missing: PUT replaces all settings, PATCH changes those that it names"
    if missing:
        raise invalid_fields(missing, message)
    return await _change(runtime, caller, store, module, change=change)


@router.patch(
    "/{store}/{module}",
    response_model_exclude_unset=True,
    responses=MODULE_ANSWER | documented(409),
)
async def patch_module_settings(
    runtime: RuntimeDep, caller: Admin, store: str, module: Module, change: PolicyChange
) -> PolicyAnswer:
    """Change the named settings and keep the others."""
    check_store(runtime, store)
    return await _change(runtime, caller, store, module, change=change)


@router.post(
    "/{store}/{module}/confirm-deletions",
    status_code=202,
    responses=example({"confirmed": 12}, status=202) | documented(404),
)
async def confirm_held_deletions(
    runtime: RuntimeDep, caller: Admin, store: str, module: Module
) -> Confirmed:
    """Confirm the deletions that the brake holds back, and requeue them without the brake."""
    check_store(runtime, store)
    confirmed = await confirm_deletions(runtime, store, module)
    log.warning("%s confirmed %d deletions of %s %s", caller.name, confirmed, store, module)
    return Confirmed(confirmed=confirmed)


async def _change(
    runtime: Runtime, caller: Caller, store: str, module: Module, *, change: PolicyChange
) -> PolicyAnswer:
    _check_place(change, store, module)
    chosen = change.chosen
    meaningless = find_inapplicable(module, chosen)
    if meaningless:
        raise invalid([FieldProblem(field=name, message=why) for name, why in meaningless.items()])
    async with transaction(runtime.sessions) as session:
        now = await lock_choice(session, store, module)
        _check_version(change, now)
        policy = SyncPolicy.model_validate(in_force(module, now).model_dump() | chosen)
        await save_policy(session, store, module=module, policy=policy, by=caller.name)
    return await _read(runtime, store, module)


def _check_version(change: PolicyChange, now: SyncSetting | None) -> None:
    """Refuse a change that is based on an older response than the current settings."""
    known = {
        "updated_at": now.updated_at if now else None,
        "updated_by": now.updated_by if now else None,
    }
    if any(
        getattr(change, name) != known[name] for name in known if name in change.model_fields_set
    ):
        raise StaleState(STALE)


async def _read(runtime: Runtime, store: str, module: Module) -> PolicyAnswer:
    async with runtime.sessions() as session:
        chosen = await find_choice(session, store, module)
    policy = in_force(module, chosen)
    return PolicyAnswer(
        store=store,
        module=module,
        updated_at=chosen.updated_at if chosen else None,
        updated_by=chosen.updated_by if chosen else None,
        **{name: getattr(policy, name) for name in settings_of(module)},
    )


def _check_place(change: PolicyChange, store: str, module: Module) -> None:
    """Refuse a body whose store or module differs from the path."""
    wrong = [
        FieldProblem(field=name, message=f"is {given}, but the address says {wanted}")
        for name, given, wanted in (
            ("store", change.store, store),
            ("module", change.module, module),
        )
        if given is not None and given != wanted
    ]
    if wrong:
        raise invalid(wrong)
