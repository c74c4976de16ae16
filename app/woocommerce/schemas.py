"""WooCommerce's REST objects: complete JSON with typed access to the fields in use (contract page
WooCommerce §2, §3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, Self, TypeVar

from app.domain import InvalidInput, RecordUnreadable, ResponseUnreadable, System, WrongRecord
from app.parsing import Fault, Shape, find_decimal, find_list, in_utc, rows_of, shaped

# Shapes of the objects of wc/v3 (contract page WooCommerce §2, §3).
#
# Recordings order_create_full_excl_tax, order_get_with_refund, customer_get, product_get_simple,
# product_get_variation_by_id, tax_get; every body of the month.

STAMPS = frozenset({"date_created_gmt", "date_modified_gmt"})
META = Shape(texts=frozenset({"key"}))
_META_ROWS = {"meta_data": META}
_BY_KEY = frozenset({"meta_data"})

ADDRESS = Shape(
    texts=frozenset({"first_name", "last_name", "company", "address_1", "address_2", "city"})
    | {"state", "postcode", "country", "email", "phone"}
)
LINE_TAX = Shape(numbers=frozenset({"total"}), ids=frozenset({"id"}))
_TAXED_ROWS = {"taxes": LINE_TAX, **_META_ROWS}
LINE_ITEM = Shape(
    texts=frozenset({"name", "sku"}),
    numbers=frozenset({"subtotal", "total_tax"}),
    amounts=frozenset({"quantity", "total"}),
    ids=frozenset({"id", "product_id", "variation_id"}),
    rows=_TAXED_ROWS,
    found_by_key=_BY_KEY,
)
FEE_LINE = Shape(
    texts=frozenset({"name"}),
    numbers=frozenset({"total_tax"}),
    amounts=frozenset({"total"}),
    ids=frozenset({"id"}),
    rows=_TAXED_ROWS,
    found_by_key=_BY_KEY,
)
SHIPPING_LINE = Shape(
    texts=frozenset({"method_title"}),
    numbers=frozenset({"total_tax"}),
    amounts=frozenset({"total"}),
    ids=frozenset({"id"}),
    rows=_TAXED_ROWS,
    found_by_key=_BY_KEY,
)
TAX_LINE = Shape(
    texts=frozenset({"label", "rate_code"}),
    numbers=frozenset({"rate_percent", "tax_total", "shipping_tax_total"}),
    ids=frozenset({"rate_id"}),
)
REFUND = Shape(texts=frozenset({"reason"}), amounts=frozenset({"total"}), ids=frozenset({"id"}))
COUPON_LINE = Shape(texts=frozenset({"code"}))

ORDER = Shape(
    times=STAMPS,
    texts=frozenset({"number", "customer_note", "created_via"})
    | {"payment_method", "payment_method_title", "transaction_id"},
    words=frozenset({"status", "currency"}),
    numbers=frozenset({"total_tax", "shipping_tax"}),
    amounts=frozenset({"total", "shipping_total"}),
    ids=frozenset({"customer_id"}),
    objects={"billing": ADDRESS, "shipping": ADDRESS},
    rows={
        "line_items": LINE_ITEM,
        "fee_lines": FEE_LINE,
        "shipping_lines": SHIPPING_LINE,
        "tax_lines": TAX_LINE,
        "coupon_lines": COUPON_LINE,
        "refunds": REFUND,
        **_META_ROWS,
    },
    needed=frozenset({"line_items"}),
    counted=frozenset({"line_items", "fee_lines", "shipping_lines", "tax_lines", "refunds"}),
    found_by_key=_BY_KEY | {"refunds"},
)
CUSTOMER = Shape(
    times=STAMPS,
    texts=frozenset({"email", "first_name", "last_name", "role", "username"}),
    objects={"billing": ADDRESS, "shipping": ADDRESS},
    rows=_META_ROWS,
    found_by_key=_BY_KEY,
)
PRODUCT = Shape(
    times=STAMPS,
    texts=frozenset({"name", "sku", "description", "short_description"})
    | {"tax_status", "tax_class", "permalink", "catalog_visibility"},
    words=frozenset({"type", "status"}),
    numbers=frozenset({"regular_price", "stock_quantity"}),
    ids=frozenset({"parent_id"}),
    rows={
        "categories": Shape(texts=frozenset({"name", "slug"})),
        "tags": Shape(texts=frozenset({"name"})),
        "attributes": Shape(texts=frozenset({"name", "option"}), lists=frozenset({"options"})),
        **_META_ROWS,
    },
    found_by_key=_BY_KEY | {"categories", "attributes"},
)
TAX_RATE = Shape(
    texts=frozenset({"name", "class", "country", "state", "city", "postcode"}),
    numbers=frozenset({"priority", "order"}),
    amounts=frozenset({"rate"}),
    lists=frozenset({"cities", "postcodes"}),
)
ANYTHING = Shape()


T = TypeVar("T")

MOST_FAULTS = 3
FEES = "fee_lines"
_MONEY_ROW = re.compile(r"(line_items|fee_lines)\[\d+\]")
_ADDS_UP = Decimal("0.05")
"""The largest difference that a shop's rounding of taxes makes between an order's total and the sum
of its parts."""


@dataclass(frozen=True, slots=True)
class WooRecord:
    """One REST object; `data` is its JSON with lists and objects converted as its shape says.

    Contract page WooCommerce §2: unknown fields are kept. `faults` are parts that cannot be read,
    `dropped` the places of rows that are no objects.
    """

    data: Mapping[str, Any]
    faults: tuple[Fault, ...] = ()
    dropped: tuple[str, ...] = ()

    shape: ClassVar[Shape] = ANYTHING
    label: ClassVar[str] = "record"

    @classmethod
    def parse(cls, data: object) -> Self:
        """Parse an object. Raises ResponseUnreadable if it has no id.

        Other faults do not raise here but in `checked`, so that one record with faults does not
        make a list unreadable.
        """
        if not isinstance(data, Mapping):
            raise ResponseUnreadable(
                System.WOOCOMMERCE, f"expected an object, got {type(data).__name__}"
            )
        if find_id(data.get("id")) is None:
            raise ResponseUnreadable(System.WOOCOMMERCE, "an object came without its id")
        found = shaped(data, cls.shape)
        return cls(found.data, found.faults, found.dropped)

    def answering(self, asked: str) -> Self:
        """This record. Raises WrongRecord if its id is not the requested one."""
        if find_id(self.id) != find_id(asked):
            raise WrongRecord(System.WOOCOMMERCE, self.label, asked=asked, given=self.id)
        return self

    def checked(self) -> Self:
        """This record. Raises RecordUnreadable, for the first fault, if it has faults."""
        if not self.faults:
            return self
        explanation = "; ".join(str(fault) for fault in self.faults[:MOST_FAULTS])
        raise RecordUnreadable(
            System.WOOCOMMERCE,
            f"{self.label} {self.id} of WooCommerce cannot be read: {explanation}",
            record_id=self.id,
            place=self.faults[0].place,
        )

    @property
    def id(self) -> str:
        return str(self.data["id"])

    @property
    def modified_at(self) -> datetime | None:
        """None for users that were never changed (contract page WooCommerce §2, Dates)."""
        return parse_gmt(self.data.get("date_modified_gmt"))

    @property
    def created_at(self) -> datetime | None:
        return parse_gmt(self.data.get("date_created_gmt"))

    def text(self, *path: str) -> str:
        """The text or number at a path (`"billing", "phone"`) as text; "" for anything else."""
        value: Any = self.data
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return ""
        return str(value)

    def meta(self, key: str) -> str | None:
        """The value of the first meta row with this key; None unless it is text or a number."""
        for row in rows_of(self.data.get("meta_data")):
            if row.get("key") == key:
                value = row.get("value")
                return str(value) if isinstance(value, str | int | float) else None
        return None


@dataclass(frozen=True, slots=True)
class WooCustomer(WooRecord):
    """A WordPress user as wc/v3/customers returns it (recording customer_create)."""

    shape: ClassVar[Shape] = CUSTOMER
    label: ClassVar[str] = "customer"

    @property
    def email(self) -> str:
        return self.text("email")

    @property
    def role(self) -> str:
        """`customer`, but also `subscriber`, `administrator`, … (contract page WooCommerce §1)."""
        return self.text("role")


@dataclass(frozen=True, slots=True)
class WooProduct(WooRecord):
    """A product, or a variation (recordings product_get_simple, product_get_variation_by_id)."""

    shape: ClassVar[Shape] = PRODUCT
    label: ClassVar[str] = "product"

    @property
    def type(self) -> str:
        """`simple`, `variable`, `variation`, `grouped`, `external`, or a plug-in's own type
        (`subscription_variation`, `variable-subscription`)."""
        return self.text("type")

    @property
    def is_variable(self) -> bool:
        """Whether its variations are sold instead of the product itself."""
        return is_variable(self.data)

    @property
    def sku(self) -> str:
        return self.text("sku")

    @property
    def status(self) -> str:
        """`publish`, `draft`, `pending`, `private`, …, `trash` (product_get_trashed)."""
        return self.text("status")

    @property
    def parent_id(self) -> str | None:
        """The id of the product to which a variation belongs; None for other products."""
        return find_id(self.data.get("parent_id")) if is_variation(self.data) else None


_NO_VARIATION = frozenset({"simple", "grouped", "external"})


def is_variation(product: Mapping[str, Any]) -> bool:
    """Whether a product's JSON is that of a variation: it has a parent, and none of WooCommerce's
    other types, which may have a parent too.
    """
    kind = product.get("type")
    has_parent = find_id(product.get("parent_id")) is not None
    return has_parent and kind not in _NO_VARIATION and not is_variable(product)


def is_variable(product: Mapping[str, Any]) -> bool:
    """Whether a product's JSON is that of a product, of any type, whose variations are sold."""
    kind, variations = product.get("type"), product.get("variations")
    return bool(variations) or (isinstance(kind, str) and kind.startswith("variable"))


@dataclass(frozen=True, slots=True)
class WooOrder(WooRecord):
    """An order (recording order_create_full_excl_tax); money is text, only `price` is a float."""

    shape: ClassVar[Shape] = ORDER
    label: ClassVar[str] = "order"

    @classmethod
    def parse(cls, data: object) -> Self:
        """Parse an object as `WooRecord.parse` does. A dropped line or fee is a fault unless the
        rest adds up to the total."""
        order = super(WooOrder, cls).parse(data)
        lost = next((place for place in order.dropped if _MONEY_ROW.fullmatch(place)), None)
        if lost is None and find_list(order.data.get(FEES)) is None:
            lost = FEES
        if lost is None or order.faults or abs(_missing(order.data)) <= _ADDS_UP:
            return order
        fault = Fault(lost, "is missing, and the rest does not add up to the order's total")
        return cls(order.data, (fault,), order.dropped)

    @property
    def status(self) -> str:
        return self.text("status")

    @property
    def lines(self) -> list[Mapping[str, Any]]:
        """The lines of products, without fees and shipping."""
        return rows_of(self.data.get("line_items"))

    @property
    def customer_id(self) -> str | None:
        """The customer's id; None for a guest, who is customer 0 in the shop."""
        return find_id(self.data.get("customer_id"))


@dataclass(frozen=True, slots=True)
class WooTaxRate(WooRecord):
    """A tax rate; `rate` is text with four decimals (recording tax_get)."""

    shape: ClassVar[Shape] = TAX_RATE
    label: ClassVar[str] = "tax rate"

    @property
    def rate(self) -> str:
        return self.text("rate")


@dataclass(frozen=True, slots=True)
class WooWebhook(WooRecord):
    """A webhook as the API returns it, without its secret and failure count (webhooks_list)."""

    @property
    def name(self) -> str:
        return self.text("name")

    @property
    def status(self) -> str:
        """`active`, `paused` or `disabled`."""
        return self.text("status")

    @property
    def topic(self) -> str:
        return self.text("topic")

    @property
    def delivery_url(self) -> str:
        return self.text("delivery_url")


@dataclass(frozen=True, slots=True)
class WooPage(Generic[T]):
    """One page of a listing, with the totals of `X-WP-Total` and `X-WP-TotalPages`.

    `rows` is the number of rows, including those without an id, which are not in `items`.
    """

    items: tuple[T, ...]
    total: int
    pages: int
    rows: int


@dataclass(frozen=True, slots=True)
class WooIndex:
    """The answer of the API's root, which shows that WooCommerce's REST API exists."""

    namespace: str
    routes: frozenset[str]


def modified_after(moment: datetime | None) -> dict[str, str]:
    """The query for records changed strictly after a time; empty for None.

    A UTC time without a zone, with `dates_are_gmt`: with the flag and a `Z` the shop omits rows
    (contract page WooCommerce §2; recording products_modified_after_Z_plus_gmt_flag). The shop
    compares whole seconds, so callers use overlapping ranges. InvalidInput for a naive time.
    """
    if moment is None:
        return {}
    if moment.tzinfo is None:
        raise InvalidInput("A time without a zone is ambiguous.", "modified_after")
    bare = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {"modified_after": bare, "dates_are_gmt": "true"}


def find_id(value: object) -> str | None:
    """An id as text without leading zeros, from a number or numeric text; None for 0 and anything
    else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    if len(text) > 20 or not (text.isascii() and text.isdigit()):
        return None
    return str(int(text)) if int(text) else None


def parse_gmt(value: object) -> datetime | None:
    """A `*_gmt` time, which is UTC without a zone (contract page WooCommerce §2, Dates); None if it
    is no time."""
    if not isinstance(value, str):
        return None
    try:
        return in_utc(datetime.fromisoformat(value))
    except ValueError:
        return None


def _missing(order: Mapping[str, Any]) -> Decimal:
    """The total of an order without faults minus the sum of its parts."""
    lines = [row["total"] for key in ("line_items", "fee_lines") for row in rows_of(order.get(key))]
    parts = [*lines, order["shipping_total"], order.get("total_tax")]
    known = [find_decimal(part) or Decimal(0) for part in parts]
    return (find_decimal(order["total"]) or Decimal(0)) - sum(known, Decimal(0))
