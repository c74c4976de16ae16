"""`serve` and `worker`: the service, until a signal stops it."""

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from socket import socket

from app import __version__
from app.api.monitoring import worker_metrics
from app.cli.console import run, stop_event
from app.cli.failures import port_error
from app.cli.sandbox_day import serve_day
from app.config.settings import Settings, load_settings
from app.domain import ConfigError
from app.http.server import listen, serving, take_files
from app.logging import configure_logging
from app.main import create_app
from app.observability import configure_tracing
from app.runtime import open_runtime
from app.worker.engine import running_worker

log = logging.getLogger(__name__)

NOTHING_SET = (
    "No shop and no Vtiger are configured: copy .env.example to .env and fill it in. "
    "(Without them, only `woo-vtiger serve` runs, on the sandbox.)"
)


def serve(*, host: str | None, port: int | None, no_worker: bool) -> None:
    settings = load_settings()
    if no_worker and not settings.is_configured:
        raise ConfigError(NOTHING_SET)
    take_files()
    with closing(_listen(settings, host, port)) as listener:
        if settings.is_configured:
            run(_serve_systems(settings, listener, worker=not no_worker))
        else:
            run(serve_day(settings, listener))


def _listen(settings: Settings, host: str | None, port: int | None) -> socket:
    """Listen before anything else, so that a second service in the same folder stops here."""
    host = settings.host if host is None else host
    port = settings.port if port is None else port
    try:
        return listen(host, port)
    except OSError as error:
        raise port_error(host, port, error) from None


async def _serve_systems(settings: Settings, listener: socket, *, worker: bool) -> None:
    _log_to_stderr(settings)
    app = create_app(settings, worker=worker)
    grace = max(1, round(settings.worker.shutdown_grace))
    async with (
        stop_event() as stop,
        app.router.lifespan_context(app),
        serving(app, listener, lifespan="off", grace_seconds=grace) as served,
    ):
        inside = "with a worker" if worker else "without a worker"
        log.info("woo-vtiger %s listens on %s, %s", __version__, served.url, inside)
        _freeze_objects()
        await stop.wait()
        log.info("stopping after the running work")


def worker() -> None:
    settings = load_settings()
    if not settings.is_configured:
        raise ConfigError(NOTHING_SET)
    run(_work(settings))


async def _work(settings: Settings) -> None:
    _log_to_stderr(settings)
    configure_tracing(__version__, wanted=settings.tracing)
    async with _serving_metrics(settings):
        await _work_until_stopped(settings)


async def _work_until_stopped(settings: Settings) -> None:
    async with (
        stop_event() as stop,
        open_runtime(settings) as runtime,
        running_worker(runtime),
    ):
        log.info(
            "woo-vtiger %s runs a worker, %s records at a time",
            __version__,
            settings.worker.concurrency,
        )
        _freeze_objects()
        await stop.wait()
        log.info("stopping after the running work")


@asynccontextmanager
async def _serving_metrics(settings: Settings) -> AsyncIterator[None]:
    """Serve the metrics of a separate worker."""
    if settings.metrics_port is None:
        yield
        return
    listener = _listen(settings, None, settings.metrics_port)
    async with serving(worker_metrics(), listener, lifespan="off") as served:
        log.info("metrics at %s/metrics", served.url)
        yield


def _log_to_stderr(settings: Settings) -> None:
    configure_logging(settings.log_level, settings.log_json, secrets=settings.secret_values())


def _freeze_objects() -> None:
    """Exclude all current objects, most of which are code, from garbage collection: each scan of
    them would block the event loop for a tenth of a second."""
    gc.collect()
    gc.freeze()
