"""Reads of a Sync Log of 3,000,000 entries over 700 days, through the API: `python -m
benchmarks.log_reads [entries]`.

For each filter: milliseconds (the least of five requests), and the pages of the database that one
request touches, which do not depend on what else the machine does. Then the summary over five days
and over the five years of which there are totals, and what another entry costs to write."""

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
from asgi_lifespan import LifespanManager
from rich.console import Console
from rich.table import Table
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.config.settings import Settings
from app.db.migrate import upgrade
from app.db.session import transaction
from app.domain import Event, Module, Outcome, System, utc_now
from app.main import create_app
from app.runtime import Runtime
from app.synclog.repository import NewEntry, append
from app.worker.upkeep import compact
from benchmarks.receiver import open_database

ENTRIES = 3_000_000
DAYS = 700
YEARS = 5
WRITTEN = 300
BATCH = 250_000
ROUNDS = 5
TOKEN = "bench-token-of-the-log-0123456789abcdef"  # noqa: S105 (of this benchmark's database)

FILTERS = {
    "store": ("main", "shop-fr", "outlet", "nowhere"),
    "module": ("contacts", "taxes", "none"),
    "target": ("vtiger", "woocommerce"),
    "outcome": ("unchanged", "failed", "deleted"),
    "reason": ("echo", "remote_unavailable", "no_such_reason"),
    "source_id": ("4711", "no-such-id"),
    "target_id": ("12x4711", "no-such-id"),
    "link_id": ("4711", "99999999"),
    "run_id": ("7", "1100", "99999999"),
    "delivery_id": ("99999999",),
    "since": ("2025-06-01", "2199-01-01"),
    "until": ("2025-06-01", "2000-01-01"),
}
ENTRY = NewEntry(
    store="main",
    module=Module.CONTACTS,
    target=System.VTIGER,
    source_id="4711",
    target_id="12x4711",
    link_id=4711,
    event=Event.UPDATED,
    outcome=Outcome.UPDATED,
    reason=None,
    message="Updated the contact 12x4711.",
    attempts=1,
    duration_ms=40,
    label="Ada Lovelace c4711@example.com",
)
WORDS = {
    "a name": "@example.com",
    "an address": "c4711@example.com",
    "an order": "order 4711",
    "part of an id": "12x4711",
    "words of every third entry": "the same values",
    "words of one day long ago": "did not answer within",
    "two letters": "zq",
    "nothing": "no such words at all",
}
PAIRS_WITH_WORDS = ("outcome=failed", "module=taxes", "store=outlet", "run_id=7", "reason=echo")


def main() -> None:
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    with open_database() as address:
        upgrade(address)
        fill(address, entries)
        asyncio.run(measure(address))


def fill(address: str, entries: int) -> None:
    """Make the entries; the index on words is created afterwards, which takes half as long."""
    with psycopg.connect(address, autocommit=True) as connection:
        row = connection.execute("SELECT pg_get_indexdef('ix_sync_log_terms'::regclass)").fetchone()
        connection.execute("DROP INDEX ix_sync_log_terms")
        for first in range(1, entries + 1, BATCH):
            numbers = {"first": first, "last": min(entries, first + BATCH - 1)}
            connection.execute(FILL, {"rows": entries, "days": DAYS} | numbers)
        connection.execute(COUNT)
        connection.execute(EARLIER, {"years": YEARS, "days": DAYS})
        if row is not None:
            connection.execute(row[0])


async def measure(address: str) -> None:
    console = Console()
    async with service(address) as (reader, runtime):
        await compact(runtime)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        for title, queries in (
            ("one filter", [(each, each) for each in singles()]),
            ("more filters: the most that any of their values costs", [*pairs(), *triples()]),
            ("words", [*words()]),
            ("count=true", [(each, f"count=true&{each}") for each in COUNTED]),
        ):
            paths = [(name, f"/sync-log?{query}") for name, query in queries]
            console.print(await reader.measure(title, paths))
        console.print(await reader.measure("totals", [*totals()]))
        written = await write(runtime)
        console.print(f"an entry written in a transaction of its own: {written:.2f} ms")


def totals() -> Iterator[tuple[str, str]]:
    since = quote((utc_now() - timedelta(days=5)).isoformat())
    yield "the summary of five days", f"/sync-log/summary?since={since}"
    yield "the summary of five years", "/sync-log/summary"


async def write(runtime: Runtime) -> float:
    """Milliseconds (median) of a transaction that writes an entry."""
    times = []
    for _ in range(WRITTEN):
        start = time.perf_counter()
        async with transaction(runtime.sessions) as session:
            await append(session, ENTRY, ())
        times.append((time.perf_counter() - start) * 1000)
    return median(times)


COUNTED = ("", "store=main", "outcome=failed", "module=none", "reason=echo")


def singles() -> Iterator[str]:
    yield ""
    for name, values in FILTERS.items():
        yield from (f"{name}={value}" for value in values)


def pairs() -> Iterator[tuple[str, str]]:
    """The names of two filters, and each combination of their values."""
    for first, second in itertools.combinations(FILTERS, 2):
        for one, other in itertools.product(FILTERS[first], FILTERS[second]):
            yield f"{first} & {second}", f"{first}={one}&{second}={other}"


def triples() -> Iterator[tuple[str, str]]:
    names = ("target", "outcome", "module")
    for values in itertools.product(*(FILTERS[name] for name in names)):
        query = "&".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
        yield " & ".join(names), query


def words() -> Iterator[tuple[str, str]]:
    for name, word in WORDS.items():
        yield f"q: {name}", f"q={word}"
        for pair in PAIRS_WITH_WORDS:
            yield f"q: {name} & another", f"q={word}&{pair}"


@asynccontextmanager
async def service(address: str) -> AsyncIterator[tuple["Reader", Runtime]]:
    shop = {"url": "https://shop.example", "consumer_key": "ck_bench"}
    crm = {"url": "https://crm.example", "username": "bench", "access_key": "bench-access"}
    settings = Settings.model_validate(
        {
            "database_url": address,
            "api_tokens": [TOKEN],
            "stores": {
                "main": shop
                | {"consumer_secret": "cs_bench", "webhook_secret": "bench-signing-words"}
            },
            "vtiger": crm | {"callback_secret": "bench-callback-words"},
        }
    )
    app = create_app(settings, worker=False)
    async with (
        LifespanManager(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://service.test",
            headers={"Authorization": f"Bearer {TOKEN}"},
        ) as client,
    ):
        runtime: Runtime = app.state.runtime
        yield Reader(client, runtime.sessions.kw["bind"]), runtime


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of a request, pages that its statements touch, and their number."""

    ms: float
    pages: int
    statements: int


@dataclass(frozen=True, slots=True)
class Reader:
    """Sends requests to a service in this process, and explains their statements."""

    client: httpx.AsyncClient
    engine: AsyncEngine

    async def measure(self, title: str, paths: Sequence[tuple[str, str]]) -> Table:
        """The highest cost of the paths of each name."""
        found: dict[str, list[Cost]] = {}
        for name, path in paths:
            found.setdefault(name, []).append(await self.cost(path))
        table = Table("what", "ms", "pages", "statements", title=title)
        for name, costs in found.items():
            pages, statements = max(each.pages for each in costs), costs[0].statements
            ms = max(each.ms for each in costs)
            table.add_row(name or "no filter", f"{ms:,.1f}", f"{pages:,}", str(statements))
        return table

    async def cost(self, path: str) -> Cost:
        sent: list[tuple[str, Any]] = []

        def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
            if "sync_" in statement:
                sent.append((statement, values))

        event.listen(self.engine.sync_engine, "before_cursor_execute", note)
        (await self.client.get(path)).raise_for_status()
        event.remove(self.engine.sync_engine, "before_cursor_execute", note)
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            await self.client.get(path)
            times.append((time.perf_counter() - start) * 1000)
        pages = [await self._pages(*each) for each in sent]
        return Cost(min(times), sum(pages), len(sent))

    async def _pages(self, statement: str, values: Any) -> int:
        async with self.engine.connect() as connection:
            explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
            [[plan]] = await connection.exec_driver_sql(explain, values)
        top = plan[0]["Plan"]
        return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


FILL = """
INSERT INTO sync_log (occurred_at, store, module, target, source_id, target_id, link_id, event,
    outcome, reason, message, attempts, duration_ms, delivery_count, run_id, label, changes)
SELECT
    now() - (%(rows)s - n) * make_interval(secs => %(days)s * 86400.0 / %(rows)s) AS occurred_at,
    CASE WHEN n < %(rows)s / 50 AND n %% 20 = 0 THEN 'outlet'
        WHEN n %% 5 = 0 THEN 'shop-fr' ELSE 'main' END,
    module,
    CASE WHEN (n / 7) %% 10 < 7 THEN 'vtiger' ELSE 'woocommerce' END,
    CASE WHEN (n / 7) %% 10 < 7 THEN '' ELSE '12x' END || record,
    CASE WHEN (n / 7) %% 10 < 7 THEN '12x' ELSE '' END || record,
    record,
    'updated',
    outcome,
    CASE outcome
        WHEN 'unchanged' THEN CASE WHEN n %% 3 = 0 THEN 'echo' ELSE 'no_difference' END
        WHEN 'skipped' THEN (ARRAY['filtered', 'direction_off', 'draft', 'module_off'])[1 + n %% 4]
        WHEN 'failed' THEN CASE WHEN n BETWEEN %(rows)s / 3 AND %(rows)s / 3 + 9000
            THEN 'remote_unavailable'
            ELSE (ARRAY['remote_rejected', 'ambiguous_match', 'missing_required_field'])[1 + n %% 3]
            END
    END,
    CASE outcome
        WHEN 'created' THEN 'Created the ' || noun || ' 12x' || record || '.'
        WHEN 'updated' THEN 'Updated the ' || noun || ' 12x' || record || '.'
        WHEN 'unchanged' THEN 'Both systems already have the same values.'
        WHEN 'failed' THEN CASE WHEN n BETWEEN %(rows)s / 3 AND %(rows)s / 3 + 9000
            THEN 'The server of Vtiger did not answer within 30 seconds.'
            ELSE 'Vtiger rejected the ' || noun || ': cf_' || n %% 900 || ' is invalid.' END
        ELSE 'The ' || noun || ' is not synced: its status is not among the selected ones.' END,
    1, 40, 1,
    CASE WHEN n BETWEEN %(rows)s / 10 AND %(rows)s / 6 THEN 7
        WHEN n %% 100 = 0 THEN 1000 + n / 10000 END,
    CASE module
        WHEN 'contacts' THEN initcap(left(md5(record::text), 7)) || ' '
            || initcap(left(md5((record * 7)::text), 9)) || ' c' || record || '@example.com'
        WHEN 'products' THEN 'SKU-' || upper(left(md5(record::text), 8))
        ELSE 'Order ' || record END,
    '[{"field": "phone", "old": "0123 456", "new": "0123 4567", "source": "woocommerce"}]'
FROM (
    SELECT n, 1 + (n::bigint * 7919 %% 90001) AS record,
        (ARRAY['contacts', 'products', 'sales_orders', 'sales_orders', 'sales_orders'])[1 + n %% 5]
            AS module,
        CASE WHEN n %% 1000 = 17 THEN 'deleted'
            WHEN n %% 50 = 1 OR n BETWEEN %(rows)s / 3 AND %(rows)s / 3 + 9000 THEN 'failed'
            WHEN n %% 10 = 2 THEN 'skipped' WHEN n %% 10 < 5 THEN 'unchanged'
            WHEN n %% 10 = 5 THEN 'created' ELSE 'updated' END AS outcome
    FROM generate_series(%(first)s::int, %(last)s::int) AS n
) AS numbered, LATERAL (SELECT replace(rtrim(module, 's'), '_', ' ') AS noun) AS named
"""

COUNT = """
INSERT INTO sync_totals (store, module, target, outcome, hour_at, shard, count)
SELECT store, module, target, outcome, date_trunc('hour', occurred_at, 'UTC'), id % 16, count(*)
FROM sync_log GROUP BY 1, 2, 3, 4, 5, 6
"""

EARLIER = """
INSERT INTO sync_totals (store, module, target, outcome, hour_at, shard, count)
SELECT 'main', module, 'vtiger', outcome, hour, shard, 1
FROM generate_series(
        date_trunc('hour', now(), 'UTC') - make_interval(years => %(years)s),
        date_trunc('hour', now(), 'UTC') - make_interval(days => %(days)s + 1), '1 hour') AS hour,
    unnest(ARRAY['contacts', 'products', 'sales_orders']) AS module,
    unnest(ARRAY['created', 'updated', 'unchanged', 'failed']) AS outcome,
    generate_series(0, 2) AS shard
"""
"""Totals of the time before the entries, which retention has deleted."""

if __name__ == "__main__":
    main()
