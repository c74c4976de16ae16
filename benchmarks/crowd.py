"""Clients that are slow, greedy or never read, all at once, against a running service; and a shop
whose webhooks have to get through all the same."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOOK = "/webhooks/woocommerce/main"
MIB = 1024 * 1024
PIECE = b"x" * 64 * 1024
PAUSE_SECONDS = 1.0
"""Between two bytes of a slow client."""
PAUSE_AWAY_SECONDS = 5.0
"""Until a client that was turned away comes again."""
PAUSE_AFTER_LARGE_SECONDS = 15.0
"""After 5 MiB or more: all of them together send some 100 MB a second."""
LONGEST_SECONDS = 30.0

Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many clients of each kind: `slow` send a byte of a field a second, `held` all of a
    webhook's 5 MiB but a byte, `endless` fields without end, `large` 200 MB without a token, and
    `deaf` ask for large answers and never read them."""

    slow: int = 1000
    held: int = 300
    endless: int = 10
    large: int = 4
    deaf: int = 100

    @contextlib.asynccontextmanager
    async def around(self, port: int) -> AsyncIterator[None]:
        """All of them come again and again while the context lasts."""
        kinds: Mapping[Act, int] = {
            _drip: self.slow,
            _hold: self.held,
            _head_without_end: self.endless,
            _large_body: self.large,
            _never_read: self.deaf,
        }
        begun = asyncio.Event()
        tasks = [
            asyncio.create_task(_come_again(port, act, begun))
            for act, number in kinds.items()
            for _ in range(number)
        ]
        try:
            await begun.wait()
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _come_again(port: int, act: Act, begun: asyncio.Event) -> None:
    pause = PAUSE_AFTER_LARGE_SECONDS if act in (_hold, _large_body) else PAUSE_AWAY_SECONDS
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            begun.set()
            try:
                await act(reader, writer)
            finally:
                writer.transport.abort()
        await asyncio.sleep(pause)


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"POST {HOOK} HTTP/1.1\r\nhost: a\r\nx-field: ".encode())
    while not reader.at_eof():
        await writer.drain()
        writer.write(b"x")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_SECONDS):
                await reader.read()


async def _hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    size = 5 * MIB
    writer.write(_head("POST", HOOK, size, {"x-wc-webhook-signature": "c3RyYW5nZQ=="}))
    for _ in range(size // len(PIECE) - 1):
        writer.write(PIECE)
        await writer.drain()
    writer.write(PIECE[:-1])
    await reader.read()


async def _head_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\nx-field: ")
    while not reader.at_eof():
        writer.write(PIECE)
        await writer.drain()


async def _large_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    size = 200 * MIB
    writer.write(_head("POST", "/sync-runs", size))
    for _ in range(size // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()
    await reader.read()


async def _never_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del reader
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(16):
        writer.write(_head("GET", "/openapi.json", 0))
    await asyncio.sleep(LONGEST_SECONDS)


def _head(method: str, path: str, size: int, fields: Mapping[str, str] | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: a", f"content-length: {size}"]
    lines += [f"{name}: {value}" for name, value in (fields or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode()


async def post_alone(port: int, body: bytes, headers: Mapping[str, str]) -> tuple[int, float]:
    """One webhook on a connection of its own, as WordPress sends it; the status, 0 for none, and
    the seconds that it took."""
    start = time.perf_counter()
    status = 0
    with contextlib.suppress(OSError, TimeoutError, ValueError, IndexError):
        async with asyncio.timeout(LONGEST_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(_head("POST", HOOK, len(body), {**headers, "connection": "close"}))
                writer.write(body)
                status = int((await reader.read()).split(b" ", 2)[1])
            finally:
                writer.transport.abort()
    return status, time.perf_counter() - start


def peak_memory(pid: int) -> int:
    """The most bytes that the process has had in memory so far (VmHWM of proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * 1024


async def _stay(port: int) -> None:
    async with Crowd().around(port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_stay(int(sys.argv[1])))
