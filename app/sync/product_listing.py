"""Products in bulk: simple ones, the variations below their parents, and Vtiger's."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from app.errors import NotFound, System
from app.mapping.product_carrying import product_carriage
from app.sync.comparison import FieldDifference
from app.sync.listing import (
    NO_GLIMPSES,
    Glance,
    Read,
    Seen,
    attempt,
    changed_where,
    find_each,
    last_change,
    pages,
    read_each,
    without,
)
from app.sync.product_sides import PRODUCTS, ProductSides
from app.sync.products import ProductAdapter
from app.sync.sides import Side
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooProduct


@dataclass(frozen=True, slots=True)
class ProductListing:
    """A query of Vtiger shows no taxes; the list of a product's variations renders their
    descriptions (contract page readback)."""

    adapter: ProductAdapter
    lists_all: frozenset[System] = frozenset()
    glimpses: ClassVar[Mapping[System, Glance]] = NO_GLIMPSES

    @property
    def _sides(self) -> ProductSides:
        return self.adapter.sides

    async def find_last_change(self, system: System) -> datetime | None:
        if system is System.WOOCOMMERCE:
            return await self._sides.woo.find_last_product_change()
        found = await self._sides.vtiger.query(last_change(PRODUCTS))
        return found[0].modified_at if found else None

    async def count(self, system: System, changed_since: datetime | None) -> int:
        if system is System.WOOCOMMERCE:
            return await self._sides.woo.count_products(changed_since)
        return await self._sides.vtiger.count(PRODUCTS, changed_where(changed_since))

    def each(self, system: System, changed_since: datetime | None) -> AsyncIterator[list[Seen]]:
        """Variations by their parents: one that changes takes its parent's time along (contract
        page WooCommerce §1)."""
        of_shop = system is System.WOOCOMMERCE
        return self._shop(changed_since) if of_shop else self._crm(changed_since)

    async def _shop(self, changed_since: datetime | None) -> AsyncIterator[list[Seen]]:
        async for page in pages(self._sides.woo.each_product(changed_since)):
            parents = [product for product in page if product.is_variable]
            yield [_seen(product) for product in page if not product.is_variable]
            for parent in parents:
                async for variations in self._variations(parent):
                    yield variations

    async def _variations(self, parent: WooProduct) -> AsyncIterator[list[Seen]]:
        self._sides.parents[parent.id] = parent
        try:
            async for page in pages(self._sides.woo.each_variation(parent.id)):
                yield [_seen(variation) for variation in page]
        except NotFound:
            return

    async def _crm(self, changed_since: datetime | None) -> AsyncIterator[list[Seen]]:
        """Contract page Vtiger §1, query."""
        where = changed_where(changed_since)
        async for page in pages(self._sides.vtiger.search(PRODUCTS, where)):
            yield [Seen(System.VTIGER, record.id, record) for record in page]

    async def each_trashed(self) -> AsyncIterator[str]:
        async for product in self._sides.woo.each_trashed_product():
            yield product.id

    async def each_vtiger_id(self) -> AsyncIterator[str]:
        async for record in self._sides.vtiger.search(PRODUCTS, columns=("id",)):
            yield record.id

    async def sides(self, page: Sequence[Seen]) -> list[Read]:
        return [await attempt(seen.system, seen.id, self._side(seen)) for seen in page]

    async def _side(self, seen: Seen) -> Side:
        if isinstance(seen.raw, VtigerRecord):
            return without(self._sides.of_vtiger(seen.raw), "taxes")
        product = seen.raw if isinstance(seen.raw, WooProduct) else WooProduct.parse(seen.raw.data)
        return await self._sides.of_listed(product)

    async def complete(self, page: Sequence[Seen]) -> list[Read]:
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
        carriage = product_carriage(self.adapter.rules, self.adapter.options)
        return carriage.is_explained(name, woo.values, vtiger.values)

    def totals(self, woo: Side, vtiger: Side) -> Sequence[FieldDifference]:  # noqa: ARG002
        return ()


def _seen(product: WooProduct) -> Seen:
    return Seen(System.WOOCOMMERCE, product.id, product)


def _is_whole(seen: Seen) -> bool:
    return isinstance(seen.raw, WooProduct) and seen.raw.parent_id is None
