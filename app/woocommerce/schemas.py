"""WooCommerce's REST objects as read: the JSON kept whole, with typed access to what we use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Self, TypeVar

from app.errors import InvalidInput, ResponseUnreadable, System

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WooRecord:
    """One REST object; `data` is its JSON, never changed.

    Contract page WooCommerce §2: unknown fields are kept, only the id must be right.
    """

    data: Mapping[str, Any]

    @classmethod
    def parse(cls, data: object) -> Self:
        """Raises ResponseUnreadable if it is not an object with an id."""
        if not isinstance(data, Mapping):
            raise ResponseUnreadable(
                System.WOOCOMMERCE, f"expected an object, got {type(data).__name__}"
            )
        if find_id(data.get("id")) is None:
            raise ResponseUnreadable(System.WOOCOMMERCE, "an object came without its id")
        return cls(data)

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
        """The text at a path (`"billing", "phone"`); "" if it is absent or not text."""
        value: Any = self.data
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value if isinstance(value, str) else ""

    def meta(self, key: str) -> str | None:
        """The value of the first meta row with this key, if it is text or a number."""
        for row in self._meta_rows():
            if row.get("key") == key:
                value = row.get("value")
                return str(value) if isinstance(value, str | int | float) else None
        return None

    def _meta_rows(self) -> Iterator[Mapping[str, Any]]:
        rows = self.data.get("meta_data")
        if isinstance(rows, Sequence):
            yield from (row for row in rows if isinstance(row, Mapping))


@dataclass(frozen=True, slots=True)
class WooCustomer(WooRecord):
    """A WordPress user as wc/v3/customers shows it (recording customer_create)."""

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

    @property
    def type(self) -> str:
        """`simple`, `variable`, `variation`, `grouped`, `external`."""
        return self.text("type")

    @property
    def sku(self) -> str:
        return self.text("sku")

    @property
    def status(self) -> str:
        """`publish`, `draft`, `pending`, `private`, …, `trash` (product_get_trashed)."""
        return self.text("status")

    @property
    def parent_id(self) -> str | None:
        """The product that a variation belongs to; None for every other product."""
        return find_id(self.data.get("parent_id")) if self.type == "variation" else None


@dataclass(frozen=True, slots=True)
class WooOrder(WooRecord):
    """An order (recording order_create_full_excl_tax); money is text, `price` alone a float."""

    @property
    def status(self) -> str:
        return self.text("status")

    @property
    def customer_id(self) -> str | None:
        """None for a guest, which the shop shows as customer 0."""
        return find_id(self.data.get("customer_id"))


@dataclass(frozen=True, slots=True)
class WooTaxRate(WooRecord):
    """A tax rate; `rate` is text with four decimals (recording tax_get)."""

    @property
    def rate(self) -> str:
        return self.text("rate")


@dataclass(frozen=True, slots=True)
class WooWebhook(WooRecord):
    """A webhook as REST shows it: never with its secret or failure count (webhooks_list)."""

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
    """One page of a listing, with the totals of `X-WP-Total` and `X-WP-TotalPages`."""

    items: tuple[T, ...]
    total: int
    pages: int


@dataclass(frozen=True, slots=True)
class WooIndex:
    """What answers at the API's root: proof that WooCommerce's REST API is there."""

    namespace: str
    routes: frozenset[str]


def modified_after(moment: datetime | None) -> dict[str, str]:
    """The filter for records changed strictly after a moment; none for None.

    A bare UTC time with `dates_are_gmt`, never a `Z` beside the flag: that loses rows (contract
    page WooCommerce §2, products_modified_after_Z_plus_gmt_flag). The shop compares whole
    seconds, so the caller overlaps. InvalidInput for a time without a zone.
    """
    if moment is None:
        return {}
    if moment.tzinfo is None:
        raise InvalidInput("A time without a zone could mean any moment.", "modified_after")
    bare = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {"modified_after": bare, "dates_are_gmt": "true"}


def find_id(value: object) -> str | None:
    """An id as text, from the number or numeric text that WooCommerce writes it as."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return text if len(text) <= 20 and text.isascii() and text.isdigit() and int(text) else None


def parse_gmt(value: object) -> datetime | None:
    """A `*_gmt` time, which is UTC without saying so (contract page WooCommerce §2, Dates)."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
