"""Processes for benchmarks of the whole service: both simulated systems, the API and workers, and
a shop that sends its customers' webhooks."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg

from app.woocommerce.requests import OAuth1QueryAuth
from app.woocommerce.webhook_delivery import sign
from benchmarks.receiver import open_database

TOKEN = "bench-token-0123456789-0123456789-ab"  # noqa: S105 (of a database that is thrown away)
SETTINGS = {
    "API_TOKENS": TOKEN,
    "SYNC__POLL_INTERVAL": "3600",
    "VTIGER__CALLBACK_SECRET": "bench-callback-0123456789",
    "HTTP__CALLS_PER_SECOND": "10000",
}
PAGE = 100
OPEN = "SELECT count(*) FROM deliveries WHERE settled_at IS NULL"


@dataclass(frozen=True, slots=True)
class Place:
    """`address` of the database, `environment` of the service's processes with the addresses and
    credentials of both systems, and the folder that commands run in."""

    address: str
    environment: Mapping[str, str]
    folder: str

    @contextmanager
    def command(self, *arguments: str, until: str) -> Iterator[tuple[int, str]]:
        """Run a command of the service; its process id, and the line that contains `until`."""
        with _running(arguments, self.environment, self.folder, until) as found:
            yield found

    @contextmanager
    def serve(self, *options: str) -> Iterator[tuple[int, int]]:
        """The API; its process id and port."""
        with self.command("serve", "--port", "0", *options, until="listens on") as (pid, line):
            found = re.search(r"listens on http://[\d.]+:(\d+)", line)
            if found is None:
                raise RuntimeError(f"no port in {line!r}")
            yield pid, int(found[1])

    async def customers(self, count: int) -> list[dict[str, Any]]:
        """The first of the shop's customers, as its webhooks show them."""
        auth = OAuth1QueryAuth(self._of_shop("CONSUMER_KEY"), self._of_shop("CONSUMER_SECRET"))
        found: list[dict[str, Any]] = []
        async with httpx.AsyncClient(auth=auth, trust_env=False) as client:
            for page in range(1, -(-count // PAGE) + 1):
                answer = await client.get(
                    f"{self._of_shop('URL')}/wp-json/wc/v3/customers",
                    params={"per_page": PAGE, "page": page, "orderby": "id", "order": "asc"},
                )
                found += answer.raise_for_status().json()
        return found[:count]

    def webhook(self, body: bytes, number: int) -> dict[str, str]:
        """The header fields of a customer's webhook."""
        return {
            "content-type": "application/json",
            "x-wc-webhook-topic": "customer.updated",
            "x-wc-webhook-resource": "customer",
            "x-wc-webhook-event": "updated",
            "x-wc-webhook-id": "1",
            "x-wc-webhook-delivery-id": f"{number:032x}",
            "x-wc-webhook-signature": sign(body, self._of_shop("WEBHOOK_SECRET")),
        }

    def _of_shop(self, name: str) -> str:
        return self.environment[f"STORES__main__{name}"]

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run SQL beside the service."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    async def wait_until_settled(self, *, most_seconds: float) -> float:
        """Wait until nothing is open; how long that took, in seconds."""
        start = time.perf_counter()
        async with await psycopg.AsyncConnection.connect(self.address, autocommit=True) as database:
            while time.perf_counter() - start < most_seconds:
                [[count]] = await (await database.execute(OPEN)).fetchall()
                if not count:
                    break
                await asyncio.sleep(0.05)
        return time.perf_counter() - start


@contextmanager
def open_place(
    *, customers: int = 0, latency_ms: int = 0, settings: Mapping[str, str] | None = None
) -> Iterator[Place]:
    """A database, and both systems in a process of their own; nothing of the service runs yet."""
    with ExitStack() as stack:
        address = stack.enter_context(open_database())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        data = Path(folder) / "shop.json"
        data.write_bytes(
            orjson.dumps({"customers": [_customer(n) for n in range(1, customers + 1)]})
        )
        options = ("--port", "0", "--json", "--shop-data", str(data), "--latency", str(latency_ms))
        sandbox = _running(("sandbox", *options), {}, folder, "{")
        _, line = stack.enter_context(sandbox)
        known = orjson.loads(line)
        environment = SETTINGS | {"DATABASE_URL": address}
        for name, text in known["woocommerce"].items():
            environment[f"STORES__main__{name.upper()}"] = text
        for name, text in known["vtiger"].items():
            environment[f"VTIGER__{name.upper()}"] = text
        environment |= dict(settings or {})
        yield Place(address, environment, folder)


def _customer(number: int) -> dict[str, Any]:
    address = {
        "first_name": "Ann",
        "last_name": f"Example {number}",
        "address_1": f"{number} High Street",
        "city": "Springfield",
        "postcode": "12345",
        "country": "US",
        "state": "IL",
    }
    return {
        "id": number,
        "email": f"customer{number}@shop.example",
        "role": "customer",
        "first_name": "Ann",
        "last_name": f"Example {number}",
        "billing": address,
        "shipping": address,
    }


@contextmanager
def _running(
    arguments: Iterable[str], environment: Mapping[str, str], folder: str, until: str
) -> Iterator[tuple[int, str]]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = kept | dict(environment) | {"PYTHONPATH": os.getcwd()}  # noqa: PTH109
    with subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-m", "app", *arguments],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - asked for above
            said = []
            for line in process.stdout:
                said.append(line)
                if until in line:
                    break
            else:
                raise RuntimeError(f"it ended: {''.join(said)}")
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield process.pid, line
        finally:
            process.terminate()
