"""What every module offers to `describe`, to a query and to whoever wrote a record."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from sandbox.vtiger.database import Database, Record
from sandbox.vtiger.schema import Field, Module
from sandbox.vtiger.users import CrmUser


@dataclass(frozen=True)
class Written:
    """A record that was written, and what the web service answers to its writer."""

    record: Record
    answer: dict[str, Any]


class Table:
    """One module as the operations see it; `rows` are its undeleted records, oldest first."""

    def __init__(self, database: Database, module: Module) -> None:
        self.database = database
        self.module = module

    def describe(self) -> dict[str, Any]:
        return self.module.described

    def rows(self) -> Iterable[Record]:
        return self.database.live(self.module.name)

    def columns(self) -> list[Field]:
        """The fields of `SELECT *`, in its order."""
        return list(self.module.fields.values())

    def rows_for(self, _names: AbstractSet[str], /) -> Iterable[Record]:
        """The rows a query goes through that uses the named fields; more where it has to join."""
        return self.rows()

    def answered(self, rows: Sequence[Record]) -> Sequence[Record]:
        """What is left of the chosen rows in the answer."""
        return rows

    def key(self, name: str) -> str:
        """Under which key the answer of a query shows a field."""
        return name

    def ws_id(self, record: Record) -> str:
        return f"{self.module.prefix}x{record.number}"

    def value(self, record: Record, name: str, _user: CrmUser, /) -> str:
        """One field in the API's format, text whatever its type."""
        return self.ws_id(record) if name == "id" else record.values.get(name, "")

    def cell(self, record: Record, name: str, user: CrmUser, /) -> str | None:
        """One field as a query answers it."""
        return self.value(record, name, user)
