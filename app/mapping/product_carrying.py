"""What a product's values would be in Vtiger, and the way back. Pure."""

from collections.abc import Sequence

from app.mapping.carriage import Carriage
from app.mapping.product_patches import vtiger_product_patch, woo_product_patch
from app.mapping.products import taxes_from_text, vtiger_product, woo_product
from app.mapping.rules import FieldRule
from app.mapping.values import Mapped, Patch, PatchOptions
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord


def product_carriage(rules: Sequence[FieldRule], options: PatchOptions) -> Carriage:
    """Products carried over; contract page readback, "products ..."."""

    def to_vtiger(woo: Mapped) -> tuple[Mapped, frozenset[str]]:
        patch = vtiger_product_patch(
            woo.values,
            rules,
            current=None,
            tax_fields=tuple(taxes_from_text(woo.get("taxes") or "")),
            currency_id="",
            options=options,
        )
        return vtiger_product(VtigerRecord("", "", patch.body), rules), _kept(woo, patch)

    def to_woo(vtiger: Mapped) -> tuple[Mapped, frozenset[str]]:
        patch = woo_product_patch(vtiger.values, rules, current=None, options=options)
        product = WooRecord(patch.body)
        values = woo_product(product, rules, parent=None, taxes=None)
        return values, _kept(vtiger, patch)

    return Carriage(rules, to_vtiger, to_woo)


def _kept(source: Mapped, patch: Patch) -> frozenset[str]:
    """An empty price means not for sale and is never sent, in either direction."""
    return patch.unwritten if source.get("price") else patch.unwritten | {"price"}
