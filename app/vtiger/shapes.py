"""What Vtiger promises of the records that are read: everything is text, lines are a list.

Contract page Vtiger §1 (retrieve), §3, §4; recordings 00-REFERENCE-so-retrieve-full-group,
sales-orders (250 orders), 21-retrieve-contact-full, 70-tax-query.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.json_shapes import Shape

_TIMES = frozenset({"createdtime", "modifiedtime"})
_PEOPLE = frozenset({"modifiedby", "assigned_user_id"})
_PLACE = ("street", "city", "zip", "state", "country")
_ORDER_PLACE = ("street", "city", "code", "state", "country")

LINE_ITEM = Shape(
    texts=frozenset({"productid", "comment", "product_name", "entity_type"}),
    numbers=frozenset({"discount_amount", "discount_percent"}),
    amounts=frozenset({"quantity", "listprice"}),
)
CONTACT = Shape(
    times=_TIMES,
    texts=_PEOPLE
    | {"firstname", "lastname", "email", "phone", "mobile", "account_id"}
    | {f"{block}{part}" for block in ("mailing", "other") for part in _PLACE},
)
PRODUCT = Shape(
    times=_TIMES,
    texts=_PEOPLE
    | {"productname", "productcode", "description", "productcategory"}
    | {"website", "currency_id"},
    numbers=frozenset({"unit_price", "qtyinstock"}),
    number_names=re.compile(r"tax[0-9]+|currency[0-9]+", re.ASCII),
)
SERVICE = replace(PRODUCT, texts=PRODUCT.texts | {"servicename"})
ORDER_HEADER = Shape(
    times=_TIMES,
    texts=_PEOPLE
    | {"subject", "sostatus", "vtiger_purchaseorder", "contact_id", "account_id", "currency_id"}
    | {"description", "hdnTaxType"}
    | {f"{block}_{part}" for block in ("bill", "ship") for part in _ORDER_PLACE},
    numbers=frozenset({"hdnDiscountAmount", "hdnDiscountPercent", "hdnS_H_Amount", "hdnSubTotal"})
    | {"hdnGrandTotal", "pre_tax_total", "txtAdjustment", "conversion_rate"},
    rows={"LineItems": LINE_ITEM},
    counted=frozenset({"LineItems"}),
)
ORDER = replace(ORDER_HEADER, needed=frozenset({"LineItems"}))
"""An order that was read whole: a query shows no lines, a retrieve without them cannot be read."""

TAX = Shape(texts=frozenset({"taxname", "taxlabel"}), amounts=frozenset({"percentage"}))

ANYTHING = Shape()


@dataclass(frozen=True, slots=True)
class RecordKind:
    """One module of Vtiger: what its records promise, the field that holds their number in people's
    eyes (such as CON217), and whether the add-on reads and writes them."""

    shape: Shape
    number_field: str | None = None
    by_addon: bool = False


KINDS: Mapping[str, RecordKind] = {
    "Accounts": RecordKind(ANYTHING, "account_no", by_addon=True),
    "Contacts": RecordKind(CONTACT, "contact_no", by_addon=True),
    "Products": RecordKind(PRODUCT, "product_no", by_addon=True),
    "Services": RecordKind(SERVICE, "service_no", by_addon=True),
    "SalesOrder": RecordKind(ORDER_HEADER, "salesorder_no", by_addon=True),
    "Tax": RecordKind(TAX),
}
_OTHER = RecordKind(ANYTHING)


def kind_of(module: str) -> RecordKind:
    """By Vtiger's own name of the module."""
    return KINDS.get(module, _OTHER)
