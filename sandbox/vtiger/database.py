"""The tables behind the CRM: records under one number sequence, and what an id may point at."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sandbox.vtiger.refusals import denied
from sandbox.vtiger.schema import Module
from sandbox.vtiger.users import GROUPS, CrmUser, Users

Clock = Callable[[], datetime]

# Modules that a reference may name although the sandbox does not hold them.
_ABSENT = {
    "1": "Campaigns",
    "2": "Vendors",
    "4": "Quotes",
    "5": "PurchaseOrder",
    "7": "Invoice",
    "10": "Leads",
    "13": "Potentials",
}
_NUMBER_PREFIX = {
    "Contacts": "CON",
    "Accounts": "ACC",
    "Products": "PRO",
    "Services": "SER",
    "SalesOrder": "SO",
}


@dataclass
class Record:
    """One row: `values` holds the stored text of every field that was written.

    `label` is made of the values as they were before their columns cut them.
    Times are "YYYY-MM-DD HH:MM:SS" in UTC, as the web service prints them.
    """

    number: int
    module: str
    values: dict[str, str]
    created_at: str = ""
    modified_at: str = ""
    modified_by: str = ""
    deleted: bool = False
    label: str = ""
    savers: set[str] = field(default_factory=set)

    def touch(self, user: CrmUser, now: str) -> None:
        self.modified_at = now
        self.modified_by = user.ws_id
        self.savers.add(user.ws_id)


class Database:
    """All state of the CRM except sessions. One sequence numbers the records of all modules.

    `version` is what the login tells; from 8.3 on it brings the faults of that release.
    """

    def __init__(
        self, modules: Mapping[str, Module], users: Users, *, clock: Clock, version: str = "8.2.0"
    ) -> None:
        self.version = version
        self.modules = dict(modules)
        self.users = users
        self.clock = clock
        self._next = 2
        self._counts: Counter[str] = Counter()
        self._tables: dict[str, dict[int, Record]] = {name: {} for name in modules}
        self._entities: dict[int, Record] = {}
        self._names = _ABSENT | {module.prefix: module.name for module in modules.values()}

    @property
    def breaks_orders(self) -> bool:
        """Whether the web service refuses or ruins orders that are written with lines, as 8.3 and
        8.4 do (contract page Vtiger add-on writes, F2 and F3)."""
        return self.version.startswith(("8.3.", "8.4."))

    def now(self) -> str:
        return self.clock().astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")

    def insert(self, module: str, values: dict[str, str], user: CrmUser) -> Record:
        now = self.now()
        record = Record(self._next, module, values, created_at=now)
        record.touch(user, now)
        self._next += 1
        self._entities[record.number] = record
        return self.put(record)

    def put(self, record: Record) -> Record:
        """Adds a row that brings its own number, as taxes and currencies do."""
        self._tables[record.module][record.number] = record
        return record

    def next_label_number(self, module: str) -> str:
        """The next contact_no and the like: "CON1", "CON2", …"""
        self._counts[module] += 1
        return f"{_NUMBER_PREFIX[module]}{self._counts[module]}"

    def highest(self, module: str) -> int:
        """The largest number ever used in the module, deleted rows included."""
        return max(self._tables[module], default=0)

    def live(self, module: str) -> list[Record]:
        return [record for record in self._tables[module].values() if not record.deleted]

    def changed_since(self, modules: Iterable[str], moment: str) -> list[Record]:
        """Rows of these modules, deleted ones too, that changed at or after a stored time."""
        rows = [record for name in modules for record in self._tables[name].values()]
        return [record for record in rows if record.modified_at >= moment]

    def find(self, ws_id: str) -> Record | None:
        """The undeleted record behind "12x34"."""
        prefix, _, number = ws_id.partition("x")
        table = self._tables.get(self._names.get(prefix, ""), {})
        record = table.get(int(number)) if number.isdecimal() else None
        return None if record is None or record.deleted else record

    def find_entity(self, number: int) -> Record | None:
        """The record of an ordinary module by its number alone, deleted or not."""
        return self._entities.get(number)

    def module_name_of(self, ws_id: str) -> str:
        """The module an id names by its prefix; refused when no module has it."""
        name = self._names.get(ws_id.partition("x")[0])
        if name is None:
            raise denied(" for id")
        return name

    def points_at_something(self, ws_id: str) -> bool:
        if ws_id.startswith("20x"):
            return ws_id in {f"20x{number}" for number in GROUPS}
        return self.users.find_by_id(ws_id) is not None or self.find(ws_id) is not None
