"""Create, update, revise, delete and read of ordinary modules, with the real system's checks."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.vtiger import collation, columns, php
from sandbox.vtiger.database import Record
from sandbox.vtiger.refusals import Refusal, RestrictedFile, denied, duplicate, no_value
from sandbox.vtiger.schema import Field
from sandbox.vtiger.table import Table, Written
from sandbox.vtiger.users import CrmUser

_OWNER = re.compile(r"(19|20)x\d+")
_LABEL_LENGTH = 255
_DECODED_ECHO = frozenset({"Accounts", "Products", "SalesOrder"})

Element = Mapping[str, Any]


class Entities(Table):
    """One module's web service side. Modules with more to them (lines, taxes) extend this class.

    Every method raises Refusal, PhpFatal or RestrictedFile where the real system refuses
    (contract page Vtiger §1, recordings 11-*, 20-*, 50-*, 52-*).
    """

    def create(self, element: Element, user: CrmUser) -> Written:
        return self._written(self._created(element, user), user)

    def update(self, element: Element, user: CrmUser) -> Written:
        """Despite its name no full replacement, but every mandatory field must be sent."""
        self._check_changed(element, mandatory=self.module.mandatory)
        return self._written(self._changed(element, user), user)

    def revise(self, element: Element, user: CrmUser) -> Written:
        sent = [name for name in self.module.mandatory if name in element]
        self._check_changed(element, mandatory=sent)
        return self._written(self._changed(element, user), user)

    def delete(self, ws_id: str, user: CrmUser) -> Record:
        return self.discard(ws_id, user)

    def discard(self, ws_id: str, user: CrmUser) -> Record:
        """Into the recycle bin, as from the CRM's pages: an order keeps its lines there."""
        record = self.get(ws_id)
        record.deleted = True
        record.touch(user, self.database.now())
        return record

    def restore(self, ws_id: str, user: CrmUser) -> Record:
        """Out of the recycle bin again."""
        record = self.database.find_entity(int(ws_id.partition("x")[2]))
        if record is None or not record.deleted:
            raise denied()
        record.deleted = False
        record.touch(user, self.database.now())
        return record

    def get(self, ws_id: str) -> Record:
        record = self.database.find(ws_id)
        if record is None:
            raise denied()
        return record

    def type_in(self, values: Mapping[str, Any], user: CrmUser, record: Record | None) -> Record:
        """A save through the forms of the CRM: no web service checks but the unique fields."""
        stored = dict(record.values) if record else self._blank(user)
        for name, value in values.items():
            stored[name] = columns.from_ui(self.module.fields[name], value)
        if record is None:
            stored["source"] = "CRM"
            return self._inserted(stored, user)
        return self._committed(record, stored, user)

    def columns(self) -> list[Field]:
        return self.own_fields()

    def own_fields(self) -> list[Field]:
        """The fields stored with the record itself, in the order they are read."""
        return [field for field in self.module.fields.values() if not field.on_lines]

    def value(self, record: Record, name: str, user: CrmUser, /) -> str:
        if (system := _system_value(record, name, user)) is not None:
            return system
        if name == "id":
            return self.ws_id(record)
        field = self.module.fields[name]
        value = record.values.get(name, field.blank)
        if field.type == "reference" and not self.database.points_at_something(value):
            return ""
        return value

    def cell(self, record: Record, name: str, user: CrmUser, /) -> str | None:
        """8.4 answers a reference or date that is not set as null (recording stock-orders)."""
        value = super().cell(record, name, user)
        can_be_null = name != "id" and self.module.fields[name].type in ("reference", "date")
        return None if not value and can_be_null and self.database.breaks_orders else value

    def read(self, record: Record, user: CrmUser) -> dict[str, Any]:
        """The answer of retrieve: all fields and the HTML-encoded label."""
        row: dict[str, Any] = {
            field.name: self._shown(field, self.value(record, field.name, user))
            for field in self.own_fields()
        }
        row["label"] = php.encode_entities(php.decode_entities(record.label))
        return row

    def read_whole(self, record: Record, user: CrmUser) -> dict[str, Any]:
        """The record as the add-on reads it."""
        return self.read(record, user)

    def _shown(self, field: Field, value: str) -> str | None:
        """8.4 shows a reference that is not set as null (recording 84-retrieve-order)."""
        unset = field.type == "reference" and not value and self.database.breaks_orders
        return None if unset else value

    def callback_data(self, record: Record, user: CrmUser) -> dict[str, Any]:
        """What a workflow of the save sees of the record."""
        return self.read(record, user)

    def echo(self, record: Record, user: CrmUser) -> dict[str, Any]:
        """The answer of a write: as read, in some modules decoded one level too many."""
        row = self.read(record, user)
        return decoded(row) if self.module.name in _DECODED_ECHO else row

    def _blank(self, user: CrmUser) -> dict[str, str]:
        values = {
            field.name: field.blank
            for field in self.module.fields.values()
            if field.is_written_by_client
        }
        return values | {"assigned_user_id": user.ws_id}

    def _created(self, element: Element, user: CrmUser) -> Record:
        self._check_created(element)
        values = self._values(element, user, before=None)
        values["source"] = source_of(element)
        return self._inserted(values, user)

    def _changed(self, element: Element, user: CrmUser) -> Record:
        record = self.get(php.text(element.get("id")))
        return self._committed(record, self._values(element, user, before=record.values), user)

    def _written(self, record: Record, user: CrmUser) -> Written:
        return Written(record, self.echo(record, user))

    def _values(
        self, element: Element, user: CrmUser, *, before: Mapping[str, str] | None
    ) -> dict[str, str]:
        values = dict(before) if before is not None else self._blank(user)
        for name, sent in element.items():
            field = self.module.fields.get(name)
            if field is not None and field.is_written_by_client:
                old = None if before is None else values.get(name, "")
                values[name] = self._stored(field, sent, old=old, user=user)
        return values

    def _stored(self, field: Field, sent: Any, *, old: str | None, user: CrmUser) -> str:
        if field.type == "owner":
            owner = php.text(sent)
            return owner if _OWNER.fullmatch(owner) else old or user.ws_id
        if field.type == "reference":
            return php.text(sent)
        return columns.from_api(field, sent, before=old, decimals=user.decimals)

    def _inserted(self, values: dict[str, str], user: CrmUser) -> Record:
        self._check_unique(values, None)
        for field in self.module.fields.values():
            if field.is_numbering:
                values[field.name] = self.database.next_label_number(self.module.name)
        record = self.database.insert(self.module.name, self._cut(values), user)
        record.label = self._label(values)
        self._check_owner(record)
        return record

    def _committed(self, record: Record, values: dict[str, str], user: CrmUser) -> Record:
        self._check_unique(values, record)
        record.values = self._cut(values)
        record.label = self._label(values)
        record.touch(user, self.database.now())
        self._check_owner(record)
        return record

    def _cut(self, values: Mapping[str, str]) -> dict[str, str]:
        fields = self.module.fields
        return {name: columns.to_column(fields[name], value) for name, value in values.items()}

    def _label(self, values: Mapping[str, str]) -> str:
        parts = (values.get(name, "") for name in self.module.label_fields)
        return collation.utf8mb3(" ".join(parts).strip())[:_LABEL_LENGTH]

    def _check_created(self, element: Element) -> None:
        self._check_references(element)
        self._check_mandatory(element, self.module.mandatory)

    def _check_changed(self, element: Element, *, mandatory: Iterable[str]) -> None:
        self.get(php.text(element.get("id")))
        self._check_references(element)
        self._check_mandatory(element, mandatory)

    def _check_owner(self, record: Record) -> None:
        owner = record.values["assigned_user_id"]
        if owner.startswith("19x") and self.database.users.find_by_id(owner) is None:
            raise RestrictedFile

    def _check_references(self, element: Element) -> None:
        for field in self.module.references:
            sent = php.text(element.get(field.name))
            if sent and self.database.module_name_of(sent) not in field.refers_to:
                message = f"Invalid reference specified for {field.name}"
                raise Refusal("REFERENCE_INVALID", message)

    def _check_mandatory(self, element: Element, names: Iterable[str]) -> None:
        for name in names:
            if element.get(name) in (None, ""):
                raise no_value(name)

    def _check_unique(self, values: Mapping[str, str], own: Record | None) -> None:
        for name in self.module.unique:
            wanted = collation.key(collation.utf8mb3(values[name]))
            if values[name] and any(
                collation.key(other.values[name]) == wanted
                for other in self.database.live(self.module.name)
                if other is not own
            ):
                raise duplicate()


def decoded(row: Mapping[str, Any]) -> dict[str, Any]:
    """A read row with one level of entities less in every text but the label."""
    return {
        name: php.decode_entities(value) if isinstance(value, str) and name != "label" else value
        for name, value in row.items()
    }


def source_of(element: Element) -> str:
    """What a new record shows as its source."""
    return php.text(element.get("source")) or "WEBSERVICE"


def _system_value(record: Record, name: str, user: CrmUser) -> str | None:
    match name:
        case "createdtime":
            return record.created_at
        case "modifiedtime":
            return record.modified_at
        case "modifiedby":
            return record.modified_by
        case "starred":
            return "0" if user.ws_id in record.savers else ""
        case "tags":
            return ""
    return None
