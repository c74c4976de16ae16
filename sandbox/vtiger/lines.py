"""The lines of all orders in one table, and what becomes of a line as it is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.vtiger import collation, columns, php
from sandbox.vtiger.catalogue import RATE, Catalogue
from sandbox.vtiger.refusals import PhpFatal
from sandbox.vtiger.schema import Field
from sandbox.vtiger.totals import Item

_NUMBERS = {
    "quantity": Field("quantity", "double", "decimal(25,3)"),
    "listprice": Field("listprice", "double", "decimal(27,8)"),
    "discount_percent": Field("discount_percent", "double", "decimal(7,3)"),
    "discount_amount": Field("discount_amount", "double", "decimal(27,8)"),
}
_NO_MONEY = "0.00000000"
_COMMENT_BYTES = 65_535
_FIXED_TAXES = ("tax1", "tax2", "tax3")

Sent = Mapping[str, Any]


@dataclass
class Line:
    """One row: `order` and `product` are record numbers, `values` the texts of its columns."""

    number: int
    order: int
    product: int
    values: dict[str, str]

    def item(self, rates: list[float]) -> Item:
        amounts = {name: float(self.values[name]) for name in _NUMBERS}
        return Item(
            price=amounts["listprice"],
            quantity=amounts["quantity"],
            discount_amount=amounts["discount_amount"],
            discount_percent=amounts["discount_percent"],
            rates=rates,
        )


@dataclass
class LineTable:
    """Numbers are the highest one in use plus one, so that those of removed lines come back.

    `chosen` is a number that was read a while ago for the next line, 0 for none.
    """

    chosen: int = 0
    _by_number: dict[int, Line] = field(default_factory=dict)
    _by_order: dict[int, list[Line]] = field(default_factory=dict)

    def next_number(self) -> int:
        return next(reversed(self._by_number), 0) + 1

    def add(self, order: int, product: int, values: dict[str, str]) -> Line:
        """The new line; the one that took its number meanwhile if there is one, and then nothing
        was added (contract page Vtiger add-on writes, F1)."""
        taken, self.chosen = self._by_number.get(self.chosen), 0
        if taken is not None:
            return taken
        number = self.next_number()
        line = self._by_number[number] = Line(number, order, product, values)
        self._by_order.setdefault(order, []).append(line)
        return line

    def of(self, order: int) -> list[Line]:
        return self._by_order.get(order, [])

    def get(self, number: int) -> Line:
        return self._by_number[number]

    def remove(self, order: int) -> None:
        for line in self._by_order.pop(order, []):
            del self._by_number[line.number]

    def __iter__(self) -> Iterator[Line]:
        return iter(self._by_number.values())


def sent_lines(element: Sent, tax_columns: Mapping[str, bool]) -> list[Sent]:
    """The LineItems of an order element, without unknown taxes.

    What is no list of objects counts as none.
    """
    lines = element.get("LineItems")
    lines = list(lines.values()) if isinstance(lines, dict) else lines
    found = lines if isinstance(lines, list) else []
    return [
        {name: value for name, value in line.items() if not _is_tax(name) or name in tax_columns}
        for line in found
        if isinstance(line, dict)
    ]


def product_of(sent: Sent) -> int:
    number = php.text(sent.get("productid")).partition("x")[2]
    return int(number) if number.isdecimal() else 0


def column_values(
    sent: Sent, position: int, *, individual: bool, catalogue: Catalogue
) -> dict[str, str]:
    """The columns of a line about to be inserted (contract pages Vtiger §3, §10, readback).

    PhpFatal where the arithmetic of its net price meets a text without a number.
    """
    price = sent.get("listprice")
    if price is None:
        sent = {**sent, "listprice": catalogue.list_price(product_of(sent))}
    carried = catalogue.rates(product_of(sent)) if individual else {}
    _check_arithmetic(sent, counted_rates(sent, carried))
    amounts = {
        name: columns.to_decimal(php.text(sent.get(name)), column)
        for name, column in _NUMBERS.items()
    }
    return {
        "sequence_no": columns.to_integer(php.text(sent.get("sequence_no") or position)),
        "comment": _comment(sent.get("comment", "")),
        **amounts,
        **_tax_values(sent, carried, individual=individual, catalogue=catalogue),
    }


def counted_rates(sent: Sent, carried: Mapping[str, Any]) -> dict[str, Any]:
    """Individual mode: of the taxes a product carries those sent; its own if none at all is."""
    if not sent_rates(sent):
        return dict(carried)
    return {name: sent[name] for name in carried if sent.get(name) is not None}


def sent_rates(sent: Sent) -> list[str]:
    """The names of the taxes a line was sent with."""
    return [name for name, rate in sent.items() if _is_tax(name) and rate is not None]


def shown(line: Line, tax_columns: Mapping[str, bool]) -> dict[str, str]:
    """The columns of a line in the order they are answered in, without its ids."""
    values = line.values
    later = [name for name in tax_columns if name not in _FIXED_TAXES]
    return {
        "sequence_no": values["sequence_no"],
        **{name: values[name] for name in _NUMBERS},
        "comment": php.decode_named(values["comment"]),
        "description": "",
        "incrementondel": "0",
        **{name: values.get(name, "") for name in _FIXED_TAXES},
        "image": "",
        "purchase_cost": _NO_MONEY,
        "margin": _NO_MONEY,
        **{name: values.get(name, "") for name in later},
    }


def _is_tax(name: str) -> bool:
    return name.startswith("tax") and name[3:].isdecimal()


def _check_arithmetic(sent: Sent, rates: Mapping[str, Any]) -> None:
    php.number(sent.get("listprice"))
    php.number(sent.get("quantity"))
    for name in ("discount_amount", "discount_percent"):
        if not php.is_empty(sent.get(name)):
            php.number(sent[name])
    for rate in rates.values():
        php.number(rate)


def _tax_values(
    sent: Sent, carried: Mapping[str, str], *, individual: bool, catalogue: Catalogue
) -> dict[str, str]:
    own = {} if sent_rates(sent) else carried
    values = {}
    for name, offered in catalogue.tax_columns().items():
        rate = own.get(name) if sent.get(name) is None else sent[name]
        if offered or (rate is not None and not individual):
            values[name] = columns.to_decimal(php.text(rate), RATE)
        else:
            values[name] = ""
    return values


def _comment(sent: Any) -> str:
    """Lists and objects are spread over the statement's parameters: only one value fits."""
    if isinstance(sent, list | dict):
        spread = list(sent.values()) if isinstance(sent, dict) else sent
        if len(spread) != 1:
            raise PhpFatal
        sent = spread[0]
    text = "0" if sent is False else php.text(sent)
    return collation.utf8mb3(text).encode()[:_COMMENT_BYTES].decode(errors="ignore")
