"""What records lack: taken by many at once, in one order."""

import asyncio

import pytest
from sqlalchemy import text

from app.db.session import Sessions, transaction
from app.domain import Module, Record, System
from app.links.repository import save_missing, take_missing
from tests.locks import until_blocked

pytestmark = pytest.mark.anyio

NEED = "main:contacts:woocommerce:7"


def _order(record_id: str) -> Record:
    return Record("main", System.WOOCOMMERCE, Module.SALES_ORDERS, record_id)


async def test_who_takes_what_is_owed_waits_for_others_and_holds_nothing_meanwhile(
    sessions: Sessions, emptied_database_url: str
) -> None:
    """The row that was written last comes first, however PostgreSQL comes upon it."""
    for each in ("2", "1"):
        async with transaction(sessions) as session:
            await save_missing(session, _order(each), [NEED])

    async def take() -> list[Record]:
        async with transaction(sessions) as session:
            for way in ("indexscan", "bitmapscan"):
                await session.execute(text(f"SET LOCAL enable_{way} = off"))
            return list(await take_missing(session, [NEED]))

    async with transaction(sessions) as other:
        await save_missing(other, _order("1"), [NEED])
        taking = asyncio.create_task(take())
        await until_blocked(emptied_database_url)
        await save_missing(other, _order("2"), [NEED])

    await taking
