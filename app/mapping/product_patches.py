"""Changes of a product's values as requests; a Vtiger write is whole where it must be."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.errors import System
from app.mapping.drafts import PatchDraft, changed_rules
from app.mapping.hazards import Fitted, unsafe_reason
from app.mapping.limits import PRODUCT_SIZES
from app.mapping.numbers import canonical_number, decimal_text, find_decimal, rounded
from app.mapping.paths import set_path
from app.mapping.product_hazards import fit_product_text
from app.mapping.products import ACTIVE, OF_PARENT, taxes_from_text, vtiger_taxes, woo_product
from app.mapping.row_values import fit_vtiger_row, fit_woo_row
from app.mapping.rules import FieldRule
from app.mapping.text import restore_astral
from app.mapping.values import Patch, PatchOptions
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord, is_variation

_CURRENCY_PRICE = re.compile(r"currency[0-9]+", re.ASCII)
_PRICE_PLACES = 5
_LARGEST_PRICE = Decimal("99999999999999999.99999999")

_NOT_FOR_SALE = "An empty price means not for sale, and 0 would give the product away."
_NEGATIVE = "WooCommerce would pay the buyer: a price is never below 0."
_SALE_ENDS = (
    "The shop's sale price {sale} is not below this price: WooCommerce ends the sale and erases it."
)
_UNMANAGED = "WooCommerce does not manage this product's stock: switch it on there."
_PARENTS = "The variation sells from its parent's stock: change that, or give it its own."
_NO_NUMBER = "It is no number that Vtiger takes."
_FRACTION = "WooCommerce takes whole numbers only."


def vtiger_product_patch(
    changes: Mapping[str, str | None],
    rules: Sequence[FieldRule],
    *,
    current: VtigerRecord | None,
    tax_fields: Sequence[str],
    currency_id: str,
    options: PatchOptions,
) -> Patch:
    """The fields for create (`current` None) or revise of a product that bring `changes` about.

    Each write of a product with a price carries unit_price, its currency, the prices in other
    currencies and every tax, changed or not, for Vtiger wipes what is not sent; a create says
    `discontinued` as well. `tax_fields` are all that Vtiger has, `currency_id` ("21x1") the
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
    message = f"Vtiger keeps {_PRICE_PLACES} decimals of a price: rounded."
    return Fitted(decimal_text(kept), unsafe_reason(System.VTIGER), message)


def _fit_number(value: str) -> Fitted:
    number = find_decimal(value or "0")
    if number is None:
        return Fitted(None, unsafe_reason(System.VTIGER), _NO_NUMBER)
    return Fitted(decimal_text(number))


def _put_price(draft: PatchDraft, current: VtigerRecord | None, *, currency_id: str) -> None:
    """Price, currency and the prices in other currencies, which belong together."""
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
    """`fields` with all that Vtiger would wipe beside them: price, currency, prices, taxes.

    `record` is the product or service as just read. Contract page Vtiger §0.5.
    """
    draft = PatchDraft(body=tax_body(vtiger_taxes(record)) | dict(fields))
    _put_price(draft, record, currency_id=currency_id)
    return draft.body


def carry_taxes(record: VtigerRecord, needed: Sequence[str], *, currency_id: str) -> dict[str, str]:
    """The fields that let a product or service be taxed by `needed` (tax fields) in orders.

    They are added at 0 %, so that they change nothing by themselves; {} if all are there.
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
    options: PatchOptions,  # noqa: ARG001 - products are never cut in WooCommerce
) -> Patch:
    """The body for POST (`current` None) or PUT /products that brings `changes` about.

    Left out, with a note: an empty price, fractions of stock, stock that the shop does not manage,
    a variation's name (its parent's), text that WooCommerce would not give back. Contract pages
    readback ("products ...") and WooCommerce §2 (numbers are strings).
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
    return fit_product_text(rule.lens.woo_text(value, ""), rule.woo[0])


def _fit_woo_price(value: str, data: Mapping[str, Any]) -> Fitted:
    """WooCommerce takes negative prices, and drops a sale price that is none any more (contract
    page WooCommerce §2, Numbers)."""
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
