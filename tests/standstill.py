"""A database that stands still: it keeps its connections, takes new ones, and says nothing.

Nothing that it was sent is lost meanwhile: it goes on where it stopped.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url


@dataclass(slots=True)
class Standstill:
    """Stands between the service and its database, whose `address` goes through it."""

    address: str
    _goes: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        self._goes.clear()

    def end(self) -> None:
        self._goes.set()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self._goes.wait()
                writer.write(data)
                await writer.drain()
            await self._goes.wait()
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def standing_between(address: str) -> AsyncIterator[Standstill]:
    """A way to the database that can be made to stand still."""
    target = conninfo_to_dict(address)
    host, port = str(target["host"]), str(target.get("port") or 5432)
    tasks: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if host.startswith("/"):
            there = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            there = await asyncio.open_connection(host, int(port))
        for source, sink in ((reader, there[1]), (there[0], writer)):
            tasks.add(asyncio.create_task(between.pass_on(source, sink)))

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    place = server.sockets[0].getsockname()
    url = make_url(address).set(host=place[0], port=place[1], query={})
    between = Standstill(url.render_as_string(hide_password=False))
    between.end()
    try:
        yield between
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
