"""Runs each benchmark three times and prints the medians: `make bench`."""

import asyncio
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks import mapping, receiver

ROUNDS = 3


def main() -> None:
    table = Table("what", "a second", title=f"median of {ROUNDS}")
    rows: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, rate in (mapping.run() | asyncio.run(receiver.run())).items():
            rows.setdefault(name, []).append(rate)
    for name, rates in rows.items():
        table.add_row(name, f"{median(rates):,.0f}")
    Console().print(table)


main()
