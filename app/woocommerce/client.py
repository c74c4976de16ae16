"""The client of one shop's REST API wc/v3: all calls with typed results and errors; batches."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from html import unescape
from importlib.resources import files
from typing import Any, Literal

from app.domain import NotFound, Rejected, RemoteError, ResponseUnreadable, System, WrongRecord
from app.module_facts import WooCollection
from app.parsing import find_decimal, find_list
from app.woocommerce.requests import (
    PER_PAGE,
    WOO,
    R,
    ShopRequests,
    paging,
    parse_all,
    read_error,
    record_path,
)
from app.woocommerce.schemas import (
    WooCustomer,
    WooIndex,
    WooOrder,
    WooPage,
    WooProduct,
    WooRecord,
    WooTaxRate,
    WooWebhook,
    find_id,
    modified_after,
)

# Batches: up to a hundred writes in one request, each with a result or an error.

MAX_ITEMS = 100


@dataclass(frozen=True, slots=True)
class BatchCall:
    """The items of one batch request as (part, item), in the order of the results."""

    items: tuple[tuple[str, Any], ...]

    @property
    def body(self) -> dict[str, list[Any]]:
        parts: dict[str, list[Any]] = {}
        for part, item in self.items:
            parts.setdefault(part, []).append(item)
        return parts


def plan_batch(
    create: Sequence[Mapping[str, Any]],
    update: Mapping[str, Mapping[str, Any]],
    delete: Sequence[str],
) -> list[BatchCall]:
    """Split writes into requests of at most 100 items (recording err_batch_limit_101)."""
    items: list[tuple[str, Any]] = [("create", body) for body in create]
    items += [("update", {**patch, "id": int(key)}) for key, patch in update.items()]
    items += [("delete", int(key)) for key in delete]
    starts = range(0, len(items), MAX_ITEMS)
    return [BatchCall(tuple(items[start : start + MAX_ITEMS])) for start in starts]


def read_batch(kind: type[R], data: object, call: BatchCall) -> list[R | RemoteError]:
    """The results in the order of the items (recording customers_batch_mixed_errors).

    Raises ResponseUnreadable if a part does not have an answer for each of its items. It is the
    result of an item whose answer is no record; that item may have been written.
    """
    results: list[R | RemoteError] = []
    for part, items in call.body.items():
        answers = find_list(data.get(part)) if isinstance(data, Mapping) else None
        if answers is None or len(answers) != len(items):
            raise ResponseUnreadable(WOO, f"the batch has other items than requested in {part!r}")
        asked = [str(item.get("id", "")) if part == "update" else "" for item in items]
        if part == "delete":
            asked = [str(item) for item in items]
        results += [_read_item(kind, *pair) for pair in zip(answers, asked, strict=True)]
    return results


def _read_item(kind: type[R], answer: object, asked: str) -> R | RemoteError:
    """The result of one item; `asked` is the id that was sent, "" for a new record."""
    error = answer.get("error") if isinstance(answer, Mapping) else None
    if not isinstance(error, Mapping):
        try:
            record = kind.parse(answer)
            return record.answering(asked) if asked else record
        except (ResponseUnreadable, WrongRecord) as unreadable:
            return unreadable
    details = error.get("data")
    status = details.get("status") if isinstance(details, Mapping) else None
    return read_error(error, status=status if isinstance(status, int) else 400, write=True)


class BatchRequests(ShopRequests):
    """Calls of `…/batch`, for any resource that has it (contract page WooCommerce §2, Batch)."""

    async def _batch(
        self, kind: type[R], path: str, calls: Sequence[BatchCall]
    ) -> list[R | RemoteError]:
        """One result for each item, in order. If a request fails, its error is the result of each
        of its items."""
        results: list[R | RemoteError] = []
        for call in calls:
            results += await self._run_batch(kind, path, call)
        return results

    async def _run_batch(self, kind: type[R], path: str, call: BatchCall) -> list[R | RemoteError]:
        try:
            answer = await self._write("POST", f"{path}/batch", call.body)
            return read_batch(kind, answer, call)
        except RemoteError as error:
            return [error] * len(call.items)


# Countries and states: those of the shop, and WooCommerce's own list.

SHIPPED_FILE = "countries.json"


@dataclass(frozen=True, slots=True)
class WooCountry:
    """A country as the shop lists it: alpha-2 code, name, and names of states by code.

    The names are plain text. WooCommerce's state codes are not those of ISO 3166-2. Without
    `states` the shop accepts any text as a state of this country.
    """

    code: str
    name: str
    states: Mapping[str, str]


class CountryCalls(ShopRequests):
    """wc/v3/data/countries."""

    async def search_countries(self) -> tuple[WooCountry, ...]:
        """All countries with their states, in the shop's language (recording data_countries).

        Only the fields in use are requested; with its links the list has nearly 200 kB.
        """
        return read_countries(await self._get("data/countries", {"_fields": "code,name,states"}))


def read_countries(answer: object) -> tuple[WooCountry, ...]:
    """The countries of an answer of data/countries; ResponseUnreadable if it lists none."""
    found = tuple(_countries(answer))
    if not found:
        raise ResponseUnreadable(System.WOOCOMMERCE, "data/countries lists no country")
    return found


def _countries(answer: object) -> Iterator[WooCountry]:
    for row in _rows(answer):
        code, name = _text(row.get("code")), _text(row.get("name"))
        if code and name:
            states = {
                _text(one.get("code")): _text(one.get("name")) for one in _rows(row.get("states"))
            }
            yield WooCountry(
                code, name, {key: each for key, each in states.items() if key and each}
            )


def _rows(rows: object) -> Iterator[Mapping[str, Any]]:
    """The objects of a list, which PHP encodes as an object if it has gaps."""
    found = rows.values() if isinstance(rows, Mapping) else rows
    if isinstance(found, Iterable) and not isinstance(found, str):
        yield from (row for row in found if isinstance(row, Mapping))


def _text(value: object) -> str:
    """Text without HTML entities (`Cura&ccedil;ao`); PHP encodes codes such as 81 as numbers."""
    is_text = isinstance(value, str | int) and not isinstance(value, bool)
    return unescape(str(value)).strip() if is_text else ""


@lru_cache(maxsize=1)
def shipped_countries() -> tuple[WooCountry, ...]:
    """WooCommerce's own list, for a shop whose list cannot be read."""
    text = (files(__package__) / SHIPPED_FILE).read_text(encoding="utf-8")
    return tuple(
        WooCountry(code, unescape(each["name"]), _decoded(each["states"]))
        for code, each in json.loads(text)["countries"].items()
    )


def _decoded(states: Mapping[str, str]) -> dict[str, str]:
    return {code: unescape(name) for code, name in states.items()}


# Samples: the newest records of a shop, which show people the fields and meta data in use.

_QUERIES: dict[WooCollection, dict[str, str]] = {
    "customers": {"role": "all"},
    "products": {"status": "any", "context": "edit"},
    "orders": {},
}


class SampleCalls(ShopRequests):
    """The newest of customers, products or orders."""

    async def newest(self, collection: WooCollection, count: int) -> list[WooRecord]:
        """At most `count` (up to 100) records, newest first, as their listing returns them.

        Contract page WooCommerce §2, Paging; recordings customers_list_page1, customer_paging.
        """
        query = {"orderby": "id", "order": "desc", **_QUERIES[collection]}
        found = await self._page(WooRecord, collection, query | paging(1, count))
        return list(found.items)


# Tax rates, tax classes and the settings on which taxes depend.


class TaxCalls(ShopRequests):
    """wc/v3/taxes, for which there are no webhook topics."""

    async def get_tax_rate(self, rate_id: str) -> WooTaxRate:
        """The tax rate with this id. NotFound (tax_get, err_tax_404)."""
        answer = await self._get(record_path("taxes", rate_id))
        return WooTaxRate.parse(answer).answering(rate_id)

    def each_tax_rate(self) -> AsyncIterator[WooTaxRate]:
        """All rates, by id (tax_list_paged); the listing ignores `modified_after`."""
        return self._each(WooTaxRate, "taxes", {})

    async def create_tax_rate(self, body: Mapping[str, Any]) -> WooTaxRate:
        """Create a rate. `rate` is text; if it is no number the rate is 0 (tax_create,
        tax_create_bad).

        Rejected for a tax class that does not exist (tax_create_bad_class).
        """
        return WooTaxRate.parse(await self._write("POST", "taxes", body))

    async def update_tax_rate(self, rate_id: str, patch: Mapping[str, Any]) -> WooTaxRate:
        """Change a rate. NotFound (tax_update)."""
        answer = await self._write("PUT", record_path("taxes", rate_id), patch)
        return WooTaxRate.parse(answer).answering(rate_id)

    async def delete_tax_rate(self, rate_id: str) -> WooTaxRate:
        """Delete a rate permanently: rates have no trash (tax_delete, err_tax_delete_no_force).
        NotFound."""
        path = record_path("taxes", rate_id)
        answer = await self._write("DELETE", path, query={"force": "true"})
        return WooTaxRate.parse(answer).answering(rate_id)

    async def get_setting(self, group: str, name: str) -> str:
        """The text of a shop setting, such as general/woocommerce_default_country.

        settings_general_woocommerce_currency. NotFound if the setting does not exist,
        ResponseUnreadable if its value is no text.
        """
        data = await self._get(f"settings/{group}/{name}")
        value = data.get("value") if isinstance(data, Mapping) else None
        if not isinstance(value, str):
            raise ResponseUnreadable(WOO, f"the value of the setting {group}/{name} is no text")
        return value


# WooCommerce's settings of e-mails: which ones the shop sends after writes.

NEW_ACCOUNT = "customer_new_account"
NEW_ORDER_MAILS = ("customer_processing_order", "customer_on_hold_order")
COMPLETED = "customer_completed_order"
MAILS: Mapping[str, str] = {
    NEW_ACCOUNT: "account created",
    "customer_processing_order": "order received",
    "customer_on_hold_order": "order on hold",
    COMPLETED: "order on its way",
    "customer_refunded_order": "order refunded",
    "customer_cancelled_order": "order cancelled",
    "customer_failed_order": "order failed",
}
"""The e-mails to customers, by WooCommerce's id, with names for people."""


class MailCalls(TaxCalls):
    """wc/v3/settings/email_*."""

    async def find_mails(self) -> frozenset[str]:
        """The ids of the MAILS that are enabled; those that this WooCommerce lacks count as
        disabled.

        Recording email-settings: `settings/email_customer_new_account/enabled`.
        """
        enabled = await asyncio.gather(*(self._is_enabled(kind) for kind in MAILS))
        return frozenset(kind for kind, is_on in zip(MAILS, enabled, strict=True) if is_on)

    async def _is_enabled(self, kind: str) -> bool:
        try:
            return await self.get_setting(f"email_{kind}", "enabled") == "yes"
        except NotFound:
            return False


# Orders, their statuses and their refunds.


@dataclass(frozen=True, slots=True)
class WooOrderStatus:
    """A status that the shop has registered, as REST and webhooks have it (without `wc-`), its name
    in the shop's language, and how many orders have it now."""

    slug: str
    name: str
    orders: int


def _count_of(row: Mapping[str, Any]) -> int:
    """The count of a report's row: the schema says text, WooCommerce sends a number."""
    found = find_decimal(row.get("total"))
    return int(found) if found is not None else 0


class OrderCalls(BatchRequests):
    """wc/v3/orders."""

    async def search_order_statuses(self) -> tuple[WooOrderStatus, ...]:
        """All statuses that orders may have, those of plug-ins included (contract page WooCommerce
        §3, "Statuses"). Those without a slug are left out."""
        answer = await self._get("reports/orders/totals", {"_fields": "slug,name,total"})
        return tuple(
            WooOrderStatus(slug, _text(row.get("name")) or slug, _count_of(row))
            for row in _rows(answer)
            if (slug := _text(row.get("slug")))
        )

    async def get_order(self, order_id: str) -> WooOrder:
        """The order with this id; a trashed one has status `trash`. NotFound (err_order_404)."""
        answer = await self._get(record_path("orders", order_id))
        return WooOrder.parse(answer).answering(order_id)

    def each_order(self, changed_since: datetime | None = None) -> AsyncIterator[WooOrder]:
        """Orders changed after a time, or all, by id, including drafts but not the trash
        (recording orders_list_modified_after_gmt; contract page WooCommerce §2)."""
        return self._each(WooOrder, "orders", {"status": "any", **modified_after(changed_since)})

    async def count_orders(self, changed_since: datetime | None = None) -> int:
        """How many orders `each_order` would yield, by the total of one page (contract page
        WooCommerce §2, Paging)."""
        return await self._count("orders", {"status": "any", **modified_after(changed_since)})

    def each_trashed_order(self) -> AsyncIterator[WooOrder]:
        """Orders in the trash, which are in no other listing (order_get_trashed)."""
        return self._each(WooOrder, "orders", {"status": "trash"})

    async def find_last_order_change(self) -> datetime | None:
        """When an order was last changed, by the shop's clock; None if there are no orders."""
        return await self._find_last_change("orders")

    async def search_orders_by_id(self, order_ids: Sequence[str]) -> list[WooOrder]:
        """The existing ones of at most 100 orders, without the trash (order_get). Orders in the
        answer that were not requested are left out."""
        if not order_ids:
            return []
        query = {"include": ",".join(order_ids), "status": "any", **paging(1, 100)}
        asked = {find_id(order_id) for order_id in order_ids}
        found = await self._page(WooOrder, "orders", query)
        return [order for order in found.items if find_id(order.id) in asked]

    async def search_orders_of(self, email: str) -> list[WooOrder]:
        """The latest orders billed to an e-mail, newest first, at most 100, without the trash.

        The shop's search matches parts of addresses, names and numbers, so the e-mail is compared
        here, ignoring case (order_get_guest_storefront).
        """
        wanted = email.strip().casefold()
        if not wanted:
            return []
        query = {"search": email.strip(), "orderby": "id", "order": "desc", **paging(1, 100)}
        found = parse_all(WooOrder, await self._get("orders", query))
        return [order for order in found if order.text("billing", "email").casefold() == wanted]

    async def create_order(self, body: Mapping[str, Any]) -> WooOrder:
        """Create an order; the shop computes taxes and total (order_create_full_excl_tax)."""
        return WooOrder.parse(await self._write("POST", "orders", body))

    async def update_order(self, order_id: str, patch: Mapping[str, Any]) -> WooOrder:
        """Change an order; lines without an id are appended (order_update_line_items_no_id).
        NotFound."""
        answer = await self._write("PUT", record_path("orders", order_id), patch)
        return WooOrder.parse(answer).answering(order_id)

    async def trash_order(self, order_id: str) -> WooOrder:
        """Move an order to the trash, from which a person can restore it.

        The answer has the status from before (order_trash). NotFound, also for an order that is in
        the trash already (contract page WooCommerce §2, Errors).
        """
        path = record_path("orders", order_id)
        answer = await self._write("DELETE", path, query={"force": "false"})
        return WooOrder.parse(answer).answering(order_id)

    async def batch_orders(
        self,
        *,
        create: Sequence[Mapping[str, Any]] = (),
        update: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> list[WooOrder | RemoteError]:
        """Create and change orders as `batch_customers` does, without deletes
        (customers_batch_mixed_errors)."""
        return await self._batch(WooOrder, "orders", plan_batch(create, update or {}, ()))


# Customers, which are WordPress users of any role.

Role = Literal["all", "customer"]


class CustomerCalls(BatchRequests):
    """wc/v3/customers."""

    async def get_customer(self, customer_id: str) -> WooCustomer:
        """The user with this id. NotFound (recordings customer_get, err_customer_404)."""
        answer = await self._get(record_path("customers", customer_id))
        return WooCustomer.parse(answer).answering(customer_id)

    async def search_customers_by_email(self, email: str) -> list[WooCustomer]:
        """Users of any role with exactly this e-mail, ignoring case (customer_search_email).

        The default role filter would hide an administrator with this address (contract page
        WooCommerce §2, Paging). [] for an address that WordPress considers invalid, for which it
        refuses to search, and for an empty one, which it takes for "any".
        """
        wanted = email.strip().casefold()
        if not wanted:
            return []
        query = {"email": email.strip(), "role": "all", "per_page": "100"}
        try:
            found = parse_all(WooCustomer, await self._get("customers", query))
        except Rejected as error:
            if error.code != "rest_invalid_param":
                raise
            return []
        return [customer for customer in found if customer.email.casefold() == wanted]

    async def search_customers(
        self, *, page: int = 1, per_page: int = 100, role: Role = "all"
    ) -> WooPage[WooCustomer]:
        """One page of customers by id; empty past the end (recordings customer_paging,
        err_page_beyond).

        The listing ignores `modified_after` (customer_modified_after_ignored).
        """
        query = {"role": role, "orderby": "id", "order": "asc"}
        return await self._page(WooCustomer, "customers", query | paging(page, per_page))

    def each_customer(
        self, *, role: Role = "all", per_page: int = PER_PAGE
    ) -> AsyncIterator[WooCustomer]:
        """Each customer once, by id (contract page WooCommerce §2, Paging)."""
        return self._each(WooCustomer, "customers", {"role": role}, per_page=per_page)

    async def count_customers(self, *, role: Role = "all") -> int:
        """How many customers there are, by the total of one page (recording customer_paging)."""
        return await self._count("customers", {"role": role})

    async def create_customer(self, body: Mapping[str, Any]) -> WooCustomer:
        """Create a customer. Duplicate if a user of any role has the e-mail (customer_create,
        err_customer_*)."""
        return WooCustomer.parse(await self._write("POST", "customers", body))

    async def update_customer(self, customer_id: str, patch: Mapping[str, Any]) -> WooCustomer:
        """Change a customer; the shop merges addresses by field (customer_update_partial_billing).

        NotFound; Duplicate if another user has the e-mail (err_customer_update_duplicate_email).
        """
        path = record_path("customers", customer_id)
        answer = await self._write("PUT", path, patch)
        return WooCustomer.parse(answer).answering(customer_id)

    async def delete_customer(self, customer_id: str) -> WooCustomer:
        """Delete a customer permanently: users have no trash (customer_delete_force,
        err_customer_delete_no_force). NotFound."""
        path = record_path("customers", customer_id)
        answer = await self._write("DELETE", path, query={"force": "true"})
        return WooCustomer.parse(answer).answering(customer_id)

    async def batch_customers(
        self,
        *,
        create: Sequence[Mapping[str, Any]] = (),
        update: Mapping[str, Mapping[str, Any]] | None = None,
        delete: Sequence[str] = (),
    ) -> list[WooCustomer | RemoteError]:
        """Write many customers, at most 100 a request; `update` holds patches by id.

        One result for each item, in the order creates, updates, deletes. An item's error is its
        result; the error of a whole request is the result of each of its items
        (customers_batch_mixed_errors, err_batch_limit_101). Raises no RemoteError.
        """
        return await self._batch(WooCustomer, "customers", plan_batch(create, update or {}, delete))


# Products and their variations.

EDIT = {"context": "edit"}
"""The view with plain text: the default view, like webhooks, has rendered HTML (contract page
readback). Answers to writes always have this view (product_create_simple, product_get_simple).
"""


class ProductCalls(BatchRequests):
    """wc/v3/products and their variations, always in the view EDIT.

    In the listing below its parent a variation is named by its options only, `Rouge, S`, and its
    description is rendered in every view (recording variations_list); `get_product` returns it
    completely.
    """

    async def get_product(self, product_id: str) -> WooProduct:
        """A product of any type, or a variation (product_get_variation_by_id); a trashed one has
        status `trash` (product_get_trashed). NotFound (err_product_404)."""
        answer = await self._get(record_path("products", product_id), EDIT)
        return WooProduct.parse(answer).answering(product_id)

    async def search_products_by_sku(self, sku: str) -> list[WooProduct]:
        """Products and variations with exactly this SKU, ignoring case (product_search_sku).

        Trashed ones are not found (contract page WooCommerce §2, Search). The parameter is a list,
        so that the shop also finds the parts of a SKU with a comma; the SKU is compared here.
        """
        wanted = sku.strip().casefold()
        if not wanted:
            return []
        query = {"sku": sku.strip(), "per_page": "100", **EDIT}
        found = parse_all(WooProduct, await self._get("products", query))
        return [product for product in found if product.sku.strip().casefold() == wanted]

    async def search_skus(self, skus: Sequence[str]) -> frozenset[str]:
        """The casefolded subset of at most 100 SKUs that products have (product_search_sku).

        None of them may have a comma: the parameter is a list.
        """
        query = {"sku": ",".join(skus), "per_page": "100", **EDIT}
        found = parse_all(WooProduct, await self._get("products", query))
        return frozenset(product.sku.strip().casefold() for product in found)

    def each_product(self, changed_since: datetime | None = None) -> AsyncIterator[WooProduct]:
        """Products of every type except variations, changed after a time or all, by id, without
        the trash (contract page WooCommerce §2, modified_after)."""
        query = {"status": "any", **EDIT, **modified_after(changed_since)}
        return self._each(WooProduct, "products", query)

    async def count_products(self, changed_since: datetime | None = None) -> int:
        """How many products `each_product` would yield, by the total of one page (contract page
        WooCommerce §2, Paging)."""
        return await self._count("products", {"status": "any", **modified_after(changed_since)})

    def each_trashed_product(self) -> AsyncIterator[WooProduct]:
        """Products in the trash, which are in no other listing (product_get_trashed)."""
        return self._each(WooProduct, "products", {"status": "trash", **EDIT})

    async def find_last_product_change(self) -> datetime | None:
        """When a product was last changed, by the shop's clock; None if there are no products."""
        return await self._find_last_change("products")

    def each_variation(self, parent_id: str) -> AsyncIterator[WooProduct]:
        """The variations of one product, by id (recording variations_list). NotFound if the product
        does not exist."""
        path = f"{record_path('products', parent_id)}/variations"
        return self._each(WooProduct, path, {"status": "any", **EDIT})

    async def create_product(self, body: Mapping[str, Any]) -> WooProduct:
        """Create a product. Duplicate if another product has the SKU (err_product_duplicate_sku).

        The error has the other product's id unless that is in the trash, where it keeps its SKU
        but is not found by it (product_sku_of_trashed).
        """
        return WooProduct.parse(await self._write("POST", "products", body))

    async def update_product(self, product: WooProduct, patch: Mapping[str, Any]) -> WooProduct:
        """Change a product, or a variation below its parent (variation_update,
        product_update_price). NotFound; Duplicate as for `create_product`."""
        answer = await self._write("PUT", _own_path(product), patch)
        return WooProduct.parse(answer).answering(product.id)

    async def trash_product(self, product: WooProduct) -> WooProduct:
        """Move a product to the trash; the answer has the status from before (product_trash).

        A variation is deleted permanently, as on the shop's own pages: no page shows the trash of
        variations (variation_delete_noforce). NotFound, also for a product that is in the trash
        already (err_product_already_trashed).
        """
        query = {"force": "true"} if product.parent_id else {"force": "false"}
        answer = await self._write("DELETE", _own_path(product), query=query)
        return WooProduct.parse(answer).answering(product.id)

    async def batch_products(
        self,
        *,
        create: Sequence[Mapping[str, Any]] = (),
        update: Mapping[str, Mapping[str, Any]] | None = None,
        parent_id: str | None = None,
    ) -> list[WooProduct | RemoteError]:
        """Create and change products, or variations of a parent, as `batch_customers` does, without
        deletes (products_batch_dup_sku, variation_batch)."""
        path = f"{record_path('products', parent_id)}/variations" if parent_id else "products"
        return await self._batch(WooProduct, path, plan_batch(create, update or {}, ()))


def _own_path(product: WooProduct) -> str:
    path = record_path("products", product.id)
    if product.parent_id is None:
        return path
    parent = record_path("products", product.parent_id)
    return f"{parent}/variations/{product.id}"


class WooClient(CustomerCalls, ProductCalls, OrderCalls, MailCalls, SampleCalls, CountryCalls):
    """The client of one shop. An async context manager, or call `aclose`.

    Any method may raise RemoteUnavailable (and its subclasses), AuthRejected and Rejected
    (contract page WooCommerce §2, Errors); each method documents what else it raises.
    Only connection attempts and reads are retried here: before it repeats a write, the caller
    checks what the first attempt did.
    """

    async def get_index(self) -> WooIndex:
        """The namespace and routes of the API, which show that it exists and accepts our keys."""
        data = await self._get("")
        routes = data.get("routes") if isinstance(data, Mapping) else None
        if not isinstance(routes, Mapping):
            raise ResponseUnreadable(WOO, "the API's index has no routes")
        return WooIndex(str(data.get("namespace", "")), frozenset(routes))

    async def probe_write(self) -> None:
        """Send an empty batch, which changes nothing but needs write permission.

        AuthRejected for a read-only key (auth_readonly_key_post).
        """
        await self._write("POST", "customers/batch", {})

    async def search_webhooks(self, *, page: int = 1, per_page: int = 100) -> WooPage[WooWebhook]:
        """One page of the shop's webhooks, ours and others (recording webhooks_list)."""
        return await self._page(WooWebhook, "webhooks", paging(page, per_page))

    async def create_webhook(
        self, *, name: str, topic: str, delivery_url: str, secret: str
    ) -> WooWebhook:
        """Create a webhook; the shop sends an unsigned ping to `delivery_url` before it answers.

        A secret is required: the shop would generate one that no call returns (contract page
        WooCommerce §1; recordings webhooks_create_order_created, webhooks_create_no_secret).
        """
        body = {"name": name, "topic": topic, "delivery_url": delivery_url, "secret": secret}
        return WooWebhook.parse(await self._write("POST", "webhooks", body))

    async def update_webhook(self, webhook_id: str, patch: Mapping[str, Any]) -> WooWebhook:
        """Change a webhook; its failure count, which disables it, is kept (webhook_reactivate)."""
        path = record_path("webhooks", webhook_id)
        answer = await self._write("PUT", path, patch)
        return WooWebhook.parse(answer).answering(webhook_id)

    async def delete_webhook(self, webhook_id: str) -> WooWebhook:
        """Delete a webhook permanently (contract page WooCommerce §2, Errors). NotFound."""
        path = record_path("webhooks", webhook_id)
        answer = await self._write("DELETE", path, query={"force": "true"})
        return WooWebhook.parse(answer).answering(webhook_id)
