"""The service as processes of their own, to be killed at will."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

ROOT = Path(__file__).parent.parent.parent
PATIENCE_STEPS = 600


class NeverCame(AssertionError):
    """What a test waited for did not happen within a minute."""


@dataclass(slots=True)
class Process:
    """One running command of the service."""

    inner: asyncio.subprocess.Process

    async def kill(self) -> None:
        """As `kill -9`, or as the power going: nothing is cleaned up."""
        with suppress(ProcessLookupError):
            self.inner.send_signal(signal.SIGKILL)
        await self.inner.wait()


@asynccontextmanager
async def running(
    command: str, *options: str, environment: Mapping[str, str], log: Path
) -> AsyncIterator[Process]:
    """`woo-vtiger COMMAND` until the body ends; what it says is added to `log`."""
    with log.open("ab") as output:
        inner = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app", command, *options,
            cwd=ROOT, env={**_bare_environment(), **environment},
            stdout=output, stderr=output,
        )  # fmt: skip
    process = Process(inner)
    try:
        yield process
    finally:
        if inner.returncode is None:
            await process.kill()


def _bare_environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ}


async def wait_until(
    database_url: str,
    holds: Callable[[], Awaitable[bool]],
    what: str | list[str],
    *,
    steps: int = PATIENCE_STEPS,
) -> None:
    """Ask again and again, a tenth of a second apart by the database's clock."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as clock:
        for _ in range(steps):
            if await holds():
                return
            await clock.execute("SELECT pg_sleep(0.1)")
    raise NeverCame(str(what))


async def answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"{url}/health/live")).status_code == 200
        except httpx.HTTPError:
            return False
