"""`kill -9` at each named step of a hint's way: after a restart the person is there once, nothing
acknowledged is lost, and every hint has its row."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from app.db.migrate import pending
from app.domain import DeliveryState
from app.inbox.repository import CHANNEL
from tests.acceptance.process import Process, running, wait_until
from tests.acceptance.town import Town, open_town
from tests.setting import TOKEN
from tests.world import World

pytestmark = pytest.mark.anyio

LONG = 120.0
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database IS NOT NULL"
BUSY = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"

Reached = Callable[[], Awaitable[bool]]
Step = Callable[[Town], AbstractAsyncContextManager[Reached]]


@asynccontextmanager
async def _locked(town: Town, table: str) -> AsyncIterator[Reached]:
    """The step waits for a table that somebody else has; reached as soon as it does."""
    async with await psycopg.AsyncConnection.connect(town.database_url) as holder:
        lock = sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.Identifier(table))
        await holder.execute(lock)

        async def reached() -> bool:
            row = await (await holder.execute(WAITING)).fetchone()
            return bool(row and row[0])

        yield reached
        await holder.rollback()


@asynccontextmanager
async def _before_the_commit(town: Town) -> AsyncIterator[Reached]:
    async with _locked(town, "deliveries") as reached:
        yield reached


@asynccontextmanager
async def _before_the_row(town: Town) -> AsyncIterator[Reached]:
    """The remote has done its part; neither link nor row is written."""
    async with _locked(town, "sync_log") as reached:
        yield reached


@asynccontextmanager
async def _after_the_commit(town: Town) -> AsyncIterator[Reached]:
    """The notification comes with the commit, at about the time of the answer."""
    async with await psycopg.AsyncConnection.connect(
        town.database_url, autocommit=True
    ) as listener:
        await listener.execute(f"LISTEN {CHANNEL}")

        async def reached() -> bool:
            heard = [each async for each in listener.notifies(timeout=0.1, stop_after=1)]
            return bool(heard)

        yield reached


@asynccontextmanager
async def _hanging(
    town: Town, method: str, text: str, *, after_write: bool = False
) -> AsyncIterator[Reached]:
    faults = town.world.sandbox.crm_faults
    faults.hang(method, text, seconds=LONG, after_write=after_write)
    before = faults.hits

    async def reached() -> bool:
        return faults.hits > before

    yield reached
    faults.clear()


@asynccontextmanager
async def _after_the_claim(town: Town) -> AsyncIterator[Reached]:
    async with _hanging(town, "GET", "operation=query") as reached:
        yield reached


@asynccontextmanager
async def _in_the_call(town: Town) -> AsyncIterator[Reached]:
    async with _hanging(town, "POST", "operation=create") as reached:
        yield reached


@asynccontextmanager
async def _after_the_write(town: Town) -> AsyncIterator[Reached]:
    async with _hanging(town, "POST", "operation=create", after_write=True) as reached:
        yield reached


@asynccontextmanager
async def _in_the_addons_call(town: Town) -> AsyncIterator[Reached]:
    town.world.sandbox.crm.install_addon()
    async with _hanging(town, "POST", "operation=woosync_save") as reached:
        yield reached


@asynccontextmanager
async def _after_the_addons_write(town: Town) -> AsyncIterator[Reached]:
    town.world.sandbox.crm.install_addon()
    async with _hanging(town, "POST", "operation=woosync_save", after_write=True) as reached:
        yield reached


STEPS = {
    "before the hint is committed": _before_the_commit,
    "after the commit, about the answer": _after_the_commit,
    "after the claim": _after_the_claim,
    "in the middle of the call": _in_the_call,
    "after the write, before it is noted": _after_the_write,
    "in the middle of the add-on's call": _in_the_addons_call,
    "after the add-on's write, before it is noted": _after_the_addons_write,
    "before the row is written": _before_the_row,
}


async def _die_at(
    town: Town,
    step: Step,
    begin: Callable[[], Awaitable[object]],
    *,
    politely: bool = False,
) -> None:
    """The service is killed when it has come to the step that `begin` leads to."""
    async with town.service() as process, step(town) as reached:
        await begin()
        await wait_until(town.database_url, reached, "the step")
        if politely:
            process.inner.send_signal(signal.SIGTERM)
            await wait_until(town.database_url, _stops(process), "a service that stops")
        await process.kill()


def _stops(process: Process) -> Reached:
    """It was told to stop, and works on: what it has in hand hangs."""

    async def stops() -> bool:
        return process.inner.returncode is None

    return stops


async def _register(town: Town) -> str:
    return await town.world.customer("zoe@shop.example", last_name="M")


async def _faults(world: World) -> list[str]:
    deliveries = await world.deliveries()
    return [
        *(await world.people()).faults(),
        *(f"{each.id} is {each.state}" for each in deliveries if each.state != DeliveryState.DONE),
        *(f"{each.id} has no row" for each in deliveries if each.sync_log_id is None),
        *([] if len(world.contacts()) == 1 else [f"{len(world.contacts())} contacts"]),
    ]


@pytest.mark.faults
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_a_death_at(emptied_database_url: str, tmp_path: Path, step: Step) -> None:
    async with open_town(emptied_database_url, tmp_path) as town:
        await _die_at(town, step, lambda: _register(town))
        async with town.service():
            await town.come_to_rest()
        assert await _faults(town.world) == []


async def test_a_death_after_the_write(emptied_database_url: str, tmp_path: Path) -> None:
    """The step at which most would be doubled."""
    async with open_town(emptied_database_url, tmp_path) as town:
        await _die_at(town, _after_the_write, lambda: _register(town))
        async with town.service():
            await town.come_to_rest()
        assert await _faults(town.world) == []


@pytest.mark.faults
async def test_a_death_at_shutdown(emptied_database_url: str, tmp_path: Path) -> None:
    """Told to stop while a call hangs, and killed before it has stopped."""
    async with open_town(emptied_database_url, tmp_path) as town:
        await _die_at(town, _in_the_call, lambda: _register(town), politely=True)
        async with town.service():
            await town.come_to_rest()
        assert await _faults(town.world) == []


@pytest.mark.faults
async def test_a_death_during_a_replay(emptied_database_url: str, tmp_path: Path) -> None:
    async with open_town(emptied_database_url, tmp_path) as town:
        customer_id = await _register(town)
        async with town.service():
            await town.come_to_rest()
        [first, *_] = await town.world.deliveries()

        async def replay() -> None:
            town.world.edit_customer(customer_id, last_name="N")
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
                answer = await client.post(f"{town.url}/deliveries/{first.id}/replay")
            assert answer.status_code == 202, answer.text

        await _die_at(town, lambda town: _hanging(town, "POST", "operation=revise"), replay)
        async with town.service():
            await town.come_to_rest()
        assert await _faults(town.world) == []
        assert town.world.contacts()[0]["lastname"] == "N"


@pytest.mark.faults
async def test_deaths_during_the_migration(empty_database_url: str, tmp_path: Path) -> None:
    """Each as soon as it is at the database, then a little later; the next one goes on."""
    environment = {"DATABASE_URL": empty_database_url}
    for looks in range(1, 6):
        async with running(
            "migrate", environment=environment, log=tmp_path / "migrate.log"
        ) as process:
            at_work = _is_at_work(empty_database_url, process, looks)
            await wait_until(empty_database_url, at_work, "work")
            await process.kill()
    async with running("migrate", environment=environment, log=tmp_path / "last.log") as process:
        assert await process.inner.wait() == 0
    assert not pending(empty_database_url)


def _is_at_work(url: str, process: Process, looks: int) -> Reached:
    """Seen at the database so many times, a tenth of a second apart; or done before."""
    left = looks

    async def at_work() -> bool:
        nonlocal left
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            own = connection.info.backend_pid
            row = await (await connection.execute(BUSY, [own])).fetchone()
        left -= bool(row and row[0] > 1)  # the clock of `wait_until` is there too
        return left <= 0 or process.inner.returncode is not None

    return at_work
