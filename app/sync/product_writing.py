"""Writing products: whole where Vtiger would wipe what is not sent, and never a SKU twice."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.errors import Duplicate, System, once_made
from app.mapping.paths import with_meta
from app.mapping.product_patches import vtiger_product_patch, whole_fields, woo_product_patch
from app.mapping.products import FOREIGN_ID_META
from app.mapping.values import FieldNote, Mapped, Patch, PatchOptions, Value
from app.records import Direction
from app.sync.product_sides import PRODUCTS, ProductSides, crm_product, shop_product
from app.sync.sides import Side, Skip, Written, leave_out
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooProduct

TAKEN = (
    "{system} says that the SKU {sku} is taken, by {holder}: give one of the two another SKU. A "
    "product in the shop's trash keeps its SKU: restore it, or delete it for good. Replay this "
    "delivery then."
)
FOREIGN_PRICE = "The product's price in Vtiger is in another currency than the shop's: left alone."


@dataclass(frozen=True, slots=True)
class ProductWriter:
    """Creates and changes products on either side; the patches say what goes where."""

    sides: ProductSides
    options: PatchOptions

    async def create_in_vtiger(self, source: Side, key: str = "") -> Written | str:
        """Active, priced, taxed, with our id field (23-*); what a Duplicate tells of its holder,
        which is nothing (54-err-contact-revise-duplicate)."""
        patch = await self._vtiger_patch(source.values.values, None)
        own = {self.sides.id_field: source.id} if self.sides.id_field else {}
        try:
            created = await self.sides.vtiger.create(PRODUCTS, patch.body | own, key=key)
        except Duplicate:
            return ""
        unwritten = patch.unwritten | _absent(source)
        return Written(self.sides.of_vtiger(created), patch.notes, unwritten)

    async def create_in_shop(self, source: Side) -> Written | str:
        """A simple product (product_create_simple), for sale once it has a price; the id of the
        SKU's holder if it is taken, "" if the shop does not tell.

        What only goes to Vtiger, such as the taxes of the shop's standard class, is not agreed on
        yet: Vtiger gets it with the next hint.
        """
        patch = self.new_in_shop(source)
        try:
            created = await self.sides.woo.create_product(patch.body)
        except Duplicate as error:
            return error.holder_id or ""
        return await self.made_in_shop(created, patch)

    def new_in_shop(self, source: Side) -> Patch:
        """What creating it sends."""
        patch = woo_product_patch(
            source.values.values, self.sides.rules, current=None, options=self.options
        )
        body = with_meta(patch.body, FOREIGN_ID_META, source.id)
        return replace(patch, body={**body, "type": "simple"})

    async def made_in_shop(self, created: WooProduct, patch: Patch) -> Written:
        """The answer to that."""
        with once_made():
            after = await self.sides.of_woo(created, brings=False)
        return Written(self._untold(after), patch.notes, patch.unwritten)

    def _untold(self, side: Side) -> Side:
        own = [r.name for r in self.sides.rules if r.direction is Direction.WOO_TO_VTIGER]
        values = {name: "" if name in own else value for name, value in side.values.values.items()}
        return replace(side, values=Mapped(values))

    def refused(self, target: System, source: Side, holder_id: str) -> Skip:
        """Why no twin could be made: its SKU is another product's (product_sku_of_trashed)."""
        holder = f"product {holder_id}" if holder_id else "a product that it does not show"
        sku = source.values.get("sku") or "(none)"
        message = TAKEN.format(system=target.label, sku=sku, holder=holder)
        return Skip(Duplicate.reason, message)

    async def revise(self, current: Side, changes: Mapping[str, Value]) -> Written:
        """`current` as just read: its price, currency and taxes are sent along (70-product-*)."""
        record = crm_product(current)
        foreign = "price" in changes and self.sides.is_foreign(record)
        kept = {name: changes[name] for name in changes if name != "price" or not foreign}
        patch = await self._vtiger_patch(kept, record)
        if foreign:
            note = FieldNote("price", "currency_unavailable", FOREIGN_PRICE, changes["price"] or "")
            patch = replace(
                patch, notes=(*patch.notes, note), unwritten=patch.unwritten | {"price"}
            )
        if not patch.body:
            return Written(current, patch.notes, patch.unwritten, sent=False)
        return await self._revise(current, patch)

    async def _revise(self, current: Side, patch: Patch) -> Written:
        try:
            revised = await self.sides.vtiger.revise(current.id, patch.body, module=PRODUCTS)
        except Duplicate as error:
            if "productcode" not in patch.body:
                raise
            return await self._revise(current, leave_out(patch, "productcode", "sku", error=error))
        return Written(self.sides.of_vtiger(revised), patch.notes, patch.unwritten)

    async def _vtiger_patch(
        self, changes: Mapping[str, Value], current: VtigerRecord | None
    ) -> Patch:
        return vtiger_product_patch(
            changes,
            self.sides.rules,
            current=current,
            tax_fields=(await self.sides.books.crm()).tax_fields,
            currency_id=self._currency_id,
            options=self.options,
        )

    @property
    def _currency_id(self) -> str:
        return self.sides.currency.id if self.sides.currency else ""

    async def update_in_shop(self, current: Side, changes: Mapping[str, Value]) -> Written:
        """A SKU that is taken is left out with a note, for it must not hold up the rest."""
        patch = woo_product_patch(
            changes, self.sides.rules, current=shop_product(current), options=self.options
        )
        return await self._update_in_shop(current, patch)

    async def _update_in_shop(self, current: Side, patch: Patch) -> Written:
        if not patch.body:
            return Written(current, patch.notes, patch.unwritten, sent=False)
        try:
            updated = await self.sides.woo.update_product(shop_product(current), patch.body)
        except Duplicate as error:
            if "sku" not in patch.body:
                raise
            less = leave_out(patch, "sku", "sku", error=error)
            return await self._update_in_shop(current, less)
        after = await self.sides.of_woo(await self._whole(updated), brings=False)
        return Written(after, patch.notes, patch.unwritten)

    async def _whole(self, written: WooProduct) -> WooProduct:
        """A variation's own answer renders its description (recording variation_update)."""
        if written.parent_id is None:
            return written
        return await self.sides.woo.get_product(written.id)

    async def mark_in_shop(self, current: Side, foreign_id: str) -> Side:
        """Meta with a leading underscore is kept with products (product_update_meta_only)."""
        meta = {"meta_data": [{"key": FOREIGN_ID_META, "value": foreign_id}]}
        marked = await self.sides.woo.update_product(shop_product(current), meta)
        return await self.sides.of_woo(marked, brings=False)

    async def mark_in_vtiger(self, current: Side, foreign_id: str) -> Side:
        """Read anew: what was just written is to be sent along, not what was there before."""
        if self.sides.id_field is None:
            return current
        record = await self.sides.vtiger.retrieve(current.id, PRODUCTS)
        own = {self.sides.id_field: foreign_id}
        fields = whole_fields(own, record, currency_id=self._currency_id)
        revised = await self.sides.vtiger.revise(current.id, fields, module=PRODUCTS)
        return self.sides.of_vtiger(revised)


def _absent(side: Side) -> frozenset[str]:
    """Fields that the shop does not have, such as stock it does not manage: what Vtiger shows
    there is nothing to tell the shop of."""
    return frozenset(name for name, value in side.values.values.items() if value is None)
