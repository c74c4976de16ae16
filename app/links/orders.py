"""Keeping what orders rest on: setup records, and the taxes that products carry in Vtiger."""

from collections.abc import Collection, Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.links.models import CarriedTax, SetupRecord


async def get_setup(session: AsyncSession) -> dict[str, str]:
    """Vtiger id of every setup record that was made, by its key."""
    rows = await session.execute(select(SetupRecord.key, SetupRecord.vtiger_id))
    return {str(key): str(vtiger_id) for key, vtiger_id in rows}


async def save_setup(session: AsyncSession, records: Mapping[str, str]) -> None:
    statement = insert(SetupRecord).values(
        [{"key": key, "vtiger_id": vtiger_id} for key, vtiger_id in sorted(records.items())]
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[SetupRecord.key], set_={"vtiger_id": statement.excluded.vtiger_id}
        )
    )


async def search_carried(
    session: AsyncSession, vtiger_ids: Collection[str]
) -> dict[str, frozenset[str]]:
    """The tax fields of those products and services that were looked at before."""
    rows = await session.execute(
        select(CarriedTax.vtiger_id, CarriedTax.fields).where(CarriedTax.vtiger_id.in_(vtiger_ids))
    )
    return {str(vtiger_id): frozenset(fields) for vtiger_id, fields in rows}


async def save_carried(session: AsyncSession, vtiger_id: str, fields: Collection[str]) -> None:
    statement = insert(CarriedTax).values(vtiger_id=vtiger_id, fields=sorted(fields))
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[CarriedTax.vtiger_id], set_={"fields": statement.excluded.fields}
        )
    )
