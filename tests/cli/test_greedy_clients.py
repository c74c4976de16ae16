"""The running service in a crowd of clients that are slow, greedy or never read: a shop's webhooks
are accepted all the while, and the process stays small."""

import json
import resource
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from benchmarks.crowd import MIB, Crowd, peak_memory, post_alone
from tests.api.calls import hook_headers
from tests.cli.processes import COMMAND, Process, running

pytestmark = pytest.mark.anyio

MOST_MEMORY = 300 * MIB


@dataclass(frozen=True, slots=True)
class Service:
    pid: int
    port: int


@pytest.fixture
def files() -> Iterator[None]:
    """As many as the machine allows, for the crowd."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _start(process: Process) -> Service:
    told = str(json.loads(process.error_with("listens on"))["message"])
    port = told.partition("listens on ")[2].partition(",")[0].rpartition(":")[2]
    assert process.popen.stderr is not None
    threading.Thread(target=process.popen.stderr.read, daemon=True).start()  # or it would fill up
    return Service(process.popen.pid, int(port))


FEW = Crowd(slow=300, held=40, endless=4, large=2, deaf=20)


@pytest.mark.parametrize(
    ("crowd", "webhooks"),
    [
        pytest.param(FEW, 100, id="few"),
        pytest.param(Crowd(), 2000, id="many", marks=pytest.mark.faults),
    ],
)
async def test_webhooks_are_accepted_in_a_crowd_and_memory_stays_small(
    folder: Path, systems: dict[str, str], files: None, crowd: Crowd, webhooks: int
) -> None:
    """The service may open fewer files than the crowd has clients."""
    del files
    secret = systems["STORES__main__WEBHOOK_SECRET"]
    shell = ("/bin/sh", "-c", 'ulimit -n "$0" && exec "$@"', "512" if crowd == FEW else "1024")
    with running(
        "serve", "--port", "0", folder=folder, env=systems, command=(*shell, *COMMAND)
    ) as process:
        service = _start(process)
        async with crowd.around(service.port):
            statuses = []
            for number in range(1, webhooks + 1):
                body = orjson.dumps({"id": number, "email": f"c{number}@shop.example"})
                headers = hook_headers(body, secret=secret)
                statuses.append((await post_alone(service.port, body, headers))[0])
        peak = peak_memory(service.pid)

    assert statuses.count(202) >= 0.99 * webhooks
    assert peak < MOST_MEMORY, f"{peak // MIB} MiB"
