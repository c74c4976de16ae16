"""From accepted to settled, at a steady pace of hints, and how workers share the work:
`python -m benchmarks.delay`.

Each hint is a new customer: a look by e-mail, a create in Vtiger, a write of its id to the shop.
Everything runs on this machine, so that at a high rate the simulated systems are slow too.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.crowd import post_alone
from benchmarks.load import Place, open_place

SECONDS = 20
RATES = (10, 30, 100)
LONGEST_SECONDS = 120
WORKERS = (1, 2, 4)
RECORDS = 600
LATENCY_MS = 100
CONCURRENCY = (8, 32)
DELAYS = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM settled_at - received_at)), count(*)
FROM deliveries WHERE settled_at IS NOT NULL
"""


def measure_delay(rate: int) -> list[str]:
    """A row: hints a second offered, those settled, p50 and p99 of accepted to settled."""
    with open_place(customers=rate * SECONDS) as place, place.serve() as (_, port):
        customers = asyncio.run(place.customers(rate * SECONDS))
        sent = asyncio.run(_offer(place, port, customers, rate))
        asyncio.run(place.wait_until_settled(most_seconds=LONGEST_SECONDS))
        [[times, settled]] = place.execute(DELAYS)
    p50, p99 = times or (float("nan"), float("nan"))
    return [str(rate), f"{settled} of {sent}", f"{p50:.2f} s", f"{p99:.2f} s"]


async def _offer(place: Place, port: int, customers: Sequence[dict[str, Any]], rate: int) -> int:
    """Send a webhook for each customer at an even pace; how many were accepted."""
    async with asyncio.TaskGroup() as group:
        tasks, start = [], time.perf_counter()
        for number, customer in enumerate(customers):
            await asyncio.sleep(max(0, start + number / rate - time.perf_counter()))
            body = orjson.dumps(customer)
            tasks.append(group.create_task(post_alone(port, body, place.webhook(body, number))))
    return sum(task.result()[0] == 202 for task in tasks)


def measure_workers(workers: int, concurrency: int) -> float:
    """Records a second that so many worker processes settle, with slow remotes."""
    settings = {
        "WORKER__CONCURRENCY": str(concurrency),
        "HTTP__MAX_CONNECTIONS": str(concurrency),
    }
    with (
        open_place(customers=RECORDS, latency_ms=LATENCY_MS, settings=settings) as place,
        place.serve("--no-worker") as (_, port),
        ExitStack() as stack,
    ):
        customers = asyncio.run(place.customers(RECORDS))
        for _ in range(workers):
            stack.enter_context(place.command("worker", until="runs a worker"))
        start = time.perf_counter()
        asyncio.run(_offer(place, port, customers, rate=RECORDS))
        asyncio.run(place.wait_until_settled(most_seconds=LONGEST_SECONDS))
        return RECORDS / (time.perf_counter() - start)


def main() -> None:
    console = Console()
    table = Table(
        "hints a second", "settled", "p50", "p99", title=f"from accepted to settled, {SECONDS} s"
    )
    for rate in RATES:
        table.add_row(*measure_delay(rate))
    table.caption = f"load {os.getloadavg()[0]:.1f} at the end, {os.cpu_count()} cores"
    console.print(table)
    table = Table(
        "concurrency", "workers", "records a second", "ratio to one",
        title=f"remotes that wait {LATENCY_MS} ms",
    )  # fmt: skip
    for concurrency in CONCURRENCY:
        one = 0.0
        for workers in WORKERS:
            records = measure_workers(workers, concurrency)
            one = one or records
            table.add_row(str(concurrency), str(workers), f"{records:.1f}", f"{records / one:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
