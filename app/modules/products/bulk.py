"""Products in bulk: listed for sweeps and runs, and created a page at a time."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from app.domain import Module, NotFound, RemoteError, System, WooVtigerError
from app.mapping.values import Patch, Value
from app.modules.context import Context, ListingBase, ModuleSpec
from app.modules.ports import (
    NO_PREDICATES,
    Bulk,
    ChangePredicate,
    CreateResult,
    FieldDifference,
    IdWriteResult,
    ListedRecord,
    Read,
    Side,
    attempt,
    find_each,
    pages,
    read_each,
    without,
)
from app.modules.products.adapter import (
    PRODUCTS,
    ProductAdapter,
    ProductSides,
    crm_product,
    open_products,
    shop_product,
)
from app.modules.products.mapping import (
    FOREIGN_ID_META,
    product_conversion,
    product_key,
    vtiger_product_patch,
    woo_product_patch,
)
from app.vtiger.query import changed_where, last_change, one_of, portions
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooProduct

# Bulk creation: SKUs are searched for together, simple products created in batches.


@dataclass(frozen=True, slots=True)
class BulkProducts:
    """External ids of variations are written in one batch for each parent of a page."""

    adapter: ProductAdapter

    async def search_prerequisites(self, seen: Sequence[ListedRecord]) -> list[ListedRecord]:  # noqa: ARG002
        """None: products depend on no contacts."""
        return []

    async def preload_links(self, seen: Sequence[ListedRecord]) -> None:
        """Nothing: products have no links to preload."""

    async def prepare(self, sources: Sequence[Side]) -> None:
        """Nothing: products need nothing else in Vtiger."""

    async def search_taken(self, sources: Sequence[Side]) -> frozenset[str]:
        """By SKU. One with a comma counts as taken, as a shop cannot be searched for it among
        others."""
        by_sku = {sku: side for side in sources if (sku := product_key(side.values))}
        if not by_sku:
            return frozenset()
        of_shop = all(side.system is System.WOOCOMMERCE for side in sources)
        taken = {
            by_sku[sku].id
            for record_id, sku in await self._in_vtiger(list(by_sku.values()))
            if sku in by_sku and (of_shop or by_sku[sku].id != record_id)
        }
        if not of_shop:
            taken |= {by_sku[sku].id for sku in by_sku if "," in sku}
            found = await self._in_shop([side for sku, side in by_sku.items() if "," not in sku])
            taken |= {side.id for sku, side in by_sku.items() if sku in found}
        return frozenset(taken)

    async def _in_vtiger(self, sources: Sequence[Side]) -> list[tuple[str, str]]:
        """The ids and SKUs of products with one of these part numbers (recording 53-query-in)."""
        found = []
        for part in portions(_skus(sources)):
            where = (one_of("productcode", part),)
            columns = ("id", "productcode")
            async for row in self.adapter.sides.vtiger.search(PRODUCTS, where, columns=columns):
                found.append((row.id, row.get("productcode").strip().casefold()))
        return found

    async def _in_shop(self, sources: Sequence[Side]) -> frozenset[str]:
        found = frozenset[str]()
        for part in portions(_skus(sources)):
            found |= await self.adapter.sides.woo.search_skus(part)
        return found

    async def create_in_shop(self, sources: Sequence[Side]) -> list[CreateResult]:
        """Create the twins in one batch; a SKU that is taken fails its item only
        (products_batch_dup_sku)."""
        writer = self.adapter.writer
        patches = [writer.new_in_shop(side) for side in sources]
        create = [patch.body for patch in patches]
        results: list[CreateResult] = []
        for each, patch in zip(
            await self.adapter.sides.woo.batch_products(create=create), patches, strict=True
        ):
            if isinstance(each, RemoteError):
                results.append(each)
                continue
            try:
                results.append(await writer.created_in_shop(each, patch))
            except WooVtigerError as error:
                results.append(error)
        return results

    async def write_external_ids_in_shop(
        self, marks: Sequence[tuple[Side, str]]
    ) -> list[IdWriteResult]:
        groups: dict[str | None, dict[str, dict[str, object]]] = defaultdict(dict)
        for side, partner in marks:
            meta = [{"key": FOREIGN_ID_META, "value": partner}]
            groups[shop_product(side).parent_id][side.id] = {"meta_data": meta}
        stamps: dict[str, IdWriteResult] = {}
        for parent_id, update in groups.items():
            found = await self.adapter.sides.woo.batch_products(update=update, parent_id=parent_id)
            stamps |= dict(zip(update, map(_stamp, found), strict=True))
        return [stamps[side.id] for side, _ in marks]


def _skus(sources: Sequence[Side]) -> list[str]:
    return sorted({(side.values.get("sku") or "").strip() for side in sources} - {""})


def _stamp(marked: WooProduct | RemoteError) -> IdWriteResult:
    return marked if isinstance(marked, RemoteError) else marked.modified_at or marked.created_at


@dataclass(slots=True)
class ProductListing(ListingBase):
    """Products without variable parents, whose variations take their place."""

    module: ClassVar[Module] = Module.PRODUCTS
    lists_all: ClassVar[frozenset[System]] = frozenset()

    async def find_last_change(self, system: System) -> datetime | None:
        if system is System.WOOCOMMERCE:
            return await self.woo.find_last_product_change()
        found = await self.vtiger.query(last_change(PRODUCTS))
        return found[0].modified_at if found else None

    async def count(self, system: System, changed_since: datetime | None) -> int:
        if system is System.WOOCOMMERCE:
            return await self.woo.count_products(changed_since)
        return await self.vtiger.count(PRODUCTS, changed_where(changed_since))

    def each(
        self, system: System, changed_since: datetime | None
    ) -> AsyncIterator[list[ListedRecord]]:
        """Variations are listed by their parents: the change of a variation changes the parent's
        modification time as well (contract page WooCommerce §1)."""
        of_shop = system is System.WOOCOMMERCE
        return self._shop(changed_since) if of_shop else self._crm(changed_since)

    async def _shop(self, changed_since: datetime | None) -> AsyncIterator[list[ListedRecord]]:
        async for page in pages(self.woo.each_product(changed_since)):
            parents = [product for product in page if product.is_variable]
            yield [_seen(product) for product in page if not product.is_variable]
            for parent in parents:
                async for variations in self._variations(parent):
                    yield variations

    async def _variations(self, parent: WooProduct) -> AsyncIterator[list[ListedRecord]]:
        try:
            async for page in pages(self.woo.each_variation(parent.id)):
                yield [_seen(variation, parent) for variation in page]
        except NotFound:
            return

    async def _crm(self, changed_since: datetime | None) -> AsyncIterator[list[ListedRecord]]:
        """Contract page Vtiger §1, query."""
        where = changed_where(changed_since)
        async for page in pages(self.vtiger.search(PRODUCTS, where)):
            yield [ListedRecord(System.VTIGER, record.id, record) for record in page]

    async def each_trashed(self) -> AsyncIterator[str]:
        async for product in self.woo.each_trashed_product():
            yield product.id

    async def each_vtiger_id(self) -> AsyncIterator[str]:
        async for record in self.vtiger.search(PRODUCTS, columns=("id",)):
            yield record.id


def _seen(product: WooProduct, parent: WooProduct | None = None) -> ListedRecord:
    return ListedRecord(System.WOOCOMMERCE, product.id, product, parent)


@dataclass(frozen=True, slots=True)
class ProductReader:
    """Vtiger's query shows no taxes; the list of a product's variations has rendered descriptions
    (contract page readback)."""

    adapter: ProductAdapter
    change_predicates: ClassVar[Mapping[System, ChangePredicate]] = NO_PREDICATES

    @property
    def _sides(self) -> ProductSides:
        return self.adapter.sides

    async def sides(self, page: Sequence[ListedRecord]) -> list[Read]:
        return [await attempt(seen.system, seen.id, self._side(seen)) for seen in page]

    async def _side(self, seen: ListedRecord) -> Side:
        if isinstance(seen.raw, VtigerRecord):
            return without(self._sides.of_vtiger(seen.raw), "taxes")
        if seen.parent is not None:
            self._sides.parents[seen.parent.id] = seen.parent
        product = seen.raw if isinstance(seen.raw, WooProduct) else WooProduct.parse(seen.raw.data)
        return await self._sides.of_listed(product)

    async def complete(self, page: Sequence[ListedRecord]) -> list[Read]:
        shown = [seen for seen in page if _is_whole(seen)]
        sides = await self.sides(shown)
        for system in System:
            rest = [seen.id for seen in page if seen.system is system and seen not in shown]
            sides += await self.whole(system, rest)
        return sides

    async def whole(self, system: System, ids: Sequence[str]) -> list[Read]:
        if system is System.WOOCOMMERCE:
            return await find_each(self.adapter, system, ids)
        return await read_each(self.adapter, self._sides.vtiger, PRODUCTS, ids, self._whole_side)

    async def _whole_side(self, record: VtigerRecord) -> Side:
        return self._sides.of_vtiger(record)

    def is_explained(self, name: str, woo: Side, vtiger: Side) -> bool:
        conversion = product_conversion(self.adapter.rules, self.adapter.options)
        return conversion.is_explained(name, woo.values, vtiger.values)

    def totals(self, woo: Side, vtiger: Side) -> Sequence[FieldDifference]:  # noqa: ARG002
        return ()


def _is_whole(seen: ListedRecord) -> bool:
    return isinstance(seen.raw, WooProduct) and seen.raw.parent_id is None


# The ModuleSpec of products.


def _begin_bulk() -> Callable[[Context, ProductAdapter], Bulk]:
    return lambda _, adapter: BulkProducts(adapter)


async def _draft(
    adapter: ProductAdapter, changes: Mapping[str, Value], source: Side, current: Side | None
) -> Patch:
    if source.system is System.VTIGER:
        product = shop_product(current) if current else None
        return woo_product_patch(changes, adapter.rules, current=product, options=adapter.options)
    currency = adapter.sides.currency
    return vtiger_product_patch(
        changes,
        adapter.rules,
        current=crm_product(current) if current else None,
        tax_fields=(await adapter.sides.reference_data.crm()).tax_fields,
        currency_id=currency.id if currency else "",
        options=adapter.options,
    )


PRODUCTS_SPEC = ModuleSpec(
    open=open_products,
    reader=ProductReader,
    listing=ProductListing,
    begin_bulk=_begin_bulk,
    draft=_draft,
)
