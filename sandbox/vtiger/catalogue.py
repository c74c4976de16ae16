"""What products and services carry beside their fields: tax rates, and a price per currency."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sandbox.vtiger import columns, php
from sandbox.vtiger.database import Database, Record
from sandbox.vtiger.refusals import Refusal
from sandbox.vtiger.schema import Field
from sandbox.vtiger.users import CrmUser

RATE = Field("taxpercentage", "double", "decimal(7,3)")
BASE_CURRENCY = 1


@dataclass
class Article:
    """`rates` by tax name ("tax1": "20.000") in the order of taxes, `prices` by currency number."""

    rates: dict[str, str] = field(default_factory=dict)
    prices: dict[int, Decimal] = field(default_factory=dict)
    currency: int = BASE_CURRENCY


class Catalogue:
    """Articles by record number (contract page Vtiger §0.5, §4; recordings 30-*, 70-*, 72-*)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._articles: dict[int, Article] = {}

    def article(self, number: int) -> Article:
        return self._articles.setdefault(number, Article())

    def rates(self, number: int) -> Mapping[str, str]:
        """The rates of taxes that are still offered; empty for what is no article."""
        carried = self._articles.get(number, Article()).rates
        offered = {tax.values["taxname"] for tax in self.taxes()}
        return {name: rate for name, rate in carried.items() if name in offered}

    def is_deleted(self, number: int) -> bool:
        record = self._database.find_entity(number)
        return record is not None and record.deleted

    def taxes(self) -> list[Record]:
        """Taxes that are not deleted, oldest first."""
        return self._database.live("Tax")

    def tax_columns(self) -> dict[str, bool]:
        """Every tax column of the line table, deleted taxes too, and whether its tax is offered."""
        offered = {tax.number for tax in self.taxes()}
        highest = self._database.highest("Tax")
        return {f"tax{number}": number in offered for number in range(1, highest + 1)}

    def currencies(self) -> list[Record]:
        rows = self._database.live("Currency")
        return [row for row in rows if row.values["currency_status"] == "Active"]

    def check_currency(self, element: Mapping[str, Any]) -> int | None:
        """The number of the sent currency_id; Refusal when it is not in use."""
        sent = php.text(element.get("currency_id"))
        if php.is_empty(sent):
            return None
        number = sent.rpartition("x")[2]
        if number not in {str(row.number) for row in self.currencies()}:
            raise Refusal("CURRENCY_INACTIVE", "Provided Curreny is Inactive")
        return int(number)

    def assign(self, number: int, element: Mapping[str, Any], user: CrmUser) -> Article:
        """Replaces everything an article carries by what was sent, and nothing else."""
        article = self.article(number)
        article.rates = self.sent_rates(element)
        article.prices = self.sent_prices(element, user)
        return article

    def sent_rates(self, element: Mapping[str, Any]) -> dict[str, str]:
        names = [tax.values["taxname"] for tax in self.taxes()]
        return {
            name: columns.to_decimal(php.text(element[name]), RATE)
            for name in names
            if name in element and element[name] != ""
        }

    def sent_prices(self, element: Mapping[str, Any], user: CrmUser) -> dict[int, Decimal]:
        sent = {row.number: element.get(f"currency{row.number}") for row in self.currencies()}
        texts = {number: php.text(value) for number, value in sent.items()}
        return {
            number: rounded_price(text, user)
            for number, text in texts.items()
            if php.is_numeric(text)
        }

    def shown(self, number: int, user: CrmUser) -> dict[str, Any]:
        """The tax and currency fields of a read article; a currency without a price shows 0."""
        article = self.article(number)
        row: dict[str, Any] = dict(article.rates)
        for currency in self.currencies():
            price = article.prices.get(currency.number, Decimal(0))
            shown = php.number_format(float(price), user.decimals)
            row[f"currency{currency.number}"] = php.json_number(float(shown))
            if currency.number == article.currency:
                row["currency_id"] = f"21x{currency.number}"
        return row

    def list_price(self, number: int) -> str:
        """What a line without a price costs: the unit price, 0 for a service or nothing at all."""
        record = self._database.find_entity(number)
        if record is None or record.module != "Products":
            return "0"
        return record.values["unit_price"]


def rounded_price(text: str, user: CrmUser) -> Decimal:
    return Decimal(php.number_format(php.number(text), user.decimals))
