"""Runs each benchmark three times and prints the medians, or the worst of what must not take
long: `make bench`."""

import asyncio
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks import bodies, mapping, orders, receiver

ROUNDS = 3


def main() -> None:
    table = Table("what", "a second", title=f"median of {ROUNDS}")
    rows: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, rate in (mapping.run() | asyncio.run(receiver.run())).items():
            rows.setdefault(name, []).append(rate)
    for name, rates in rows.items():
        table.add_row(name, f"{median(rates):,.0f}")
    console = Console()
    console.print(table)
    for title, measure in (
        ("the event loop at the worst body of each receiver", bodies.run),
        (f"an order of {orders.LINES:,} lines, step by step", orders.run),
    ):
        busy = Table("what", "milliseconds", title=title)
        times = [measure() for _ in range(ROUNDS)]
        for name in times[0]:
            busy.add_row(name, f"{max(each[name] for each in times):,.1f}")
        console.print(busy)


main()
