"""The HTTP application: routes, error handlers, middleware, and the resources of its lifespan."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from app import __version__
from app.api import (
    addon,
    deliveries,
    errors,
    links,
    mappings,
    monitoring,
    openapi,
    receivers,
    statuses,
    sync_log,
    sync_runs,
)
from app.api import settings as sync_settings
from app.api.middleware import AnswerHeaders, BodyLimits, TrustedProxies, ValidHosts
from app.api.receivers import Receivers
from app.config.settings import Settings, load_settings
from app.observability import configure_tracing
from app.runtime import open_runtime
from app.vtiger.addon import CHANGES_PATH
from app.web import site
from app.worker.engine import running_worker

DESCRIPTION = """Keeps WooCommerce and Vtiger CRM in sync and logs the outcome of every record.

Ids are text, times are UTC, errors are `application/problem+json` with a stable `code`."""


ROUTERS = (
    addon.router,
    sync_log.router,
    deliveries.router,
    sync_runs.router,
    sync_settings.router,
    mappings.router,
    mappings.tools_router,
    statuses.router,
    statuses.tools_router,
    links.links_router,
    links.router,
    monitoring.incidents_router,
    monitoring.router,
    monitoring.metrics_router,
)
RECEIVERS = (
    (receivers.WEBHOOK_PATH, receivers.receive_webhook, ("POST",)),
    (CHANGES_PATH, addon.receive_changes, ("POST",)),
    (addon.STATUS_PATH, addon.receive_status, ("POST",)),
    (addon.SUMMARY_PATH, addon.receive_summary, ("POST",)),
    (receivers.CALLBACK_PATH, receivers.receive_callback, receivers.CALLBACK_METHODS),
)


class Service(FastAPI):
    """FastAPI with the service's own middleware outside that of the framework, so that it also
    applies to the responses to unhandled exceptions.

    Receivers are called before the framework, which takes longer to route a request than they take
    to read it.
    """

    def __init__(self, *, trusted_proxies: Sequence[str], max_kept: int, **options: Any) -> None:
        super().__init__(**options)
        self._trusted_proxies = trusted_proxies
        self._max_kept = max_kept

    def build_middleware_stack(self) -> ASGIApp:
        framework = super().build_middleware_stack()
        receivers = Receivers(framework, RECEIVERS, self.exception_handlers)
        inner = ValidHosts(BodyLimits(receivers, max_kept=self._max_kept))
        return TrustedProxies(AnswerHeaders(inner), networks=self._trusted_proxies)


def create_app(settings: Settings | None = None, *, worker: bool = True) -> FastAPI:
    """Create the application. Its lifespan opens the database, the clients and, by default, a
    worker.

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
            app.state.readiness = monitoring.Readiness(runtime, worker_inside=worker)
            yield

    app = Service(
        trusted_proxies=chosen.trusted_proxies,
        max_kept=chosen.receiver.max_body_bytes,
        title="woo-vtiger",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # web/site.py serves them without scripts of other servers
        redoc_url=None,
        openapi_url="/openapi.json" if chosen.api_docs else None,
        generate_unique_id_function=lambda route: route.name,
    )
    _install(app, chosen)
    return app


def _install(app: FastAPI, settings: Settings) -> None:
    for path, receive, methods in RECEIVERS:  # for OpenAPI, and for 405 to other methods
        app.add_route(path, receive, methods=list(methods))
        app.add_route(f"{path}/", receive, methods=list(methods), include_in_schema=False)
    for router in ROUTERS:
        app.include_router(router)
    site.install(app, api_docs=settings.api_docs)
    errors.install(app)
    openapi.install(app)
