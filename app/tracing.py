"""OpenTelemetry spans around a hint's receipt, a record's sync and each call; the extra `tracing`.

Without the extra, or with TRACING off, `span` costs nothing. Where spans go is said by the standard
variables (OTEL_EXPORTER_OTLP_ENDPOINT and its kin).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from app.errors import ConfigError

try:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
except ImportError:  # pragma: no cover - the extra is installed where the tests run
    IS_INSTALLED = False
else:
    IS_INSTALLED = True

NAME = "woo-vtiger"


@contextmanager
def span(name: str, attributes: Mapping[str, str]) -> Iterator[None]:
    """A span while the body runs; one that raises is marked as failed."""
    if not IS_INSTALLED:
        yield
        return
    with trace.get_tracer(NAME).start_as_current_span(name, attributes=dict(attributes)):
        yield


def configure_tracing(version: str, *, wanted: bool) -> None:
    """Send spans to the collector that the environment names; ConfigError without the extra."""
    if not wanted:
        return
    if not IS_INSTALLED:
        raise ConfigError(
            "TRACING is on, but its packages are missing: pip install 'woo-vtiger[tracing]'"
        )
    resource = Resource.create({"service.name": NAME, "service.version": version})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
