"""Products of both systems as sides of a pair, with what a product's own record does not tell.

A variation is named after its parent and may share its tax class; a tax class stands for rates;
a price is in the shop's currency.
"""

from dataclasses import dataclass, field, replace

from app.errors import NotFound, RecordUnreadable, System
from app.mapping.products import (
    product_foreign_id,
    product_refusal,
    vtiger_product,
    woo_product,
)
from app.mapping.rules import FieldRule
from app.mapping.tax_use import product_rates
from app.mapping.tax_use import product_taxes as taxes_value
from app.mapping.values import Mapped, Value
from app.sync.books import Books
from app.sync.sides import Side, left_out_notes
from app.vtiger.client import VtigerClient
from app.vtiger.schemas import VtigerCurrency, VtigerRecord
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooProduct

PRODUCTS = "Products"
OF_PARENT = "parent"


@dataclass(frozen=True, slots=True)
class ProductSides:
    """Reads products of one shop and of Vtiger.

    `currency` is Vtiger's of the shop's `currency_code`, None if it is not in use there.
    `writes_vtiger`: the taxes of a product may be brought there. `parents` are remembered for
    the time of one drain or look.
    """

    woo: WooClient
    vtiger: VtigerClient
    books: Books
    rules: tuple[FieldRule, ...]
    id_field: str | None
    currency_code: str
    currency: VtigerCurrency | None
    writes_vtiger: bool
    parents: dict[str, WooProduct | None] = field(default_factory=dict)

    async def find(self, system: System, record_id: str) -> Side | None:
        """The product by id; None if it is gone, which one in the shop's trash is too.

        Recordings product_get_simple, product_get_trashed; contract page Vtiger §0.15.
        """
        try:
            if system is System.VTIGER:
                return self.of_vtiger(await self.vtiger.retrieve(record_id, PRODUCTS))
            product = await self.woo.get_product(record_id)
        except NotFound:
            return None
        return None if product.status == "trash" else await self.of_woo(product)

    async def of_woo(self, product: WooProduct, *, brings: bool = True) -> Side:
        """A product or variation read with `context=edit` (product_get_variation_by_id).

        Raises Waiting while one of its taxes cannot be brought to Vtiger; without `brings`, as
        after a write that must not be forgotten, such a tax is left out.
        """
        product = product.checked()
        parent = await self._parent_of(product)
        taxes = await self._taxes_of(product, parent, brings=brings)
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
        """A product's variations as its list shows them, without those that cannot be read."""
        self.parents[parent.id] = parent
        variations = [one async for one in self.woo.each_variation(parent.id)]
        return [await self.of_listed(one) for one in variations if not one.faults]

    async def of_listed(self, product: WooProduct) -> Side:
        """A product or variation of a list. That of variations renders their descriptions and
        shows the parent's SKU with those that have none: neither is told then."""
        side = await self.of_woo(product)
        if product.parent_id is None:
            return side
        parent = await self._parent_of(product)
        values = _without(side.values, "description")
        if parent is not None and product.sku == parent.sku:
            values = _without(values, "sku")
        return replace(side, values=values)

    def of_vtiger(self, record: VtigerRecord) -> Side:
        """A product as `retrieve` shows it (30-create-product-with-tax1-tax2).

        A price in another currency than the shop's is none that could be compared.
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
        self, product: WooProduct, parent: WooProduct | None, *, brings: bool
    ) -> Value:
        if product_refusal(product) is not None:
            return None
        shop = await self.books.shop()
        try:
            rates = product_rates(_classed(product, parent), shop.rates, base=shop.base)
        except RecordUnreadable:
            return None  # the rate's own row of the log names it; its products wait for it
        if brings and self.writes_vtiger:
            linked = await self.books.fields_of({rate.id for rate in rates})
        else:
            linked = await self.books.linked_fields()
        return taxes_value(rates, linked)


def shop_product(side: Side) -> WooProduct:
    """What a side of the shop was made of."""
    if not isinstance(side.raw, WooProduct):
        raise TypeError(f"{side.system} {side.id} is no product of a shop")
    return side.raw


def crm_product(side: Side) -> VtigerRecord:
    """What a side of Vtiger was made of."""
    if not isinstance(side.raw, VtigerRecord):
        raise TypeError(f"{side.system} {side.id} is no product of Vtiger")
    return side.raw


def _classed(product: WooProduct, parent: WooProduct | None) -> WooProduct:
    """A variation with its parent's tax class, where it says so (recording variation_create)."""
    if product.text("tax_class") != OF_PARENT or parent is None:
        return product
    return WooProduct({**product.data, "tax_class": parent.text("tax_class")})


def _stocked(product: WooProduct, parent: WooProduct | None) -> WooProduct:
    """A variation with its parent's stock, where that is what it sells from; an editing view
    shows none of its own then."""
    if parent is None or product.data.get("manage_stock") != OF_PARENT:
        return product
    return WooProduct({**product.data, "stock_quantity": parent.data.get("stock_quantity")})


def _without(values: Mapped, name: str) -> Mapped:
    return replace(values, values={**values.values, name: None})


def _label(values: Mapped) -> str:
    name, sku = values.get("name") or "", values.get("sku")
    return f"{name} ({sku})" if sku else name
