"""Static facts of each synced module: its names, its order, its own settings.

One entry for each module, dependencies first. How its records are mapped is in
`app/modules/default_mappings.py`, how they are read and written in `app/modules/registry.py`."""

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
    """The names, topics, screens and settings of one module.

    - `vtiger_name`: Vtiger's name; `label`: the name on pages and in tables; `nouns`: singular and
      plural of its records, within a sentence.
    - `woo_resource`: the shop's name of one record. `woo_events`: the events with a webhook topic
      (`customer.created`); `woo_actions`: WordPress actions used as topics for the events without
      one, each with its event. `woo_collection`: the REST collection from which users are shown
      the fields that they can map.
    - `takes_rows`: users may map fields of their own.
    - `is_referenced`: records of other modules refer to its records by id.
    - `vtiger_parents`: Vtiger modules whose changes show in its records, each with the field of
      its records that refers to them.
    - `shop_screen`, `vtiger_screen`: the page of a record in each system, relative to the address
      of the administration; "" for Vtiger's usual detail view.
    - `mailing_field`: a field that makes the shop send an e-mail when it is written.
    - `is_personal`: bodies of its webhooks contain personal data; `impersonal_fields`: those of a
      base that stay when a person is erased.
    - `settings`: the module's own, beside the common ones; `setting_defaults`: its defaults where
      they differ from the common ones; `meaningless`: values of settings without effect here.
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
"""The modules, dependencies first."""
WITH_ROWS = tuple(module for module in Module if FACTS[module].takes_rows)
"""The modules for which users may map fields of their own."""
LABELS: Mapping[str, str] = {module: FACTS[module].label for module in Module}
OF_VTIGER: Mapping[str, Module] = {FACTS[module].vtiger_name: module for module in Module}
"""The modules by their names in Vtiger."""
