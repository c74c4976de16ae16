"""A CRM in memory with a clock of its own, and a logged-in client of it."""

from collections.abc import AsyncIterator

import pytest

from app.sandbox.vtiger.crm import Crm
from tests.sandbox.vtiger.webservice import Clock, WebService


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crm(clock: Clock) -> Crm:
    return Crm(clock=clock)


@pytest.fixture
async def service(crm: Crm) -> AsyncIterator[WebService]:
    client = WebService(crm)
    async with client.http:
        await client.login()
        yield client
