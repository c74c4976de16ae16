"""Webhooks over real connections, committed before they are answered: the service against two
others, `python -m benchmarks.accept`.

`b` only verifies and parses and stores nothing; `naive` stores each webhook in a transaction of its
own. Each server is a process of its own, as are its clients and the database.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from statistics import median
from typing import cast

import orjson
import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.opening import sqlalchemy_url
from app.woocommerce.webhook_delivery import sign
from benchmarks.receiver import open_database
from benchmarks.strangers import SECRET, SETTINGS

CLIENTS = 32
DELIVERIES = 6000
WARM_UP = 500
ROUNDS = 3
BODY_BYTES = 6000
HOOK = "/webhooks/woocommerce/main"
SERVICE = ("-m", "app", "serve", "--no-worker", "--port")
STAND_IN = ("-m", "benchmarks.accept", "serve")
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
NUMBERS = itertools.count(1)


def measure() -> dict[str, float]:
    """Webhooks a second of each, and the ratios to `b`; medians of rounds that alternate."""
    rates: dict[str, list[float]] = {}
    with open_database() as address, tempfile.TemporaryDirectory() as folder:
        commands = {
            "b: FastAPI, verify and parse": (*STAND_IN, "b"),
            "naive: FastAPI, a commit a request": (*STAND_IN, "naive"),
            "service: 202 after the commit": SERVICE,
        }
        for _ in range(ROUNDS):
            for name, command in commands.items():
                with _server(command, address, folder) as port:
                    rates.setdefault(name, []).append(
                        uvloop.run(send_all(port, WARM_UP, DELIVERIES))
                    )
    found = {name: median(each) for name, each in rates.items()}
    [b, *others] = rates.values()
    ratios = (median(x / y for x, y in zip(each, b, strict=True)) for each in others)
    return found | dict(zip(("naive / b", "service / b"), ratios, strict=True))


@contextmanager
def _server(command: tuple[str, ...], address: str, folder: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= SETTINGS | {"DATABASE_URL": address, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    with (
        tempfile.TemporaryFile() as told,
        subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, *command, str(port)], cwd=folder, env=env, stderr=told
        ) as process,
    ):
        try:
            _await_port(port)
            yield port
        finally:
            process.terminate()


def _await_port(port: int) -> None:
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens on port {port}")


class _Client(asyncio.Protocol):
    """One connection that stays open, and sends a request as soon as the last one is answered."""

    def __init__(self, requests: Iterator[bytes], ended: asyncio.Future[None]) -> None:
        self._requests = requests
        self._ended = ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._send()

    def _send(self) -> None:
        self._answer = b""
        request = next(self._requests, None)
        if request is not None:
            self._transport.write(request)
            return
        self._transport.close()
        self._ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, _, body = self._answer.partition(b"\r\n\r\n")
        size = LENGTH.search(head)
        if size is None or len(body) < int(size[1]):
            return
        if head.startswith(b"HTTP/1.1 202"):
            self._send()
            return
        self._ended.set_exception(AssertionError(f"answered {self._answer!r}"))
        self._transport.abort()


async def send_all(port: int, warm_up: int, deliveries: int) -> float:
    """Send new webhooks over 32 connections; how many a second were accepted after the first."""
    if warm_up:
        await _send(port, warm_up)
    return await _send(port, deliveries)


async def _send(port: int, deliveries: int) -> float:
    requests = iter([_request(next(NUMBERS)) for _ in range(deliveries)])
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(CLIENTS)]
    start = time.perf_counter()
    for end in ends:
        await loop.create_connection(partial(_Client, requests, end), "127.0.0.1", port)
    await asyncio.gather(*ends)
    return deliveries / (time.perf_counter() - start)


def _request(number: int) -> bytes:
    body = orjson.dumps({"id": number, "status": "processing", "x": "y" * BODY_BYTES})
    fields = {
        "host": "127.0.0.1",
        "user-agent": "WooCommerce/9.4.2 Hookshot (WordPress/6.7)",
        "accept-encoding": "deflate, gzip, br",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-wc-webhook-source": "https://shop.example/",
        "x-wc-webhook-topic": "order.updated",
        "x-wc-webhook-resource": "order",
        "x-wc-webhook-event": "updated",
        "x-wc-webhook-id": "1",
        "x-wc-webhook-delivery-id": f"{number:032x}",
        "x-wc-webhook-signature": sign(body, SECRET),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {HOOK} HTTP/1.1\r\n{head}\r\n".encode() + body


def _stand_in(kind: str) -> FastAPI:
    """What a web framework's manual would have one write."""
    engine = create_async_engine(sqlalchemy_url(os.environ["DATABASE_URL"]), pool_size=CLIENTS)

    @asynccontextmanager
    async def with_table(_: FastAPI) -> AsyncIterator[None]:
        if kind == "naive":
            columns = "id bigserial PRIMARY KEY, record text, dedupe_key text UNIQUE, body bytea"
            async with engine.begin() as connection:
                await connection.execute(text(f"CREATE TABLE IF NOT EXISTS naive ({columns})"))
        yield

    app = FastAPI(lifespan=with_table)
    insert = text("INSERT INTO naive (record, dedupe_key, body) VALUES (:record, :key, :body)")

    @app.post("/webhooks/woocommerce/{store}")
    async def receive(store: str, request: Request) -> Response:
        body = await request.body()
        made = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest())
        if not hmac.compare_digest(made.decode(), request.headers["x-wc-webhook-signature"]):
            return Response(status_code=401)
        record = orjson.loads(body)
        if kind == "naive":
            key = hashlib.sha256(body).hexdigest()
            values = {"record": f"{store}:{record['id']}", "key": key, "body": body}
            async with engine.begin() as connection:
                await connection.execute(insert, values)
        return Response(orjson.dumps({"id": record["id"]}), 202, media_type="application/json")

    return app


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        kind, port = sys.argv[2:]
        uvicorn.run(_stand_in(kind), port=int(port), log_level="warning", access_log=False)
        return
    table = Table("what", "a second, or ratio", title=f"median of {ROUNDS}")
    for name, figure in measure().items():
        table.add_row(name, f"{figure:,.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
