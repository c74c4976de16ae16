"""Many rows in one transaction; where the database refuses one of them, each in its own."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from app.db.outage import OUTAGES
from app.errors import WooVtigerError

Row = TypeVar("Row")


async def store_rows(
    rows: Sequence[Row], store: Callable[[Sequence[Row]], Awaitable[None]]
) -> list[tuple[Row, Exception]]:
    """Those that are refused, each with the reason; the others are stored.

    `store` commits what it is given: all rows at first, and where that fails one after the other.
    What says nothing against a row is raised: outages, and our own errors such as LeaseLost.
    """
    if not rows:
        return []
    try:
        await store(rows)
    except WooVtigerError:
        raise
    except OUTAGES:
        raise
    except Exception as error:
        if len(rows) == 1:
            return [(rows[0], error)]
    else:
        return []
    return [each for row in rows for each in await store_rows([row], store)]
