"""Settings: defaults until someone chooses, refusals of what nobody can mean."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from app.db.session import Sessions, transaction
from app.domain import DeletePolicy, Direction, Module
from app.policies.models import SyncSetting
from app.policies.repository import (
    SyncPolicy,
    defaults_of,
    find_inapplicable,
    get_policy,
    save_policy,
    settings_of,
)

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
        assert await read(sessions, "main", module) == defaults_of(module)
        assert (await read(sessions, "main", module)).enabled


async def test_a_choice_holds_for_its_store_and_module_alone(sessions: Sessions) -> None:
    await save(sessions, Module.CONTACTS, CHOSEN)
    assert await read(sessions, "main", Module.CONTACTS) == CHOSEN
    assert await read(sessions, "shop-fr", Module.CONTACTS) == defaults_of(Module.CONTACTS)


async def test_a_later_choice_replaces_the_earlier(sessions: Sessions) -> None:
    await save(sessions, Module.CONTACTS, CHOSEN)
    await save(sessions, Module.CONTACTS, SyncPolicy(enabled=False))
    assert await read(sessions, "main", Module.CONTACTS) == SyncPolicy(enabled=False)


async def test_only_what_differs_from_the_defaults_is_kept(sessions: Sessions) -> None:
    await save(
        sessions,
        Module.CONTACTS,
        defaults_of(Module.CONTACTS).model_copy(update={"direction": Direction.OFF}),
    )
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


async def test_what_means_nothing_for_a_module_counts_for_nothing(sessions: Sessions) -> None:
    """As an earlier version, which took all settings for every module, may have left it."""
    row = SyncSetting(store="main", module="taxes", updated_by="ada")
    row.values = {"guests": "skip", "enabled": False, "delete_policy": "deactivate"}
    row.updated_at = datetime.now(UTC)
    async with transaction(sessions) as session:
        session.add(row)
    policy = await read(sessions, "main", Module.TAXES)
    assert (policy.enabled, policy.guests) == (False, "contact_per_email")
    assert find_inapplicable(Module.TAXES, {"delete_policy": policy.delete_policy}) == {}


def test_every_setting_is_one_of_some_module_and_no_default_is_meaningless() -> None:
    named = {name for module in Module for name in settings_of(module)}
    assert named == set(SyncPolicy.model_fields)
    for module in Module:
        defaults = defaults_of(module).model_dump(include=set(settings_of(module)))
        assert find_inapplicable(module, defaults) == {}


def test_contacts_become_customers_only_where_somebody_wants_it() -> None:
    assert defaults_of(Module.CONTACTS).create_in_shop == "with_orders"
    assert not any(defaults_of(module).from_other_shops for module in Module)
