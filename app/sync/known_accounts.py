"""The Accounts of many records, looked for together: a look for each would double the calls."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from app.errors import LeaseLost
from app.sync.accounts import ACCOUNTS, Account, Accounts, turn_of
from app.vtiger.query import fold, one_of, portions
from app.vtiger.schemas import VtigerRecord

COLUMNS = ("id", "accountname", "source", "modifiedby")


@dataclass(frozen=True, slots=True)
class KnownAccounts(Accounts):
    """Knows Accounts by name for the time of a page; what it does not know it looks for.

    The turns of all names are taken before the look, so what is not found stays unmade by others.
    """

    seen: dict[str, list[VtigerRecord]] = field(default_factory=dict)
    made: dict[str, Account] = field(default_factory=dict)
    turns: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def look_for(self, names: Iterable[str]) -> None:
        """A hundred names a call (recording 53-query-in); none, if another worker is at one."""
        wanted = {fold(name): name for name in names if name.strip()}
        try:
            await self.take_turn([turn_of(name) for name in sorted(wanted)])
        except LeaseLost:
            return
        self.seen.update({key: [] for key in wanted})
        for part in portions(sorted(wanted.values())):
            where = (one_of("accountname", part),)
            async for record in self.vtiger.search(ACCOUNTS, where, columns=COLUMNS):
                self.seen.setdefault(fold(record.get("accountname")), []).append(record)

    async def find_or_create(self, name: str) -> Account:
        """As of one record; two of a page that want the same name get one Account."""
        async with self.turns[fold(name)]:
            if name not in self.made:
                self.made[name] = await Accounts.find_or_create(self, name)
                self.seen.pop(fold(name), None)
            return self.made[name]

    async def _search(self, name: str) -> Sequence[VtigerRecord]:
        known = self.seen.get(fold(name))
        return known if known is not None else await Accounts._search(self, name)
