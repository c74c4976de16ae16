"""The adapter of products: it reads products of both systems, finds their twins, and writes.

A variation is named after its parent and may share its tax class; a tax class determines the
rates; a price is in the shop's currency."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from app.domain import (
    Direction,
    Duplicate,
    InvalidInput,
    Module,
    NotFound,
    Record,
    RecordUnreadable,
    System,
    after_create,
)
from app.links.repository import find_intent
from app.mapping.paths import with_meta
from app.mapping.rules import FieldRule
from app.mapping.values import (
    FieldNote,
    Mapped,
    Patch,
    PatchOptions,
    Refusal,
    Value,
    canonical_text,
    left_out_notes,
)
from app.modules.context import PLACEHOLDER_CODE, Context, ReferenceData
from app.modules.ports import (
    Side,
    Skip,
    Written,
    custom_objection,
    deleted_twin,
    is_plausible,
    leave_out,
)
from app.modules.products.mapping import (
    FOREIGN_ID_META,
    INACTIVE,
    product_conversion,
    product_filtered,
    product_foreign_id,
    product_key,
    product_refusal,
    vtiger_product,
    vtiger_product_patch,
    whole_fields,
    woo_product,
    woo_product_patch,
)
from app.modules.taxes.mapping import product_rates
from app.modules.taxes.mapping import product_taxes as taxes_value
from app.policies.repository import SyncPolicy
from app.vtiger.client import VtigerClient
from app.vtiger.query import Query, equals
from app.vtiger.schemas import VtigerCurrency, VtigerRecord
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooProduct

PRODUCTS = "Products"
OF_PARENT = "parent"


@dataclass(frozen=True, slots=True)
class ProductSides:
    """Reads products of one shop and of Vtiger.

    `currency` is Vtiger's currency with the shop's `currency_code`, None if it is not active there.
    `writes_vtiger`: the taxes of a product may be synced to Vtiger. `parents` caches the parents of
    variations for one drain or one page.
    """

    woo: WooClient
    vtiger: VtigerClient
    reference_data: ReferenceData
    rules: tuple[FieldRule, ...]
    id_field: str | None
    currency_code: str
    currency: VtigerCurrency | None
    writes_vtiger: bool
    parents: dict[str, WooProduct | None] = field(default_factory=dict)

    async def find(self, system: System, record_id: str) -> Side | None:
        """The product by id; None if it is gone or in the shop's trash.

        Recordings product_get_simple, product_get_trashed; contract page Vtiger §0.15.
        """
        try:
            if system is System.VTIGER:
                return self.of_vtiger(await self.vtiger.retrieve(record_id, PRODUCTS))
            product = await self.woo.get_product(record_id)
        except NotFound:
            return None
        return None if product.status == "trash" else await self.of_woo(product)

    async def of_woo(self, product: WooProduct, *, sync_first: bool = True) -> Side:
        """The side of a product or variation read with `context=edit`
        (product_get_variation_by_id).

        Its taxes are synced to Vtiger first; DependencyNotReady while one of them cannot be.
        Without `sync_first`, as after a write whose result must be stored, such a tax is left out.
        """
        product = product.checked()
        parent = await self._parent_of(product)
        taxes = await self._taxes_of(product, parent, sync_first=sync_first)
        stocked = _stocked(product, parent)
        values = woo_product(stocked, self.rules, parent=parent, taxes=taxes)
        return Side(
            system=System.WOOCOMMERCE,
            id=product.id,
            values=values,
            modified_at=product.modified_at or product.created_at,
            created_at=product.created_at,
            label=_label(values),
            foreign_id=product_foreign_id(product),
            raw=product,
            notes=left_out_notes(product.dropped),
        )

    async def of_variations(self, parent: WooProduct) -> list[Side]:
        """The variations of a product from their list, without those that cannot be read."""
        self.parents[parent.id] = parent
        variations = [one async for one in self.woo.each_variation(parent.id)]
        return [await self.of_listed(one) for one in variations if not one.faults]

    async def of_listed(self, product: WooProduct) -> Side:
        """The side of a listed product or variation. The list of variations shows rendered
        descriptions, and the parent's SKU where a variation has none: both are None then."""
        side = await self.of_woo(product)
        if product.parent_id is None:
            return side
        parent = await self._parent_of(product)
        values = _without(side.values, "description")
        if parent is not None and product.sku == parent.sku:
            values = _without(values, "sku")
        return replace(side, values=values)

    def of_vtiger(self, record: VtigerRecord) -> Side:
        """The side of a product as `retrieve` shows it (30-create-product-with-tax1-tax2).

        A price in another currency than the shop's is None: it cannot be compared.
        """
        values = vtiger_product(record.checked(), self.rules)
        if self.is_foreign(record):
            values = _without(values, "price")
        return Side(
            system=System.VTIGER,
            id=record.id,
            values=values,
            modified_at=record.modified_at,
            created_at=record.created_at,
            label=_label(values),
            foreign_id=record.get(self.id_field) or None if self.id_field else None,
            raw=record,
        )

    def is_foreign(self, record: VtigerRecord) -> bool:
        """Whether a Vtiger product's price is in another currency than the shop's."""
        own = self.currency.id if self.currency else ""
        return record.get("currency_id") not in ("", own)

    async def _parent_of(self, product: WooProduct) -> WooProduct | None:
        if product.parent_id is None:
            return None
        if product.parent_id not in self.parents:
            self.parents[product.parent_id] = await self._find_product(product.parent_id)
        return self.parents[product.parent_id]

    async def _find_product(self, product_id: str) -> WooProduct | None:
        try:
            return await self.woo.get_product(product_id)
        except NotFound:
            return None

    async def _taxes_of(
        self, product: WooProduct, parent: WooProduct | None, *, sync_first: bool
    ) -> Value:
        if product_refusal(product) is not None:
            return None
        shop = await self.reference_data.shop()
        try:
            rates = product_rates(_classed(product, parent), shop.rates, base=shop.base)
        except RecordUnreadable:
            return None  # the rate has a log row of its own; its products wait for it
        if sync_first and self.writes_vtiger:
            linked = await self.reference_data.fields_of({rate.id for rate in rates})
        else:
            linked = await self.reference_data.linked_fields()
        return taxes_value(rates, linked)


def shop_product(side: Side) -> WooProduct:
    """The product behind a side of the shop."""
    if not isinstance(side.raw, WooProduct):
        raise TypeError(f"{side.system} {side.id} is no product of a shop")
    return side.raw


def crm_product(side: Side) -> VtigerRecord:
    """The product behind a side of Vtiger."""
    if not isinstance(side.raw, VtigerRecord):
        raise TypeError(f"{side.system} {side.id} is no product of Vtiger")
    return side.raw


def _classed(product: WooProduct, parent: WooProduct | None) -> WooProduct:
    """A variation with its parent's tax class, if it inherits that (recording
    variation_create)."""
    if product.text("tax_class") != OF_PARENT or parent is None:
        return product
    return WooProduct({**product.data, "tax_class": parent.text("tax_class")})


def _stocked(product: WooProduct, parent: WooProduct | None) -> WooProduct:
    """A variation with its parent's stock, if it sells from that; with `context=edit` it then shows
    none of its own."""
    if parent is None or product.data.get("manage_stock") != OF_PARENT:
        return product
    return WooProduct({**product.data, "stock_quantity": parent.data.get("stock_quantity")})


def _without(values: Mapped, name: str) -> Mapped:
    return replace(values, values={**values.values, name: None})


def _label(values: Mapped) -> str:
    name, sku = values.get("name") or "", values.get("sku")
    return f"{name} ({sku})" if sku else name


# Finding the twin of a product without a link.

OVERLAP = timedelta(minutes=15)
"""The most that the shop's clock is assumed to be behind ours."""


@dataclass(frozen=True, slots=True)
class ProductTwins:
    """Finds twins by our id field, if the SKU (or the name, if there is none) or the twin's id
    field agrees; else by SKU.

    An id alone is not sufficient: a cloned shop has ids of other records. Mapping table "Products".
    """

    sides: ProductSides

    async def search(self, side: Side) -> list[Side] | Skip:
        """The possible twins; a Skip for a Vtiger product that the shop deleted and has no other
        of."""
        if side.foreign_id is not None:
            twin = await self._find_by_foreign_id(side, side.foreign_id)
            if twin is not None:
                return [twin]
        found = await self._search(side)
        if found or side.foreign_id is None or side.system is System.WOOCOMMERCE:
            return found
        return await self._find_deleted(side.foreign_id) or []

    async def _search(self, side: Side) -> list[Side]:
        sku = product_key(side.values)
        if side.system is System.WOOCOMMERCE:
            return await (self._search_vtiger(sku) if sku else self._search_by_id(side))
        if not sku:
            return await self._search_created(side)
        found = await self.sides.woo.search_products_by_sku(side.values.get("sku") or "")
        return [await self.sides.of_woo(product) for product in found]

    async def _find_deleted(self, woo_id: str) -> Skip | None:
        if not is_plausible(System.WOOCOMMERCE, woo_id):
            return None
        existing = await self.sides.find(System.WOOCOMMERCE, woo_id)
        return deleted_twin(System.WOOCOMMERCE, woo_id) if existing is None else None

    async def search_rivals(self, side: Side) -> list[Side]:
        """Other Vtiger products with the part number; in a shop a SKU is unique."""
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
        """Vtiger's products with this SKU. Each is retrieved, since a query shows no taxes, which a
        write must send again."""
        rows = await self._query("productcode", sku)
        return [row for row in rows if product_key(row.values) == sku]

    async def _search_by_id(self, side: Side) -> list[Side]:
        """Vtiger's products with the shop's id, for a product without a SKU."""
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

    async def _search_created(self, side: Side) -> list[Side]:
        """The products that an interrupted create of ours left. A shop cannot be searched by
        external id, so all products that changed since are scanned (contract page WooCommerce
        §2)."""
        reference_data = self.sides.reference_data
        record = Record(reference_data.store, System.VTIGER, Module.PRODUCTS, side.id)
        async with reference_data.runtime.sessions() as session:
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
        """Whether both have the same SKU, or both have none and the same name."""
        sku = product_key(one.values)
        if sku or product_key(other.values):
            return sku == product_key(other.values)
        names = (one.values.get("name") or "", other.values.get("name") or "")
        return canonical_text(names[0]) == canonical_text(names[1]) != ""


# Writing products.

TAKEN = (
    "{system} reports that the SKU {sku} is taken, by {holder}: give one of the two another SKU. "
    "A product in the shop's trash keeps its SKU: restore it, or delete it for good. Then replay "
    "this delivery."
)
FOREIGN_PRICE = (
    "The product's price in Vtiger is in another currency than the shop's: it was not written."
)


@dataclass(frozen=True, slots=True)
class ProductWriter:
    """Creates and updates products in both systems."""

    sides: ProductSides
    options: PatchOptions

    async def create_in_vtiger(self, source: Side, key: str = "") -> Written | str:
        """Create the product in Vtiger, active, with price, taxes and our id field (23-*). "" if
        its SKU is taken: Vtiger does not name the holder (54-err-contact-revise-duplicate)."""
        patch = await self._vtiger_patch(source.values.values, None)
        own = {self.sides.id_field: source.id} if self.sides.id_field else {}
        try:
            created = await self.sides.vtiger.create(PRODUCTS, patch.body | own, key=key)
        except Duplicate:
            return ""
        unwritten = patch.unwritten | _absent(source)
        return Written(self.sides.of_vtiger(created), patch.notes, unwritten)

    async def create_in_shop(self, source: Side) -> Written | str:
        """Create a simple product in the shop (product_create_simple), for sale once it has a
        price. If its SKU is taken, the id of the holder, "" if the shop does not name it.

        Fields that only go to Vtiger, such as the taxes of the shop's standard class, are not in
        the base yet: Vtiger gets them with the next hint.
        """
        patch = self.new_in_shop(source)
        try:
            created = await self.sides.woo.create_product(patch.body)
        except Duplicate as error:
            return error.holder_id or ""
        return await self.created_in_shop(created, patch)

    def new_in_shop(self, source: Side) -> Patch:
        """The patch that a create sends."""
        patch = woo_product_patch(
            source.values.values, self.sides.rules, current=None, options=self.options
        )
        body = with_meta(patch.body, FOREIGN_ID_META, source.id)
        return replace(patch, body={**body, "type": "simple"})

    async def created_in_shop(self, created: WooProduct, patch: Patch) -> Written:
        """The result of a create."""
        with after_create():
            after = await self.sides.of_woo(created, sync_first=False)
        return Written(self._without_one_way_values(after), patch.notes, patch.unwritten)

    def _without_one_way_values(self, side: Side) -> Side:
        """The side with "" for fields that only go to Vtiger, which has not got them yet."""
        own = [r.name for r in self.sides.rules if r.direction is Direction.WOO_TO_VTIGER]
        values = {name: "" if name in own else value for name, value in side.values.values.items()}
        return replace(side, values=Mapped(values))

    def refused(self, target: System, source: Side, holder_id: str) -> Skip:
        """Why no twin could be created: its SKU is another product's (product_sku_of_trashed)."""
        holder = f"product {holder_id}" if holder_id else "a product that it does not name"
        sku = source.values.get("sku") or "(none)"
        message = TAKEN.format(system=target.label, sku=sku, holder=holder)
        return Skip(Duplicate.reason, message)

    async def revise(self, current: Side, changes: Mapping[str, Value]) -> Written:
        """Write `changes` to `current`, which was just read: its price, currency and taxes are sent
        along (70-product-*)."""
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
            tax_fields=(await self.sides.reference_data.crm()).tax_fields,
            currency_id=self._currency_id,
            options=self.options,
        )

    @property
    def _currency_id(self) -> str:
        return self.sides.currency.id if self.sides.currency else ""

    async def update_in_shop(self, current: Side, changes: Mapping[str, Value]) -> Written:
        """Write `changes`; a SKU that is taken is left out with a note, so that the other fields
        are written."""
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
        after = await self.sides.of_woo(await self._whole(updated), sync_first=False)
        return Written(after, patch.notes, patch.unwritten)

    async def _whole(self, written: WooProduct) -> WooProduct:
        """The product as `context=edit` shows it: the response to the write of a variation has a
        rendered description (recording variation_update)."""
        if written.parent_id is None:
            return written
        return await self.sides.woo.get_product(written.id)

    async def write_external_ids_in_shop(self, current: Side, foreign_id: str) -> Side:
        """Write Vtiger's id as meta; with products a leading underscore is possible
        (product_update_meta_only)."""
        meta = {"meta_data": [{"key": FOREIGN_ID_META, "value": foreign_id}]}
        marked = await self.sides.woo.update_product(shop_product(current), meta)
        return await self.sides.of_woo(marked, sync_first=False)

    async def write_external_id_in_vtiger(self, current: Side, foreign_id: str) -> Side:
        """Write the shop's id. The product is read again, so that the values that are sent along
        are the latest."""
        if self.sides.id_field is None:
            return current
        record = await self.sides.vtiger.retrieve(current.id, PRODUCTS)
        own = {self.sides.id_field: foreign_id}
        fields = whole_fields(own, record, currency_id=self._currency_id)
        revised = await self.sides.vtiger.revise(current.id, fields, module=PRODUCTS)
        return self.sides.of_vtiger(revised)


def _absent(side: Side) -> frozenset[str]:
    """The fields that the shop does not have, such as stock that it does not manage: Vtiger's
    values of them are no changes for the shop."""
    return frozenset(name for name, value in side.values.values.items() if value is None)


PLACEHOLDER = "It is the placeholder in orders for products that Vtiger does not have."
NO_CURRENCY = (
    "Vtiger has no active currency {code}, which is that of the shop's prices: add it there under "
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
        """Always InvalidInput: webhooks have rendered text (contract page readback,
        "products ...")."""
        raise InvalidInput(f"product {body.get('id')} must be read from the shop")

    def natural_keys(self, side: Side) -> tuple[str, ...]:
        sku = product_key(side.values)
        return (f"{self.module}:sku:{sku}",) if sku else ()

    def objection(self, side: Side) -> Skip | None:
        """Variable parents, groups, drafts, the placeholder and products that the filters exclude
        are not synced; none is, if Vtiger does not have the currency."""
        raw = side.raw
        refusal = product_refusal(raw) if isinstance(raw, WooProduct) else None
        if refusal is None and isinstance(raw, WooProduct):
            refusal = self._filter_refusal(raw)
        if refusal is not None:
            return Skip(refusal.reason, refusal.message, retires=refusal.retires)
        if side.system is System.VTIGER and side.values.get("sku") == PLACEHOLDER_CODE:
            return Skip("filtered", PLACEHOLDER)
        if self.sides.currency is None:
            message = NO_CURRENCY.format(code=self.sides.currency_code)
            return Skip("currency_unavailable", message)
        return None

    def _filter_refusal(self, product: WooProduct) -> Refusal | None:
        """Why the filters exclude the product; a variation has its parent's categories
        (product_get_variation_by_id)."""
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

    def converted_names(self, woo: Side, vtiger: Side) -> frozenset[str]:
        conversion = product_conversion(self.rules, self.options)
        return conversion.converted_names(woo.values, vtiger.values)

    async def search_twins(self, side: Side) -> list[Side] | Skip:
        return await self.twins.search(side)

    async def search_rivals(self, side: Side) -> list[Side]:
        return await self.twins.search_rivals(side)

    async def create(self, target: System, source: Side, key: str = "") -> Written | Side | Skip:
        """Create the twin with all values that the target accepts, and the source's id.

        If the target reports that the SKU is taken, its holder (err_product_duplicate_sku).
        """
        if target is System.VTIGER:
            result = await self.writer.create_in_vtiger(source, key)
        else:
            result = await self.writer.create_in_shop(source)
        if not isinstance(result, str):
            return result
        holder = await self._find_holder(target, source, result)
        return holder or self.writer.refused(target, source, result)

    async def _find_holder(self, target: System, source: Side, holder_id: str) -> Side | None:
        sku = product_key(source.values)
        if holder_id:
            holder = await self.find(target, holder_id)
            return holder if holder and sku and product_key(holder.values) == sku else None
        found = await self.twins.search(source)
        return found[0] if isinstance(found, list) and len(found) == 1 else None

    async def update(
        self,
        current: Side,
        changes: Mapping[str, Value],
        source: Side,  # noqa: ARG002 - only orders need the source
    ) -> Written:
        """Write these fields; in Vtiger with the fields that it would wipe otherwise (contract page
        Vtiger §0.5)."""
        if current.system is System.VTIGER:
            return await self.writer.revise(current, changes)
        return await self.writer.update_in_shop(current, changes)

    async def write_external_id(self, current: Side, foreign_id: str) -> Side:
        if current.foreign_id == foreign_id:
            return current
        if current.system is System.WOOCOMMERCE:
            return await self.writer.write_external_ids_in_shop(current, foreign_id)
        return await self.writer.write_external_id_in_vtiger(current, foreign_id)

    async def retire(self, side: Side) -> Written:
        """Deactivate the product: inactive in Vtiger, private in the shop."""
        if side.values.get("status") == INACTIVE:
            return Written(side, (), frozenset(), sent=False)
        return await self.update(side, {"status": INACTIVE}, side)

    async def restore(self, record_id: str, twin: Side) -> Side | None:
        """Restore the product from the trash by setting a status; variations have no trash
        (product_get_trashed). None if it is gone."""
        try:
            product = await self.sides.woo.get_product(record_id)
        except NotFound:
            return None
        status = "private" if twin.values.get("status") == INACTIVE else "publish"
        return await self.sides.of_woo(
            await self.sides.woo.update_product(product, {"status": status})
        )

    async def delete(self, system: System, record_id: str) -> Skip | None:
        """Move the product to the trash or recycle bin; one that is gone already is no error
        (product_trash)."""
        with contextlib.suppress(NotFound):
            if system is System.VTIGER:
                await self.sides.vtiger.delete(record_id)
            else:
                product = await self.sides.woo.get_product(record_id)
                await self.sides.woo.trash_product(product)
        return None

    async def dependents(self, side: Side) -> Sequence[Side]:
        """The variations of a variable product, which show its name and share its taxes.

        Their list has rendered descriptions, which are left out (contract page readback).
        """
        product = side.raw
        if not isinstance(product, WooProduct) or not product.is_variable:
            return ()
        return await self.sides.of_variations(product)


async def open_products(context: Context) -> ProductAdapter:
    runtime, reference_data = context.runtime, context.reference_data
    code = (await reference_data.shop()).currency
    sides = ProductSides(
        woo=runtime.stores[context.store],
        vtiger=runtime.vtiger,
        reference_data=reference_data,
        rules=await context.rules(Module.PRODUCTS),
        id_field=await context.id_field(PRODUCTS),
        currency_code=code,
        currency=(await reference_data.crm()).find_currency(code),
        writes_vtiger=context.policy.direction.allows(System.VTIGER),
    )
    options = PatchOptions(too_long=context.policy.too_long.value)
    return ProductAdapter(sides, ProductWriter(sides, options), options, context.policy)
