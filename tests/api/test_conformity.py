"""Requests made up from the OpenAPI document, sent to the running server: what it answers keeps to
the document, and no request that anybody can think of gives an error of ours."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any

import pytest
import requests
import schemathesis
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as tries
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.config.settings import Settings
from app.http.server import listen, serving
from app.main import create_app
from app.runtime import Runtime
from tests.api.calls import ADMIN
from tests.api.rows import link, log, settled_hint

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXPECTED_FAILURES = (502, 503)
"""The two systems of these tests do not answer, and a database may be away."""


@asynccontextmanager
async def _serving(settings: Settings) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    behind_a_proxy = settings.model_copy(update={"trusted_proxies": ("127.0.0.1",)})
    app = create_app(behind_a_proxy, worker=False)
    async with (
        app.router.lifespan_context(app),
        serving(app, listen("127.0.0.1", 0), lifespan="off") as served,
    ):
        await _fill(app.state.runtime)
        yield served.url, app.openapi()


async def _fill(runtime: Runtime) -> None:
    """Something to find under the ids that are tried first."""
    for number in range(3):
        await settled_hint(runtime, str(number))
        await link(runtime, str(number), f"12x{number}")
    await log(runtime)


@pytest.fixture
def service(settings: Settings) -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of a running server, and its OpenAPI document."""
    with (
        start_blocking_portal("asyncio", {"use_uvloop": True}) as portal,
        portal.wrap_async_context_manager(_serving(settings)) as served,
    ):
        yield served


def _find_breaches(
    service: tuple[str, dict[str, Any]], headers: dict[str, str], *, examples: int
) -> tuple[set[str], dict[str, set[int]]]:
    """What does not keep to the document, and the statuses of each operation."""
    url, document = service
    schema: Any = schemathesis.openapi.from_dict(document)
    breaches: set[str] = set()
    statuses: dict[str, set[int]] = {}
    with requests.Session() as session:
        session.trust_env = False
        for number, found in enumerate(schema.get_all_operations()):
            operation = found.ok()
            # Each from an address of its own, for guessing from one is soon slowed down.
            headers = headers | {"X-Forwarded-For": f"198.51.100.{number}"}
            for mode in GenerationMode:
                _try_out(operation, mode, session, url, headers, examples, breaches, statuses)
    return breaches, statuses


def _try_out(
    operation: Any,
    mode: GenerationMode,
    session: requests.Session,
    url: str,
    headers: dict[str, str],
    examples: int,
    breaches: set[str],
    statuses: dict[str, set[int]],
) -> None:
    @seed(13)
    @tries(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        response = case.call(base_url=url, session=session, headers=headers)
        statuses.setdefault(operation.label, set()).add(response.status_code)
        checks = [*CHECKS]
        if response.status_code not in EXPECTED_FAILURES:
            checks.append(not_a_server_error)
        try:
            case.validate_response(response, checks=checks)
        except (Failure, FailureGroup) as failure:
            breaches.add(f"{operation.label} {response.status_code}: {failure}")

    # Of an operation that takes nothing, nothing can be wrong.
    with suppress(Unsatisfiable) if mode.is_negative else nullcontext():
        send()


FEW = pytest.param(2, 1, id="few")
MANY = pytest.param(200, 200, id="many", marks=pytest.mark.faults)


@pytest.mark.parametrize(("of_an_admin", "of_a_stranger"), [FEW, MANY])
def test_answers_keep_to_the_document(
    service: tuple[str, dict[str, Any]], of_an_admin: int, of_a_stranger: int
) -> None:
    _, document = service
    breaches, statuses = _find_breaches(
        service, {"Authorization": f"Bearer {ADMIN}"}, examples=of_an_admin
    )
    unknown, refused = _find_breaches(service, {}, examples=of_a_stranger)

    assert not breaches | unknown, "\n\n".join(sorted(breaches | unknown))
    assert len(statuses) > 40
    assert len(refused) == len(statuses)
    for name, answered in refused.items():
        method, path = name.split()
        if "security" in document["paths"][path][method.lower()]:
            assert answered <= {400, 401}, name  # 400: the server takes it for no HTTP
