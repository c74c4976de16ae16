"""Sessions on a database that is emptied between tests."""

from collections.abc import AsyncIterator

import pytest

from app.db.opening import sqlalchemy_url
from app.db.session import Sessions, open_engine, open_sessions


@pytest.fixture
async def sessions(emptied_database_url: str) -> AsyncIterator[Sessions]:
    engine = open_engine(sqlalchemy_url(emptied_database_url))
    yield open_sessions(engine)
    await engine.dispose()
