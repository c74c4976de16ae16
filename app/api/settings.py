"""GET and PUT /settings: how each module of each store is synced."""

import logging

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from app.api.deps import Admin, Guard, RuntimeDep, no_query
from app.api.errors import FieldProblem, documented, invalid, not_found
from app.api.examples import SETTINGS, example
from app.db.session import transaction
from app.policies.repository import get_policy, save_policy
from app.policies.schemas import SyncPolicy
from app.policies.tokens import Scope
from app.records import Module
from app.runtime import Runtime
from app.sync.brake import confirm_deletions

logger = logging.getLogger(__name__)

router = APIRouter(
    prefix="/settings",
    tags=["Settings"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(no_query)],
    responses=documented(401, 403, 422),
)


class StorePolicy(SyncPolicy):
    """The settings in force for one module of one store."""

    store: str
    module: Module


class PolicyChange(SyncPolicy):
    """New settings; what is left out goes back to its default. Place names must fit the path."""

    store: str | None = None
    module: Module | None = None


class Confirmed(BaseModel):
    """How many deletions go on; GET /links?held=true shows those that wait."""

    confirmed: int


class AllPolicies(BaseModel):
    """The settings of every configured store."""

    items: list[StorePolicy]


@router.get("", responses=example({"items": [SETTINGS]}))
async def get_settings(runtime: RuntimeDep) -> AllPolicies:
    """Every module of every configured store."""
    stores = runtime.settings.stores
    return AllPolicies(
        items=[await _read(runtime, store, module) for store in stores for module in Module]
    )


@router.get("/{store}/{module}", responses=example(SETTINGS) | documented(404))
async def get_module_settings(runtime: RuntimeDep, store: str, module: Module) -> StorePolicy:
    """The settings in force, defaults included."""
    _check_store(runtime, store)
    return await _read(runtime, store, module)


@router.put("/{store}/{module}", responses=example(SETTINGS) | documented(404))
async def put_module_settings(
    runtime: RuntimeDep, caller: Admin, store: str, module: Module, change: PolicyChange
) -> StorePolicy:
    """Replace the settings; hints that are settled from now on go by them."""
    _check_store(runtime, store)
    _check_place(change, store, module)
    chosen = change.model_dump(exclude_unset=True, exclude={"store", "module"})
    policy = SyncPolicy.model_validate(SyncPolicy().model_dump() | chosen)
    async with transaction(runtime.sessions) as session:
        await save_policy(session, store, module=module, policy=policy, by=caller.name)
    return await _read(runtime, store, module)


@router.post(
    "/{store}/{module}/confirm-deletions",
    status_code=202,
    responses=example({"confirmed": 12}, status=202) | documented(404),
)
async def confirm_held_deletions(
    runtime: RuntimeDep, caller: Admin, store: str, module: Module
) -> Confirmed:
    """Deletions that the brake holds back are meant: bring them up again, past the brake."""
    _check_store(runtime, store)
    confirmed = await confirm_deletions(runtime, store, module)
    logger.warning("%s confirmed %d deletions of %s %s", caller.name, confirmed, store, module)
    return Confirmed(confirmed=confirmed)


async def _read(runtime: Runtime, store: str, module: Module) -> StorePolicy:
    async with runtime.sessions() as session:
        policy = await get_policy(session, store, module)
    return StorePolicy(store=store, module=module, **policy.model_dump())


def _check_store(runtime: Runtime, store: str) -> None:
    if store not in runtime.settings.stores:
        raise not_found(f"store {store}")


def _check_place(change: PolicyChange, store: str, module: Module) -> None:
    """A body that was read from elsewhere is a slip, not a wish."""
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
