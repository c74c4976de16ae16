"""A database that takes no more: neither rows, for its disk is full, nor connections. What was
acknowledged is kept, what was not is refused, and with room all goes on by itself."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import AsyncAdaptedQueuePool

from app.db.embedded import start_embedded
from app.db.migrate import upgrade
from app.db.session import OUTAGES
from app.domain import DeliveryState
from app.sync.polling import poll
from tests.conftest import FAST, RUN_FOLDER
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

FILL = """
CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE disk_full USING MESSAGE = 'could not extend file: No space left on device';
END $$;
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format(
            'CREATE TRIGGER no_space BEFORE INSERT ON %I EXECUTE FUNCTION no_space()', name);
    END LOOP;
END $$
"""
CONNECTIONS = 30


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url) as opened:
        await poll(opened.runtime)
        yield opened


async def answer_to_webhooks(world: World) -> list[int | None]:
    """How the service answers to what the shop has to tell."""
    sent = world.sandbox.shop.webhooks.sent
    sent.clear()
    await world.sandbox.shop.webhooks.flush()
    return [each.status for each in sent]


@asynccontextmanager
async def full_disk(world: World) -> AsyncIterator[None]:
    """No row is added anywhere."""
    await world.execute(FILL)
    yield
    await world.execute("DROP FUNCTION no_space() CASCADE")


async def test_what_cannot_be_stored_is_refused_and_found_later(world: World) -> None:
    async with full_disk(world):
        await world.customer("zoe@shop.example", last_name="M")
        assert set(await answer_to_webhooks(world)) == {503}
    assert await world.deliveries() == []

    world.later(seconds=60)
    await poll(world.runtime)
    await world.settle()
    assert [contact["email"] for contact in world.contacts()] == ["zoe@shop.example"]


async def test_what_was_acknowledged_before_waits_for_room(world: World) -> None:
    await world.customer("zoe@shop.example", last_name="M")
    assert set(await answer_to_webhooks(world)) == {202}
    async with full_disk(world):
        with pytest.raises(OUTAGES):
            await world.step()

    await world.strand()
    await world.settle()
    assert len(world.contacts()) == 1
    assert {each.state for each in await world.deliveries()} == {DeliveryState.DONE}
    assert (await world.people()).faults() == []


@pytest.fixture
def small_server() -> Iterator[str]:
    """A migrated database on a server of its own that takes few connections."""
    home = Path(tempfile.mkdtemp(dir=os.environ[RUN_FOLDER]))
    home.chmod(0o711)
    server = start_embedded(home / "data", {**FAST, "max_connections": str(CONNECTIONS)})
    address = server.ensure_database("woo_vtiger")
    upgrade(address)
    yield address
    server.stop()


@asynccontextmanager
async def all_taken(address: str) -> AsyncIterator[None]:
    """Others have every connection that the server gives."""
    async with AsyncExitStack() as stack:
        with contextlib.suppress(psycopg.OperationalError):
            for _ in range(CONNECTIONS + 1):
                taken = await psycopg.AsyncConnection.connect(address)
                await stack.enter_async_context(taken)
        yield


async def test_a_server_without_a_free_connection(small_server: str) -> None:
    async with open_world(small_server) as world:
        await poll(world.runtime)
        await world.customer("known@shop.example", last_name="K")
        assert set(await answer_to_webhooks(world)) == {202}
        await world.runtime.engine.dispose()
        async with all_taken(small_server):
            await world.customer("zoe@shop.example", last_name="M")
            assert set(await answer_to_webhooks(world)) == {503}
            with pytest.raises(OUTAGES):
                await world.step()

        world.later(seconds=60)
        await poll(world.runtime)
        await world.settle()
        assert len(world.contacts()) == 2
        assert (await world.people()).faults() == []


async def test_a_pool_that_is_used_up_makes_others_wait_their_turn(world: World) -> None:
    """What needs a connection gets the next one that is given back."""
    async with AsyncExitStack() as stack:
        taken = [await stack.enter_async_context(each) for each in connections(world)]
        await world.customer("zoe@shop.example", last_name="M")
        answers = asyncio.create_task(answer_to_webhooks(world))
        await taken[0].execute(text("SELECT pg_sleep(0.1)"))
        assert not answers.done()
        await taken[0].close()
        assert set(await answers) == {202}
    await world.settle()
    assert len(world.contacts()) == 1


def connections(world: World) -> list[AsyncConnection]:
    """As many as the pool gives."""
    pool = world.runtime.engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    return [world.runtime.engine.connect() for _ in range(pool.size() + pool._max_overflow)]
