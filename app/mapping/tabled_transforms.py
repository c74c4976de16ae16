"""Transforms of custom rows that go by what the row says: picklists by table, lists, constants."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.errors import System
from app.mapping.numbers import canonical_number
from app.mapping.paths import LIST, listed
from app.mapping.text import canonical_text, collapse
from app.mapping.transforms import Text
from app.mapping.values import Value

Pairs = tuple[tuple[str, str], ...]
"""What WooCommerce says, and what Vtiger says for it."""

_SEPARATOR = " |##| "
_UNLISTED = "{value} is not in the row's table: add a pair for it."
_HOLDS = "{value} holds the separator: set the row's separator to another, or to none for a list."


@dataclass(frozen=True, slots=True)
class Picklist(Text):
    """A value by a table of pairs. Neutral: WooCommerce's value. Without a table values are equal.

    Several of WooCommerce's values for one of Vtiger's count as the first of them.
    """

    pairs: Pairs = ()
    most_paths: ClassVar[int] = 1

    def read(self, text: str, given: str) -> str:  # noqa: ARG002
        return collapse(text)

    def read_vtiger(self, text: str, given: str) -> str:  # noqa: ARG002
        return self.woo_word(collapse(text))

    def vtiger_text(self, value: str, given: str, *, size: int | None) -> str:  # noqa: ARG002
        return self.vtiger_word(value)

    def canonical(self, value: str) -> str:
        return self.folded(canonical_text(value))

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        return self.unlisted(value)

    @property
    def _to_vtiger(self) -> Mapping[str, str]:
        return dict(self.pairs)

    def woo_word(self, word: str) -> str:
        return next((woo for woo, vtiger in self.pairs if vtiger == word), word)

    def vtiger_word(self, word: str) -> str:
        return self._to_vtiger.get(word, word)

    def folded(self, word: str) -> str:
        table = self._to_vtiger
        return self.woo_word(table[word]) if word in table else word

    def unlisted(self, word: str) -> str:
        known = not self.pairs or not word or word in self._to_vtiger
        return "" if known else _UNLISTED.format(value=word)


@dataclass(frozen=True, slots=True)
class MultiPicklist(Picklist):
    """Several values: " |##| " between them in Vtiger, in WooCommerce a list, or text with
    `separator` between them (none: a list). Their order does not count."""

    separator: str = ","
    many: ClassVar[bool] = True

    def read(self, text: str, given: str) -> str:  # noqa: ARG002
        return _joined(self._words(text))

    def read_vtiger(self, text: str, given: str) -> str:  # noqa: ARG002
        return _joined(self.woo_word(word) for word in _split(text, LIST))

    def _words(self, text: str) -> Iterator[str]:
        by_list = LIST in text or not self.separator
        return _split(text, LIST if by_list else self.separator)

    def vtiger_text(self, value: str, given: str, *, size: int | None) -> str:  # noqa: ARG002
        return _joined(self.vtiger_word(word) for word in _split(value, LIST))

    def woo_like(self, value: str, given: str, *, held: Value) -> str:  # noqa: ARG002
        words = list(_split(value, LIST))
        as_list = LIST in (held or "") or not self.separator
        return listed(words) if as_list else f"{self.separator} ".join(words)

    def canonical(self, value: str) -> str:
        words = {self.folded(canonical_text(word)) for word in _split(value, LIST)}
        return _SEPARATOR.join(sorted(words))

    def fault(self, value: str, target: System, *, given: str = "") -> str:  # noqa: ARG002
        words = list(_split(value, LIST))
        if target is System.WOOCOMMERCE and self.separator:
            held = next((word for word in words if self.separator in word), None)
            if held is not None:
                return _HOLDS.format(value=held)
        return next(filter(None, map(self.unlisted, words)), "")


def _split(text: str, separator: str) -> Iterator[str]:
    return filter(None, map(collapse, text.split(separator)))


def _joined(words: Iterator[str]) -> str:
    return _SEPARATOR.join(dict.fromkeys(words))


@dataclass(frozen=True, slots=True)
class Constant(Text):
    """Always the same value for the other side: the side of the row that has no field."""

    value: str = ""
    least_paths: ClassVar[int] = 0
    most_paths: ClassVar[int] = 1

    def read_woo(self, texts: Sequence[Value], given: str) -> Value:
        return Text.read_woo(self, texts, given) if texts else self.value

    def canonical(self, value: str) -> str:
        return canonical_number(canonical_text(value))
