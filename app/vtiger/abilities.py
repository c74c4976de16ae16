"""What the WooSync add-on in the CRM can do: asked once, and believed for some minutes.

An add-on can be installed, renewed and removed while the service runs, so whoever finds an
operation absent says `forget`, and asks again.
"""

import asyncio
import math
from collections.abc import Mapping
from time import monotonic
from typing import Any

from app.errors import Rejected
from app.json_shapes import find_list
from app.vtiger.webservice import VERSION_SECONDS, VtigerApi

CHANGES = "woosync_changes"
"""The operation that every version of the add-on has, and that names the others."""
DENIED = "ACCESS_DENIED"
SAVE = "save"
READ = "read"


class Abilities:
    """The abilities of one CRM's add-on; none where there is no add-on, where it is older than
    2.0, and where the API user is no administrator. Vtiger Cloud is never asked."""

    def __init__(self, api: VtigerApi) -> None:
        self._api = api
        self._known: frozenset[str] = frozenset()
        self._told_at = -math.inf
        self._turn = asyncio.Lock()

    async def has(self, ability: str) -> bool:
        """Raises the RemoteError tree where the CRM cannot be asked."""
        async with self._turn:
            if monotonic() - self._told_at > VERSION_SECONDS:
                await self._ask()
        return ability in self._known

    def forget(self) -> None:
        """What was told is not believed any more: the next question goes to the CRM."""
        self._told_at = -math.inf

    async def is_lost(self, ability: str) -> bool:
        """Whether an operation that was there is not any more, as one of its answers suggests."""
        self.forget()
        return not await self.has(ability)

    def note(self, told: object) -> None:
        """The result of `woosync_changes`, None where there is no add-on."""
        self._known = read_abilities(told)
        self._told_at = monotonic()

    async def _ask(self) -> None:
        try:
            told: Any = await self._api.find(CHANGES, {"since": "0", "limit": "1"})
        except Rejected as error:
            if error.code != DENIED:
                raise
            told = None
        self.note(told)


def read_abilities(told: object) -> frozenset[str]:
    """Absent before 2.0, which only tells of changes."""
    names = find_list(told.get("abilities")) if isinstance(told, Mapping) else None
    return frozenset(str(name) for name in names or ())
