"""The HTTP application: routes and errors put together, and a life that opens what they need."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp

from app import __version__
from app.answer_headers import AnswerHeaders
from app.api import (
    addon,
    addon_pages,
    callbacks,
    conflicts,
    deliveries,
    errors,
    health,
    incidents,
    links,
    mapping_tools,
    mappings,
    metrics,
    openapi,
    sync_log,
    sync_runs,
    webhooks,
)
from app.api import settings as sync_settings
from app.api.bodies import BodyLimits
from app.api.hosts import RealHosts
from app.api.proxies import TrustedProxies
from app.api.receivers import Receivers
from app.runtime import open_runtime
from app.settings import Settings, load_settings
from app.tracing import configure_tracing
from app.web import site
from app.worker.engine import running_worker

DESCRIPTION = """Keeps WooCommerce and Vtiger CRM in agreement and tells every record's fate.

Ids are text, times are UTC, errors are `application/problem+json` with a stable `code`."""


ROUTERS = (
    addon,
    sync_log,
    deliveries,
    sync_runs,
    sync_settings,
    mappings,
    mapping_tools,
    links,
    conflicts,
    incidents,
    health,
    metrics,
)
RECEIVERS = (
    (webhooks.PATH, webhooks.receive, ("POST",)),
    (addon.PATH, addon.receive, ("POST",)),
    (addon_pages.STATUS_PATH, addon_pages.receive_status, ("POST",)),
    (addon_pages.SUMMARY_PATH, addon_pages.receive_summary, ("POST",)),
    (callbacks.PATH, callbacks.receive, callbacks.METHODS),
)


class Service(FastAPI):
    """The framework's layers, and around them ours, which its own answers to bugs must pass too.

    Receivers stand before the framework's: it takes longer to route a request than they to read it.
    """

    def __init__(self, *, trusted_proxies: Sequence[str], most_kept: int, **options: Any) -> None:
        super().__init__(**options)
        self._trusted_proxies = trusted_proxies
        self._most_kept = most_kept

    def build_middleware_stack(self) -> ASGIApp:
        handlers = dict(self.exception_handlers)
        on_bug = handlers.pop(Exception)
        receivers = Receivers(super().build_middleware_stack(), RECEIVERS)
        limits = BodyLimits(ExceptionMiddleware(receivers, handlers), most_kept=self._most_kept)
        inner = RealHosts(ServerErrorMiddleware(limits, handler=on_bug))
        return TrustedProxies(AnswerHeaders(inner), networks=self._trusted_proxies)


def create_app(settings: Settings | None = None, *, worker: bool = True) -> FastAPI:
    """The app; its lifespan opens database, clients and, unless told otherwise, a worker.

    Raises ConfigError if the settings cannot be used.
    """
    chosen = load_settings() if settings is None else settings

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            configure_tracing(__version__, wanted=chosen.tracing)
            runtime = await stack.enter_async_context(open_runtime(chosen))
            if worker:
                await stack.enter_async_context(running_worker(runtime))
            app.state.runtime = runtime
            app.state.readiness = health.Readiness(runtime, worker_inside=worker)
            yield

    app = Service(
        trusted_proxies=chosen.trusted_proxies,
        most_kept=chosen.receiver.max_body_bytes,
        title="woo-vtiger",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # web/api_docs.py, without script of other servers
        redoc_url=None,
        openapi_url="/openapi.json" if chosen.api_docs else None,
        generate_unique_id_function=lambda route: route.name,
    )
    _install(app, chosen)
    return app


def _install(app: FastAPI, settings: Settings) -> None:
    for path, receive, methods in RECEIVERS:  # for OpenAPI, and for what `Receivers` leaves: 405
        app.add_route(path, receive, methods=list(methods))
        app.add_route(f"{path}/", receive, methods=list(methods), include_in_schema=False)
    for part in ROUTERS:
        app.include_router(part.router)
    site.install(app, api_docs=settings.api_docs)
    errors.install(app)
    openapi.install(app)
