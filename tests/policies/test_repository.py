"""Settings: defaults until someone chooses, refusals of what nobody can mean."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.db.session import Sessions, transaction
from app.policies.models import SyncSetting
from app.policies.repository import get_policy, save_policy
from app.policies.schemas import SyncPolicy
from app.records import DeletePolicy, Direction, Module

pytestmark = pytest.mark.anyio

CHOSEN = SyncPolicy(
    direction=Direction.WOO_TO_VTIGER,
    delete_policy=DeletePolicy.PROPAGATE,
    roles=("customer", "subscriber"),
)


async def read(sessions: Sessions, store: str, module: Module) -> SyncPolicy:
    async with sessions() as session:
        return await get_policy(session, store, module)


async def save(sessions: Sessions, module: Module, policy: SyncPolicy) -> None:
    async with transaction(sessions) as session:
        await save_policy(session, "main", module=module, policy=policy, by="ada")


async def test_every_module_is_on_until_someone_chooses(sessions: Sessions) -> None:
    for module in Module:
        assert await read(sessions, "main", module) == SyncPolicy()
        assert (await read(sessions, "main", module)).enabled


async def test_a_choice_holds_for_its_store_and_module_alone(sessions: Sessions) -> None:
    await save(sessions, Module.CONTACTS, CHOSEN)
    assert await read(sessions, "main", Module.CONTACTS) == CHOSEN
    assert await read(sessions, "shop-fr", Module.CONTACTS) == SyncPolicy()


async def test_a_later_choice_replaces_the_earlier(sessions: Sessions) -> None:
    await save(sessions, Module.CONTACTS, CHOSEN)
    await save(sessions, Module.CONTACTS, SyncPolicy(enabled=False))
    assert await read(sessions, "main", Module.CONTACTS) == SyncPolicy(enabled=False)


async def test_only_what_differs_from_the_defaults_is_kept(sessions: Sessions) -> None:
    await save(sessions, Module.CONTACTS, SyncPolicy(direction=Direction.OFF))
    async with sessions() as session:
        kept = await session.get_one(SyncSetting, ("main", "contacts"))
    assert (kept.values, kept.updated_by) == ({"direction": "off"}, "ada")


@pytest.mark.parametrize(
    "values",
    [
        {"direction": "import"},
        {"conflict_polcy": "ask"},
        {"roles": [""]},
        {"roles": ["a b"]},
        {"enabled": "perhaps"},
    ],
)
def test_a_mistaken_setting_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SyncPolicy.model_validate(values)


def test_every_setting_has_a_default_and_a_description() -> None:
    for name, field in SyncPolicy.model_fields.items():
        assert not field.is_required(), name
        assert field.description, name
