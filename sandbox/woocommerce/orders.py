"""Orders as the shop keeps them, with lookups by id. HPOS: orders have a table of their own."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.orderitems import (
    CouponLine,
    FeeLine,
    Item,
    LineItem,
    ShippingLine,
    TaxLine,
)
from sandbox.woocommerce.site import Sequence
from sandbox.woocommerce.users import BILLING_FIELDS, SHIPPING_FIELDS, Meta

ItemT = TypeVar("ItemT", bound=Item)

STATUSES: Final = {
    "pending": "Pending payment",
    "processing": "Processing",
    "on-hold": "On hold",
    "completed": "Completed",
    "cancelled": "Cancelled",
    "refunded": "Refunded",
    "failed": "Failed",
    "checkout-draft": "Draft",
}
DRAFTS: Final = ("auto-draft", "checkout-draft", "draft", "new")
_ADDRESS_ORDER: Final[tuple[str, ...]] = (
    "first_name",
    "last_name",
    "company",
    "address_1",
    "address_2",
    "city",
    "state",
    "postcode",
    "country",
    "email",
    "phone",
)
ORDER_BILLING: Final = [name for name in _ADDRESS_ORDER if name in BILLING_FIELDS]
ORDER_SHIPPING: Final = [name for name in _ADDRESS_ORDER if name in SHIPPING_FIELDS]


@dataclass(frozen=True, slots=True)
class RefundNote:
    """A refund as its order lists it."""

    id: int
    reason: str
    amount: str


@dataclass(slots=True)
class Order:
    """One order. Times are aware UTC, amounts texts; `items` are in order of their ids."""

    id: int
    created_at: datetime
    modified_at: datetime
    order_key: str
    status: str = "pending"
    currency: str = "EUR"
    prices_include_tax: bool = False
    customer_id: int = 0
    billing: dict[str, str] = field(default_factory=lambda: dict.fromkeys(ORDER_BILLING, ""))
    shipping: dict[str, str] = field(default_factory=lambda: dict.fromkeys(ORDER_SHIPPING, ""))
    totals: dict[str, str] = field(default_factory=dict)
    texts: dict[str, Any] = field(default_factory=dict)
    paid_at: datetime | None = None
    completed_at: datetime | None = None
    meta: list[Meta] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    refunds: list[RefundNote] = field(default_factory=list)
    has_reduced_stock: bool = False
    has_counted_sales: bool = False
    # What was charged by tax class when the order was last saved; None is what is not taxable.
    charges: dict[str | None, float] | None = None
    # WooCommerce remembers the answer, also when the product has gone since.
    needs_processing: bool | None = None

    def of_kind(self, kind: type[ItemT]) -> list[ItemT]:
        return [item for item in self.items if isinstance(item, kind)]

    @property
    def lines(self) -> list[LineItem]:
        return self.of_kind(LineItem)

    @property
    def fees(self) -> list[FeeLine]:
        return self.of_kind(FeeLine)

    @property
    def shipping_lines(self) -> list[ShippingLine]:
        return self.of_kind(ShippingLine)

    @property
    def tax_lines(self) -> list[TaxLine]:
        return self.of_kind(TaxLine)

    @property
    def coupons(self) -> list[CouponLine]:
        return self.of_kind(CouponLine)


@dataclass(slots=True)
class Refund:
    """A refund of an order; `body` has its id, its time and its lines, all negative."""

    order_id: int
    amount: str
    reason: str
    body: Order
    refunded_by: int = 1
    is_paid_back: bool = False


class OrderTable:
    """All orders by id; ids of lines and of their meta are counted across orders. `statuses`: names
    by slug, to which plug-ins add their own."""

    def __init__(self, ids: Sequence) -> None:
        self._rows: dict[int, Order] = {}
        self._ids = ids
        self.statuses = dict(STATUSES)
        self.item_ids = Sequence()
        self.meta_ids = Sequence()
        self.item_meta_ids = Sequence()

    def __iter__(self) -> Iterator[Order]:
        return iter(self._rows.values())

    def add(self, order: Order) -> None:
        self._rows[order.id] = order
        self.skip_ids(order)

    def skip_ids(self, order: Order) -> None:
        """Count on from the ids that an order, or a refund, has."""
        self._ids.skip(order.id)
        for meta in order.meta:
            self.meta_ids.skip(meta.id)
        for item in order.items:
            self.item_ids.skip(item.id)
            for meta in item.meta:
                self.item_meta_ids.skip(meta.id)

    def new_id(self) -> int:
        return self._ids.next()

    def find(self, order_id: int) -> Order | None:
        return self._rows.get(order_id)

    def get(self, order_id: int) -> Order:
        """The order; raises woocommerce_rest_shop_order_invalid_id (404)."""
        order = self.find(order_id)
        if order is None:
            raise RestError("woocommerce_rest_shop_order_invalid_id", "Invalid ID.", 404)
        return order

    def remove(self, order: Order) -> None:
        del self._rows[order.id]

    def add_item(self, order: Order, item: Item) -> None:
        order.items.append(item)
        self.number([item])

    def number(self, items: Iterable[Item]) -> None:
        """Give ids to the lines that have none yet."""
        for item in items:
            item.id = item.id or self.item_ids.next()
