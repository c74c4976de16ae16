"""Every section of the contract and every recording that is cited anywhere is there."""

import pytest

from tests.docs.citations import CONTRACT, PAGES, Text, faults, is_citing, of_module, texts


def test_every_citation_leads_somewhere() -> None:
    found = list(texts())
    assert [fault for text in found for fault in faults(text)] == []
    assert len([text for text in found if is_citing(text)]) > 250


def test_every_page_of_the_contract_can_be_cited() -> None:
    there = {path.name for path in CONTRACT.glob("*.md")}
    assert there == {*PAGES.values(), "README.md"}


@pytest.mark.parametrize(
    "words",
    [
        "Contract page Vtiger §0.7; recordings 01-login, 53-query-*.",
        "Contract pages WooCommerce §1, §2 and Vtiger §10.",
        "Vtiger loses lines (page Vtiger add-on writes, F2 and F3).",
        "(contract page Vtiger extension §3.4)",
        'Contract page readback, "Worst of all" and "customers email": what is lost.',
        "Recordings of a real shop; the recording is right; a recording stands behind it.",
    ],
)
def test_what_is_there_may_be_cited(words: str) -> None:
    assert faults(Text("here", words)) == []


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("Contract page Vtiger §0.21.", "no §0.21 on the page Vtiger"),
        ("Contract page WooCommerce §1, §9.", "no §9 on the page WooCommerce"),
        ("Contract page Vtiger §1, WooCommerce §10.", "no §10 on the page WooCommerce"),
        ("Page Vtiger add-on writes, F1 and F7.", "no §F7 on the page Vtiger add-on writes"),
        ("Money is rounded on the way in (§0.3).", "§0.3 of no page"),
        ("The contract page Magento §1.", "no page is cited so: contract page Magento §1."),
        ("See contract Vtiger §1.", "no page is cited so: contract Vtiger §1."),
        ('Contract page readback, "Gained".', '"Gained" is not on the page readback'),
        ("Recordings 01-login, 01-logout-twice.", "no recording 01-logout-twice"),
        ("(recording order_teapot)", "no recording order_teapot"),
        ("Rows are counted (99-query-*).", "no recording 99-query-*"),
    ],
)
def test_what_is_not_there_is_found(words: str, fault: str) -> None:
    found = faults(Text("here", words))
    assert fault in [each.removeprefix("here: ") for each in found]


def test_docstrings_of_all_kinds_and_comments_are_read() -> None:
    source = '''"""Of the module."""
SIZE = 1
"""Of the attribute."""


class Order:
    """Of the class."""

    def total(self) -> str:
        """Of the
        method."""
        # A comment, and
        # its second line.
        return "no docstring"
'''
    words = [text.words for text in of_module("order.py", source)]
    assert words == [
        "Of the module.",
        "Of the attribute.",
        "Of the class.",
        "Of the method.",
        "A comment, and its second line.",
    ]
