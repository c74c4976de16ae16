"""Products between one shop and Vtiger: reading, finding twins, whole writes. Decides nothing."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.errors import InvalidInput, NotFound, System
from app.mapping.product_carrying import product_carriage
from app.mapping.products import INACTIVE, product_filtered, product_key, product_refusal
from app.mapping.rules import FieldRule
from app.mapping.values import PatchOptions, Refusal, Value
from app.policies.schemas import SyncPolicy
from app.records import Module
from app.sync.product_sides import ProductSides
from app.sync.product_twins import ProductTwins
from app.sync.product_writing import ProductWriter
from app.sync.setup import PLACEHOLDER_CODE
from app.sync.sides import Side, Skip, Written, custom_objection
from app.woocommerce.schemas import WooProduct

PLACEHOLDER = "It stands in orders for products that Vtiger does not know: it is not sold."
NO_CURRENCY = (
    "Vtiger has no active currency {code}, in which the shop's prices are: add it there under "
    "Settings, Currencies."
)


@dataclass(frozen=True, slots=True)
class ProductAdapter:
    """Simple products and variations, and Vtiger Products (mapping table "Products")."""

    sides: ProductSides
    writer: ProductWriter
    options: PatchOptions
    policy: SyncPolicy
    module: Module = Module.PRODUCTS

    @property
    def twins(self) -> ProductTwins:
        return ProductTwins(self.sides)

    @property
    def rules(self) -> tuple[FieldRule, ...]:
        return self.sides.rules

    async def find(self, system: System, record_id: str) -> Side | None:
        return await self.sides.find(system, record_id)

    async def read_body(self, body: Mapping[str, object]) -> Side:
        """Never: webhooks carry rendered text (contract page readback, "products ...")."""
        raise InvalidInput(f"product {body.get('id')} has to be read")

    def natural_keys(self, side: Side) -> tuple[str, ...]:
        sku = product_key(side.values)
        return (f"{self.module}:sku:{sku}",) if sku else ()

    def objection(self, side: Side) -> Skip | None:
        """Variable parents, groups, drafts, the placeholder, what the filters leave out; all, if
        Vtiger lacks the currency."""
        raw = side.raw
        refusal = product_refusal(raw) if isinstance(raw, WooProduct) else None
        if refusal is None and isinstance(raw, WooProduct):
            refusal = self._left_out(raw)
        if refusal is not None:
            return Skip(refusal.reason, refusal.message, retires=refusal.retires)
        if side.system is System.VTIGER and side.values.get("sku") == PLACEHOLDER_CODE:
            return Skip("filtered", PLACEHOLDER)
        if self.sides.currency is None:
            message = NO_CURRENCY.format(code=self.sides.currency_code)
            return Skip("currency_unavailable", message)
        return None

    def _left_out(self, product: WooProduct) -> Refusal | None:
        """A variation is in its parent's categories (product_get_variation_by_id)."""
        parent = self.sides.parents.get(product.parent_id or "")
        return product_filtered(
            product,
            parent or product,
            statuses=self.policy.product_statuses,
            categories=self.policy.product_categories,
        )

    def creation_objection(self, side: Side) -> Skip | None:
        if (side.values.get("name") or "").strip():
            return custom_objection(side, self.rules)
        message = f"The product has no name: give it one in {side.system.label}."
        return Skip("missing_required_field", message)

    def carried(self, woo: Side, vtiger: Side) -> frozenset[str]:
        carriage = product_carriage(self.rules, self.options)
        return carriage.carried_names(woo.values, vtiger.values)

    async def search_twins(self, side: Side) -> list[Side] | Skip:
        return await self.twins.search(side)

    async def search_rivals(self, side: Side) -> list[Side]:
        return await self.twins.search_rivals(side)

    async def create(self, target: System, source: Side, key: str = "") -> Written | Side | Skip:
        """The twin with all values that the target takes, and the source's id.

        Where the target says that the SKU is taken, its holder (err_product_duplicate_sku).
        """
        if target is System.VTIGER:
            made = await self.writer.create_in_vtiger(source, key)
        else:
            made = await self.writer.create_in_shop(source)
        if not isinstance(made, str):
            return made
        holder = await self._find_holder(target, source, made)
        return holder or self.writer.refused(target, source, made)

    async def _find_holder(self, target: System, source: Side, told_id: str) -> Side | None:
        sku = product_key(source.values)
        if told_id:
            holder = await self.find(target, told_id)
            return holder if holder and sku and product_key(holder.values) == sku else None
        found = await self.twins.search(source)
        return found[0] if isinstance(found, list) and len(found) == 1 else None

    async def update(
        self,
        current: Side,
        changes: Mapping[str, Value],
        source: Side,  # noqa: ARG002 - a product's changes are all there is to write
    ) -> Written:
        """These fields; in Vtiger with all that would be wiped (contract page Vtiger §0.5)."""
        if current.system is System.VTIGER:
            return await self.writer.revise(current, changes)
        return await self.writer.update_in_shop(current, changes)

    async def mark(self, current: Side, foreign_id: str) -> Side:
        if current.foreign_id == foreign_id:
            return current
        if current.system is System.WOOCOMMERCE:
            return await self.writer.mark_in_shop(current, foreign_id)
        return await self.writer.mark_in_vtiger(current, foreign_id)

    async def retire(self, side: Side) -> Written:
        """Inactive in Vtiger, private in the shop, where it is not that already."""
        if side.values.get("status") == INACTIVE:
            return Written(side, (), frozenset(), sent=False)
        return await self.update(side, {"status": INACTIVE}, side)

    async def restore(self, record_id: str, twin: Side) -> Side | None:
        """Out of the trash by a status; a variation has none (product_get_trashed)."""
        try:
            product = await self.sides.woo.get_product(record_id)
        except NotFound:
            return None
        status = "private" if twin.values.get("status") == INACTIVE else "publish"
        return await self.sides.of_woo(
            await self.sides.woo.update_product(product, {"status": status})
        )

    async def delete(self, system: System, record_id: str) -> Skip | None:
        """Into the trash or recycle bin; one that is gone already is fine (product_trash)."""
        with contextlib.suppress(NotFound):
            if system is System.VTIGER:
                await self.sides.vtiger.delete(record_id)
            else:
                product = await self.sides.woo.get_product(record_id)
                await self.sides.woo.trash_product(product)
        return None

    async def members(self, side: Side) -> Sequence[Side]:
        """The variations of a variable product, which show its name and share its taxes.

        Their list renders the description, so that is not told (contract page readback).
        """
        product = side.raw
        if not isinstance(product, WooProduct) or not product.is_variable:
            return ()
        return await self.sides.of_variations(product)
