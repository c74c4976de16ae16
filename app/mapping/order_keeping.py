"""What people in the CRM wrote into an order, when its lines are written anew: kept, or told.

Vtiger takes the lines of an order whole (contract page Vtiger §3), so whatever the write does not
repeat is gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    for item, line in zip(items, _partners(items, left), strict=True):
        is_named_as_before = _text(item.comment) in ours
        if line is not None and is_named_as_before:
            item = replace(item, comment=line.comment)
        elif line is not None:
            lost.append(line)
        kept.append(item)
    lost += left
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


def _partners(items: Sequence[LineItem], left: list[_Held]) -> list[_Held | None]:
    """Vtiger's line of each item, taken from `left`: the one that is called the same, else the
    first of the same product."""
    found: list[_Held | None] = [None] * len(items)
    for is_named_alike in (True, False):
        for place, item in enumerate(items):
            if found[place] is None:
                text = _text(item.comment)
                fits = (
                    line
                    for line in left
                    if line.product == item.product and (not is_named_alike or line.text == text)
                )
                if line := next(fits, None):
                    found[place] = line
                    left.remove(line)
    return found


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
