"""What a backlog costs: `python -m benchmarks.backlog`.

A look of the dispatch with 0, 10,000 and 100,000 records waiting; with 200,000 the pace of accepted
webhooks against that with none, and how long a new record's hint takes to be settled. The records
that wait are due, and do not exist in the shop.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import orjson
import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.db.opening import libpq_url, sqlalchemy_url
from app.queue import RetryStrategy, open_jobs, top_up
from benchmarks.accept import WARM_UP, send_all
from benchmarks.crowd import peak_memory, post_alone
from benchmarks.load import Place, open_place
from benchmarks.strangers import SECRET

WAITING = (0, 10_000, 100_000)
BACKLOG = 200_000
ROUNDS = 5
ACCEPTED = 6000
REMEMBERED = 100_000
NEW = 10
LONGEST_SECONDS = 60
FILL = """
INSERT INTO deliveries (origin, store, system, module, kind, event, record_id, record_key,
    dedupe_key)
SELECT 'webhook', 'main', 'woocommerce', 'contacts', 'customer', 'updated', number,
    'main:contacts:woocommerce:' || number, 'bench:' || number
FROM generate_series(1000001, 1000000 + %s) AS number
"""
TAKEN = """
SELECT extract(epoch FROM settled_at - received_at) FROM deliveries
WHERE record_id::bigint <= 1000000 AND settled_at IS NOT NULL
"""


def measure_dispatch() -> dict[int, float]:
    """Milliseconds of a look that finds jobs for four records, by the number that waits."""
    times = {}
    for waiting in WAITING:
        with _backlog(waiting) as place:
            times[waiting] = asyncio.run(_look(place.address))
    return times


async def _look(address: str) -> float:
    engine = create_async_engine(sqlalchemy_url(address))
    seconds = []
    async with open_jobs(libpq_url(address)).open_async() as jobs, AsyncSession(engine) as session:
        for _ in range(ROUNDS):
            start = time.perf_counter()
            await top_up(jobs, session, RetryStrategy(8.0, 3 * 86_400.0), ahead=4)
            seconds.append(time.perf_counter() - start)
            await session.rollback()
    await engine.dispose()
    return median(seconds) * 1000


def measure_accept() -> tuple[float, float]:
    """Webhooks a second accepted with 200,000 waiting, as a ratio to those with none; and the peak
    of the API's memory in MiB after 100,000."""
    ratios = []
    with _backlog(0) as empty, _backlog(BACKLOG) as full:
        for _ in range(ROUNDS):
            rates = []
            for place in (empty, full):
                with place.serve("--no-worker") as (_, port):
                    rates.append(uvloop.run(send_all(port, WARM_UP, ACCEPTED)))
            ratios.append(rates[1] / rates[0])
        with full.serve("--no-worker") as (pid, port):
            uvloop.run(send_all(port, 0, REMEMBERED))
            peak = peak_memory(pid)
    return median(ratios), peak / 2**20


def measure_new_hints() -> list[float]:
    """Seconds from accepted to settled of new customers' hints, one after the other, while 200,000
    records wait."""
    with _backlog(BACKLOG, customers=NEW) as place, place.serve() as (_, port):
        asyncio.run(_send_one_by_one(place, port))
        rows = place.execute(TAKEN)
    return sorted(float(seconds) for (seconds,) in rows)


async def _send_one_by_one(place: Place, port: int) -> None:
    for number, customer in enumerate(await place.customers(NEW)):
        body = orjson.dumps(customer)
        await post_alone(port, body, place.webhook(body, number))
        await asyncio.sleep(1)
    for _ in range(LONGEST_SECONDS):
        if len(place.execute(TAKEN)) == NEW:
            return
        await asyncio.sleep(1)


@contextmanager
def _backlog(waiting: int, *, customers: int = 0) -> Iterator[Place]:
    """Both systems and a migrated database in which so many records wait."""
    settings = {"STORES__main__WEBHOOK_SECRET": SECRET}
    with open_place(customers=customers, settings=settings) as place:
        with place.command("migrate", until=""):
            pass
        place.execute(FILL, waiting)
        place.execute("ANALYZE")
        yield place


def main() -> None:
    table = Table("what", "figure", title=f"a backlog of {BACKLOG:,}, if not said otherwise")
    for waiting, milliseconds in measure_dispatch().items():
        table.add_row(f"a look of the dispatch, {waiting:,} waiting", f"{milliseconds:.1f} ms")
    ratio, peak = measure_accept()
    table.add_row("webhooks accepted, ratio to those with none waiting", f"{ratio:.2f}")
    table.add_row(f"peak of the API's memory after {REMEMBERED:,} webhooks", f"{peak:.0f} MiB")
    taken = measure_new_hints()
    table.add_row(f"settled of {NEW} new hints", str(len(taken)))
    table.add_row("slowest of them, accepted to settled", f"{taken[-1]:.2f} s")
    table.caption = f"load {os.getloadavg()[0]:.1f} at the end, {os.cpu_count()} cores"
    Console().print(table)


if __name__ == "__main__":
    main()
