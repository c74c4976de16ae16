"""One memory of compiled statements for all engines of a process.

A service has one engine and compiles a statement once in its life. Here each of thousands of tests
opens a service, and compiling its statements anew was a tenth of the work of the suite.
"""

from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

MOST_STATEMENTS = 5_000


class SharedStatements:
    """Makes engines as SQLAlchemy does. Once one of them has met the server, those that are made
    later speak its dialect, which is part of the key of a compiled statement, and know what it
    compiled; connections, their pools and the first questions to the server stay their own."""

    def __init__(self) -> None:
        self._known: Engine | None = None

    def create(self, url: str, **options: Any) -> AsyncEngine:
        made = create_async_engine(url, query_cache_size=MOST_STATEMENTS, **options)
        engine = made.sync_engine
        if self._known is None:
            # after the listener of SQLAlchemy itself, which learns of the server
            event.listen(engine.pool, "connect", lambda *_: self._keep(engine), once=True)
        else:
            engine.dialect = self._known.dialect
            engine._compiled_cache = self._known._compiled_cache
        return made

    def _keep(self, engine: Engine) -> None:
        self._known = self._known or engine
