"""Reading and keeping the settings that users chose per store and module."""

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.policies.countries import is_country
from app.policies.models import SyncSetting
from app.policies.schemas import SyncPolicy, defaults_of, find_meaningless, settings_of
from app.records import Module


async def get_policy(session: AsyncSession, store: str, module: Module) -> SyncPolicy:
    """The settings in force: the defaults, and over them what was chosen."""
    chosen = await session.get(SyncSetting, (store, module))
    return in_force(module, chosen)


def in_force(module: Module, chosen: SyncSetting | None) -> SyncPolicy:
    """What means nothing for the module counts for nothing, for earlier versions took it."""
    defaults = defaults_of(module)
    if chosen is None:
        return defaults
    known = set(settings_of(module))
    values = {name: value for name, value in chosen.values.items() if name in known}
    for name in find_meaningless(module, values):
        del values[name]
    if not is_country(values.get("tax_country", "")):  # any two letters were taken once
        values.pop("tax_country", None)
    return SyncPolicy.model_validate(defaults.model_dump() | values)


async def lock_choice(session: AsyncSession, store: str, module: Module) -> SyncSetting | None:
    """What was chosen, which nobody else changes until the transaction ends."""
    name = f"settings:{store}:{module}"
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
    return await session.get(SyncSetting, (store, module), populate_existing=True)


async def find_choice(session: AsyncSession, store: str, module: Module) -> SyncSetting | None:
    """What was chosen, by whom and when; None while the defaults hold."""
    return await session.get(SyncSetting, (store, module))


async def save_policy(
    session: AsyncSession, store: str, *, module: Module, policy: SyncPolicy, by: str
) -> None:
    """Keep what differs from the defaults: a better default reaches those who never chose."""
    defaults = defaults_of(module).model_dump(mode="json")
    chosen = policy.model_dump(mode="json")
    values = {name: value for name, value in chosen.items() if value != defaults[name]}
    row = {"values": values, "updated_at": func.now(), "updated_by": by}
    statement = insert(SyncSetting).values(store=store, module=module, **row)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["store", "module"], set_=row)
    )
