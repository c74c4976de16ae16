"""What people in the CRM wrote into an order, when its lines are written anew: kept, or told.

Vtiger takes the lines of an order whole (contract page Vtiger §3), so whatever the write does not
repeat is gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.mapping.likeness import pair_up
from app.mapping.numbers import amount, decimal_text, rounded
from app.mapping.order_items import LineItem, comment_of
from app.mapping.order_lines import FEE_PREFIX, settled, vtiger_items
from app.mapping.order_refs import OrderRefs
from app.mapping.order_totals import adds_up
from app.mapping.values import FieldNote
from app.vtiger.schemas import VtigerRecord

_LINES = "lines"
_COMMENT = (
    "The comment that somebody wrote on a line in Vtiger went: the shop removed the line, or gave "
    "it another name."
)
_AMOUNTS = (
    "In Vtiger the order came to {held} by an adjustment or taxes of its own; it was written with "
    "the shop's lines and total."
)


@dataclass(slots=True)
class _Held:
    """A line as Vtiger has it; `text` is its comment as comments are compared."""

    product: str
    comment: str
    text: str

    @property
    def named(self) -> tuple[str, str]:
        return self.product, self.text


def keep_comments(
    items: Sequence[LineItem], held: VtigerRecord | None, refs: OrderRefs
) -> tuple[list[LineItem], tuple[FieldNote, ...]]:
    """The items with the comments of `held`, the order as Vtiger has it, where the shop's name of
    the line is what it was; and notes (conflict_lost) on comments of people that go.

    A comment is a person's unless it was the shop's name of some line when both sides agreed.
    """
    if held is None or refs.agreed_texts is None:
        return list(items), ()
    ours = {settled(comment_of(text)) for text in refs.agreed_texts}
    left = [_held(item, product) for item, product in vtiger_items(held, refs)]
    kept: list[LineItem] = []
    lost: list[_Held] = []
    partners = _partners(items, left)
    for item, line in zip(items, partners, strict=True):
        is_named_as_before = _text(item.comment) in ours
        if line is not None and is_named_as_before:
            item = replace(item, comment=line.comment)
        elif line is not None:
            lost.append(line)
        kept.append(item)
    taken = {id(line) for line in partners}
    lost += [line for line in left if id(line) not in taken]
    notes = (
        FieldNote(_LINES, "conflict_lost", _COMMENT, line.comment)
        for line in lost
        if line.text and line.text not in ours
    )
    return kept, tuple(notes)


def _held(item: Mapping[str, Any], product: str) -> _Held:
    comment = str(item.get("comment") or "")
    return _Held(product, comment, _text(comment))


def _text(comment: str) -> str:
    return settled(comment).removeprefix(FEE_PREFIX)


def _partners(items: Sequence[LineItem], held: Sequence[_Held]) -> list[_Held | None]:
    """Vtiger's line of each item, each once: the one that is called the same, else the first of
    the same product."""
    pairs = pair_up(
        items,
        held,
        [
            (lambda item: (item.product, _text(item.comment)), lambda line: line.named),
            (lambda item: item.product, lambda line: line.product),
        ],
    )
    found = dict(pairs)
    return [held[found[place]] if place in found else None for place in range(len(items))]


def lost_amounts(held: VtigerRecord | None, refs: OrderRefs) -> Iterator[FieldNote]:
    """A note (conflict_lost) if Vtiger's total is not the shop's as both sides last agreed, though
    its lines add up: somebody entered an adjustment there, or other taxes."""
    if held is None or refs.agreed_total is None or not adds_up(held):
        return
    total = rounded(amount(held.get("hdnGrandTotal")), refs.decimals)
    if total != amount(refs.agreed_total):
        adjustment = decimal_text(amount(held.get("txtAdjustment")))
        text = _AMOUNTS.format(held=decimal_text(total))
        yield FieldNote(_LINES, "conflict_lost", text, adjustment)
