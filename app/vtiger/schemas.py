"""Vtiger's records and module descriptions as read, with typed access to what we use."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from app.errors import ResponseUnreadable, System

VTIGER = System.VTIGER
ID_PATTERN = re.compile(r"\d+x\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class VtigerRecord:
    """One record; `data` is its fields as Vtiger names them, all text but just-computed totals.

    Contract page Vtiger §1 (retrieve); recordings 21-retrieve-contact-full, 53-query-id-gt.
    """

    id: str
    module: str
    data: Mapping[str, Any]

    @classmethod
    def parse(cls, data: object, module: str) -> Self:
        """Raises ResponseUnreadable if it is not an object with an id such as `12x34`."""
        if not isinstance(data, Mapping):
            raise ResponseUnreadable(VTIGER, f"expected a record, got {type(data).__name__}")
        record_id = data.get("id")
        if not isinstance(record_id, str) or not ID_PATTERN.fullmatch(record_id):
            raise ResponseUnreadable(VTIGER, f"a {module} record came without its id")
        return cls(record_id, module, data)

    def get(self, field: str) -> str:
        """A field's text; "" if it is absent, as Vtiger shows an empty one."""
        value = self.data.get(field)
        return "" if value is None or isinstance(value, Mapping | list) else str(value)

    @property
    def modified_at(self) -> datetime | None:
        return parse_time(self.get("modifiedtime"))

    @property
    def created_at(self) -> datetime | None:
        return parse_time(self.get("createdtime"))

    @property
    def modified_by(self) -> str:
        """The last writer, `19xN`: the API user for our own writes (56-modifiedby-apiuser)."""
        return self.get("modifiedby")


@dataclass(frozen=True, slots=True)
class VtigerOrder(VtigerRecord):
    """A sales order as `retrieve` gives it (00-REFERENCE-so-retrieve-full-group)."""

    @property
    def lines(self) -> tuple[Mapping[str, Any], ...]:
        """Its lines in their sequence, all values text but for null ones; () if it has none.

        A line's `parent_id` is the word `6xArray` here. ResponseUnreadable if LineItems is not
        a list of objects.
        """
        rows = self.data.get("LineItems") or []
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise ResponseUnreadable(VTIGER, f"the lines of {self.id} are no list of objects")
        return tuple(rows)


@dataclass(frozen=True, slots=True)
class VtigerTax:
    """A tax (70-tax-query). `name` is its column on products and lines, such as `tax1`.

    The name is "" or another tax's where a renaming has broken it (contract page Vtiger §4).
    """

    id: str
    name: str
    label: str
    percentage: Decimal
    deleted: bool

    @classmethod
    def parse(cls, data: object) -> Self:
        """Raises ResponseUnreadable without an id or a percentage."""
        row = VtigerRecord.parse(data, "Tax")
        percentage = _decimal(row, "percentage")
        deleted = row.get("deleted") == "1"
        return cls(row.id, row.get("taxname"), row.get("taxlabel"), percentage, deleted)


@dataclass(frozen=True, slots=True)
class VtigerCurrency:
    """A currency that orders may be in (72-currency-query). `rate`: how much of it is 1 of the
    CRM's own currency."""

    id: str
    code: str
    rate: Decimal
    active: bool

    @classmethod
    def parse(cls, data: object) -> Self:
        """Raises ResponseUnreadable without an id or a conversion rate."""
        row = VtigerRecord.parse(data, "Currency")
        active = row.get("currency_status") == "Active" and row.get("deleted") != "1"
        return cls(row.id, row.get("currency_code"), _decimal(row, "conversion_rate"), active)


@dataclass(frozen=True, slots=True)
class VtigerField:
    """One field of a module; labels are plain text (contract page Vtiger §1, describe)."""

    name: str
    label: str
    type: str
    mandatory: bool
    editable: bool
    unique: bool
    picklist: tuple[str, ...] = ()
    refers_to: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        kind = data.get("type")
        kind = kind if isinstance(kind, Mapping) else {}
        options = [option for option in kind.get("picklistValues", ()) if "value" in option]
        return cls(
            name=str(data["name"]),
            label=html.unescape(str(data.get("label", ""))),
            type=str(kind.get("name", "")),
            mandatory=data.get("mandatory") is True,
            editable=data.get("editable") is not False,
            unique=data.get("isunique") is True,
            picklist=tuple(str(option["value"]) for option in options),
            refers_to=tuple(str(name) for name in kind.get("refersTo", ())),
        )


@dataclass(frozen=True, slots=True)
class VtigerModule:
    """A module as `describe` tells it (recordings 03-describe-*)."""

    name: str
    id_prefix: str
    fields: tuple[VtigerField, ...]

    @classmethod
    def parse(cls, data: object) -> Self:
        """Raises ResponseUnreadable if it is not a description."""
        try:
            if not isinstance(data, Mapping) or not isinstance(data["fields"], Sequence):
                raise TypeError("it is no description")
            fields = tuple(VtigerField.parse(field) for field in data["fields"])
            return cls(str(data["name"]), str(data["idPrefix"]), fields)
        except (KeyError, TypeError, AttributeError) as error:
            message = f"Vtiger described a module in a way that cannot be read: {error!r}"
            raise ResponseUnreadable(VTIGER, message) from error

    def find_field(self, name: str) -> VtigerField | None:
        return next((field for field in self.fields if field.name == name), None)

    def field_labelled(self, label: str) -> VtigerField | None:
        """The first field with this label, whatever its case: custom fields have numbers for
        names that differ per install (contract page Vtiger §6, recording 80-*)."""
        wanted = label.strip().casefold()
        return next((f for f in self.fields if f.label.strip().casefold() == wanted), None)


@dataclass(frozen=True, slots=True)
class VtigerUser:
    """Whose session it is (recording 01-login)."""

    id: str
    vtiger_version: str


def parse_time(text: str) -> datetime | None:
    """`2026-11-23 21:14:12` in the server's zone, which is UTC by default, of 1 s resolution.

    Contract page Vtiger §6.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _decimal(row: VtigerRecord, field: str) -> Decimal:
    try:
        number = Decimal(row.get(field))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ResponseUnreadable(VTIGER, f"{row.id} has no number as its {field}")
    return number
