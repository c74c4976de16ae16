"""Each row of the Sync Log is counted, logged under its hint's id, and traced."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.logging import JsonFormatter
from app.observability import REGISTRY
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the service logs, as a machine reads it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("app")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.setLevel(level)
    logger.removeHandler(handler)


def parsed(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_one_id_follows_a_hint_from_its_receipt_to_its_row(
    world: World, lines: io.StringIO
) -> None:
    await world.customer("ada@shop.example", last_name="Byron")
    await world.settle()
    deliveries = {str(each.id): each for each in await world.deliveries()}
    rows = {row.id: row for row in await world.log()}
    told = parsed(lines)
    accepted = [line for line in told if line["message"] == "hint accepted"]
    assert {line["trace"] for line in accepted} == set(deliveries)
    written = [line for line in told if "sync_log" in line]
    assert {line["sync_log"] for line in written} == set(rows)
    for line in written:
        assert deliveries[line["trace"]].sync_log_id == line["sync_log"]
    assert "ada@shop.example" not in lines.getvalue()


async def test_outcomes_are_counted_by_what_they_are(world: World) -> None:
    labels = {
        "store": "main",
        "module": "contacts",
        "target": "vtiger",
        "outcome": "created",
        "reason": "",
    }
    name = "woo_vtiger_outcomes_total"
    before = REGISTRY.get_sample_value(name, labels) or 0
    await world.customer("ada@shop.example", last_name="Byron")
    await world.settle()
    assert REGISTRY.get_sample_value(name, labels) == before + 1


async def test_a_sync_is_a_span_with_its_calls_inside(
    world: World, spans: InMemorySpanExporter
) -> None:
    await world.customer("ada@shop.example", last_name="Byron")
    await world.settle()
    finished = spans.get_finished_spans()
    syncs = {span.context.span_id for span in finished if span.name == "sync record"}
    calls = [span for span in finished if span.name == "vtiger POST"]
    assert calls
    assert {span.parent.span_id for span in calls if span.parent is not None} <= syncs
