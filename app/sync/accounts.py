"""Vtiger Accounts by name: a contact's company is a record of its own there."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.errors import Duplicate, NotFound, RemoteError
from app.vtiger.client import VtigerClient
from app.vtiger.query import Query, equals, fold, one_of
from app.vtiger.schemas import VtigerRecord

ACCOUNTS = "Accounts"
OF_API = "WEBSERVICE"


@dataclass(frozen=True, slots=True)
class Account:
    """An Account's id (`""`: none) and its name as Vtiger has it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """Names are unique ignoring case, accents and trailing spaces (contract page Vtiger
    §0.16, §6).

    `take_turn` is awaited with a natural key before a create: two workers that need the same new
    Account must not make two, should uniqueness be switched off.
    """

    vtiger: VtigerClient
    take_turn: Callable[[Sequence[str]], Awaitable[None]]

    async def name_of(self, account_id: str) -> str:
        """ "" for no Account, and for one that is gone."""
        if not account_id:
            return ""
        try:
            return (await self.vtiger.retrieve(account_id, ACCOUNTS)).get("accountname")
        except NotFound:
            return ""

    async def names_of(self, account_ids: Iterable[str]) -> Mapping[str, str]:
        """The names of at most 100 Accounts by their ids; those that are gone have none."""
        wanted = sorted(set(account_ids) - {""})
        if not wanted:
            return {}
        query = Query(ACCOUNTS, ("id", "accountname"), (one_of("id", wanted),))
        return {each.id: each.get("accountname") for each in await self.vtiger.query(query)}

    async def find_or_create(self, name: str) -> Account:
        """The Account of this name; an empty name means none (recording 20-create-account).

        One of ours gets the name where that is the better spelling of its own, so that it does
        not matter whose order came first.
        """
        if not name.strip():
            return Account("", "")
        found = await self._find(name)
        if found is not None and not await self._is_to_be_respelled(found, name):
            return _account(found)
        await self.take_turn([turn_of(name)])
        found = await self._find(name)
        if found is None:
            return await self._create(name)
        if await self._is_to_be_respelled(found, name):
            return await self._respell(found, name)
        return _account(found)

    async def _find(self, name: str) -> VtigerRecord | None:
        found = await self._search(name)
        exact = [record for record in found if record.get("accountname") == name]
        best = exact or found  # what Vtiger calls equal, it would refuse as a duplicate
        return best[0] if best else None

    async def _search(self, name: str) -> Sequence[VtigerRecord]:
        return await self.vtiger.query(Query(ACCOUNTS, where=(equals("accountname", name),)))

    async def _is_to_be_respelled(self, record: VtigerRecord, name: str) -> bool:
        """Only what the API user made, and nobody has touched since (20-create-account)."""
        return (
            _spelling(name) < _spelling(record.get("accountname"))
            and record.get("source") == OF_API
            and record.get("modifiedby") == await self.vtiger.user_id()
        )

    async def _respell(self, record: VtigerRecord, name: str) -> Account:
        try:
            revised = await self.vtiger.revise(record.id, {"accountname": name}, module=ACCOUNTS)
        except Duplicate:  # a third spelling, from before names had to be unique
            return _account(record)
        return _account(revised)

    async def _create(self, name: str) -> Account:
        try:
            return _account(await self.vtiger.create(ACCOUNTS, {"accountname": name}))
        except Duplicate as error:
            return await self._find_holder(name, error)

    async def _find_holder(self, name: str, error: RemoteError) -> Account:
        """Someone made it meanwhile (recording 20-err-account-duplicate names no holder)."""
        holder = await self._find(name)
        if holder is None:
            raise error
        return _account(holder)


def turn_of(name: str) -> str:
    """The natural key of an Account: its name, as Vtiger compares it."""
    return f"vtiger:accounts:{fold(name)}"


def _account(record: VtigerRecord) -> Account:
    return Account(record.id, record.get("accountname"))


def _spelling(name: str) -> tuple[bool, bool, int, str]:
    """Orders spellings that Vtiger calls equal, the best first: in capitals and small letters,
    with accents."""
    plain = sum(one.isascii() for one in name)
    return name.isupper(), name.islower(), plain, name
