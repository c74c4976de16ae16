"""WooCommerce products and Vtiger Products as the same neutral values."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.json_shapes import find_list, rows_of
from app.mapping.markup import markup_text, shown_name
from app.mapping.numbers import amount, canonical_json, decimal_text, find_decimal, rounded
from app.mapping.paths import find_path, find_raw, scalar_text
from app.mapping.row_values import read_vtiger, read_woo
from app.mapping.rules import FieldRule, givers_first
from app.mapping.values import Mapped, Refusal, Value
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord, is_variable

FOREIGN_ID_META = "_vtiger_id"
TAX_FIELD = re.compile(r"tax[0-9]+", re.ASCII)
ACTIVE, INACTIVE = "1", "0"
OF_PARENT = "parent"
"""What `manage_stock` of a variation says that sells from its parent's stock."""


def product_refusal(product: WooRecord) -> Refusal | None:
    """Why this is no Vtiger product: a variable parent (its variations are), a group, a draft.

    Mapping table "Products"; recordings product_get_variable, hook_product_created_oncreate.
    """
    kind = product.text("type")
    if is_variable(product.data) or kind == "grouped":
        message = f"A {kind} product is not sold itself: what it holds is synced, one by one."
        return Refusal("filtered", message, retires=True)
    if product.text("status") == "auto-draft":
        return Refusal("draft", "The product has not been saved yet: it is synced once it is.")
    return None


def product_filtered(
    product: WooRecord,
    family: WooRecord,
    *,
    statuses: Collection[str],
    categories: Collection[str],
) -> Refusal | None:
    """Why the settings leave this product out, if they do; empty filters take all.

    `family` has the categories: the product itself, or a variation's parent, whose status counts
    too (a variation of a draft is for nobody to see). Recording product_get_variable.
    """
    told = {product.text("status"), family.text("status")} - {""}
    if statuses and not told <= set(statuses):
        found = ", ".join(sorted(told - set(statuses)))
        message = f"Products of status {found} are not synced: add it to `product_statuses`."
        return Refusal("filtered", message)
    wanted = {each.strip().casefold() for each in categories}
    if wanted and not wanted & set(_category_names(family)):
        message = "The product is in none of `product_categories`: add one of its categories."
        return Refusal("filtered", message)
    return None


def _category_names(product: WooRecord) -> Iterator[str]:
    for category in rows_of(product.data.get("categories")):
        for name in ("name", "slug"):
            yield (find_path(category, name) or "").strip().casefold()


def product_key(mapped: Mapped) -> str:
    """The natural key: the SKU in one case, "" if there is none.

    Both systems compare it so (contract pages WooCommerce §2, Vtiger §6).
    """
    return (mapped.get("sku") or "").strip().casefold()


def product_foreign_id(product: WooRecord) -> str | None:
    """The Vtiger id that the sync left in a product's meta (contract page WooCommerce §2)."""
    return find_path(product.data, "meta:" + FOREIGN_ID_META) or None


def woo_product(
    record: WooRecord, rules: Sequence[FieldRule], *, parent: WooRecord | None, taxes: Value
) -> Mapped:
    """A product's or variation's mapped values, read with `context=edit`.

    `parent` names a variation ("T-shirt – Rouge, S") and has its categories, None for other
    products; `taxes` is
    `product_taxes` of the shop's rates, None if unknown. An empty price is "" (not for sale),
    stock that the shop does not manage is None. Recordings product_get_simple,
    product_get_variation_by_id; contract page readback, "products ...".
    """
    data = record.data
    values: dict[str, Value] = {}
    for rule in givers_first(rules):
        if rule.name == "taxes":
            values["taxes"] = taxes
        elif rule.name == "name":
            values["name"] = _woo_name(data, parent)
        elif rule.name == "category":
            values["category"] = _woo_category(data if parent is None else parent.data)
        elif reader := _WOO_READERS.get(rule.name):
            values[rule.name] = reader(data)
        else:
            values[rule.name] = read_woo(rule, data, values.get(rule.given) or "")
    return Mapped(values)


def _woo_name(data: Mapping[str, Any], parent: WooRecord | None) -> Value:
    if parent is None:
        return _shown(data, "name")
    name = _shown(parent.data, "name") or ""
    listed = find_list(data.get("attributes")) or []
    rows = rows_of(listed)
    if len(rows) < len(listed):
        return None
    options = [_shown(row, "option") or "" for row in rows]
    chosen = ", ".join(filter(None, options))
    return f"{name} – {chosen}" if chosen else name


def _shown(data: Mapping[str, Any], path: str) -> Value:
    """A name as it is read on the shop's pages: without markup."""
    raw = find_raw(data, path)
    return shown_name(raw) if isinstance(raw, str) else scalar_text(raw)


def _woo_price(data: Mapping[str, Any]) -> Value:
    return find_path(data, "regular_price")


def _woo_description(data: Mapping[str, Any]) -> Value:
    source = data.get("description")
    return scalar_text(markup_text(source)) if isinstance(source, str) else None


def _woo_stock(data: Mapping[str, Any]) -> Value:
    managed = data.get("manage_stock") in (True, OF_PARENT)
    return find_path(data, "stock_quantity") if managed else None


def _woo_status(data: Mapping[str, Any]) -> Value:
    status = find_path(data, "status")
    return None if status is None else ACTIVE if status == "publish" else INACTIVE


def _woo_category(data: Mapping[str, Any]) -> Value:
    first = next(iter(find_list(data.get("categories")) or ()), None)
    return _shown(first, "name") if isinstance(first, Mapping) else None


_WOO_READERS: Mapping[str, Callable[[Mapping[str, Any]], Value]] = {
    "price": _woo_price,
    "description": _woo_description,
    "stock": _woo_stock,
    "status": _woo_status,
}


def vtiger_product(record: VtigerRecord, rules: Sequence[FieldRule]) -> Mapped:
    """A Vtiger product's mapped values. A price of 0 is read as "" (none): Vtiger has no other way
    to say so, and WooCommerce would make a gift of it.

    `record.data` is a retrieve answer (recording 30-create-product-with-tax1-tax2).
    """
    values: dict[str, Value] = {}
    for rule in givers_first(rules):
        text = scalar_text(record.data.get(rule.vtiger))
        if rule.name == "taxes":
            text = taxes_text(vtiger_taxes(record))
        elif rule.name == "price" and text is not None:
            text = text if amount(text) else ""
        elif rule.name == "status" and text is not None:
            text = ACTIVE if text == ACTIVE else INACTIVE
        values[rule.name] = read_vtiger(rule, text, values.get(rule.given) or "")
    return Mapped(values)


def vtiger_taxes(record: VtigerRecord) -> dict[str, Decimal]:
    """The taxes that a product or service carries, "0" too; absent or "" is not carried.

    Contract page Vtiger §4.
    """
    found = {name: find_decimal(value) for name, value in record.data.items()}
    return {n: rate for n, rate in found.items() if rate is not None and TAX_FIELD.fullmatch(n)}


def taxes_text(rates: Mapping[str, Decimal]) -> str:
    """Carried taxes as a neutral value: canonical JSON of tax field and rate, "" for none.

    Of a rate 3 decimals count; those of 0 are left out: they only let orders use the tax.
    """
    carried = {name: decimal_text(rounded(rate, 3)) for name, rate in rates.items() if rate}
    return canonical_json(carried) if carried else ""


def taxes_from_text(text: str) -> dict[str, Decimal]:
    """What `taxes_text` wrote."""
    return {name: Decimal(rate) for name, rate in json.loads(text or "{}").items()}
