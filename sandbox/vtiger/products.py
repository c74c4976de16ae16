"""Products and services: records whose taxes and prices are wiped by every write without them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.vtiger.catalogue import BASE_CURRENCY, Catalogue
from sandbox.vtiger.database import Database, Record
from sandbox.vtiger.entities import Element, Entities
from sandbox.vtiger.schema import Module
from sandbox.vtiger.users import CrmUser

_ASSIGNED = re.compile(r"(tax|currency)\d+|currency_id")


class Products(Entities):
    """Contract page Vtiger §0.5, §0.6, §4; recordings 23-*, 30-*, 70-product-*, 72-product-*."""

    def __init__(self, database: Database, module: Module, catalogue: Catalogue) -> None:
        super().__init__(database, module)
        self._catalogue = catalogue

    def describe(self) -> dict[str, Any]:
        """Ends with the taxes and currencies of the moment."""
        described = dict(self.module.described)
        fields = [raw for raw in described["fields"] if not _ASSIGNED.fullmatch(raw["name"])]
        return described | {"fields": fields + self._assigned_fields()}

    def read(self, record: Record, user: CrmUser) -> dict[str, Any]:
        return super().read(record, user) | self._catalogue.shown(record.number, user)

    def type_in(self, values: Mapping[str, Any], user: CrmUser, record: Record | None) -> Record:
        """The form sends every tax and price along, so that those not typed stay as they were; a
        tax that is typed empty is unticked. A new product is ticked as active.
        """
        own = {name: value for name, value in values.items() if not _ASSIGNED.fullmatch(name)}
        own = own if record else {"discontinued": True} | own
        saved = super().type_in(own, user, record)
        article = self._catalogue.article(saved.number)
        kept = {name: rate for name, rate in article.rates.items() if values.get(name) != ""}
        article.rates = kept | self._catalogue.sent_rates(values)
        article.prices |= self._catalogue.sent_prices(values, user)
        article.currency = self._catalogue.check_currency(values) or article.currency
        article.prices[article.currency] = Decimal(saved.values["unit_price"])
        return saved

    def _values(
        self, element: Element, user: CrmUser, *, before: Mapping[str, str] | None
    ) -> dict[str, str]:
        self._catalogue.check_currency(element)
        return super()._values(element, user, before=before)

    def _created(self, element: Element, user: CrmUser) -> Record:
        record = super()._created(element, user)
        base = self._catalogue.check_currency(element) or BASE_CURRENCY
        return self._assigned(record, element, user, base=base)

    def _changed(self, element: Element, user: CrmUser) -> Record:
        record = super()._changed(element, user)
        base = self._catalogue.check_currency(element)
        return self._assigned(record, element, user, base=base)

    def _assigned(
        self, record: Record, element: Element, user: CrmUser, *, base: int | None
    ) -> Record:
        article = self._catalogue.assign(record.number, element, user)
        if base is not None:
            if "unit_price" not in element:
                record.values["unit_price"] = self.module.fields["unit_price"].blank
            article.currency = base
            article.prices[base] = Decimal(record.values["unit_price"])
        return record

    def _assigned_fields(self) -> list[dict[str, Any]]:
        taxes = [tax.values for tax in self._catalogue.taxes()]
        currencies = self._catalogue.currencies()
        return [
            *(_described(tax["taxname"], tax["taxlabel"], tax["percentage"]) for tax in taxes),
            *(_described(f"currency{row.number}", _currency_label(row)) for row in currencies),
        ]


def _currency_label(row: Record) -> str:
    return f"{row.values['currency_name']} {row.values['currency_code']}"


def _described(name: str, label: str, default: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": {"name": "double"},
        "nullable": "1",
        "editable": "1",
        "mandatory": "",
        "default": default,
    }
