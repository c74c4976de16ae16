"""LineItems_FinalDetails: what the edit screen would show, computed apart and not always right.

Amounts are texts in the reader's decimals; where the screen rounds a tie itself they are numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.vtiger import php
from sandbox.vtiger.charges import SHIPPING_TAXES
from sandbox.vtiger.database import Database, Record
from sandbox.vtiger.lines import Line
from sandbox.vtiger.order_state import OrderStore
from sandbox.vtiger.totals import INDIVIDUAL

_VISIBLE = ' style="visibility:visible"'
_HIDDEN = ' style="visibility:hidden"'
_GROUP = "group"

Details = dict[str, Any]


def final_details(
    database: Database,
    store: OrderStore,
    record: Record,
    *,
    lines: Sequence[Line],
    decimals: int,
) -> dict[str, Details]:
    """Per line, the order's own under "1".

    Recordings sales-orders, 00-REFERENCE-so-retrieve-full-group.
    """
    screen = _Screen(database, store, record, decimals)
    ordered = sorted(lines, key=lambda line: int(line.values["sequence_no"]))
    details = {str(at): screen.line(line, at) for at, line in enumerate(ordered, 1)}
    details.setdefault("1", {})
    screen.finish(details, ordered)
    return details


class _Screen:
    def __init__(
        self, database: Database, store: OrderStore, record: Record, decimals: int
    ) -> None:
        self._database = database
        self._catalogue = store.catalogue
        self._charges = store.state(record.number).charges
        self._values = record.values
        self._decimals = decimals
        self._is_individual = record.values["hdnTaxType"] == INDIVIDUAL

    def line(self, line: Line, at: int) -> Details:
        described = self._described(line, at)
        after = self._priced(line, described)
        taxes = self._line_taxes(line)
        described |= {"taxTotal": self._text(0), "netPrice": self._text(after)}
        if self._is_individual:
            self._add_taxes(described, taxes, after)
        named = {f"{name}{at}": value for name, value in described.items()}
        return named | ({"taxes": taxes} if taxes else {})

    def finish(self, details: dict[str, Details], lines: Sequence[Line]) -> None:
        afters = [
            float(details[str(at)][f"totalAfterDiscount{at}"]) for at in range(1, len(lines) + 1)
        ]
        details["1"]["final_details"] = self._final(lines, afters)
        if self._is_individual and not lines:
            details["1"]["netPrice1"] = self._text(0)

    def _text(self, value: Any) -> str:
        return php.number_format(php.to_float(value), self._decimals)

    def _described(self, line: Line, at: int) -> Details:
        values, record = line.values, self._database.find_entity(line.product)
        is_product = record is not None and record.module == "Products"
        fields = record.values if record else {}
        return {
            "purchaseCost": self._text(0),
            "margin": self._text(0),
            "productDeleted": record is None or record.deleted,
            "entityType": "Products" if is_product else "Services",
            **({"delRow": "Del"} if at > 1 else {}),
            "hdnProductId": str(line.product),
            "productName": record.label if record else None,
            "hdnProductcode": fields.get("product_no", fields.get("service_no")),
            "productDescription": "",
            "comment": php.encode_entities(values["comment"]),
            "qtyInStock": _trimmed(fields["qtyinstock"]) if is_product else "NA",
            "qty": _trimmed(values["quantity"]),
            "listPrice": self._text(values["listprice"]),
            "unitPrice": self._text(fields.get("unit_price")),
            "productTotal": self._text(_gross(values)),
            "subproduct_ids": "",
            **({"subprod_qty_list": [], "subprod_names": ""} if is_product else {}),
        }

    def _priced(self, line: Line, described: Details) -> float:
        """Adds the discount; here a percentage beats an amount."""
        percent = _trimmed(line.values["discount_percent"])
        amount = _trimmed(self._text(line.values["discount_amount"]))
        gross, off = _gross(line.values), 0.0
        described |= {"discount_percent": 0, "discount_amount": 0}
        if percent != "0":
            described |= {"discount_type": "percentage", "discount_percent": percent}
            described |= _chosen("discount_percent", "discount_amount")
            off = gross * float(percent) / 100
        elif amount != "0":
            described |= {"discount_type": "amount", "discount_amount": amount}
            described |= _chosen("discount_amount", "discount_percent")
            off = float(amount)
        else:
            described["checked_discount_zero"] = " checked"
        after = self._text(gross - off)
        described |= {"discountTotal": self._text(off), "totalAfterDiscount": after}
        return float(after)

    def _line_taxes(self, line: Line) -> list[Details]:
        carried = self._catalogue.rates(line.product)
        return [
            self._line_tax(tax, self._shown_rate(line, tax, carried[tax.values["taxname"]]))
            for tax in self._catalogue.taxes()
            if tax.values["taxname"] in carried
        ]

    def _shown_rate(self, line: Line, tax: Record, carried: str) -> Any:
        if not self._is_individual:
            return carried
        return line.values.get(tax.values["taxname"], "") or 0

    def _line_tax(self, tax: Record, rate: Any) -> Details:
        return _tax(tax, {"percentage": rate, "deleted": "0"}) | {"regionsList": {"default": rate}}

    def _add_taxes(self, described: Details, taxes: list[Details], after: float) -> None:
        added = 0.0
        for tax in taxes:
            amount = after * float(tax["percentage"]) / 100
            tax["amount"] = php.json_number(amount)
            added += amount
        described |= {"taxTotal": self._text(added), "netPrice": self._text(after + added)}

    def _final(self, lines: Sequence[Line], afters: Sequence[float]) -> Details:
        sub, shipping = (
            self._text(self._values[name]) for name in ("hdnSubTotal", "hdnS_H_Amount")
        )
        discount, described = self._discount(float(sub))
        taxes = self._order_taxes(lines, float(sub) - float(discount))
        taxed = sum(float(tax["amount"]) for tax in taxes.values())
        before_tax = sum(afters) if self._is_individual else 0.0
        before_tax = before_tax or float(sub) + float(shipping) - float(discount)
        return {
            "taxtype": self._values["hdnTaxType"] or None,
            "discount_type_final": described.pop("type"),
            "hdnSubTotal": sub,
            **described,
            "discountTotal_final": discount,
            "taxes": taxes,
            "tax_totalamount": self._text(taxed),
            "shipping_handling_charge": shipping,
            "sh_taxes": self._shipping_taxes(float(shipping)),
            "shtax_totalamount": self._text(sum(self._charges.taxes(php.to_float))),
            "adjustment": self._text(self._values["txtAdjustment"]),
            "grandTotal": self._text(self._values["hdnGrandTotal"]),
            "preTaxTotal": self._text(before_tax),
            "totalAfterDiscount": self._text(float(sub) - float(discount)),
            "chargesAndItsTaxes": self._charges.kept or [],
            "deductTaxes": [],
            "deductTaxesTotalAmount": self._text(0),
        }

    def _discount(self, sub: float) -> tuple[str, Details]:
        percent, amount = (
            self._values[name] for name in ("hdnDiscountPercent", "hdnDiscountAmount")
        )
        described: Details = {"type": "zero", "discount_percentage_final": 0}
        described["discount_amount_final"] = self._text(0)
        if php.to_float(percent):
            described |= {"type": "percentage", "discount_percentage_final": percent}
            described |= _chosen("discount_percentage_final", "discount_amount_final")
            return self._text(sub * float(percent) / 100), described
        if php.to_float(amount):
            described |= {"type": "amount", "discount_amount_final": self._text(amount)}
            described |= _chosen("discount_amount_final", "discount_percentage_final")
            return self._text(amount), described
        return self._text(0), described

    def _order_taxes(self, lines: Sequence[Line], taxed: float) -> dict[str, Details]:
        """Every tax of the CRM; in group mode at the first line's rates."""
        taxes = {}
        for tax in self._catalogue.taxes():
            rate: Any = tax.values["percentage"]
            if self._values["hdnTaxType"] == _GROUP:
                first = lines[0].values if lines else {}
                rate = first.get(f"tax{tax.number}", "") or 0
            amount = self._rounded(taxed * float(rate) / 100)
            taxes[str(tax.number)] = _tax(tax, {"percentage": rate, "amount": amount})
        return taxes

    def _rounded(self, amount: float) -> Any:
        """A tie in the printed text is rounded to a number, all else formatted."""
        decimals = php.text(amount).partition(".")[2]
        if decimals[self._decimals : self._decimals + 1] == "5":
            return php.json_number(float(self._text(amount)))
        return self._text(amount)

    def _shipping_taxes(self, shipping: float) -> list[Details]:
        rates = self._charges.kept.get("1", {}).get("taxes", {})
        return [
            {
                "taxname": f"shtax{number}",
                "taxlabel": label,
                "percentage": php.json_number(php.to_float(rates.get(number))),
                "amount": php.json_number(shipping * php.to_float(rates.get(number)) / 100),
                "taxid": number,
                **_simple(),
            }
            for number, label in SHIPPING_TAXES.items()
        ]


def _tax(tax: Record, figures: Mapping[str, Any]) -> Details:
    names = {"taxname": tax.values["taxname"], "taxlabel": tax.values["taxlabel"]}
    return {**names, **figures, "taxid": str(tax.number), **_simple()}


def _simple() -> Details:
    return {"type": "Fixed", "method": "Simple", "regions": [], "compoundon": []}


def _chosen(name: str, other: str) -> Details:
    return {f"checked_{name}": " checked", f"style_{name}": _VISIBLE, f"style_{other}": _HIDDEN}


def _gross(values: Mapping[str, str]) -> float:
    return float(values["quantity"]) * float(values["listprice"])


def _trimmed(value: str) -> str:
    """decimalFormat(): without trailing zeros."""
    return value.rstrip("0").rstrip(".") if "." in value else value
