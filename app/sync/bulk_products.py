"""Products a page at a time: SKUs looked for together, simple products made in batches."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import RemoteError, System, WooVtigerError
from app.mapping.products import FOREIGN_ID_META, product_key
from app.sync.bulk import Made, Marked
from app.sync.listing import Seen
from app.sync.product_sides import PRODUCTS, shop_product
from app.sync.products import ProductAdapter
from app.sync.sides import Side
from app.vtiger.query import one_of, portions
from app.woocommerce.schemas import WooProduct


@dataclass(frozen=True, slots=True)
class BulkProducts:
    """A variation is marked below its parent: one batch for each parent of a page."""

    adapter: ProductAdapter

    async def foresee(self, seen: Sequence[Seen]) -> None:
        """Nothing: a record tells all of itself."""

    async def prepare(self, sources: Sequence[Side]) -> None:
        """Nothing: all a product needs is known already."""

    async def search_taken(self, sources: Sequence[Side]) -> frozenset[str]:
        """A SKU with a comma cannot be looked for among others in a shop."""
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
        """Products with one of these part numbers: ids and SKUs (recording 53-query-in)."""
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

    async def create_in_shop(self, sources: Sequence[Side]) -> list[Made]:
        """A taken SKU is told for its item alone (products_batch_dup_sku)."""
        writer = self.adapter.writer
        patches = [writer.new_in_shop(side) for side in sources]
        create = [patch.body for patch in patches]
        made: list[Made] = []
        for each, patch in zip(
            await self.adapter.sides.woo.batch_products(create=create), patches, strict=True
        ):
            if isinstance(each, RemoteError):
                made.append(each)
                continue
            try:
                made.append(await writer.made_in_shop(each, patch))
            except WooVtigerError as error:
                made.append(error)
        return made

    async def mark_in_shop(self, marks: Sequence[tuple[Side, str]]) -> list[Marked]:
        groups: dict[str | None, dict[str, dict[str, object]]] = defaultdict(dict)
        for side, partner in marks:
            meta = [{"key": FOREIGN_ID_META, "value": partner}]
            groups[shop_product(side).parent_id][side.id] = {"meta_data": meta}
        stamps: dict[str, Marked] = {}
        for parent_id, update in groups.items():
            found = await self.adapter.sides.woo.batch_products(update=update, parent_id=parent_id)
            stamps |= dict(zip(update, map(_stamp, found), strict=True))
        return [stamps[side.id] for side, _ in marks]


def _skus(sources: Sequence[Side]) -> list[str]:
    return sorted({(side.values.get("sku") or "").strip() for side in sources} - {""})


def _stamp(marked: WooProduct | RemoteError) -> Marked:
    return marked if isinstance(marked, RemoteError) else marked.modified_at or marked.created_at
