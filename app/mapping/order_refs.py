"""What the mapping of an order is told of other records and of the store; ids are values here."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from app.mapping.vtiger_totals import Rates


@dataclass(frozen=True, slots=True)
class StatusMap:
    """Order statuses of both systems. One that is not named is left alone on the other side."""

    to_vtiger: Mapping[str, str] = field(
        default_factory=lambda: {
            "pending": "Created",
            "on-hold": "Created",
            "processing": "Approved",
            "completed": "Delivered",
            "cancelled": "Cancelled",
            "refunded": "Cancelled",
            "failed": "Cancelled",
        }
    )
    to_woo: Mapping[str, str] = field(
        default_factory=lambda: {
            "Created": "on-hold",
            "Approved": "processing",
            "Delivered": "completed",
            "Cancelled": "cancelled",
        }
    )
    first: str = "Created"


@dataclass(frozen=True, slots=True)
class WooItem:
    """A WooCommerce product as a line names it; `parent_id` is set for a variation."""

    id: str
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who a new WooCommerce order is for: the linked customer, if any, and the billing names."""

    customer_id: str | None = None
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class OrderRefs:
    """The records around an order, and the store's setup.

    `products`: Vtiger product by WooCommerce product or variation id; `items`: the way back.
    `kept`: Vtiger product by WooCommerce line id, for lines whose product was deleted since.
    `placeholder_id` and `fee_service_id` are setup records ("14x7", "26x8"). `tax_fields`: tax
    field by rate id (`order_tax_fields`); `all_tax_fields`: every one that Vtiger has; `carried`:
    the taxes that each product and service carries, by Vtiger id. `currency_id` ("21x1"),
    `conversion_rate` and `currency` (code) belong together. `decimals` are the shop's price
    decimals. `agreed_texts` are the names of the shop's lines and fees when both sides last
    agreed, `agreed_total` its total then. Ids and what was not agreed yet are None.
    """

    store: str
    placeholder_id: str
    fee_service_id: str
    currency: str
    currency_id: str | None
    conversion_rate: str = "1"
    contact_id: str | None = None
    account_id: str | None = None
    products: Mapping[str, str] = field(default_factory=dict)
    items: Mapping[str, WooItem] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    tax_fields: Mapping[str, str] = field(default_factory=dict)
    all_tax_fields: tuple[str, ...] = ()
    carried: Mapping[str, Rates] = field(default_factory=dict)
    shipping_tax_field: str | None = "shtax1_sh_percent"
    decimals: int = 2
    agreed_texts: frozenset[str] | None = None
    agreed_total: str | None = None
    statuses: StatusMap = field(default_factory=StatusMap)

    def without(self, gone: Collection[str]) -> "OrderRefs":
        """The same where these Vtiger products are no more: their lines go on the placeholder."""
        products = {woo: own for woo, own in self.products.items() if own not in gone}
        kept = {line: own for line, own in self.kept.items() if own not in gone}
        return replace(self, products=products, kept=kept)
