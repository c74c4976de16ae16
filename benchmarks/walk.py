"""What the service goes through for one event: `make walk`.

Each walk is played through the real service on a real database, with both systems simulated, and
every call into `app/` is counted, but none by the simulated systems, whose servers use
`app/http/server.py` as well. Webhooks and callbacks are handed to the application: the service's
own HTTP server is not walked. A coroutine that goes on after it waited counts as called again: it
is a place to which a reader comes back. No figure is a limit: they are there to be compared with
those of another version.
"""

import asyncio
import os
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from uuid import uuid4

from rich.console import Console
from rich.table import Table
from sqlalchemy import select

import app
from app.db.migrate import upgrade
from app.domain import Module, Outcome
from app.inbox.models import Wakeup
from app.modules.context import ensure_setup
from app.sync.pipeline import Dispatcher, drain
from app.sync.polling import poll
from benchmarks.receiver import open_database
from tests.goods import product, rate
from tests.running import run
from tests.statements import counted
from tests.trade import edit, order
from tests.world import World, open_world

APP = str(Path(app.__file__).parent) + os.sep
STATEMENTS = ("transactions", "statements", "commits")
EMAIL = "zoe@shop.example"

_IS_WALKED: ContextVar[bool] = ContextVar("is_walked", default=False)
"""True in what a walk calls and in the tasks that it starts. The servers of the simulated systems
were started before, and run in a context of their own."""


@dataclass(slots=True)
class Walk:
    """What was gone through while `traced`. `sql` counts what the driver's connections do, those of
    the job engine as well."""

    files: Counter[str] = field(default_factory=Counter)
    functions: set[tuple[str, str]] = field(default_factory=set)
    switches: int = 0
    sql: Counter[str] = field(default_factory=Counter)
    remote_calls: int = 0
    _last: str = ""
    _ours: dict[CodeType, str] = field(default_factory=dict)

    def row(self) -> list[int]:
        return [
            len(self.files),
            len(self.functions),
            self.files.total(),
            self.switches,
            *(self.sql[name] for name in STATEMENTS),
            self.remote_calls,
        ]

    @contextmanager
    def traced(self, world: World) -> Iterator[None]:
        world.traffic.reset()
        walked = _IS_WALKED.set(True)
        try:
            with counted() as statements:
                threading.setprofile(self._enter)
                sys.setprofile(self._enter)
                yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            _IS_WALKED.reset(walked)
            self.sql["transactions"] += statements.transactions
            self.sql["statements"] += len(statements.sent)
            self.sql["commits"] += len(statements.commits)
            traffic = world.traffic
            self.remote_calls += traffic.reads.total() + traffic.writes.total()

    def _enter(self, frame: FrameType, happening: str, _: object) -> None:
        if happening != "call" or not _IS_WALKED.get():
            return
        code = frame.f_code
        if (name := self._ours.get(code)) is None:
            name = self._ours[code] = _file_of(code)
        if not name:
            return
        self.files[name] += 1
        self.functions.add((name, code.co_qualname))
        self.switches += name != self._last
        self._last = name


def _file_of(code: CodeType) -> str:
    """The file under `app/`; empty if it is not the service's, or no function of its text."""
    path = code.co_filename
    ours = path.startswith(APP)
    return path.removeprefix(APP) if ours and not code.co_name.startswith("<") else ""


async def order_updated(world: World, walk: Walk) -> None:
    rate(world, "VAT 20", "20.0000")
    mug = product(world, name="Mug", sku="MUG", regular_price="10.00")
    order_id = order(world, (mug, 1))
    await _agree(world)
    edit(world, order_id, status="completed")
    with walk.traced(world):
        await world.sandbox.shop.webhooks.flush()
    await _work(world, walk)


async def customer_updated(world: World, walk: Walk) -> None:
    customer_id = await _pair(world)
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    with walk.traced(world):
        await world.sandbox.shop.webhooks.flush()
    await _work(world, walk)


async def vtiger_callback(world: World, walk: Walk) -> None:
    await _pair(world)
    contact_id = world.contacts()[0]["id"]
    await world.edit_contact(contact_id, mailingcity="Lyon")
    with walk.traced(world):
        await world.call_back({"record_id": contact_id})
    await _work(world, walk)


async def poll_with_a_finding(world: World, walk: Walk) -> None:
    await _edited_unheard(world)
    with walk.traced(world):
        await poll(world.runtime)
    await _work(world, walk)


async def manual_run(world: World, walk: Walk) -> None:
    await _edited_unheard(world)
    with walk.traced(world):
        await run(world, Module.CONTACTS)
    await _work(world, walk)


async def _edited_unheard(world: World) -> None:
    """A customer was edited, and no webhook told of it."""
    customer_id = await _pair(world)
    await poll(world.runtime)
    await world.settle()
    await world.forget_log()
    world.later(300)
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    world.sandbox.shop.webhooks.pending.clear()


async def _pair(world: World) -> str:
    customer_id = await world.customer(EMAIL, last_name="Müller")
    await _agree(world)
    return customer_id


async def _agree(world: World) -> None:
    """Everything so far is synced. Vtiger tells of nothing by itself: each walk is of one event."""
    world.sandbox.crm.workflows.callbacks.clear()
    await ensure_setup(world.runtime)
    await world.settle()
    await world.forget_log()
    world.later()


async def _work(world: World, walk: Walk) -> None:
    """A worker does what waits, without the job engine."""
    with walk.traced(world):
        await Dispatcher(world.runtime).run_once()
    async with world.runtime.sessions() as session:
        woken = select(Wakeup.record_key).where(Wakeup.woken_at.is_not(None))
        keys = (await session.scalars(woken)).all()
    with walk.traced(world):
        for key in keys:
            await drain(world.runtime, key, owner=uuid4().hex)


WALKS: dict[str, Callable[[World, Walk], Awaitable[None]]] = {
    "order.updated": order_updated,
    "customer.updated": customer_updated,
    "Vtiger callback": vtiger_callback,
    "poll with one finding": poll_with_a_finding,
    "manual run": manual_run,
}


async def measure(database_url: str, name: str) -> Walk:
    """One walk in a world of its own; the database is migrated, and empty."""
    walk = Walk()
    async with open_world(database_url) as world:
        await WALKS[name](world, walk)
        told = await world.told()
    if [outcome for _, outcome, _ in told] != [Outcome.UPDATED]:
        raise AssertionError(f"{name} was to end in one update, and ended in {told}")
    return walk


def table_of(walks: dict[str, Walk]) -> Table:
    counted = ("files", "functions", "calls", "switches", *STATEMENTS, "remote calls")
    table = Table(title="what the service goes through; switches are from file to file")
    table.add_column("one", no_wrap=True)
    for name in counted:
        table.add_column(name, justify="right")
    for name, walk in walks.items():
        table.add_row(name, *(f"{number:,}" for number in walk.row()))
    return table


def main() -> None:
    """All walks, or those that the arguments name; with one, its files as well."""
    walks = {}
    for name in sys.argv[1:] or WALKS:
        with open_database() as address:
            upgrade(address)
            walks[name] = asyncio.run(measure(address, name))
    console = Console(width=110)
    console.print(table_of(walks))
    if len(walks) == 1:
        [walk] = walks.values()
        for file, calls in walk.files.most_common():
            console.print(f"{calls:>6} {file}")


if __name__ == "__main__":
    main()
