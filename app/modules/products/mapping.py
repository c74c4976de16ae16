"""The mapping of products: both systems' products as neutral values, patches of them, and the
default rows. Pure."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.domain import Direction, System
from app.mapping.paths import find_path, find_raw, scalar_text, set_path
from app.mapping.rules import (
    PERCENT_HEX,
    PRODUCT_SIZES,
    WOO_TEXT_BYTES,
    Conversion,
    FieldRule,
    Fitted,
    PatchDraft,
    changed_rules,
    fit_vtiger_row,
    fit_woo_row,
    read_vtiger,
    read_woo,
    sorted_by_given,
    unsafe_reason,
)
from app.mapping.values import (
    SURROGATES,
    Mapped,
    Patch,
    PatchOptions,
    Refusal,
    Value,
    amount,
    canonical_json,
    canonical_number,
    collapse,
    decimal_text,
    decode_entities,
    markup_text,
    restore_astral,
    rounded,
    shown_name,
)
from app.parsing import find_decimal, find_list, rows_of
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord, is_variable, is_variation

# The default table of products: simple products and variations against Vtiger's Products.

_TO_VTIGER = Direction.WOO_TO_VTIGER

PRODUCT_RULES: tuple[FieldRule, ...] = (
    FieldRule("name", ("name",), "productname", required=frozenset({System.VTIGER})),
    FieldRule("sku", ("sku",), "productcode"),
    FieldRule("price", ("regular_price",), "unit_price", transform="number"),
    FieldRule("description", ("description",), "description", direction=_TO_VTIGER),
    FieldRule("stock", ("stock_quantity",), "qtyinstock", transform="number"),
    FieldRule("status", ("status",), "discontinued"),
    FieldRule("category", ("categories",), "productcategory", direction=_TO_VTIGER),
    FieldRule("website", ("permalink",), "website", direction=_TO_VTIGER),
    FieldRule("taxes", ("tax_class",), "tax1", direction=_TO_VTIGER),
)


# Product texts that WooCommerce would alter are not sent. Contract page readback: unlike with
# customers, backslashes are lost with every later change of a text, and WordPress's kses removes
# markup.

_KEPT_TAG = re.compile(r"</?(?:b|i|u|s|p|em|strong|small|sub|sup|code|br)>", re.IGNORECASE)
_MARKUP = re.compile(r"<\s*[a-zA-Z/!?]")
_UNSAFE = unsafe_reason(System.WOOCOMMERCE)


def fit_product_text(text: str, path: str) -> Fitted:
    """`text` for a product's `path` ("name", "sku", "meta:...")."""
    if hazard := _hazard(text, path):
        return Fitted(None, _UNSAFE, hazard)
    if len(text.encode()) > WOO_TEXT_BYTES:
        message = f"WooCommerce ignores a text of more than {WOO_TEXT_BYTES} bytes."
        return Fitted(None, "value_too_long", message)
    return Fitted(collapse(text) if path == "sku" else text)


def _hazard(text: str, path: str) -> str:
    if SURROGATES.search(text):
        return "It is not valid Unicode: WooCommerce refuses the whole record."
    if decode_entities(text) != text:
        return "It contains a doubly encoded HTML entity, which would lose a level on the way back."
    if path.startswith("meta:"):
        return ""
    if path == "short_description" and text in ("", "0"):
        return "WooCommerce cannot empty a short description once it has one."
    if "\\" in text and path != "sku":
        return "WooCommerce removes a product's backslashes, more with every change."
    if _MARKUP.search(text if path == "sku" else _KEPT_TAG.sub("", text)):
        return "WooCommerce removes markup that could be active."
    if path == "sku" and ("&#" in text or PERCENT_HEX.search(text)):
        return "WooCommerce removes entities and percent codes from a SKU."
    return 'WooCommerce treats the name "0" as empty.' if (path, text) == ("name", "0") else ""


# WooCommerce products and Vtiger Products as the same neutral values.

FOREIGN_ID_META = "_vtiger_id"
TAX_FIELD = re.compile(r"tax[0-9]+", re.ASCII)
ACTIVE, INACTIVE = "1", "0"
OF_PARENT = "parent"
"""The `manage_stock` of a variation that sells from its parent's stock."""


def product_refusal(product: WooRecord) -> Refusal | None:
    """Why a product is not synced: a variable parent (its variations are synced), a group, or a
    draft. None if it is.

    Mapping table "Products"; recordings product_get_variable, hook_product_created_oncreate.
    """
    kind = product.text("type")
    if is_variable(product.data) or kind == "grouped":
        message = f"A {kind} product is not sold itself: the products in it are synced one by one."
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
    """Why the settings exclude this product, None if they do not; empty filters include all.

    `family` has the categories: the product itself, or a variation's parent, whose status must be
    included too (a variation of a draft is not visible). Recording product_get_variable.
    """
    own = {product.text("status"), family.text("status")} - {""}
    if statuses and not own <= set(statuses):
        found = ", ".join(sorted(own - set(statuses)))
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
    """The natural key: the SKU in lower case, "" if there is none.

    Both systems ignore case (contract pages WooCommerce §2, Vtiger §6).
    """
    return (mapped.get("sku") or "").strip().casefold()


def product_foreign_id(product: WooRecord) -> str | None:
    """The Vtiger id in a product's meta, None if there is none (contract page WooCommerce §2)."""
    return find_path(product.data, "meta:" + FOREIGN_ID_META) or None


def woo_product(
    record: WooRecord, rules: Sequence[FieldRule], *, parent: WooRecord | None, taxes: Value
) -> Mapped:
    """A product's or variation's mapped values, read with `context=edit`.

    `parent` gives a variation its name ("T-shirt – Rouge, S") and its categories; None for other
    products. `taxes` is `product_taxes` of the shop's rates, None if unknown. An empty price is ""
    (not for sale), stock that the shop does not manage is None. Recordings product_get_simple,
    product_get_variation_by_id; contract page readback, "products ...".
    """
    data = record.data
    values: dict[str, Value] = {}
    for rule in sorted_by_given(rules):
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
    """A name as the shop's pages show it: without markup."""
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
    """A Vtiger product's mapped values. A price of 0 is read as "" (none): Vtiger has no empty
    price, and WooCommerce would give the product away.

    `record.data` is that of a retrieve (recording 30-create-product-with-tax1-tax2).
    """
    values: dict[str, Value] = {}
    for rule in sorted_by_given(rules):
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
    """The taxes that a product or service carries, by field, also at 0 %; one that is absent or ""
    is not carried.

    Contract page Vtiger §4.
    """
    found = {name: find_decimal(value) for name, value in record.data.items()}
    return {n: rate for n, rate in found.items() if rate is not None and TAX_FIELD.fullmatch(n)}


def taxes_text(rates: Mapping[str, Decimal]) -> str:
    """Carried taxes as a neutral value: canonical JSON of tax field and rate, "" for none.

    Rates are rounded to 3 decimals; rates of 0 are left out, as they only let orders use the tax.
    """
    carried = {name: decimal_text(rounded(rate, 3)) for name, rate in rates.items() if rate}
    return canonical_json(carried) if carried else ""


def taxes_from_text(text: str) -> dict[str, Decimal]:
    """The inverse of `taxes_text`."""
    return {name: Decimal(rate) for name, rate in json.loads(text or "{}").items()}


_CURRENCY_PRICE = re.compile(r"currency[0-9]+", re.ASCII)
_PRICE_PLACES = 5
_LARGEST_PRICE = Decimal("99999999999999999.99999999")

_NOT_FOR_SALE = "An empty price means not for sale, and 0 would give the product away."
_NEGATIVE = "WooCommerce would pay the buyer: a price must not be below 0."
_SALE_ENDS = (
    "The shop's sale price {sale} is not below this price: WooCommerce ends the sale and erases it."
)
_UNMANAGED = "WooCommerce does not manage this product's stock: switch that on there."
_PARENTS = "The variation sells from its parent's stock: change that, or give it its own."
_NO_NUMBER = "It is not a number that Vtiger accepts."
_FRACTION = "WooCommerce accepts whole numbers only."


def vtiger_product_patch(
    changes: Mapping[str, str | None],
    rules: Sequence[FieldRule],
    *,
    current: VtigerRecord | None,
    tax_fields: Sequence[str],
    currency_id: str,
    options: PatchOptions,
) -> Patch:
    """The patch for create (`current` None) or revise of a product that makes `changes`.

    Each write of a product with a price sends unit_price, its currency, the prices in other
    currencies and every tax, changed or not, as Vtiger wipes what is not sent; a create sends
    `discontinued` as well. `tax_fields` are all that Vtiger has, `currency_id` ("21x1") is the
    shop's. An empty body means that there is nothing to write. Contract page Vtiger §0.5, §0.6.
    """
    draft = PatchDraft()
    for rule, value in changed_rules(changes, rules, target=System.VTIGER):
        if rule.name != "taxes" and (value or current):
            given = changes.get(rule.given) or ""
            fitted = _fit_vtiger(rule, value, given=given, options=options)
            draft.note(rule.name, fitted, value=value)
            if fitted.text is not None:
                draft.body[rule.vtiger] = fitted.text
    if current is None:
        draft.body.setdefault("discontinued", ACTIVE)
    _put_taxes(draft, changes.get("taxes"), current=current, tax_fields=tax_fields)
    if draft.body:
        _put_price(draft, current, currency_id=currency_id)
    return draft.patch()


def _fit_vtiger(rule: FieldRule, value: str, *, given: str, options: PatchOptions) -> Fitted:
    if rule.name == "price":
        return _fit_price(value)
    if rule.transform == "number":
        return _fit_number(value)
    if rule.name == "name" and not value.strip():
        return Fitted(None, "missing_required_field", "Vtiger needs it.")
    if rule.name == "website":
        options = replace(options, too_long="skip")
    size = rule.size or PRODUCT_SIZES.get(rule.vtiger)
    return fit_vtiger_row(rule, value, given=given, size=size, options=options)


def _fit_price(value: str) -> Fitted:
    if not value.strip():
        return Fitted(None, unsafe_reason(System.VTIGER), _NOT_FOR_SALE)
    price = find_decimal(value)
    if price is None or abs(price) > _LARGEST_PRICE:
        return Fitted(None, unsafe_reason(System.VTIGER), _NO_NUMBER)
    kept = rounded(price, _PRICE_PLACES)
    if kept == price:
        return Fitted(decimal_text(price))
    message = f"Vtiger stores {_PRICE_PLACES} decimals of a price: rounded."
    return Fitted(decimal_text(kept), unsafe_reason(System.VTIGER), message)


def _fit_number(value: str) -> Fitted:
    number = find_decimal(value or "0")
    if number is None:
        return Fitted(None, unsafe_reason(System.VTIGER), _NO_NUMBER)
    return Fitted(decimal_text(number))


def _put_price(draft: PatchDraft, current: VtigerRecord | None, *, currency_id: str) -> None:
    """Add price, currency and the prices in other currencies, which must be sent together."""
    held = current.data if current else {}
    price = draft.body.get("unit_price", held.get("unit_price"))
    if price is None:
        return
    draft.body["unit_price"] = str(price)
    draft.body["currency_id"] = currency = str(held.get("currency_id") or currency_id)
    own = "currency" + currency.partition("x")[2]
    for name in filter(_CURRENCY_PRICE.fullmatch, held):
        if name != own and held[name] not in ("", None):
            draft.body[name] = str(held[name])


def _put_taxes(
    draft: PatchDraft,
    wanted: str | None,
    *,
    current: VtigerRecord | None,
    tax_fields: Sequence[str],
) -> None:
    held = vtiger_taxes(current) if current else {}
    rates = held
    if wanted is not None:
        named = taxes_from_text(wanted)
        rates = {**dict.fromkeys(held, Decimal(0)), **named}
        rates = {name: rate for name, rate in rates.items() if name in tax_fields or name in held}
    if draft.body or rates != held:
        draft.body.update(tax_body(rates))


def tax_body(rates: Mapping[str, Decimal]) -> dict[str, str]:
    """Carried taxes as fields of a Products or Services write."""
    return {name: decimal_text(rate) for name, rate in rates.items()}


def whole_fields(
    fields: Mapping[str, str], record: VtigerRecord, *, currency_id: str
) -> dict[str, str]:
    """`fields` with the fields that Vtiger would wipe otherwise: price, currency, prices, taxes.

    `record` is the product or service as just read. Contract page Vtiger §0.5.
    """
    draft = PatchDraft(body=tax_body(vtiger_taxes(record)) | dict(fields))
    _put_price(draft, record, currency_id=currency_id)
    return draft.body


def carry_taxes(record: VtigerRecord, needed: Sequence[str], *, currency_id: str) -> dict[str, str]:
    """The fields that assign the taxes `needed` (tax fields) to a product or service.

    They are assigned at 0 %, which changes nothing by itself; {} if all are carried already.
    Price, currency and the other taxes are sent along. Contract page Vtiger §0.5, §10.
    """
    held = vtiger_taxes(record)
    missing = dict.fromkeys((name for name in needed if name not in held), Decimal(0))
    if not missing:
        return {}
    return whole_fields(tax_body(missing), record, currency_id=currency_id)


def woo_product_patch(
    changes: Mapping[str, str | None],
    rules: Sequence[FieldRule],
    *,
    current: WooRecord | None,
    options: PatchOptions,  # noqa: ARG001 - product texts are never cut in WooCommerce
) -> Patch:
    """The patch for POST (`current` None) or PUT /products that makes `changes`.

    Left out, with a note: an empty price, fractions of stock, stock that the shop does not manage,
    a variation's name (its parent's), text that WooCommerce would alter. Contract pages readback
    ("products ...") and WooCommerce §2 (numbers are strings).
    """
    draft = PatchDraft()
    data = current.data if current else {}
    held = woo_product(current, rules, parent=None, taxes=None).values if current else {}
    for rule, value in changed_rules(changes, rules, target=System.WOOCOMMERCE):
        if not value and not current:
            continue
        value = restore_astral(value, held.get(rule.name) or "")
        given = changes.get(rule.given) or held.get(rule.given) or ""
        for path, content in _woo_fields(draft, rule, value=value, data=data, given=given):
            set_path(draft.body, path, content)
    return draft.patch()


def _woo_fields(
    draft: PatchDraft, rule: FieldRule, *, value: str, data: Mapping[str, Any], given: str
) -> Iterator[tuple[str, Any]]:
    if rule.name == "stock":
        yield from _stock_fields(draft, value, data=data)
        return
    if rule.custom:
        fitted, found = fit_woo_row(rule, value, data=data, given=given, fit=fit_product_text)
        draft.note(rule.name, fitted, value=value)
        yield from found
        return
    fitted = _fit_woo(rule, value, data=data)
    draft.note(rule.name, fitted, value=value)
    if fitted.text is not None and rule.woo:
        yield rule.woo[0], fitted.text


def _fit_woo(rule: FieldRule, value: str, *, data: Mapping[str, Any]) -> Fitted:
    if rule.name == "status":
        return Fitted("publish" if value == ACTIVE else "private")
    if rule.name == "price":
        return _fit_woo_price(value, data)
    if rule.name == "name" and is_variation(data):
        message = "A variation is named after its parent and its attributes."
        return Fitted(None, unsafe_reason(System.WOOCOMMERCE), message)
    if rule.name == "name" and not value.strip():
        return Fitted(None, "missing_required_field", "WooCommerce needs it.")
    return fit_product_text(rule.transform_pair.woo_text(value, ""), rule.woo[0])


def _fit_woo_price(value: str, data: Mapping[str, Any]) -> Fitted:
    """The price to send. WooCommerce would accept a negative one, and erases a sale price that is
    not below it (contract page WooCommerce §2, Numbers)."""
    number, sale = find_decimal(value), find_decimal(data.get("sale_price"))
    if number is None or not number:
        return Fitted(None, unsafe_reason(System.WOOCOMMERCE), _NOT_FOR_SALE)
    if number < 0:
        return Fitted(None, unsafe_reason(System.WOOCOMMERCE), _NEGATIVE)
    price = canonical_number(value)
    if sale is not None and sale >= number:
        message = _SALE_ENDS.format(sale=decimal_text(sale))
        return Fitted(price, unsafe_reason(System.WOOCOMMERCE), message)
    return Fitted(price)


def _stock_fields(
    draft: PatchDraft, value: str, *, data: Mapping[str, Any]
) -> Iterator[tuple[str, str | int | bool]]:
    number = find_decimal(value)
    if number is None or number != int(number):
        draft.note("stock", Fitted(None, "not_integer", _FRACTION), value=value)
    elif data.get("manage_stock") == OF_PARENT:
        draft.note("stock", Fitted(None, "filtered", _PARENTS), value=value)
    elif data and data.get("manage_stock") is not True:
        draft.note("stock", Fitted(None, "filtered", _UNMANAGED), value=value)
    elif data or number:
        yield "manage_stock", True
        yield "stock_quantity", int(number)


# Conversion: a product's values as Vtiger would show them, and the reverse.


def product_conversion(rules: Sequence[FieldRule], options: PatchOptions) -> Conversion:
    """The conversion of products; contract page readback, "products ..."."""

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

    return Conversion(rules, to_vtiger, to_woo)


def _kept(source: Mapped, patch: Patch) -> frozenset[str]:
    """The unwritten names, and the price if it is empty: it means not for sale and is never
    sent."""
    return patch.unwritten if source.get("price") else patch.unwritten | {"price"}
