"""A CRM in memory with a clock of its own, and a logged-in client of it."""

from collections.abc import AsyncIterator

import pytest

from sandbox.vtiger.crm import Crm
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


@pytest.fixture
async def seller(service: WebService) -> WebService:
    """11x2 buys 14x3, which carries tax1, and the service 26x4, which carries nothing."""
    await service.create("Accounts", accountname="Buyer")
    await service.create("Products", productname="Thing", unit_price="12.5", tax1="20")
    await service.create("Services", servicename="Fee", unit_price="7")
    return service
