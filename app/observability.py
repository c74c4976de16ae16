"""Metrics for Prometheus, and OpenTelemetry spans. Logging is separate, and imports neither.

State that all processes share (inbox, breakers, polls) is read from the database at scrape time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import uuid4

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.domain import ConfigError
from app.logging import _trace


@contextmanager
def traced(trace: str = "") -> Iterator[str]:
    """Add this trace id, a new one by default, to all lines that are logged inside."""
    token = _trace.set(trace or uuid4().hex[:12])
    try:
        yield _trace.get()
    finally:
        _trace.reset(token)


# OpenTelemetry spans for the receipt of a hint, the sync of a record and each call (extra
# `tracing`).
#
# Without the extra, or with TRACING off, `span` does nothing. The exporter is configured by the
# standard variables (OTEL_EXPORTER_OTLP_ENDPOINT and related ones).

try:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
except ImportError:  # pragma: no cover - the extra is installed where the tests run
    IS_INSTALLED = False
else:
    IS_INSTALLED = True

    class _WithoutQueries(SpanProcessor):
        """Hides the query in FastAPI's spans: it holds the secret of callbacks and search terms."""

        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            del parent_context
            if "url.query" in (span.attributes or {}):
                span.set_attribute("url.query", "[hidden]")


NAME = "woo-vtiger"


@contextmanager
def span(name: str, attributes: Mapping[str, str]) -> Iterator[None]:
    """Open a span while the body runs. If the body raises, the span is marked as failed with the
    error's type only, since its message may contain personal data of a remote."""
    if not IS_INSTALLED:
        yield
        return
    with trace.get_tracer(NAME).start_as_current_span(
        name, attributes=dict(attributes), record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as error:
            current.set_status(trace.StatusCode.ERROR)
            current.set_attribute("error.type", type(error).__name__)
            raise


def new_provider(version: str, *processors: "SpanProcessor") -> "TracerProvider":
    """A tracer provider whose spans contain neither secrets nor personal data, with processors."""
    resource = Resource.create({"service.name": NAME, "service.version": version})
    provider = TracerProvider(resource=resource)
    for processor in (_WithoutQueries(), *processors):
        provider.add_span_processor(processor)
    return provider


def configure_tracing(version: str, *, wanted: bool) -> None:
    """Export spans to the collector that the environment names, if wanted. ConfigError without the
    extra."""
    if not wanted:
        return
    if not IS_INSTALLED:
        raise ConfigError(
            "TRACING is on, but its packages are missing: pip install 'woo-vtiger[tracing]'"
        )
    trace.set_tracer_provider(new_provider(version, BatchSpanProcessor(OTLPSpanExporter())))


REGISTRY = CollectorRegistry()
REMOTE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

ACCEPTED = Counter(
    "woo_vtiger_deliveries_accepted",
    "Hints that were stored, by source system, origin, and whether they joined a pending one.",
    ("store", "source", "origin", "module", "duplicate"),
    registry=REGISTRY,
)
IGNORED = Counter(
    "woo_vtiger_webhooks_ignored",
    "Signed webhooks of topics that no module syncs: answered 200, and not stored.",
    ("store", "resource"),
    registry=REGISTRY,
)
OUTCOMES = Counter(
    "woo_vtiger_outcomes",
    "Rows written to the Sync Log.",
    ("store", "module", "target", "outcome", "reason"),
    registry=REGISTRY,
)
SYNC_SECONDS = Histogram(
    "woo_vtiger_sync_seconds",
    "Time from claiming a record's deliveries to its row in the Sync Log.",
    ("module",),
    registry=REGISTRY,
)
RETRIES = Counter(
    "woo_vtiger_retries",
    "Times that the deliveries of a record were postponed for a retry.",
    ("module", "reason"),
    registry=REGISTRY,
)
REMOTE_SECONDS = Histogram(
    "woo_vtiger_remote_seconds",
    "Time of one exchange with a system, logins included.",
    ("system", "verb"),
    buckets=REMOTE_BUCKETS,
    registry=REGISTRY,
)
REMOTE_ERRORS = Counter(
    "woo_vtiger_remote_errors",
    "Exchanges that failed or were refused, by reason code.",
    ("system", "reason"),
    registry=REGISTRY,
)
CALLS_LEFT = Gauge(
    "woo_vtiger_vtiger_calls_left",
    "Calls that Vtiger Cloud still allows, per window (`day`, `minute`).",
    ("window",),
    registry=REGISTRY,
)
REFUSED = Counter(
    "woo_vtiger_refused",
    "Requests without valid credentials, by door (`sign_in`, `api`, `webhook`, `callback`,"
    " `addon`) and reason (`missing`, `wrong`, `throttled`, `expired`, `stale`).",
    ("door", "why"),
    registry=REGISTRY,
)
