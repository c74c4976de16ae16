"""Finding the product that a product without a link is, or was made into."""

from dataclasses import dataclass
from datetime import timedelta

from app.errors import System
from app.links.repository import find_intent
from app.mapping.products import product_foreign_id, product_key
from app.mapping.text import canonical_text
from app.records import Module, Record
from app.sync.foreign_ids import deleted_twin, is_plausible
from app.sync.product_sides import PRODUCTS, ProductSides
from app.sync.sides import Side, Skip
from app.vtiger.query import Query, equals

OVERLAP = timedelta(minutes=15)
"""By how much the shop's clock may be behind ours."""


@dataclass(frozen=True, slots=True)
class ProductTwins:
    """Looks by our id field, if the SKU, or for want of one the name, or the twin's own id field
    agree; else by SKU.

    An id alone is not believed: a cloned shop carries ids of others. Mapping table "Products".
    """

    sides: ProductSides

    async def search(self, side: Side) -> list[Side] | Skip:
        """A Skip for a product of Vtiger's that the shop had and deleted, and has no other of."""
        if side.foreign_id is not None:
            twin = await self._find_by_foreign_id(side, side.foreign_id)
            if twin is not None:
                return [twin]
        found = await self._search(side)
        if found or side.foreign_id is None or side.system is System.WOOCOMMERCE:
            return found
        return await self._find_end(side.foreign_id) or []

    async def _search(self, side: Side) -> list[Side]:
        sku = product_key(side.values)
        if side.system is System.WOOCOMMERCE:
            return await (self._search_vtiger(sku) if sku else self._search_by_id(side))
        if not sku:
            return await self._search_made(side)
        found = await self.sides.woo.search_products_by_sku(side.values.get("sku") or "")
        return [await self.sides.of_woo(product) for product in found]

    async def _find_end(self, woo_id: str) -> Skip | None:
        if not is_plausible(System.WOOCOMMERCE, woo_id):
            return None
        living = await self.sides.find(System.WOOCOMMERCE, woo_id)
        return deleted_twin(System.WOOCOMMERCE, woo_id) if living is None else None

    async def search_rivals(self, side: Side) -> list[Side]:
        """Vtiger takes a part number twice; a shop does not take a SKU twice."""
        sku = product_key(side.values)
        if side.system is System.WOOCOMMERCE or not sku:
            return []
        return [found for found in await self._search_vtiger(sku) if found.id != side.id]

    async def _find_by_foreign_id(self, side: Side, foreign_id: str) -> Side | None:
        if not is_plausible(side.system.other, foreign_id):
            return None
        twin = await self.sides.find(side.system.other, foreign_id)
        if twin is None:
            return None
        return twin if twin.foreign_id == side.id or self._is_alike(twin, side) else None

    async def _search_vtiger(self, sku: str) -> list[Side]:
        """Each is retrieved: a query shows no taxes, and a write has to send them again."""
        rows = await self._query("productcode", sku)
        return [row for row in rows if product_key(row.values) == sku]

    async def _search_by_id(self, side: Side) -> list[Side]:
        """Without a SKU: those that carry the shop's id."""
        if self.sides.id_field is None:
            return []
        rows = await self._query(self.sides.id_field, side.id)
        return [row for row in rows if self._is_alike(row, side)]

    async def _query(self, column: str, value: str) -> list[Side]:
        query = Query(PRODUCTS, ("id", column), (equals(column, value),), order_by="id")
        rows = await self.sides.vtiger.query(query)
        wanted = [row.id for row in rows if row.get(column).strip().casefold() == value]
        sides = [await self.sides.find(System.VTIGER, record_id) for record_id in wanted]
        return [side for side in sides if side is not None]

    async def _search_made(self, side: Side) -> list[Side]:
        """What a broken create of ours left. The shop cannot be asked by a foreign id, so all
        that changed since then is looked at (contract page WooCommerce §2)."""
        books = self.sides.books
        record = Record(books.store, System.VTIGER, Module.PRODUCTS, side.id)
        async with books.runtime.sessions() as session:
            intent = await find_intent(session, record)
        if intent is None:
            return []
        changed = self.sides.woo.each_product(intent[0].created_at - OVERLAP)
        return [
            await self.sides.of_woo(product)
            async for product in changed
            if product_foreign_id(product) == side.id
        ]

    def _is_alike(self, one: Side, other: Side) -> bool:
        """Whether they have one SKU, or none and one name."""
        sku = product_key(one.values)
        if sku or product_key(other.values):
            return sku == product_key(other.values)
        names = (one.values.get("name") or "", other.values.get("name") or "")
        return canonical_text(names[0]) == canonical_text(names[1]) != ""
