"""Vtiger's records and module descriptions with typed access to the fields in use; versions of
Vtiger, and abilities of the add-on."""

import asyncio
import html
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from time import monotonic
from typing import Any, Self

from app.domain import RecordUnreadable, Rejected, ResponseUnreadable, WrongRecord
from app.parsing import Fault, Shape, find_decimal, find_list, in_utc, rows_of, shaped
from app.vtiger.webservice import VERSION_SECONDS, VTIGER, VtigerApi

# Versions of Vtiger Community Edition.

_DAMAGING = re.compile(r"8\.[34](\..*)?")


def damages_orders(version: str) -> bool:
    """Whether this version of Community Edition refuses to create orders with lines, damages them
    on a revise with lines and cannot delete them (page Vtiger add-on writes, F2 and F3)."""
    return _DAMAGING.fullmatch(version) is not None


# Shapes of Vtiger's records: all values are text, lines are a list.
#
# Contract page Vtiger §1 (retrieve), §3, §4; recordings 00-REFERENCE-so-retrieve-full-group,
# sales-orders (250 orders), 21-retrieve-contact-full, 70-tax-query.

_TIMES = frozenset({"createdtime", "modifiedtime"})
_PEOPLE = frozenset({"modifiedby", "assigned_user_id"})
_PLACE = ("street", "city", "zip", "state", "country")
_ORDER_PLACE = ("street", "city", "code", "state", "country")

LINE_ITEM = Shape(
    texts=frozenset({"productid", "comment", "product_name", "entity_type"}),
    numbers=frozenset({"discount_amount", "discount_percent"}),
    amounts=frozenset({"quantity", "listprice"}),
)
CONTACT = Shape(
    times=_TIMES,
    texts=_PEOPLE
    | {"firstname", "lastname", "email", "phone", "mobile", "account_id"}
    | {f"{block}{part}" for block in ("mailing", "other") for part in _PLACE},
)
PRODUCT = Shape(
    times=_TIMES,
    texts=_PEOPLE
    | {"productname", "productcode", "description", "productcategory"}
    | {"website", "currency_id"},
    numbers=frozenset({"unit_price", "qtyinstock"}),
    number_names=re.compile(r"tax[0-9]+|currency[0-9]+", re.ASCII),
)
SERVICE = replace(PRODUCT, texts=PRODUCT.texts | {"servicename"})
ORDER_HEADER = Shape(
    times=_TIMES,
    texts=_PEOPLE
    | {"subject", "sostatus", "vtiger_purchaseorder", "contact_id", "account_id", "currency_id"}
    | {"description", "hdnTaxType"}
    | {f"{block}_{part}" for block in ("bill", "ship") for part in _ORDER_PLACE},
    numbers=frozenset({"hdnDiscountAmount", "hdnDiscountPercent", "hdnS_H_Amount", "hdnSubTotal"})
    | {"hdnGrandTotal", "pre_tax_total", "txtAdjustment", "conversion_rate"},
    rows={"LineItems": LINE_ITEM},
    counted=frozenset({"LineItems"}),
)
ORDER = replace(ORDER_HEADER, needed=frozenset({"LineItems"}))
"""A complete order. A query returns no lines; a retrieved order without them cannot be read."""

TAX = Shape(texts=frozenset({"taxname", "taxlabel"}), amounts=frozenset({"percentage"}))

ANYTHING = Shape()


@dataclass(frozen=True, slots=True)
class RecordKind:
    """One module of Vtiger: the shape of its records, the field with the record number that people
    see (such as CON217), and whether the add-on reads and writes them."""

    shape: Shape
    number_field: str | None = None
    by_addon: bool = False


KINDS: Mapping[str, RecordKind] = {
    "Accounts": RecordKind(ANYTHING, "account_no", by_addon=True),
    "Contacts": RecordKind(CONTACT, "contact_no", by_addon=True),
    "Products": RecordKind(PRODUCT, "product_no", by_addon=True),
    "Services": RecordKind(SERVICE, "service_no", by_addon=True),
    "SalesOrder": RecordKind(ORDER_HEADER, "salesorder_no", by_addon=True),
    "Tax": RecordKind(TAX),
}
_OTHER = RecordKind(ANYTHING)


def kind_of(module: str) -> RecordKind:
    """The kind of a module's records, by Vtiger's name of the module."""
    return KINDS.get(module, _OTHER)


# Abilities of the add-on WooSync in the CRM, cached for some minutes.
#
# The add-on can be installed, updated and removed while the service runs, so a caller that finds an
# operation absent calls `forget` or `is_lost`.

CHANGES = "woosync_changes"
"""The operation that every version of the add-on has, and that reports the abilities."""
DENIED = "ACCESS_DENIED"
SAVE = "save"
READ = "read"


class Abilities:
    """The abilities of one CRM's add-on: none if the add-on is missing or older than 2.0, if the
    API user is no administrator, and for Vtiger Cloud."""

    def __init__(self, api: VtigerApi) -> None:
        self._api = api
        self._known: frozenset[str] = frozenset()
        self._read_at = -math.inf
        self._lock = asyncio.Lock()

    async def has(self, ability: str) -> bool:
        """Whether the add-on has this ability. Raises RemoteError if the CRM cannot be read."""
        async with self._lock:
            if monotonic() - self._read_at > VERSION_SECONDS:
                await self._refresh()
        return ability in self._known

    def forget(self) -> None:
        """Invalidate the cache."""
        self._read_at = -math.inf

    async def is_lost(self, ability: str) -> bool:
        """Whether the add-on no longer has an ability; reads from the CRM again."""
        self.forget()
        return not await self.has(ability)

    def note(self, result: object) -> None:
        """Cache the abilities of a result of `woosync_changes`, which is None without an add-on."""
        self._known = read_abilities(result)
        self._read_at = monotonic()

    async def _refresh(self) -> None:
        try:
            result: Any = await self._api.find(CHANGES, {"since": "0", "limit": "1"})
        except Rejected as error:
            if error.code != DENIED:
                raise
            result = None
        self.note(result)


def read_abilities(result: object) -> frozenset[str]:
    """The abilities of a result of `woosync_changes`; none for versions before 2.0."""
    names = find_list(result.get("abilities")) if isinstance(result, Mapping) else None
    return frozenset(str(name) for name in names or ())


ID_PATTERN = re.compile(r"\d+x\d+", re.ASCII)
MOST_FAULTS = 3
TOTALS = ("hdnGrandTotal", "pre_tax_total")


@dataclass(frozen=True, slots=True)
class VtigerRecord:
    """One record. `data` holds the fields by Vtiger's names, all text except totals that were
    computed for this answer.

    Contract page Vtiger §1 (retrieve); recordings 21-retrieve-contact-full, 53-query-id-gt.
    `faults` are fields that cannot be read, `dropped` the positions of lines that are no objects.
    """

    id: str
    module: str
    data: Mapping[str, Any]
    faults: tuple[Fault, ...] = ()
    dropped: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: object, module: str) -> Self:
        """Parse an object. Raises ResponseUnreadable if it has no id such as `12x34`.

        Other faults do not raise here but in `checked`, so that one record with faults does not
        make a list unreadable.
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
        return kind_of(module).shape

    def answering(self, asked: str) -> Self:
        """This record. Raises WrongRecord if its id is not the requested one."""
        if _numbers(self.id) != _numbers(asked):
            raise WrongRecord(VTIGER, self.module, asked=asked, given=self.id)
        return self

    def checked(self) -> Self:
        """This record. Raises RecordUnreadable, for the first fault, if it has faults."""
        if self.faults:
            explanation = "; ".join(str(fault) for fault in self.faults[:MOST_FAULTS])
            raise self.unreadable(self.faults[0].place, explanation)
        return self

    def unreadable(self, place: str, explanation: str) -> RecordUnreadable:
        """The error for a record whose field `place` cannot be read; the explanation names it."""
        message = f"{self.module} {self.id} of Vtiger cannot be read: {explanation}"
        return RecordUnreadable(VTIGER, message, record_id=self.id, place=place)

    def get(self, field: str) -> str:
        """A field's text; "" if it is absent, which Vtiger does not distinguish from empty. Raises
        RecordUnreadable if it is a list or an object."""
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
        """The id of the last writer, `19xN`: the API user for our own writes
        (56-modifiedby-apiuser)."""
        return self.get("modifiedby")


@dataclass(frozen=True, slots=True)
class VtigerOrder(VtigerRecord):
    """A sales order as `retrieve` returns it (00-REFERENCE-so-retrieve-full-group)."""

    @classmethod
    def parse(cls, data: object, module: str) -> Self:
        """Parse an object as `VtigerRecord.parse` does. A blank total is a fault unless the order
        has no lines, as a failed call may leave it."""
        order = super(VtigerOrder, cls).parse(data, module)
        names = TOTALS if order.lines else ()
        blank = [name for name in names if order.data.get(name) in (None, "")]
        faults = (*order.faults, *(Fault(name, "has no number") for name in blank))
        return cls(order.id, module, order.data, faults, order.dropped)

    @classmethod
    def shape_of(cls, module: str) -> Shape:  # noqa: ARG003 - orders are of one module
        return ORDER

    @property
    def lines(self) -> tuple[Mapping[str, Any], ...]:
        """The lines in their sequence, with text or null values; () without any.

        A line's `parent_id` is the literal text `6xArray`.
        """
        return tuple(rows_of(self.data.get("LineItems")))


@dataclass(frozen=True, slots=True)
class VtigerTax:
    """A tax (70-tax-query). `name` is its column on products and lines, such as `tax1`.

    The name is "" or that of another tax if a changed label damaged it (contract page Vtiger §4);
    `percentage` is None if it cannot be read.
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
    """A currency that orders may have (72-currency-query). One unit of the CRM's base currency is
    `rate` units of it."""

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
            raise row.unreadable("conversion_rate", "conversion_rate is not a plain number")
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
    """A module as `describe` returns it (recordings 03-describe-*)."""

    name: str
    id_prefix: str
    fields: tuple[VtigerField, ...]

    @classmethod
    def parse(cls, data: object) -> Self:
        """Raises ResponseUnreadable if it is not a module's description."""
        try:
            if not isinstance(data, Mapping) or not rows_of(data["fields"]):
                raise TypeError("it is not a description")
            fields = tuple(VtigerField.parse(field) for field in rows_of(data["fields"]))
            return cls(str(data["name"]), str(data["idPrefix"]), fields)
        except (KeyError, TypeError, AttributeError) as error:
            message = f"Vtiger described a module in a way that cannot be read: {error!r}"
            raise ResponseUnreadable(VTIGER, message) from error

    def find_field(self, name: str) -> VtigerField | None:
        return next((field for field in self.fields if field.name == name), None)

    def field_labelled(self, label: str) -> VtigerField | None:
        """The first field with this label, ignoring case: the names of custom fields are numbers
        that differ between installations (contract page Vtiger §6, recording 80-*)."""
        wanted = label.strip().casefold()
        return next((f for f in self.fields if f.label.strip().casefold() == wanted), None)


def _numbers(record_id: str) -> list[str]:
    """An id's two numbers without leading zeros."""
    return [part.lstrip("0") for part in record_id.split("x")]


def parse_time(value: object) -> datetime | None:
    """A time such as `2026-11-23 21:14:12`, to the second, in the server's zone, which is UTC by
    default; None if it is not one. Contract page Vtiger §6."""
    if not isinstance(value, str):
        return None
    try:
        return in_utc(datetime.strptime(value, "%Y-%m-%d %H:%M:%S"))  # noqa: DTZ007
    except ValueError:
        return None


def fold(text: str) -> str:
    """A text as Vtiger compares it: equal for texts that are equal by its `=`."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(one for one in plain if not unicodedata.combining(one)).casefold().rstrip(" ")
