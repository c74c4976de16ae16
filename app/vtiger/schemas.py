"""Vtiger's records and module descriptions as read, with typed access to what we use."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from app.errors import RecordUnreadable, ResponseUnreadable, System, WrongRecord
from app.json_shapes import Fault, Shape, find_decimal, find_list, in_utc, rows_of, shaped
from app.vtiger import shapes

VTIGER = System.VTIGER
ID_PATTERN = re.compile(r"\d+x\d+", re.ASCII)
MOST_FAULTS = 3
TOTALS = ("hdnGrandTotal", "pre_tax_total")


@dataclass(frozen=True, slots=True)
class VtigerRecord:
    """One record; `data` is its fields as Vtiger names them, all text but just-computed totals.

    Contract page Vtiger §1 (retrieve); recordings 21-retrieve-contact-full, 53-query-id-gt.
    `faults` are the fields that cannot be read, `dropped` the places of lines that are no objects.
    """

    id: str
    module: str
    data: Mapping[str, Any]
    faults: tuple[Fault, ...] = ()
    dropped: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: object, module: str) -> Self:
        """Raises ResponseUnreadable if it is not an object with an id such as `12x34`.

        A record with an id is always had, so that one that cannot be read spoils no list:
        `checked` raises for it.
        """
        if not isinstance(data, Mapping):
            raise ResponseUnreadable(VTIGER, f"expected a record, got {type(data).__name__}")
        record_id = data.get("id")
        if not isinstance(record_id, str) or not ID_PATTERN.fullmatch(record_id):
            raise ResponseUnreadable(VTIGER, f"a {module} record came without its id")
        found = shaped(data, cls.shape_of(module))
        return cls(record_id, module, found.data, found.faults, found.dropped)

    @classmethod
    def shape_of(cls, module: str) -> Shape:
        return shapes.kind_of(module).shape

    def answering(self, asked: str) -> Self:
        """The record itself. WrongRecord if its id is not the one that was asked for."""
        if _numbers(self.id) != _numbers(asked):
            raise WrongRecord(VTIGER, self.module, asked=asked, given=self.id)
        return self

    def checked(self) -> Self:
        """The record itself. RecordUnreadable, with the first fault, if it has one."""
        if self.faults:
            told = "; ".join(str(fault) for fault in self.faults[:MOST_FAULTS])
            raise self.unreadable(self.faults[0].place, told)
        return self

    def unreadable(self, place: str, told: str) -> RecordUnreadable:
        """The error of a record of which `place` cannot be read; `told` says why, place first."""
        message = f"{self.module} {self.id} of Vtiger cannot be read: {told}"
        return RecordUnreadable(VTIGER, message, record_id=self.id, place=place)

    def get(self, field: str) -> str:
        """A field's text; "" if it is absent, as Vtiger shows an empty one. RecordUnreadable if
        it is a list or an object."""
        value = self.data.get(field)
        if isinstance(value, Mapping | list):
            raise self.unreadable(field, f"{field} is no text")
        return "" if value is None else str(value)

    @property
    def modified_at(self) -> datetime | None:
        return parse_time(self.data.get("modifiedtime"))

    @property
    def created_at(self) -> datetime | None:
        return parse_time(self.data.get("createdtime"))

    @property
    def modified_by(self) -> str:
        """The last writer, `19xN`: the API user for our own writes (56-modifiedby-apiuser)."""
        return self.get("modifiedby")


@dataclass(frozen=True, slots=True)
class VtigerOrder(VtigerRecord):
    """A sales order as `retrieve` gives it (00-REFERENCE-so-retrieve-full-group)."""

    @classmethod
    def parse(cls, data: object, module: str) -> Self:
        """As of any record. Only an order that a broken call left without lines may be without
        totals: elsewhere a blank one is none that could be read."""
        order = super(VtigerOrder, cls).parse(data, module)
        names = TOTALS if order.lines else ()
        blank = [name for name in names if order.data.get(name) in (None, "")]
        faults = (*order.faults, *(Fault(name, "has no number") for name in blank))
        return cls(order.id, module, order.data, faults, order.dropped)

    @classmethod
    def shape_of(cls, module: str) -> Shape:  # noqa: ARG003 - orders are of one module
        return shapes.ORDER

    @property
    def lines(self) -> tuple[Mapping[str, Any], ...]:
        """Its lines in their sequence, all values text but for null ones; () if it has none.

        A line's `parent_id` is the word `6xArray` here.
        """
        return tuple(rows_of(self.data.get("LineItems")))


@dataclass(frozen=True, slots=True)
class VtigerTax:
    """A tax (70-tax-query). `name` is its column on products and lines, such as `tax1`.

    The name is "" or another tax's where a renaming has broken it (contract page Vtiger §4);
    `percentage` is None where it cannot be read.
    """

    id: str
    name: str
    label: str
    percentage: Decimal | None
    deleted: bool

    @classmethod
    def parse(cls, data: object) -> Self:
        """Raises ResponseUnreadable without an id."""
        row = VtigerRecord.parse(data, "Tax")
        percentage = find_decimal(row.data.get("percentage"))
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
        """Raises ResponseUnreadable without an id, RecordUnreadable without a conversion rate."""
        row = VtigerRecord.parse(data, "Currency")
        active = row.get("currency_status") == "Active" and row.get("deleted") != "1"
        rate = find_decimal(row.get("conversion_rate"))
        if rate is None:
            raise row.unreadable("conversion_rate", "conversion_rate is no plain number")
        return cls(row.id, row.get("currency_code"), rate, active)


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
        options = [row for row in rows_of(kind.get("picklistValues")) if "value" in row]
        return cls(
            name=str(data["name"]),
            label=html.unescape(str(data.get("label", ""))),
            type=str(kind.get("name", "")),
            mandatory=data.get("mandatory") is True,
            editable=data.get("editable") is not False,
            unique=data.get("isunique") is True,
            picklist=tuple(str(option["value"]) for option in options),
            refers_to=tuple(str(name) for name in find_list(kind.get("refersTo")) or ()),
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
            if not isinstance(data, Mapping) or not rows_of(data["fields"]):
                raise TypeError("it is no description")
            fields = tuple(VtigerField.parse(field) for field in rows_of(data["fields"]))
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


def _numbers(record_id: str) -> list[str]:
    """An id's two numbers without leading zeros."""
    return [part.lstrip("0") for part in record_id.split("x")]


def parse_time(value: object) -> datetime | None:
    """`2026-11-23 21:14:12` in the server's zone, which is UTC by default, of 1 s resolution.

    Contract page Vtiger §6.
    """
    if not isinstance(value, str):
        return None
    try:
        return in_utc(datetime.strptime(value, "%Y-%m-%d %H:%M:%S"))  # noqa: DTZ007
    except ValueError:
        return None
