"""What is so of each synced module and needs no code: its names, its order, its own settings.

One entry a module, what others rest on first. How its records are mapped is in
`app/modules/catalogue.py`, how they are read and written in `app/modules/registry.py`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.domain import CreationPolicy, DeletePolicy, Event, Module

WooCollection = Literal["customers", "products", "orders"]

_POST = "post.php?post={id}&action=edit"
_EVENTS = (Event.CREATED, Event.UPDATED, Event.DELETED)
_CREATION = ("create_in_shop", "from_other_shops")


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """One module, as both systems and people call it.

    - `vtiger_name`: Vtiger's own name; `label`: that of pages and tables; `nouns`: one and many of
      its records, within a sentence.
    - `woo_resource`: the shop's own name of one record. `woo_events`: those of which it has topics
      (`customer.created`); `woo_actions`: WordPress actions, each with what it tells, that are
      topics for what these leave out. `woo_collection`: its list of records, by which users are
      shown what there is to map.
    - `takes_rows`: users may map fields of their own.
    - `is_referenced`: records of other modules name its records by their ids.
    - `vtiger_parents`: Vtiger modules whose changes show in its records, each with the field of
      its records that names them.
    - `shop_screen`, `vtiger_screen`: where the systems' own users see a record, below the address
      of the administration; "" for Vtiger's usual detail view.
    - `mailing_field`: a field of which the shop tells people by mail when it is written.
    - `is_personal`: bodies of its webhooks hold data of persons; `impersonal_fields`: those of a
      base that stay when a person is erased.
    - `settings`: the module's own, beside those of all; `setting_defaults`: where they differ from
      those of all; `meaningless`: values of settings that do nothing here.
    """

    vtiger_name: str
    label: str
    nouns: tuple[str, str]
    settings: tuple[str, ...]
    woo_resource: str
    shop_screen: str = _POST
    vtiger_screen: str = ""
    woo_events: tuple[Event, ...] = ()
    woo_actions: Mapping[str, Event] = field(default_factory=dict)
    woo_collection: WooCollection | None = None
    takes_rows: bool = True
    is_referenced: bool = False
    vtiger_parents: Mapping[str, str] = field(default_factory=dict)
    mailing_field: str = ""
    is_personal: bool = False
    impersonal_fields: tuple[str, ...] = ()
    setting_defaults: Mapping[str, Any] = field(default_factory=dict)
    meaningless: Mapping[str, Collection[Any]] = field(default_factory=dict)


FACTS: Mapping[Module, ModuleFacts] = {
    Module.TAXES: ModuleFacts(
        vtiger_name="Tax",
        label="Taxes",
        nouns=("tax", "taxes"),
        settings=("tax_scope", "tax_country"),
        woo_resource="tax",
        woo_actions={
            "woocommerce_tax_rate_added": Event.CREATED,
            "woocommerce_tax_rate_updated": Event.UPDATED,
            "woocommerce_tax_rate_deleted": Event.DELETED,
        },
        shop_screen="admin.php?page=wc-settings&tab=tax",
        vtiger_screen="index.php?module=Vtiger&parent=Settings&view=TaxIndex",
        takes_rows=False,
        meaningless={"delete_policy": (DeletePolicy.DEACTIVATE,)},
    ),
    Module.CONTACTS: ModuleFacts(
        vtiger_name="Contacts",
        label="Contacts",
        nouns=("contact", "contacts"),
        settings=(*_CREATION, "roles"),
        shop_screen="user-edit.php?user_id={id}",
        woo_resource="customer",
        woo_events=_EVENTS,  # `customer.restored` has no hooks
        woo_collection="customers",
        is_referenced=True,
        vtiger_parents={"Accounts": "account_id"},
        mailing_field="email",
        is_personal=True,
        setting_defaults={"create_in_shop": CreationPolicy.WITH_ORDERS},
        meaningless={"delete_policy": (DeletePolicy.DEACTIVATE,)},
    ),
    Module.PRODUCTS: ModuleFacts(
        vtiger_name="Products",
        label="Products",
        nouns=("product", "products"),
        settings=(*_CREATION, "product_statuses", "product_categories"),
        woo_resource="product",
        woo_events=(*_EVENTS, Event.RESTORED),
        woo_actions={
            "woocommerce_delete_product": Event.DELETED,
            "woocommerce_delete_product_variation": Event.DELETED,
        },
        woo_collection="products",
        is_referenced=True,
    ),
    Module.SALES_ORDERS: ModuleFacts(
        vtiger_name="SalesOrder",
        label="Sales Orders",
        nouns=("order", "orders"),
        settings=(*_CREATION, "order_statuses", "guests", "order_account", "order_total"),
        woo_resource="order",
        woo_events=(*_EVENTS, Event.RESTORED),
        woo_actions={"woocommerce_delete_order": Event.DELETED},
        woo_collection="orders",
        mailing_field="status",
        is_personal=True,
        impersonal_fields=("subject", "status", "contact", "currency", "refunded", "lines"),
        meaningless={"create_in_shop": (CreationPolicy.WITH_ORDERS,)},
    ),
}

IN_ORDER = tuple(FACTS)
"""What others rest on comes first."""
WITH_ROWS = tuple(module for module in Module if FACTS[module].takes_rows)
"""The modules for which users may map fields of their own."""
LABELS: Mapping[str, str] = {module: FACTS[module].label for module in Module}
OF_VTIGER: Mapping[str, Module] = {FACTS[module].vtiger_name: module for module in Module}
"""The modules by Vtiger's names of them."""
