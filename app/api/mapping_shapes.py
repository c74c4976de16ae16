"""What requests and answers of the mapping routes look like."""

from typing import Self

from pydantic import BaseModel, Field

from app.api.fields import Time
from app.errors import System
from app.mapping.rule_checks import RuleFault
from app.mapping.rules import FieldRule
from app.policies.mapping_rows import MappingRow, RowChoices, RowId
from app.policies.mappings import Mapping
from app.records import Direction, Module, WriteCondition
from app.sync.mapping_table import Table, TableRow


class RowFault(BaseModel):
    """What is wrong with a row as of now, and how to mend it."""

    field: str = Field(description="the part of the row; empty: the row as a whole")
    message: str

    @classmethod
    def of(cls, fault: RuleFault) -> Self:
        return cls(field=fault.field, message=fault.message)


class RowIn(RowChoices):
    """A row as it is to be; one without `id` is named after its field."""

    id: RowId | None = Field(None, description="name of the row")

    def named(self, row_id: str) -> MappingRow:
        return MappingRow(**self.model_dump(exclude={"id"}), id=row_id)


class RowOut(BaseModel):
    """One row in force."""

    id: str
    origin: str = Field(description="`default`, `changed` (a default row) or `custom`")
    woo: list[str]
    vtiger: str
    vtiger_label: str = Field(description="empty if Vtiger has no such field, or does not answer")
    vtiger_type: str
    direction: Direction
    transform: str
    write: WriteCondition
    required: list[System] = Field(description="systems that take no record without it")
    given: str
    size: int | None
    pairs: list[tuple[str, str]]
    value: str
    notation: str
    separator: str
    comment: str
    problems: list[RowFault]

    @classmethod
    def of(cls, row: TableRow) -> Self:
        rule, options = row.rule, row.rule.options
        return cls(
            id=rule.name,
            origin=row.origin,
            woo=list(rule.woo),
            vtiger=rule.vtiger,
            vtiger_label=row.label,
            vtiger_type=row.type,
            required=sorted(rule.required),
            pairs=list(options.pairs),
            comment=row.row.comment if row.row else "",
            problems=[RowFault.of(fault) for fault in row.faults],
            **_plain(rule),
        )


def _plain(rule: FieldRule) -> dict[str, object]:
    names = ("direction", "transform", "write", "given", "size")
    options = ("value", "notation", "separator")
    return {name: getattr(rule, name) for name in names} | {
        name: getattr(rule.options, name) for name in options
    }


class MappingOut(BaseModel):
    """The whole mapping of one module of one store."""

    store: str
    module: Module
    version: int = Field(description="grows with every change; 0: nobody changed anything yet")
    updated_at: Time | None
    updated_by: str
    checked: bool = Field(description="false: Vtiger did not answer, so labels are not known")
    items: list[RowOut]
    problems: list[RowFault] = Field(description="of the mapping as a whole")

    @classmethod
    def of(cls, store: str, module: Module, table: Table) -> Self:
        mapping = table.mapping
        return cls(
            store=store,
            module=module,
            version=mapping.version,
            updated_at=mapping.created_at,
            updated_by=mapping.created_by,
            checked=table.checked,
            items=[RowOut.of(row) for row in table.rows],
            problems=[RowFault.of(fault) for fault in table.faults],
        )


class VersionOut(BaseModel):
    """One version of the users' rows."""

    version: int
    created_at: Time | None
    created_by: str
    message: str
    added: list[str] = Field(description="ids of rows that came with it")
    changed: list[str]
    removed: list[str]
    rows: list[MappingRow]

    @classmethod
    def of(cls, mapping: Mapping, before: Mapping) -> Self:
        old, new = ({row.id: row for row in each.rows} for each in (before, mapping))
        return cls(
            version=mapping.version,
            created_at=mapping.created_at,
            created_by=mapping.created_by,
            message=mapping.message,
            added=[each for each in new if each not in old],
            changed=[each for each in new if each in old and new[each] != old[each]],
            removed=[each for each in old if each not in new],
            rows=list(mapping.rows),
        )


class VersionsOut(BaseModel):
    """Versions, newest first; `next_before` is null on the last page."""

    items: list[VersionOut]
    next_before: int | None
