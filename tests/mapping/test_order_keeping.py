"""What people wrote into a Vtiger order stays when its lines are written anew, or is told."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.modules.orders.lines import LineItem, OrderRefs
from app.modules.orders.money import keep_comments, lost_amounts
from tests.mapping.orders import made_item, made_order, made_sales_order, refs_for

REFS = replace(
    refs_for(made_order()), agreed_texts=frozenset({"Mug", "Tea", "Wrap"}), agreed_total="20"
)
NAMES = st.sampled_from(["Mug", "Tea", "Pot"])
PRODUCTS = st.sampled_from(["14x5", "14x6"])
COMMENTS = st.sampled_from(["Mug", "Tea", "Ring twice", "No lid", ""])


def item(name: str, product: str = "14x5") -> LineItem:
    return LineItem(product, name, Decimal(1), Decimal(10), Decimal(10), {})


def kept(
    items: list[LineItem], *held: dict[str, str], refs: OrderRefs = REFS
) -> tuple[list[str], list[str]]:
    found, notes = keep_comments(items, made_sales_order(*held), refs)
    return [each.comment for each in found], [note.value for note in notes]


def test_a_comment_of_a_line_that_remains_stays() -> None:
    held = made_item(comment="Ring twice"), made_item(productid="14x6", comment="Tea")
    assert kept([item("Mug"), item("Tea", "14x6")], *held) == (["Ring twice", "Tea"], [])


def test_a_comment_goes_with_its_line_and_is_told() -> None:
    held = made_item(comment="Ring twice"), made_item(productid="14x6", comment="No lid")
    assert kept([item("Tea", "14x6")], *held) == (["No lid"], ["Ring twice"])


def test_a_name_that_the_shop_changed_wins_and_what_it_replaces_is_told() -> None:
    assert kept([item("Cup")], made_item(comment="Mug")) == (["Cup"], [])
    assert kept([item("Cup")], made_item(comment="Ring twice")) == (["Cup"], ["Ring twice"])


def test_of_two_lines_of_one_product_each_keeps_its_own() -> None:
    held = made_item(comment="Tea"), made_item(comment="Ring twice")
    assert kept([item("Mug"), item("Tea")], *held) == (["Ring twice", "Tea"], [])


def test_what_was_never_agreed_on_is_the_shops() -> None:
    refs = replace(REFS, agreed_texts=None)
    assert kept([item("Mug")], made_item(comment="Ring twice"), refs=refs) == (["Mug"], [])


@given(
    st.lists(st.builds(item, NAMES, PRODUCTS), max_size=4),
    st.lists(st.tuples(COMMENTS, PRODUCTS), max_size=4),
)
def test_no_comment_of_a_person_goes_untold(
    items: list[LineItem], lines: list[tuple[str, str]]
) -> None:
    held = [made_item(comment=comment, productid=product) for comment, product in lines]
    found, told = kept(items, *held)
    people = sorted(comment for comment, _ in lines if comment in {"Ring twice", "No lid"})
    assert sorted([each for each in found if each in people] + told) == people
    assert len(found) == len(items)


def test_an_adjustment_of_a_person_is_told_when_the_shops_total_is_written() -> None:
    fields = {"pre_tax_total": "20", "txtAdjustment": "-5.00000000"}
    own = made_sales_order(made_item(), hdnGrandTotal="15.00000000", **fields)
    assert [note.value for note in lost_amounts(own, REFS)] == ["-5"]
    same = made_sales_order(made_item(), hdnGrandTotal="20.00000000", **fields)
    assert list(lost_amounts(same, REFS)) == []
    torn = made_sales_order(hdnGrandTotal="0", pre_tax_total="0")
    assert list(lost_amounts(torn, REFS)) == []
