"""What a shop notices of a crowd of strangers: `python -m benchmarks.strangers`.

The service runs as a process of its own with 1,024 files, a worker inside, and its database in
another process. Webhooks come at a steady pace, first alone, then in the midst of the crowd.
"""

import asyncio
import itertools
import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

import orjson
from rich.console import Console
from rich.table import Table

from app.woocommerce.webhook_delivery import sign
from benchmarks.crowd import peak_memory, post_alone
from benchmarks.receiver import open_database

SECRET = "bench-signing-words-0123456789"  # noqa: S105 (signs nothing but these)
FILES = 1024
PER_SECOND = 20
SECONDS = 20
SECONDS_TO_GATHER = 5
SETTINGS = {
    "API_TOKENS": "bench-token-0123456789-0123456789-ab",
    "STORES__main__URL": "http://127.0.0.1:9",
    "STORES__main__CONSUMER_KEY": "ck_bench_0123456789",
    "STORES__main__CONSUMER_SECRET": "cs_bench_0123456789",
    "STORES__main__WEBHOOK_SECRET": SECRET,
    "VTIGER__URL": "http://127.0.0.1:9",
    "VTIGER__USERNAME": "bench",
    "VTIGER__ACCESS_KEY": "bench-access-0123456789",
    "VTIGER__CALLBACK_SECRET": "bench-callback-0123456789",
}
NUMBERS = itertools.count(1)


@contextmanager
def _service() -> Iterator[tuple[int, int]]:
    """Its process id and port."""
    command = f'ulimit -n {FILES} && exec "$0" -m app serve --port 0'
    with open_database() as address, tempfile.TemporaryDirectory() as folder:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        env = kept | SETTINGS | {"DATABASE_URL": address, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
        with subprocess.Popen(  # noqa: S603 - ours
            ["/bin/sh", "-c", command, sys.executable],
            cwd=folder,
            env=env,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stderr is not None  # noqa: S101 - asked for above
                told = next(line for line in process.stderr if "listens on" in line)
                found = re.search(r"listens on http://[\d.]+:(\d+)", told)
                if found is None:
                    raise RuntimeError(f"no port in {told!r}")
                threading.Thread(target=process.stderr.read, daemon=True).start()
                yield process.pid, int(found[1])
            finally:
                process.kill()


async def _send_steadily(port: int) -> list[tuple[int, float]]:
    async with asyncio.TaskGroup() as group:
        tasks = []
        for _ in range(PER_SECOND * SECONDS):
            body = orjson.dumps({"id": next(NUMBERS), "email": "a@shop.example"})
            headers = {
                "content-type": "application/json",
                "x-wc-webhook-topic": "customer.updated",
                "x-wc-webhook-id": "1",
                "x-wc-webhook-signature": sign(body, SECRET),
            }
            tasks.append(group.create_task(post_alone(port, body, headers)))
            await asyncio.sleep(1 / PER_SECOND)
    return [task.result() for task in tasks]


def _row(found: Sequence[tuple[int, float]]) -> list[str]:
    seconds = sorted(each for _, each in found)
    p95 = seconds[math.ceil(len(seconds) * 0.95) - 1]
    accepted = sum(status == 202 for status, _ in found)
    share = f"{100 * accepted / len(found):.1f} %"
    times = (f"{each * 1000:.0f} ms" for each in (median(seconds), p95))
    return [f"{accepted} of {len(found)}", share, *times]


@contextmanager
def _crowd(port: int) -> Iterator[None]:
    """In a process of its own, so that the shop's clock is not slowed down by it."""
    command = [sys.executable, "-m", "benchmarks.crowd", str(port)]
    with subprocess.Popen(command) as process:  # noqa: S603 - ours
        try:
            yield
        finally:
            process.kill()


async def _measure() -> Table:
    table = Table("webhooks", "accepted", "share", "p50", "p95", "peak of the API's memory")
    with _service() as (pid, port):
        rows = [("alone", _row(await _send_steadily(port)), peak_memory(pid))]
        with _crowd(port):
            await asyncio.sleep(SECONDS_TO_GATHER)
            rows.append(("in the crowd", _row(await _send_steadily(port)), peak_memory(pid)))
    for name, cells, peak in rows:
        table.add_row(name, *cells, f"{peak / 2**20:.0f} MiB")
    table.caption = f"load {os.getloadavg()[0]:.1f} at the end, {time.strftime('%H:%M')}"
    return table


def main() -> None:
    Console().print(asyncio.run(_measure()))


if __name__ == "__main__":
    main()
